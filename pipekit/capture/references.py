"""What a code object refers to by name, as symbols: globals, free variables and imports, with the
attributes taken from them. Looks at no object; who resolves the names is `reach`.
"""

from __future__ import annotations

from bisect import bisect_right
from types import CodeType
from typing import NamedTuple

from pipekit.capture.bytecode import Decode, Instruction, decode
from pipekit.capture.node import ANNOTATIONS, DOCSTRINGS, LOCALS

GLOBAL, FREE, IMPORTED = "global", "free", "imported"

Constants = tuple[object, ...]


class Use(NamedTuple):
    """A name that is read, and what is taken from it."""

    scope: str
    """`global`, `free` (a closure's cell) or `imported` (a local that an import bound)."""
    name: str
    """The variable; for `imported` the dotted name of the module or of what was taken from it."""
    path: tuple[str, ...]
    """Attributes taken one from another, also by `getattr` with a constant name."""
    line: int
    called_with: Constants | None = None
    """Arguments of the call that follows, where all are constants; else None."""
    computed: bool = False
    """It stands in a `getattr` whose name is not a constant."""


class Import(NamedTuple):
    """An import statement inside a function (or, for a module's code, anywhere in it)."""

    level: int
    module: str
    names: tuple[str, ...]
    line: int


What = tuple[str, str, tuple[str, ...], Constants | None, bool]
"""A use without its line."""


class References(NamedTuple):
    uses: tuple[tuple[What, tuple[int, ...]], ...]
    """Each use once, in the order of the code, with all the lines on which it stands."""
    imports: tuple[Import, ...]
    reads: frozenset[str] = frozenset()
    """What it reads of that which definitions say about themselves: `helper.__doc__`."""
    finds_subclasses: tuple[int, ...] = ()
    """Lines on which it asks a class for the classes made from it."""
    texts: frozenset[str] = frozenset()
    """The docstrings and annotations that it takes from anything."""
    loose: tuple[str, ...] = ()
    """Dotted names that imports bind in a way that hides what is taken from them."""


_GLOBAL_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_FREE_LOADS = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_LOCAL_LOADS = frozenset({"LOAD_FAST", "LOAD_FAST_CHECK"})
_LOADS = _GLOBAL_LOADS | _FREE_LOADS | _LOCAL_LOADS
ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_SETTERS = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_STORES = frozenset({"STORE_FAST", "STORE_DEREF", "STORE_NAME", "STORE_GLOBAL"})
_PADDING = frozenset({"PUSH_NULL", "PRECALL", "NOP"})
_ABOUT = {
    "__doc__": DOCSTRINGS,
    "__annotations__": ANNOTATIONS,
    "__signature__": ANNOTATIONS,
    "__code__": LOCALS,
}
TEXTS = frozenset({"__doc__", "__annotations__"})
"""What does not count, unless code asks for it."""
_SUBCLASSES = "__subclasses__"
_ASKERS = frozenset({"locals", "vars", "dir", "eval", "exec", "f_locals"})
"""By these, what a local is bound to may be taken without its name."""


Names = dict[str, list[str]]
"""Variables that imports bind, and the dotted names of what they are bound to."""


def imported_names(code: CodeType, instructions: list[Instruction]) -> Names:
    """What the imports at the top of a module bind."""
    finder = _Finder({}, decode)
    finder.visit(code, instructions, {}, frozenset())
    return finder.module_names


def find_references(
    code: CodeType,
    instructions: list[Instruction],
    imported: Names | None = None,
    decode: Decode = decode,
) -> References:
    """Everything that a code object and those nested in it refer to, in the order of the code.

    Args:
        imported: What the imports bind at the top of the module that the code is taken from.
        decode: Gives the instructions of the code objects in it.
    """
    finder = _Finder(imported or {}, decode)
    finder.visit(code, instructions, {}, frozenset())
    return References(
        tuple((what, tuple(lines)) for what, lines in finder.uses.items()),
        tuple(finder.imports),
        frozenset(finder.reads),
        tuple(finder.subclasses),
        frozenset(finder.texts),
        tuple(dict.fromkeys(finder.loose)),
    )


