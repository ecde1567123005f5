"""The normal form of a code object: equal for two code objects exactly where they do the same by
the same means. Owns decoding and what does not count (comments, formatting, docstrings, names of
locals, annotations of functions, line numbers); knows nothing of the objects that names refer to.
"""

from __future__ import annotations

import functools
import opcode
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any

from blake3 import blake3

from pipekit.capture.layout import straighten
from pipekit.model.value import Digest

Instruction = tuple[int, str, Any]
"""Offset in bytes, name of the operation, and its argument: a name, a constant, the offset that it
jumps to, or a number."""

KEPT_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
"""*args, **kwargs, generator, coroutine, iterable coroutine, asynchronous generator. The other
flags say how the compiler came to the code, not what it does."""

_SILENT = frozenset({"CACHE", "NOP", "RESUME", "MAKE_CELL", "COPY_FREE_VARS", "LOAD_CLOSURE"})
"""Operations that follow from the others: which cells there are is seen where they are used."""
_UNNAMED = frozenset({"__doc__", "__firstlineno__", "__static_attributes__"})
"""What a class or module body stores about its own text."""
_ANNOTATIONS = 4 | 16
"""Bits of a function's making: annotations as values (4), or as a function (16, Python 3.14)."""
_LOW_BITS = {"LOAD_GLOBAL": 1, "LOAD_SUPER_ATTR": 2}
if sys.version_info >= (3, 12):
    _LOW_BITS["LOAD_ATTR"] = 1

_PUSHES_NULL = frozenset(_LOW_BITS) - {"LOAD_SUPER_ATTR"}
_NAMES = [name.replace("_BORROW", "") for name in opcode.opname]
_HAS_CONSTANT = frozenset(opcode.hasconst)
_HAS_NAME = frozenset(opcode.hasname)
_HAS_LOCAL = frozenset(opcode.haslocal) | frozenset(opcode.hasfree)
_HAS_TARGET = frozenset(opcode.hasjrel) | frozenset(opcode.hasjabs)
_RESOLVED = _HAS_CONSTANT | _HAS_NAME | _HAS_LOCAL | _HAS_TARGET
_EXTENDED = opcode.EXTENDED_ARG
TARGETS = frozenset(_NAMES[number] for number in _HAS_TARGET)
_LOCALS = frozenset(_NAMES[number] for number in _HAS_LOCAL)
_CONSTANTS = frozenset(_NAMES[number] for number in _HAS_CONSTANT)


_NAME_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_CONSTANT_LOADS = frozenset({"LOAD_CONST", "RETURN_CONST"})
_ASKERS = frozenset({"locals", "vars", "dir", "eval", "exec"})
_WORD = re.compile(r"\w+")


def _cache_units() -> list[int]:
    entries: Any = getattr(opcode, "_inline_cache_entries", ())
    if isinstance(entries, dict):  # by name since Python 3.13
        return [entries.get(name, 0) for name in _NAMES]
    return [*entries, *[0] * (len(_NAMES) - len(entries))]


_CACHE_UNITS = _cache_units()


@functools.lru_cache(maxsize=64)  # each is asked for twice, shortly after one another
def decode(code: CodeType) -> list[Instruction]:
    """The instructions with their arguments resolved, without caches and extended arguments,
    and without those that make annotations of functions.

    An operation that works on two locals at once becomes the two that it stands for.
    """
    return _strip(decode_all(code))


def decode_all(code: CodeType) -> list[Instruction]:
    """The like, with the making of annotations."""
    raw = code.co_code
    constants, names = code.co_consts, code.co_names
    local: Any = code._varname_from_oparg  # type: ignore[attr-defined]
    out: list[Instruction] = []
    extended = 0
    start = -1
    for offset in range(0, len(raw), 2):
        number = raw[offset]
        if number == 0:  # a cache
            continue
        argument = raw[offset + 1] | extended
        if number == _EXTENDED:
            extended = argument << 8
            start = offset if start < 0 else start
            continue
        at = offset if start < 0 else start
        extended, start = 0, -1
        name = _NAMES[number]
        if number in _HAS_CONSTANT:
            out.append((at, name, constants[argument]))
        elif number in _HAS_NAME:
            bits = _LOW_BITS.get(name, 0)
            if name == "LOAD_SUPER_ATTR":
                name = f"LOAD_SUPER_ATTR_{argument & 2}"
            out.append((at, name, names[argument >> bits]))
            if bits and argument & 1 and name in _PUSHES_NULL:
                out.append((at, "PUSH_NULL", 0))
        elif number in _HAS_LOCAL:
            pair = _pair(name)
            if pair:
                out.append((at, pair[0], local(argument >> 4)))
                out.append((at, pair[1], local(argument & 15)))
            else:
                out.append((at, name, local(argument)))
        elif number in _HAS_TARGET:
            step = -argument if "BACKWARD" in name else argument
            out.append((at, name, offset + 2 * (1 + _CACHE_UNITS[number] + step)))
        else:
            out.append((at, name, argument))
    return out


