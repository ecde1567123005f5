"""Who reads: from the stack, whether a read is a step's own, and which of the user's functions may
keep what was read for later steps of this process. Reads nothing itself.

Theory of operation. From the read outwards, the first frames tell whose it is: the import of a
module reads code, which the fingerprint knows; a library that reads while it is imported reads its
own settings. Every frame of the user's further out is asked whether it can keep what it gets: a
function under `lru_cache` or `cached_property`, a closure over a container, one that stores a
global or into one, a method that stores on an object that a module holds, the top level of a
module. A later step that reaches such a function rests on what that read, though it reads nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

from pipekit.origin import stable_name

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_BORDER = os.path.join("worker", "runner.py")
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_IMPORTERS = ("<frozen importlib", "<frozen zipimport")
_SHOWERS = ("linecache.py", "tokenize.py", "inspect.py", "traceback.py")
"""Of the standard library: they read source text to show it."""
_SETTINGS_READERS = frozenset(
    {"decouple", "dotenv", "dynaconf", "environ", "environs", "prettyconf", "pydantic_settings"}
)
"""Packages whose purpose is to read settings: they read in the name of who calls them."""

_HANDING_ON = frozenset(
    {"collections", "configparser", "contextlib", "copy", "functools", "string", "typing"}
)

_USER, _STANDARD, _PACKAGE, _IMPORT = "user", "standard", "package", "import"
_PIPEKIT, _RUNNER = "pipekit", "runner"
_kinds: dict[str, str] = {}

_CHANGING = frozenset({"add", "append", "extend", "insert", "setdefault", "update", "__setitem__"})
_CONTAINERS = (dict, list, set)


class Caller(NamedTuple):
    """Who reads."""

    counts: bool
    """It is the step's doing: code of the user's, or a library that was called to do it."""
    reads_settings: bool
    """It is the user's own code, or a library whose purpose is to read settings, that reads."""
    keepers: frozenset[str]
    """Functions and modules of the user's that may keep it, as the fingerprint names them."""


def find_caller(frame: FrameType | None) -> Caller:
    """Who reads, where `frame` is the one in which the read happens."""
    counts, nearest = True, ""
    keepers: set[str] = set()
    has_met_user = False
    for outer in _outwards(frame):
        kind = kind_of(outer.f_code.co_filename)
        if kind == _RUNNER:
            break
        if kind == _PIPEKIT:
            if has_met_user:
                continue
            counts = False
            break
        if kind == _IMPORT:
            if not has_met_user and not _hands_out_data(outer):
                counts = False
                break
            continue
        if kind == _USER:
            has_met_user = True
            nearest = nearest or _USER
            keeper = _keeper(outer)
            if keeper:
                keepers.add(keeper)
        elif not has_met_user:
            counts = counts and not _shows_source(outer.f_code.co_filename)
            if not nearest and not _hands_on(outer):
                nearest = str(outer.f_globals.get("__name__", "")).partition(".")[0]
    own = nearest in (_USER, "") or nearest in _SETTINGS_READERS
    return Caller(counts, own, frozenset(keepers))


def kind_of(file: str) -> str:
    """Whose code a file is."""
    kind = _kinds.get(file)
    if kind is None:
        kind = _kinds[file] = _find_kind(file)
    return kind


def is_users(file: str) -> bool:
    """Whether it is code of the user's."""
    return kind_of(file) == _USER


def is_pipekits(file: str) -> bool:
    """Whether it is code of pipekit's that does something itself, rather than stand between two
    functions of the user's."""
    return kind_of(file) == _PIPEKIT


def is_border(file: str) -> bool:
    """Whether it is what calls the step's function: what is further out is not the step's."""
    return kind_of(file) == _RUNNER


def is_importer(file: str) -> bool:
    """Whether it is the import system."""
    return kind_of(file) == _IMPORT


def is_standard(file: str) -> bool:
    """Whether it is the standard library, or what stands between two functions of the user's."""
    return kind_of(file) == _STANDARD


def _find_kind(file: str) -> str:
    if file.startswith("<frozen "):
        return _IMPORT if file.startswith(_IMPORTERS) else _STANDARD
    if file.startswith(_OWN):
        room = file.removeprefix(_OWN).partition(os.sep)[0]
        if file.endswith(_BORDER):
            return _RUNNER
        # What these rooms hold stands between two functions of the user's, and reads nothing.
        return _STANDARD if room in ("api", "worker") else _PIPEKIT
    if "/site-packages/" in file or "/dist-packages/" in file:
        return _PACKAGE
    return _STANDARD if file.startswith(_LIBRARY) else _USER


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _hands_on(frame: FrameType) -> bool:
    """Whether a function of the standard library looks up what its caller names, in a mapping or a
    text of the caller's, rather than a setting of its own."""
    return (
        frame.f_globals.get("__name__") in _HANDING_ON or frame.f_code.co_name == "expandvars"
    ) and kind_of(frame.f_code.co_filename) == _STANDARD