class _Finder:
    def __init__(self, module_names: Names, decode: Decode) -> None:
        self._decode = decode
        self.uses: dict[What, list[int]] = {}
        self.texts: set[str] = set()
        self.imports: list[Import] = []
        self.reads: set[str] = set()
        self.subclasses: list[int] = []
        self.loose: list[str] = []
        self.module_names = module_names

    def visit(
        self,
        code: CodeType,
        decoded: list[Instruction],
        outer: dict[str, list[str]],
        assigned: frozenset[str],
    ) -> None:
        # `outer` has the names that imports bound in the enclosing functions, `assigned` their
        # variables: what is neither is free in the whole.
        instructions = [entry for entry in decoded if entry[1] not in _PADDING]
        bound = {name: list(what) for name, what in outer.items() if name in code.co_freevars}
        operations = {name for _, name, _ in instructions}
        if "IMPORT_NAME" in operations:
            self._visit_imports(code, instructions, bound)
        if bound and not _ASKERS.isdisjoint(code.co_names):
            self.loose += [dotted for what in bound.values() for dotted in what]
        if code.co_name == "<module>":
            self.module_names = bound
        inner = assigned | frozenset(code.co_cellvars)
        lines = _lines(code)
        self._visit_about(code, instructions, lines)
        skip_to = -1
        for place, (offset, name, argument) in enumerate(instructions):
            if name == "LOAD_CONST":
                if isinstance(argument, CodeType):
                    self.visit(argument, self._decode(argument), bound, inner)
            elif (
                name in _LOADS
                and place >= skip_to
                and self._bases(instructions[place], bound, inner)
            ):
                line = _line(lines, offset)
                skip_to = self._visit_use(instructions, place, bound, inner, line)

    def _visit_about(self, code: CodeType, instructions: list[Instruction], lines: Lines) -> None:
        for text in code.co_consts:
            if type(text) is str and text in _ABOUT:  # for `getattr`
                self.reads.add(_ABOUT[text])
        if not _ABOUT.keys().isdisjoint(code.co_names):
            # Class bodies store these names, and read their own annotations, by other operations.
            for _, name, argument in instructions:
                taken = name in ATTRIBUTES
                if (taken or name == "LOAD_GLOBAL") and argument in _ABOUT:
                    self.reads.add(_ABOUT[argument])
                if taken and argument in TEXTS:
                    self.texts.add(argument)
        if _SUBCLASSES in code.co_names:
            for offset, _, argument in instructions:
                if argument == _SUBCLASSES:
                    self.subclasses.append(_line(lines, offset))

    def _bases(
        self, instruction: Instruction, bound: dict[str, list[str]], assigned: frozenset[str]
    ) -> list[tuple[str, str]]:
        """(scope, name) of what a load may give; nothing for a plain local."""
        _, name, argument = instruction
        loads = name in _GLOBAL_LOADS
        if loads or name in _FREE_LOADS or name in _LOCAL_LOADS:
            if argument in bound:
                return [(IMPORTED, dotted) for dotted in bound[argument]]
            if loads and argument in self.module_names:
                return [(IMPORTED, dotted) for dotted in self.module_names[argument]]
            if loads:
                return [(GLOBAL, argument)]
            if name in _FREE_LOADS and argument not in assigned:
                return [(FREE, argument)]
        return []

    def _visit_use(
        self,
        code: list[Instruction],
        place: int,
        bound: dict[str, list[str]],
        assigned: frozenset[str],
        line: int,
    ) -> int:
        """Record the use that begins at `place`; where to go on."""
        bases = self._bases(code[place], bound, assigned)
        path, end = _chain(code, place + 1)
        if bases == [(GLOBAL, "getattr")] and not path and end < len(code):
            targets = self._bases(code[end], bound, assigned)
            if targets:
                inner, after = _chain(code, end + 1)
                constant = _is_whole_constant(code, after)
                attribute = code[after][2] if constant else None
                if isinstance(attribute, str) and attribute.isidentifier():
                    self._add(targets, (*inner, attribute), line, None)
                else:
                    self._add(targets, inner, line, _call(code, after), computed=True)
                self._add(bases, (), line, None)
                return after
        self._add(bases, path, line, _call(code, end))
        return end

    def _add(
        self,
        bases: list[tuple[str, str]],
        path: tuple[str, ...],
        line: int,
        called_with: Constants | None,
        *,
        computed: bool = False,
    ) -> None:
        for scope, name in bases:
            self.uses.setdefault((scope, name, path, called_with, computed), []).append(line)

    def _visit_imports(
        self, code: CodeType, instructions: list[Instruction], bound: dict[str, list[str]]
    ) -> None:
        lines = _lines(code)
        for place, (offset, name, argument) in enumerate(instructions):
            if name != "IMPORT_NAME":
                continue
            level, names = instructions[place - 2][2], instructions[place - 1][2]
            wanted = tuple(names) if isinstance(names, tuple) else ()
            self.imports.append(Import(int(level), argument, wanted, _line(lines, offset)))
            prefix = "." * level + argument
            after = place + 1
            if not wanted:
                # `import a.b` binds `a`; `import a.b as c` takes `b` from it and binds that.
                taken = []
                while after < len(instructions) and instructions[after][1] in _SUBMODULE:
                    taken.append(instructions[after][1] == "IMPORT_FROM")
                    after += 1
                whole = any(taken)
                dotted = argument if whole else argument.partition(".")[0]
                if not _bind(code, instructions, after, dotted, bound):
                    self.loose.append(dotted)
                continue
            names_bound = 0
            while after + 1 < len(instructions) and instructions[after][1] == "IMPORT_FROM":
                dot = "" if prefix.endswith(".") else "."
                dotted = f"{prefix}{dot}{instructions[after][2]}"
                if not _bind(code, instructions, after + 1, dotted, bound):
                    self.loose.append(dotted)
                names_bound += 1
                after += 2
            if names_bound < len(wanted):  # `import *`
                self.loose.append(prefix)