_PAIRS: dict[str, tuple[str, str] | None] = {}


def _pair(name: str) -> tuple[str, str] | None:
    """`LOAD_FAST_LOAD_FAST` is two operations; whether the compiler joins them depends on the
    layout of the lines (since Python 3.13)."""
    if name not in _PAIRS:
        half = name.find("_FAST", 1)
        second = name.find("_FAST", half + 1)
        _PAIRS[name] = (name[: half + 5], name[half + 6 :]) if second > 0 else None
    return _PAIRS[name]


class _Scope:
    """Gives the variables of one code object numbers in the order in which they appear."""

    __slots__ = ("_depth", "_free", "_outer", "numbers")

    def __init__(self, code: CodeType | None, outer: _Scope | None) -> None:
        self._outer = outer
        self._free = frozenset(code.co_freevars) if code else frozenset()
        self._depth: int = outer._depth + 1 if outer else 0
        self.numbers: dict[str, str] = {}

    def number(self, name: str) -> str:
        if self._outer is not None and name in self._free:
            return self._outer.number(name)
        number = self.numbers.get(name)
        if number is None:
            number = self.numbers[name] = f"{self._depth}.{len(self.numbers)}"
        return number


Decode = Callable[[CodeType], list[Instruction]]


def normalize(
    code: CodeType, instructions: list[Instruction], decode: Decode = decode
) -> tuple[Digest, tuple[str, ...]]:
    """The digest of a code object, and its free variables in the order in which it uses them.

    The names of free variables do not count, so their values must be taken in that order.

    Args:
        decode: Gives the instructions of the code objects in it.
    """
    outside = _Scope(None, None)
    out: list[str] = []
    _write(code, instructions, decode, outside, out)
    free = list(outside.numbers)
    # `super()` uses its cell without naming it.
    free += sorted(set(code.co_freevars) - set(free))
    text = "\n".join(out).encode("utf-8", "surrogatepass")
    return blake3(text).hexdigest(), tuple(free)


def _write(
    code: CodeType, decoded: list[Instruction], decode: Decode, outer: _Scope, out: list[str]
) -> None:
    scope = _Scope(code, outer)
    parameters = code.co_argcount + code.co_kwonlyargcount
    parameters += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    for name in code.co_varnames[:parameters]:
        scope.number(name)
    out.append(
        f"code {code.co_flags & KEPT_FLAGS} {code.co_posonlyargcount} {code.co_argcount} "
        f"{code.co_kwonlyargcount} {' '.join(code.co_varnames[:parameters])}"
    )
    cells = frozenset(code.co_cellvars) | frozenset(code.co_freevars)
    kept: list[Instruction] = []
    starts: dict[int, int] = {}  # offset -> place of the first kept instruction at or after it
    for instruction in decoded:
        at, name, _ = instruction
        if at not in starts:
            starts[at] = len(kept)
        if name in _SILENT:
            continue
        if name == "LOAD_FAST" and instruction[2] in cells:  # LOAD_CLOSURE since Python 3.13
            continue
        kept.append(instruction)
    starts[len(code.co_code)] = len(kept)
    steps = [
        (name, _place(starts, argument) if name in TARGETS else argument)
        for _, name, argument in kept
    ]
    straight, places = straighten(steps, TARGETS)
    seen_by_name = _seen_by_name(code, straight)
    out += [f"named {name} {scope.number(name)}" for name in seen_by_name]
    for name, argument in straight:
        if name in _LOCALS:
            out.append(f"{name} {scope.number(argument)}")
        elif name not in _CONSTANTS:
            out.append(f"{name} {argument}")
        elif isinstance(argument, CodeType):
            out.append(name)
            _write(argument, decode(argument), decode, scope, out)
        else:
            out.append(f"{name} {constant_text(argument)}")
    out += _handlers(code, starts, places)
    out.append("end")


