"""A module's code taken apart: what its import executes, and the functions that nothing reaches but
by their name. Looks at no object and no file; who follows the names is `function_form`.

A function is told from the rest where it is defined once at the top of the module, under its own
name and without a decorator. Its body then counts only for what takes that name. All else is the
rest, classes with their methods among it, and counts with anything that is taken from the module.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import NamedTuple

from pipekit.capture.bytecode import (
    TARGETS,
    Instruction,
    decode,
    decode_all,
    exception_table,
    normalize,
)
from pipekit.capture.references import ATTRIBUTES, References, find_references, imported_names
from pipekit.model.value import Digest

_OPENING = frozenset(
    [
        "__builtins__", "__globals__", "__import__", "__loader__", "__subclasses__",
        "_getframe", "currentframe", "eval", "exec", "f_back", "f_globals", "f_locals", "gc",
        "get_annotations", "get_type_hints", "globals", "import_module", "modules", "reload",
    ]
)  # fmt: skip
"""Names by which code may reach whatever a module defines, whichever name that has."""
_OPENING_AT_THE_TOP = _OPENING | {"dir", "locals", "vars", "__dict__"}
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"})
_GLOBAL_STORES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_MAKING = frozenset({"LOAD_CONST", "LOAD_CLOSURE", "LOAD_FAST", "BUILD_TUPLE", "MAKE_FUNCTION",
                     "BUILD_CONST_KEY_MAP", "BUILD_MAP", "SET_FUNCTION_ATTRIBUTE"})  # fmt: skip
"""Operations that make a function of constants: their order does not matter."""
_ENDS = TARGETS | {"STORE_NAME", "STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "POP_TOP",
                   "DELETE_NAME"}  # fmt: skip
"""After these another statement may begin."""
_NOTHING = frozenset({"NOP", "RESUME"})
_MADE = frozenset({"MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"})
_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_TAKING = _LOADS | ATTRIBUTES | {"IMPORT_FROM"}
_ABOUT_TEXT = frozenset({("STORE_NAME", "__doc__"), ("STORE_NAME", "__all__"),
                         ("STORE_NAME", "__qualname__")})  # fmt: skip
_LISTING = frozenset({"LOAD_CONST", "BUILD_LIST", "BUILD_TUPLE", "LIST_EXTEND", "BINARY_OP"})
_WORD = re.compile(r"\w+")
_HAS_FAST_LOCALS = 0x01


class SourceFunction(NamedTuple):
    """A function that only its name leads to."""

    digest: Digest
    references: References
    opens: bool
    """It may reach whatever its module defines."""


class Outline(NamedTuple):
    """A module whose functions can be told from the rest."""

    digest: Digest
    """Of the rest."""
    references: References
    """Of the rest."""
    functions: Mapping[str, SourceFunction]
    imported: Mapping[str, tuple[str, ...]]
    """Names that imports bind, and the dotted names of what they are bound to."""
    variables: frozenset[str]
    """Names that the rest binds in other ways."""


def take_apart(code: CodeType) -> Outline | None:
    """The outline of a module; None where its code may reach a function by other means than its
    name, or where text in it names one."""
    decoded = decode(code)
    functions = _functions(code, decoded, list(_all_in(code)))
    executed = [one for one in _inner(code) if functions.get(one.co_name) is not one]
    if _takes(code, _OPENING_AT_THE_TOP) or any(_opens(one) for one in executed):
        return None
    stubbed = [
        (at, name, _stub(argument) if _is_one_of(argument, functions) else argument)
        for at, name, argument in decoded
    ]
    rest = _in_order(code, stubbed)
    imported = imported_names(code, decoded)
    stored = {argument for _, name, argument in decoded if name in _STORES}
    return Outline(
        normalize(code, rest, _decode_in_order)[0],
        find_references(code, rest, None, _decode_in_order),
        {
            name: SourceFunction(
                normalize(one, decode(one))[0],
                find_references(one, decode(one), imported),
                _opens(one),
            )
            for name, one in functions.items()
        },
        {name: tuple(dotted) for name, dotted in imported.items()},
        frozenset(stored - functions.keys() - imported.keys()),
    )


def _inner(code: CodeType) -> Iterator[CodeType]:
    return (inner for inner in code.co_consts if isinstance(inner, CodeType))


def _all_in(code: CodeType) -> Iterator[CodeType]:
    for inner in _inner(code):
        yield inner
        yield from _all_in(inner)


def _opens(code: CodeType) -> bool:
    return any(_takes(one, _OPENING) for one in (code, *_all_in(code)))


def _takes(code: CodeType, names: frozenset[str]) -> bool:
    """Whether code takes something of one of these names; a module of that name is nothing."""
    return not names.isdisjoint(code.co_names) and any(
        argument in names and name in _TAKING
        for _, name, argument in decode_all(code)
        if isinstance(argument, str)
    )


def _is_one_of(argument: object, functions: Mapping[str, CodeType]) -> bool:
    return isinstance(argument, CodeType) and functions.get(argument.co_name) is argument


def _stub(code: CodeType) -> str:
    return f"function {code.co_name}"  # nothing makes a function of a text


def _functions(
    code: CodeType, decoded: list[Instruction], nested: list[CodeType]
) -> dict[str, CodeType]:
    """The functions that only their name leads to."""
    stores = Counter(argument for _, name, argument in decoded if name in _STORES)
    for inner in nested:
        if not stores.keys().isdisjoint(inner.co_names):
            stores.update(argument for _, name, argument in decode(inner) if name in _GLOBAL_STORES)
    found: dict[str, CodeType] = {}
    for place, (_, name, argument) in enumerate(decoded):
        if name == "LOAD_CONST" and isinstance(argument, CodeType):
            after = place + 1
            while after < len(decoded) and decoded[after][1] in _MADE:
                after += 1
            _, operation, variable = decoded[after]
            made = after > place + 1 and operation == "STORE_NAME"
            if made and variable == argument.co_name and stores[variable] == 1:
                found[variable] = argument
    for name in _mentioned(code, decoded).intersection(found):
        del found[name]
    return found


def _mentioned(code: CodeType, decoded: list[Instruction]) -> set[str]:
    """Words in the texts of a module and its classes, and names in annotations: what makes
    something of annotations may look them up."""
    loaded = Counter(argument for _, name, argument in decoded if name in _LOADS)
    words: set[str] = set()
    for one in (code, *_bodies(decoded)):
        everything = decode_all(one)
        every = Counter(argument for _, name, argument in everything if name in _LOADS)
        words |= (every - (loaded if one is code else Counter())).keys()
        for place, (_, name, argument) in enumerate(everything):
            if name == "LOAD_CONST" and not _is_about_text(everything, place + 1):
                words.update(word for text in _texts(argument) for word in _WORD.findall(text))
    return words


def _is_about_text(instructions: list[Instruction], place: int) -> bool:
    """Whether a constant becomes a docstring, or a part of `__all__`."""
    while place < len(instructions) and instructions[place][1] in _LISTING:
        place += 1
    return place < len(instructions) and instructions[place][1:] in _ABOUT_TEXT


def _texts(constant: object) -> Iterator[str]:
    if isinstance(constant, str):
        yield constant
    elif isinstance(constant, tuple | frozenset):
        for item in constant:
            yield from _texts(item)


def _bodies(decoded: list[Instruction]) -> Iterator[CodeType]:
    """The bodies of classes, and of classes in them."""
    for _, name, argument in decoded:
        if name == "LOAD_CONST" and isinstance(argument, CodeType) and _is_body(argument):
            yield argument
            yield from _bodies(decode(argument))


def _is_body(code: CodeType) -> bool:
    return "__qualname__" in code.co_names and not code.co_flags & _HAS_FAST_LOCALS


def _decode_in_order(code: CodeType) -> list[Instruction]:
    decoded = decode(code)
    return _in_order(code, decoded) if _is_body(code) else decoded


def _in_order(code: CodeType, decoded: list[Instruction]) -> list[Instruction]:
    """With functions that follow one another in the order of their names."""
    edges = {argument for _, name, argument in decoded if name in TARGETS}
    edges.update(at for entry in exception_table(code) for at in entry[:3])
    out: list[Instruction] = []
    run: list[list[Instruction]] = []
    statement: list[Instruction] = []
    is_plain = True
    for instruction in decoded:
        at, name, _ = instruction
        if at in edges:
            out += _sorted(run) + statement
            run, is_plain = [], not statement
            statement = []
        elif name in _NOTHING:
            continue
        statement.append(instruction)
        if name not in _ENDS:
            is_plain = is_plain and name in _MAKING
            continue
        if is_plain and name == "STORE_NAME" and _makes_function(statement):
            run.append(statement)
        else:
            out += _sorted(run) + statement
            run = []
        statement, is_plain = [], True
    return out + _sorted(run) + statement


def _makes_function(statement: list[Instruction]) -> bool:
    return len(statement) > 1 and statement[-2][1] in _MADE


def _sorted(run: list[list[Instruction]]) -> list[Instruction]:
    names = [definition[-1][2] for definition in run]
    ordered = sorted(run, key=lambda one: str(one[-1][2])) if len(set(names)) == len(run) else run
    offsets = [at for definition in run for at, _, _ in definition]
    return [
        (at, name, argument)
        for at, (_, name, argument) in zip(
            offsets, (entry for definition in ordered for entry in definition), strict=True
        )
    ]
