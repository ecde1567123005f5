"""How objects are taken apart for their digest: instances of classes, functions, enums, paths,
times and numbers of the standard library. Chooses the form for every class."""

from __future__ import annotations

import copyreg
import enum
import functools
import operator
import sys
import types
from pathlib import Path, PurePath
from pickle import whichmodule  # type: ignore[attr-defined]
from typing import Any

from pipekit.model.hashing import Form, Walk, combine, unordered
from pipekit.origin import stable_name

_LIBRARIES = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy", "torch", "matplotlib"})


def _set_subclass(walk: Walk, value: set[Any]) -> bytes:
    # Its own `__reduce__` lists the elements in the order of this process.
    state = _state(walk, value.__getstate__())
    elements = unordered(walk, b"elements", value)
    return combine(b"set subclass", walk.code(type(value)), elements, state)


def _named_tuple(walk: Walk, value: tuple[Any, ...]) -> bytes:
    cls = type(value)
    state = walk.attributes(getattr(value, "__dict__", {}))
    items = walk.sequence(b"fields", tuple.__getitem__(value, slice(None)))
    return combine(b"named tuple", walk.code(cls), items, state)


# --- classes, functions, enums, paths ---------------------------------------------------------


def _code(walk: Walk, value: Any) -> bytes:
    return combine(b"code", bytes.fromhex(walk.hasher.code_of(value)))


def _method(walk: Walk, value: types.MethodType) -> bytes:
    return combine(b"method", walk.node(value.__func__), walk.node(value.__self__))


def _builtin(walk: Walk, value: types.BuiltinFunctionType) -> bytes:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return _code(walk, value)
    return combine(b"builtin method", walk.node(value.__name__), walk.node(owner))


def _module(walk: Walk, value: types.ModuleType) -> bytes:
    return combine(b"module", walk.node(stable_name(value.__name__)))


def _enum(walk: Walk, value: enum.Enum) -> bytes:
    parts = (walk.node(value.name), walk.node(value.value))
    return combine(b"enum", walk.code(type(value)), *parts)


def _path(walk: Walk, value: Path) -> bytes:
    # The name counts: `path.stem` and the suffix are what code looks at, besides the content.
    content = bytes.fromhex(walk.hasher.digest_path(value))
    return combine(b"path", walk.node(value.name), content)


def _pure_path(walk: Walk, value: PurePath) -> bytes:
    return combine(b"pure path", walk.node(type(value).__name__), walk.node(str(value)))


def _partial(walk: Walk, value: functools.partial[Any]) -> bytes:
    state = walk.attributes(value.__dict__)
    call = (value.func, value.args, value.keywords)
    return combine(b"partial", walk.code(type(value)), *map(walk.node, call), state)


# --- times and numbers of the standard library ------------------------------------------------


def _datetime(walk: Walk, value: Any) -> bytes:
    text = value.replace(tzinfo=None).isoformat()
    return combine(b"datetime", *map(walk.node, (text, value.fold, value.tzinfo)))


def _time(walk: Walk, value: Any) -> bytes:
    text = value.replace(tzinfo=None).isoformat()
    return combine(b"time", *map(walk.node, (text, value.fold, value.tzinfo)))


def _date(walk: Walk, value: Any) -> bytes:
    return combine(b"date", walk.node(value.isoformat()))


def _timedelta(walk: Walk, value: Any) -> bytes:
    return walk.sequence(b"timedelta", (value.days, value.seconds, value.microseconds))


def _decimal(walk: Walk, value: Any) -> bytes:
    return combine(b"decimal", walk.node(str(value)))


def _uuid(walk: Walk, value: Any) -> bytes:
    return combine(b"uuid", walk.node(value.int), walk.node(value.is_safe.value))


def _mapping_proxy(walk: Walk, value: types.MappingProxyType[Any, Any]) -> bytes:
    return combine(b"mapping proxy", walk.node(dict(value)))


# --- any other object -------------------------------------------------------------------------


def _object(walk: Walk, value: Any) -> bytes:
    """By what pickle would take it apart into, never by pickle's bytes: those depend on sharing, on
    interned strings and on the order of sets."""
    cls = type(value)
    reduced = _reduce(value, cls)
    if isinstance(reduced, str):
        return _global(walk, value, reduced)
    filled: list[Any] = [*reduced, *[None] * (6 - len(reduced))]
    function, args, state, items, pairs, setter = filled
    if function is copyreg.__newobj__:  # type: ignore[attr-defined]
        maker, args = walk.code(args[0]), args[1:]
    else:
        maker = walk.node(function)
    return combine(
        b"object",
        # What makes it anew need not say of which class it is.
        walk.code(cls),
        maker,
        walk.node(tuple(args)),
        _state(walk, state),
        walk.node(None if items is None else list(items)),
        walk.node(None if pairs is None else list(pairs)),
        walk.node(setter),
    )