def _hands_out_data(frame: FrameType) -> bool:
    """Whether the import system reads a file for someone else (`pkgutil.get_data`)."""
    back = frame.f_back
    return (
        frame.f_code.co_name == "get_data"
        and back is not None
        and kind_of(back.f_code.co_filename) in (_USER, _STANDARD, _PACKAGE)
    )


def _shows_source(file: str) -> bool:
    return file.startswith(_LIBRARY) and file.endswith(_SHOWERS)


# who keeps


class _Traits(NamedTuple):
    """What a code object can do with what it reads, as far as the code tells."""

    name: str
    always: bool
    closes_over: tuple[str, ...]
    """Variables of an enclosing function, which may be containers."""
    fills: tuple[str, ...]
    """Globals that it may put something into."""
    stores_attribute: bool


_traits: dict[CodeType, _Traits] = {}


def _keeper(frame: FrameType) -> str:
    """The name of the frame's function, where it may keep what it reads."""
    code = frame.f_code
    traits = _traits.get(code)
    if traits is None:
        traits = _traits[code] = _find_traits(frame)
    if traits.always:
        return traits.name
    space = frame.f_globals
    if any(_may_hold(space.get(name)) for name in traits.fills):
        return traits.name
    if traits.closes_over:
        local = frame.f_locals
        if any(isinstance(local.get(name), _CONTAINERS) for name in traits.closes_over):
            return traits.name
    if traits.stores_attribute and _stores_on_what_stays(frame):
        return traits.name
    return ""


def _find_traits(frame: FrameType) -> _Traits:
    import dis  # 4 ms, which a worker can spare once it runs something

    code = frame.f_code
    module = stable_name(str(frame.f_globals.get("__name__", "")))
    if code.co_name == "<module>":
        return _Traits(module, True, (), (), False)
    instructions = list(dis.get_instructions(code))
    operations = {instruction.opname for instruction in instructions}
    puts = "STORE_SUBSCR" in operations or not _CHANGING.isdisjoint(code.co_names)
    stores = "STORE_GLOBAL" in operations or any(
        instruction.opname == "STORE_DEREF" and instruction.argval in code.co_freevars
        for instruction in instructions
    )
    return _Traits(
        f"{module}.{code.co_qualname}",
        stores or _is_cached(frame),
        code.co_freevars,
        code.co_names if puts else (),
        "STORE_ATTR" in operations,
    )


def _may_hold(value: object) -> bool:
    """Whether a global is something that a function can put a value into: a container, or an object
    of the user's own."""
    if isinstance(value, _CONTAINERS):
        return True
    cls = type(value)
    return not isinstance(value, type) and hasattr(cls, "__setitem__")


def _is_cached(frame: FrameType) -> bool:
    """Whether the function stands in its module or class under a decorator that keeps results."""
    code = frame.f_code
    found: Any = frame.f_globals
    for part in code.co_qualname.split("."):
        space = found if isinstance(found, dict) else getattr(found, "__dict__", {})
        if part == "<locals>" or part not in space:
            return _has_kept_wrapper(frame)
        found = space[part]
    found = getattr(found, "__func__", found)
    for _ in range(16):
        if isinstance(found, functools._lru_cache_wrapper | functools.cached_property):
            return True
        found = getattr(found, "__wrapped__", None)
        if found is None:
            break
    return False


def _has_kept_wrapper(frame: FrameType) -> bool:
    """Of a function that no name leads to: whether an `lru_cache` in its module wraps it."""
    return any(
        isinstance(value, functools._lru_cache_wrapper)
        and getattr(value.__wrapped__, "__code__", None) is frame.f_code
        for value in list(frame.f_globals.values())
    )


def _stores_on_what_stays(frame: FrameType) -> bool:
    """Whether the first argument is a class, or an object that the module holds."""
    code = frame.f_code
    if not code.co_argcount:
        return True
    first = frame.f_locals.get(code.co_varnames[0])
    if isinstance(first, type):
        return True
    return any(value is first for value in list(frame.f_globals.values())) or not _is_method(code)


def _is_method(code: CodeType) -> bool:
    return code.co_varnames[0] == "self"