_SUBMODULE = frozenset({"IMPORT_FROM", "SWAP", "POP_TOP", "ROT_TWO"})


def _bind(
    code: CodeType, instructions: list[Instruction], place: int, dotted: str, bound: Names
) -> bool:
    """Note the variable that is bound; whether all that is taken from it can be seen."""
    _, name, variable = instructions[place]
    if name not in _STORES:
        return False
    bound.setdefault(variable, []).append(dotted)
    if name == "STORE_NAME":  # in a class it is an attribute, in a module a global
        return code.co_name == "<module>"
    return name != "STORE_GLOBAL" and variable not in code.co_freevars


def _chain(code: list[Instruction], place: int) -> tuple[tuple[str, ...], int]:
    """The attributes taken from `place` on, and the place behind them."""
    path: list[str] = []
    while place < len(code) and code[place][1] in ATTRIBUTES:
        path.append(code[place][2])
        place += 1
    if place < len(code) and code[place][1] in _SETTERS:
        path.append(code[place][2])
    return tuple(path), place


def _is_whole_constant(code: list[Instruction], place: int) -> bool:
    """Whether the name for a `getattr` is a constant, not the beginning of an expression."""
    following = [(name, argument) for _, name, argument in code[place : place + 3]]
    if [name for name, _ in following[:1]] != ["LOAD_CONST"]:
        return False
    has_default = len(following) == 3 and following[1][0].startswith("LOAD_")
    return following[2] == ("CALL", 3) if has_default else following[1:2] == [("CALL", 2)]


def _call(code: list[Instruction], place: int) -> Constants | None:
    """The arguments of the call at `place` where they are positional constants."""
    constants: list[object] = []
    while place < len(code) and code[place][1] == "LOAD_CONST":
        constants.append(code[place][2])
        place += 1
    if place < len(code) and code[place][1] == "CALL" and code[place][2] == len(constants):
        return tuple(constants)
    return None


Lines = tuple[list[int], list[int]]


def _lines(code: CodeType) -> Lines:
    starts: list[int] = []
    lines: list[int] = []
    for start, _, line in code.co_lines():
        starts.append(start)
        lines.append(line or 0)
    return starts, lines


def _line(lines: Lines, offset: int) -> int:
    place = bisect_right(lines[0], offset) - 1
    return lines[1][place] if place >= 0 else 0