def _global(walk: Walk, value: Any, name: str) -> bytes:
    """What says of itself that it is what a module has under a name, and is. What it holds counts
    as well: whoever loads the pickle finds what the variable holds there."""
    module = str(getattr(value, "__module__", None) or type(value).__module__)
    if _lookup(module, name) is not value:
        module = whichmodule(value, name)
        if _lookup(module, name) is not value:
            raise TypeError(f"it says that it is {name!r} of a module, and is not")
    where = combine(b"global", walk.node(stable_name(module)), walk.node(name))
    if str(type(value).__module__).partition(".")[0] in sys.stdlib_module_names:
        # `typing` keeps to itself what it has worked out; these are what the user wrote.
        held = (getattr(value, attribute, None) for attribute in _TYPE_ATTRIBUTES)
        return combine(b"typing", where, *(_type_argument(walk, item) for item in held))
    state = walk.attributes(getattr(value, "__dict__", {}))
    return combine(b"named", where, walk.code(type(value)), state)


def _type_argument(walk: Walk, value: Any) -> bytes:
    """What a type variable or a new type holds; a name that is not resolved yet by its text."""
    if type(value) is tuple:
        return combine(b"types", *(_type_argument(walk, item) for item in value))
    if type(value).__name__ == "ForwardRef":
        return combine(b"named type", walk.node(value.__forward_arg__))
    return walk.node(value)


def _lookup(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _counts_as(walk: Walk, value: Any) -> bytes:
    return combine(b"counts as", walk.node(type(value).__name__), walk.node(value.__counts_as__()))


def _reduce(value: Any, cls: type) -> Any:
    reducer = copyreg.dispatch_table.get(cls)
    try:
        return reducer(value) if reducer is not None else value.__reduce_ex__(5)
    except (TypeError, RecursionError, OSError):
        raise
    except Exception as error:  # user code: `__reduce__` and `__getstate__`
        raise TypeError(f"{type(error).__name__} in its __reduce__: {error}") from error


def _state(walk: Walk, state: Any) -> bytes:
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        mine, slots = state
        if mine is None or type(mine) is dict:
            return combine(b"slots", walk.attributes(mine or {}), walk.attributes(slots))
    if type(state) is dict and all(type(name) is str for name in state):
        return walk.attributes(state)
    return walk.node(state)


# --- which form a class has -------------------------------------------------------------------


_STANDARD: dict[str, Form] = {
    "datetime.datetime": _datetime,
    "datetime.time": _time,
    "datetime.date": _date,
    "datetime.timedelta": _timedelta,
    "decimal.Decimal": _decimal,
    "uuid.UUID": _uuid,
}
"""Found by name, so that their modules need not be imported."""

_TYPE_ATTRIBUTES = ("__bound__", "__constraints__", "__default__", "__supertype__", "__value__")
"""What type variables, new types and aliases were made of."""

_BUILT_IN: dict[type, Form] = {
    types.FunctionType: _code,
    types.BuiltinFunctionType: _builtin,
    types.MethodType: _method,
    types.ModuleType: _module,
    functools.partial: _partial,
    types.MappingProxyType: _mapping_proxy,
}


def choose_form(cls: type) -> Form:
    """How instances of a class are taken apart."""
    built_in = _BUILT_IN.get(cls)
    if built_in is not None:
        return built_in
    module, name = cls.__module__, cls.__qualname__
    standard = _STANDARD.get(f"{module}.{name}")
    if standard is not None and getattr(sys.modules.get(module), name, None) is cls:
        return standard
    if issubclass(cls, type):
        return _code
    if hasattr(cls, "__counts_as__"):
        return _counts_as
    if issubclass(cls, enum.Enum):
        return _enum
    if issubclass(cls, Path):
        return _path
    if issubclass(cls, PurePath):
        return _pure_path
    if issubclass(cls, set | frozenset):
        return _set_subclass
    if issubclass(cls, tuple) and hasattr(cls, "_fields") and reduces_plainly(cls):
        return _named_tuple
    if any(_root(base) in _LIBRARIES for base in cls.__mro__):
        from pipekit.model.library_value import find_form  # who uses none of them needs none of it

        found = find_form(cls)
        if found is not None:
            return found
    return _object


def reduces_plainly(cls: type) -> bool:
    """Whether a class leaves to Python how its instances are pickled."""
    plain = operator.attrgetter("__reduce_ex__", "__reduce__", "__getstate__")
    return bool(plain(cls) == plain(object))


def _root(cls: type) -> str:
    return cls.__module__.partition(".")[0] if isinstance(cls.__module__, str) else ""
