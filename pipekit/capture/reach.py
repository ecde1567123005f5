"""From objects to nodes. Owns the memo: an object that was looked at once stays as it was then, so
that what a step does to a module's variables changes no fingerprint of the same run.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Collection
from functools import partial
from types import FunctionType
from typing import Any
from weakref import WeakValueDictionary

from pipekit.capture import class_form, function_form
from pipekit.capture.code_facts import Facts
from pipekit.capture.description import Description, Said
from pipekit.capture.imported import watch_module
from pipekit.capture.node import Node
from pipekit.capture.outline import Outline
from pipekit.capture.ownership import Owner
from pipekit.capture.references import What
from pipekit.capture.snapshot import Snapshot
from pipekit.capture.source_about import text_of_functions, text_of_rest
from pipekit.capture.source_form import FromFile
from pipekit.capture.source_module import (
    Found,
    SourceModule,
    find_module,
    find_outline,
    read_source,
)
from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest
from pipekit.origin import stable_name

_SECRET_WORDS = ("key", "token", "secret", "password", "passwd", "credential")
_TEXT_LENGTH = 60
_PLAIN = frozenset({int, float, str, bool, type(None)})


class Reach:
    """The nodes that one run has looked at. Not thread-safe."""

    def __init__(self, root: str, facts: Facts) -> None:
        self.root = root
        self.facts = facts
        # A node lives as long as another refers to it, and keeps its object alive so long: the
        # id of an object that has a node is not given to another one.
        self._by_object: WeakValueDictionary[int, Node] = WeakValueDictionary()
        self._by_name: dict[tuple[str, str], Node] = {}
        self._globals: dict[tuple[int, str], Node] = {}
        self._pending: list[Callable[[], None]] = []
        self.said: dict[int, dict[What, Said]] = {}

    def of(self, obj: Any) -> Node:
        """The node of a function or class."""
        node = self._by_object.get(id(obj))
        if node is None:
            node = self._by_object[id(obj)] = self._make(obj)
        return node

    def _make(self, obj: Any) -> Node:
        if isinstance(obj, FunctionType):
            code = obj.__code__
            file = self.shown(code.co_filename)
            node = Node("function", function_form.name_of(obj), file=file, held=obj)
            to = Description(self, node, line=code.co_firstlineno)
            self._later(to, partial(self._describe_function, to, node, obj))
        elif isinstance(obj, type):
            node = Node("class", class_form.name_of(obj), file=self._file_of(obj), held=obj)
            to = Description(self, node)
            self._later(to, partial(self._describe_class, to, node, obj))
        else:  # a library's callable without a name that leads to it
            cls = type(obj)
            node = Node("class", f"{cls.__module__}.{cls.__qualname__}", held=obj)
            node.digest = digest_bytes(cls.__module__, getattr(obj, "__qualname__", ""))
        return node

    def of_global(self, space: dict[str, Any], name: str) -> Node:
        """The node of a module's variable."""
        node = self._globals.get((id(space), name))
        if node is None:
            module = stable_name(str(space.get("__name__", "")))
            file = self.shown(space.get("__file__") or "")
            node = Node("global", f"{module}.{name}", file=file, held=space)
            self._globals[id(space), name] = node
            value = space[name]
            node.text = _short_text(name, value)
            to = Description(self, node)
            self._later(to, partial(self._describe_global, to, node, value))
        return node

    def _describe_function(self, to: Description, node: Node, function: FunctionType) -> None:
        function_form.describe_function(to, function)
        snapshot = _snapshot(node)
        if function_form.is_dispatch(function):
            # The rest of what it closes over are caches.
            snapshot.value(function_form.registry_of(function), self.digest)
        else:
            snapshot.function(function, self.digest)

    def _describe_class(self, to: Description, node: Node, cls: type) -> None:
        class_form.describe_class(to, cls)
        node.text = _members_text(cls)
        _snapshot(node).members(cls, self.digest)

    def _describe_global(self, to: Description, node: Node, value: Any) -> None:
        to.value(value, f"global {node.name!r}")
        _snapshot(node).value(value, self.digest)

    def digest(self, value: Any) -> Digest:
        """The digest of a value as a variable's, that of what it refers to left aside."""
        node = Node("value", "")
        to = Description(self, node)
        to.value(value, "")
        to.finish()
        return node.digest

    def of_module(self, found: Found) -> Node:
        """The node of a whole module, by its file."""
        key = ("module", found.name)
        node = self._by_name.get(key)
        if node is None:
            name = stable_name(found.name)
            file = self.shown(found.file)
            node = self._by_name[key] = Node("module", name, file=file, held=found.name)
            to = Description(self, node)
            self._later(to, partial(self._describe_module, to, found))
        return node

    def of_import(self, found: Found) -> Node:
        """The node of what the import of a module executes, by its file."""
        outline = find_outline(found)
        if outline is None:
            return self.of_module(found)
        key = ("import", found.name)
        node = self._by_name.get(key)
        if node is None:
            name = stable_name(found.name)
            file = self.shown(found.file)
            node = self._by_name[key] = Node("module", name, file=file, held=found.name)
            to = Description(self, node)
            self._later(to, partial(self._describe_import, to, found, outline))
        return node

    def of_definition(self, found: Found, name: str) -> Node:
        """The node of a function in a module, by its file."""
        key = ("definition", f"{found.name}:{name}")
        node = self._by_name.get(key)
        if node is None:
            outline = find_outline(found)
            if outline is None or name not in outline.functions:
                return self.of_module(found)
            file = self.shown(found.file)
            node = Node("function", f"{stable_name(found.name)}.{name}", file=file)
            self._by_name[key] = node
            to = Description(self, node)
            self._later(to, partial(self._describe_definition, to, found, outline, name))
        return node

    def functions_apart(self, node: Node) -> Collection[str]:
        """Of the node of what a module's import executes: the functions that do not count with
        it."""
        name = str(node.held)
        if node.kind != "module" or self._by_name.get(("import", name)) is not node:
            return ()
        found = find_module(name)
        outline = find_outline(found) if found is not None else None
        return () if outline is None else outline.functions.keys()

    def _describe_import(self, to: Description, found: Found, outline: Outline) -> None:
        source = self._read(to, found)
        if source is not None:
            to.say("import", outline.digest)
            to.about(lambda kind: text_of_rest(found.file, kind, outline.functions))
            inside = FromFile(found, outline)
            function_form.describe_references(to, outline.references, inside.space, {}, inside)

    def _describe_definition(
        self, to: Description, found: Found, outline: Outline, name: str
    ) -> None:
        function = outline.functions[name]
        to.say("source", function.digest)
        to.about(lambda kind: text_of_functions(found.file, kind, (name,)))
        to.refer(self.of_module(found) if function.opens else self.of_import(found))
        inside = FromFile(found, outline)
        function_form.describe_references(to, function.references, inside.space, {}, inside)

    def _describe_module(self, to: Description, found: Found) -> None:
        source = self._read(to, found)
        if source is not None:
            to.say("source", source.digest)
            to.about(lambda kind: text_of_rest(found.file, kind))
            inside = FromFile(found, None)
            function_form.describe_references(to, source.references, inside.space, {}, inside)

    def _read(self, to: Description, found: Found) -> SourceModule | None:
        source = read_source(found)
        if source is None:
            to.say("unreadable")
            to.warn(f"module {found.name!r} cannot be read")
            return None
        watch_module(found.name, self.digest)
        if source.unsure:
            to.warn(
                f"module {found.name!r} was changed while this process ran: whether it was "
                "imported before or after that is not seen"
            )
        return source

    def of_package(self, owner: Owner) -> Node:
        """The node of an installed distribution."""
        key = ("package", owner.distribution)
        node = self._by_name.get(key)
        if node is None:
            node = self._by_name[key] = Node("package", owner.distribution)
            node.digest, node.text = owner.digest, owner.version
        return node

    def of_file(self, path: str) -> Node:
        """The node of a file's or a folder's content."""
        key = ("file", path)
        node = self._by_name.get(key)
        if node is None:
            shown = self.shown(path)
            node = self._by_name[key] = Node("file", shown, file=shown)
            node.digest = _digest_tree(path)
        return node

    def settle(self) -> None:
        """Describe every node that was asked for, and those that they ask for."""
        # What names lead to may be another thing the next time.
        self.said.clear()
        while self._pending:
            self._pending.pop()()
        self.said.clear()

    def _later(self, to: Description, describe: Callable[[], None]) -> None:
        # Not at once: a chain of a thousand helpers must not need a stack as deep.
        def settle() -> None:
            describe()
            to.finish()

        self._pending.append(settle)

    def shown(self, file: str) -> str:
        """A file as people know it: relative to the project where it lies inside."""
        if file.startswith(self.root + os.sep):
            return file[len(self.root) + 1 :]
        return file

    def _file_of(self, cls: type) -> str:
        import sys

        module = sys.modules.get(cls.__module__)
        return self.shown(getattr(module, "__file__", None) or "")


