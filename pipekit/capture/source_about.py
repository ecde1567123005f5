"""What the definitions in a file say about themselves, as far as a compiled file does not: their
docstrings, annotations and names of locals. Owns none of the rules by which these count.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING

from pipekit.capture.node import ANNOTATIONS, DOCSTRINGS

if TYPE_CHECKING:
    import ast

_Said = tuple[tuple[str, ...], str]
"""Names of the definitions around, outermost first, and a text."""


def text_of_functions(file: str, kind: str, names: Collection[str]) -> str:
    """What the functions of these names at the top of a file say."""
    return repr(
        [(around, text) for around, text in _said(file, kind) if around[:1] in _firsts(names)]
    )


def text_of_rest(file: str, kind: str, names: Collection[str] = ()) -> str:
    """What all else in a file says."""
    return repr(
        [(around, text) for around, text in _said(file, kind) if around[:1] not in _firsts(names)]
    )


def _firsts(names: Collection[str]) -> set[tuple[str, ...]]:
    return {(name,) for name in names}


def _said(file: str, kind: str) -> list[_Said]:
    try:
        status = os.stat(file)
    except OSError:
        return []
    return _read(file, kind, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _read(file: str, kind: str, *_signature: int) -> list[_Said]:
    import ast  # rarely needed: where docstrings or annotations are read

    try:
        with open(file, "rb") as stream:
            tree = ast.parse(stream.read())
    except (OSError, SyntaxError, ValueError):
        return []
    # By name: whichever definition comes first in the file.
    return sorted(_walk(tree, (), kind), key=itemgetter(0))


def _walk(node: ast.AST, around: tuple[str, ...], kind: str) -> Iterator[_Said]:
    import ast

    waiting = [(node, around)]
    while waiting:
        node, around = waiting.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            around = (*around, node.name)
        for text in _texts(node, kind):
            yield around, text
        waiting += [(inner, around) for inner in reversed(list(ast.iter_child_nodes(node)))]


def _texts(node: ast.AST, kind: str) -> Iterator[str]:
    import ast

    if kind == DOCSTRINGS:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield text
    elif kind == ANNOTATIONS:
        for name in ("annotation", "returns"):
            annotation = getattr(node, name, None)
            if annotation is not None:
                yield ast.unparse(annotation)
    elif isinstance(node, ast.Name):
        yield node.id