def _seen_by_name(code: CodeType, steps: Sequence[tuple[str, Any]]) -> list[str]:
    """The locals whose names may count after all: where code asks for them, as by `locals()`, or
    where a text names them, as in a query that looks at the variables of who calls it."""
    asks = any(name in _NAME_LOADS and argument in _ASKERS for name, argument in steps)
    words: set[str] = set()
    for name, argument in steps:
        if name in _CONSTANT_LOADS and isinstance(argument, str):
            words.update(_WORD.findall(argument))
    local = dict.fromkeys((*code.co_varnames, *code.co_cellvars, *code.co_freevars))
    return [name for name in local if asks or name in words]


def _handlers(code: CodeType, starts: dict[int, int], places: list[int]) -> list[str]:
    """What catches exceptions where; parts of one range that touch are one."""
    found: list[tuple[int, int, int, int]] = []
    for start, end, target, depth in exception_table(code):
        first, last, handler = (places[_place(starts, at)] for at in (start, end, target))
        if found and found[-1][1:] == (first, handler, depth):
            found[-1] = (found[-1][0], last, handler, depth)
        elif first < last:
            found.append((first, last, handler, depth))
    return [" ".join(map(str, ("except", *entry))) for entry in found]


def _place(starts: dict[int, int], offset: int) -> int:
    found = starts.get(offset)
    if found is None:  # inside an instruction's caches, or one that was left out
        found = min(place for at, place in starts.items() if at >= offset)
    return found


def constant_text(value: object) -> str:
    """A constant as text that no constant of another type or value shares."""
    kind = type(value)
    if kind is str or kind is bytes:
        return repr(value)
    if kind is int:
        return f"int {value:x}"
    if kind is tuple:
        return f"({','.join(constant_text(item) for item in value)},)"  # type: ignore[attr-defined]
    if kind is frozenset:
        return f"frozenset({','.join(sorted(constant_text(item) for item in value))})"  # type: ignore[attr-defined]
    if kind is complex:
        return f"complex {value.real!r} {value.imag!r}"  # type: ignore[attr-defined]
    return f"{kind.__name__} {value!r}"


def exception_table(code: CodeType) -> Iterator[tuple[int, int, int, int]]:
    """(start, end, target, depth and kind) of each handler, offsets in bytes.

    The encoding is that of CPython's `Objects/exception_handling_notes.txt`: numbers in base 64,
    high digits first, bit 64 where another digit follows.
    """
    units = iter(code.co_exceptiontable)

    def number(first: int) -> int:
        value = first & 63
        while first & 64:
            first = next(units)
            value = value << 6 | first & 63
        return value

    for first in units:
        start = number(first) * 2
        length = number(next(units)) * 2
        target = number(next(units)) * 2
        yield start, start + length, target, number(next(units))


def _strip(decoded: list[Instruction]) -> list[Instruction]:
    """Without what makes annotations of functions, or stores text about the text."""
    dropped: set[int] = set()
    for place, (at, name, argument) in enumerate(decoded):
        if name == "STORE_NAME" and argument in _UNNAMED and decoded[place - 1][1] == "LOAD_CONST":
            dropped |= {place - 1, place}
        elif name == "MAKE_FUNCTION" and argument & _ANNOTATIONS:
            code = _start(decoded, place - 1)
            closure = _start(decoded, code - 1) if argument & 8 else code
            annotations = _expression(decoded, closure - 1)
            if annotations:
                dropped |= annotations
                decoded[place] = (at, name, argument & ~_ANNOTATIONS)
        elif name == "SET_FUNCTION_ATTRIBUTE" and argument & _ANNOTATIONS:
            function = _start(decoded, place - 1)
            annotations = _expression(decoded, function - 1)
            if annotations:
                dropped |= annotations | {place}
    if not dropped:
        return decoded
    return [entry for place, entry in enumerate(decoded) if place not in dropped]


def _expression(decoded: list[Instruction], end: int) -> set[int]:
    """Places of the expression that ends at `end`; none where it branches (then it counts)."""
    places = set(range(_start(decoded, end), end + 1)) if end >= 0 else set()
    return set() if any(decoded[place][1] in TARGETS for place in places) else places


def _start(decoded: list[Instruction], end: int) -> int:
    """Where the expression begins whose value is on top of the stack after `end`."""
    wanted = 1
    place = end
    while place >= 0:
        wanted -= _effect(decoded[place])
        if wanted <= 0:
            return place
        place -= 1
    return 0


def _effect(instruction: Instruction) -> int:
    _, name, argument = instruction
    if name.startswith("LOAD_SUPER_ATTR"):
        return -2
    number = opcode.opmap[name]
    if number < opcode.HAVE_ARGUMENT:
        return opcode.stack_effect(number)
    # What was resolved has an effect that does not depend on which it is.
    return opcode.stack_effect(number, 0 if number in _RESOLVED else argument, jump=False)