def _snapshot(node: Node) -> Snapshot:
    if node.snapshot is None:
        node.snapshot = Snapshot()
    return node.snapshot


def _members_text(cls: type) -> str:
    """The plain data of a class: a line each, `rate = 1`."""
    return "\n".join(
        f"{name} = {_short_text(name, value)}"
        for name, value in vars(cls).items()
        if type(value) in _PLAIN and not name.startswith("__")
    )


def _short_text(name: str, value: object) -> str:
    if any(word in name.lower() for word in _SECRET_WORDS):
        return "(not shown)"
    kind = type(value)
    if kind.__module__ != "builtins":
        return f"a {kind.__qualname__}"
    try:
        text = reprlib.repr(value)
    except Exception:  # noqa: BLE001 - user code: the `__repr__` of what a container holds
        return f"a {kind.__qualname__}"
    return text if len(text) <= _TEXT_LENGTH else f"{text[: _TEXT_LENGTH - 1]}…"


def _digest_tree(path: str) -> Digest:
    if not os.path.isdir(path):
        with open(path, "rb") as file:
            return digest_bytes("file", file.read())
    found: list[str | bytes] = ["folder"]
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            full = os.path.join(folder, name)
            with open(full, "rb") as file:
                found += (os.path.relpath(full, path).replace(os.sep, "/"), file.read())
    return digest_bytes(*found)
