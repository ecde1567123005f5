"""Which code the key of a step counts, asked by code object. Follows nothing itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from types import CodeType, FunctionType

from pipekit.capture.node import Node

Place = tuple[str, str, int]


class Closure:
    """What nodes of a fingerprint's graph stand for."""

    def __init__(self, root: str) -> None:
        """`root`: the folder that the nodes' files are relative to."""
        self._root = root
        self._places: set[Place] = set()
        self._names: set[str] = set()
        self._read: set[str] = set()
        """Names of functions that were read from their file: there is no object of them."""
        self._apart: dict[str, frozenset[str]] = {}
        """Of modules that count by their file: the functions in them that do not."""
        self._files: set[str] = set()
        self._whole: set[str] = set()
        """Files and folders that count by their content."""
        self._classes: set[type] = set()

    def add(self, node: Node, apart: Collection[str] = ()) -> None:
        """Have a node count.

        Args:
            node: Of whatever kind.
            apart: Where it is a module: names of functions at its top that do not count with it.
        """
        file = os.path.join(self._root, node.file) if node.file else ""
        if file:
            self._files.add(file)
        if node.kind in ("function", "class"):
            self._names.add(node.name)
        if isinstance(node.held, FunctionType):
            self._places.update(places_in(node.held.__code__))
        elif isinstance(node.held, type):
            self._classes.add(node.held)
        elif node.kind == "function":
            self._read.add(node.name)
        elif node.kind == "file":
            self._whole.add(os.path.normpath(file))
        elif node.kind == "module":
            self._apart[file] = self._apart.get(file, frozenset(apart)).intersection(apart)

    def has(self, code: CodeType, module: str) -> bool:
        """Whether it counts.

        Args:
            code: Of a function, or of the top level of a module, which counts with anything that
                is taken from it.
            module: Name of the module that it is in.
        """
        file = code.co_filename
        if code.co_name == "<module>":
            return file in self._files or self._lies_in_whole(file)
        top = code.co_qualname.partition(".")[0]
        return (
            place_of(code) in self._places
            or self._counts_with_module(file, top)
            or f"{module}.{top}" in self._read
        )

    def has_class(self, cls: type, name: str) -> bool:
        """Whether a class, whose full name is `name`, counts; one that a function defines counts
        with that function."""
        file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
        outer = name.partition(".<locals>")[0]
        return (
            cls in self._classes
            or self._counts_with_module(file, cls.__qualname__.partition(".")[0])
            or (outer != name and outer in self._names)
        )

    def _counts_with_module(self, file: str, top: str) -> bool:
        if self._lies_in_whole(file):
            return True
        return file in self._apart and top not in self._apart[file]

    def _lies_in_whole(self, file: str) -> bool:
        return any(file == whole or file.startswith(whole + os.sep) for whole in self._whole)


def place_of(code: CodeType) -> Place:
    """What tells the code of one definition from all others, as long as it comes from a file."""
    return (code.co_filename, code.co_qualname, code.co_firstlineno)


def places_in(code: CodeType) -> Iterator[Place]:
    """Of a code object, and of those that are defined in it."""
    yield place_of(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from places_in(constant)
