"""The text of a function as it was loaded, for people to read later. Keys are not made of it.

The file may have been edited since it was imported: a text is taken only where it is certain, by
the file's time or by compiling it again, that the function was made of it.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from operator import itemgetter
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from pipekit.model.value import Digest

_MOST_CHARACTERS = 1 << 18
_END_LINE = itemgetter(1)
_CLOCK_SECONDS = 0.1
"""How far apart the clocks of files and processes may be."""


class SourceText(NamedTuple):
    """A function's source, and the address of that."""

    digest: Digest
    """Of `content`; empty where there is no source."""
    content: bytes
    """`path:line`, a newline, and the lines of the function with its decorators."""


NO_SOURCE = SourceText("", b"")


def source_text_of(function: Callable[..., Any], root: str) -> SourceText:
    """The source of a function, a method, or the `__call__` of an instance; `NO_SOURCE` of what
    has none (a class, a builtin), and where the file has changed since it was loaded.

    Args:
        function: Decorators that wrap it (`functools.wraps`) are looked through.
        root: The project's folder: a file in it is named relative to it.
    """
    code = _code_of(function)
    if code is None:
        return NO_SOURCE
    file = code.co_filename
    linecache.checkcache(file)
    lines = linecache.getlines(file, getattr(inspect.unwrap(function), "__globals__", None))
    first = code.co_firstlineno
    if not 0 < first <= len(lines) or not _is_as_loaded(code, lines):
        return NO_SOURCE
    text = "".join(lines[first - 1 : _last_line(code, lines)])
    if len(text) > _MOST_CHARACTERS:
        return NO_SOURCE
    return _made(f"{_shown(file, root)}:{first}\n{text}")


def text_of_file(file: Path, root: Path) -> SourceText:
    """A whole file, as it is now; `NO_SOURCE` where it cannot be read or is too long."""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return NO_SOURCE
    return (
        _made(f"{_shown(str(file), str(root))}:1\n{text}")
        if len(text) <= _MOST_CHARACTERS
        else NO_SOURCE
    )


def parts_of(content: bytes) -> tuple[str, int, str]:
    """File, line and text of what was recorded."""
    head, _, text = content.decode(errors="replace").partition("\n")
    file, _, line = head.rpartition(":")
    return file, int(line), text


def _code_of(function: Any) -> CodeType | None:
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__") and not isinstance(function, type):
        function = getattr(type(function).__call__, "__func__", type(function).__call__)
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _last_line(code: CodeType, lines: list[str]) -> int:
    """The last line of a function. `inspect.getblock` would compile the expressions of a tokenizer
    for it, which takes longer than all else here."""
    last = _last_position(code)
    if code.co_name == "<lambda>":
        return last
    indented = _indentation(lines[code.co_firstlineno - 1])
    # A docstring that is all of the body leaves no position; comments at the end leave none either.
    end = last
    for number, line in enumerate(lines[last:], last + 1):
        if line.strip():
            if _indentation(line) <= indented:
                break
            end = number
    return end


def _last_position(code: CodeType) -> int:
    ends = filter(None, map(_END_LINE, code.co_positions()))
    own = max(ends, default=code.co_firstlineno)
    inner = [_last_position(const) for const in code.co_consts if isinstance(const, CodeType)]
    return max(own, *inner) if inner else own


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_as_loaded(code: CodeType, lines: list[str]) -> bool:
    try:
        changed_at = os.stat(code.co_filename).st_mtime
    except OSError:
        # No file: a cell of a notebook, whose text is kept under a name of its own.
        return code.co_filename in linecache.cache
    if changed_at < _process_began_at() - _CLOCK_SECONDS:
        return True
    # A function of this very code, at this very line, is defined somewhere in it.
    return code in _codes_in(code.co_filename, "".join(lines))


_compiled: dict[str, tuple[str, frozenset[CodeType]]] = {}


def _codes_in(file: str, text: str) -> frozenset[CodeType]:
    """The code objects that a file's text compiles to; none where it does not."""
    known = _compiled.get(file)
    if known is not None and known[0] == text:
        return known[1]
    try:
        whole = compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        found: frozenset[CodeType] = frozenset()
    else:
        found = frozenset(_all_in(whole))
    # One entry is enough: the functions of a file are asked for one after another.
    _compiled.clear()
    _compiled[file] = (text, found)
    return found


def _all_in(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from _all_in(inner)


@cache
def _process_began_at() -> float:
    """Wall time; 0 where it is not known."""
    if sys.platform != "linux":
        return 0.0
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = float(file.read().rpartition(b")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0
    return time.time() - age


def _shown(file: str, root: str) -> str:
    inside = os.path.join(root, "")
    return file[len(inside) :] if file.startswith(inside) else file


def _made(text: str) -> SourceText:
    from blake3 import blake3

    content = text.encode(errors="surrogateescape")
    return SourceText(blake3(content).hexdigest(), content)
