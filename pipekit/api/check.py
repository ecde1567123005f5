"""Checks the values that a pipeline is called with against its annotations. Coerces nothing.

What is not checked: defaults, futures (their values are not there yet), type variables, protocols
that `isinstance` cannot ask, and annotations whose names cannot be found. Of a container the first
hundred elements are looked at, and fewer the deeper they lie. No heavy library is imported: what
NumPy and pydantic define is known by what it looks like.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, abc, defaultdict, deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, is_typeddict

from pipekit.api.annotation import (
    NOTHING,
    Unresolved,
    function_behind,
    members,
    resolve,
    type_text,
)
from pipekit.api.future_kind import is_future
from pipekit.errors import UsageError
from pipekit.model.excerpt import excerpt
from pipekit.origin import stable_name

_LOOKED_AT = 100
_TAKES_ARGS, _TAKES_KWARGS = 0x04, 0x08
_NUMBERS = {float: (int,), complex: (int, float), bytes: (bytearray, memoryview)}
"""What counts as a type besides its own instances (PEP 484)."""
_SEQUENCES = (list, tuple, set, frozenset, deque)
_MAPPINGS = (dict, OrderedDict, defaultdict)
_SHOWN_CHARACTERS = 60


class Checker:
    """Checks the calls of one pipeline function."""

    __slots__ = ("_annotations", "_defaults", "_function", "_resolved", "_starred")

    def __init__(self, function: Callable[..., Any], defaults: dict[str, Any]) -> None:
        self._function = function
        self._defaults = defaults
        plain = function_behind(function)
        self._annotations: dict[str, Any] = getattr(plain, "__annotations__", None) or {}
        self._starred = _starred(getattr(plain, "__code__", None))
        self._resolved: dict[str, Any] = {}

    def check(self, name: str, bound: dict[str, Any]) -> None:
        """Compare what a call of pipeline `name` gives to the parameters with their annotations.

        Raises:
            UsageError: values are of other types than their parameters; all of them are named.
        """
        wrong: list[Misfit] = []
        annotations, defaults = self._annotations, self._defaults
        for parameter, value in bound.items():
            annotation = annotations.get(parameter, NOTHING)
            if annotation is NOTHING or defaults.get(parameter, NOTHING) is value:
                continue
            if parameter in self._starred:
                wanted = self._wanted(parameter)
                for label, one in _labelled(parameter, value):
                    wrong.extend(find_misfits(label, one, wanted))
            elif type(value) is not annotation and not is_future(value):
                wrong.extend(find_misfits(parameter, value, self._wanted(parameter)))
        if wrong:
            raise _error(name, wrong)

    def _wanted(self, parameter: str) -> Any:
        found = self._resolved.get(parameter, NOTHING)
        if found is NOTHING:
            found = self._resolved[parameter] = resolve(
                self._annotations[parameter],
                self._function,
                self._defaults.get(parameter, NOTHING),
            )
        return found


def _labelled(parameter: str, values: Any) -> list[tuple[str, Any]]:
    """The values of `*parameter` and `**parameter`, each with how it is spoken of."""
    if type(values) is dict:
        return list(values.items())
    return [(f"{parameter}[{index}]", one) for index, one in enumerate(values)]


class Misfit:
    """A value, or a part of one, that is of another type than is wanted there."""

    __slots__ = ("label", "reason", "value", "wanted")

    def __init__(self, label: str, value: Any, wanted: Any, reason: str = "") -> None:
        self.label = label
        self.value = value
        self.wanted = wanted
        self.reason = reason

    def __str__(self) -> str:
        given = f"{self.label}={shown(self.value)}"
        if self.reason:
            return f"{given} is to be {self.reason}"
        return f"{given} is {_class_text(self.value)}, wanted {type_text(self.wanted)}"


def find_misfits(label: str, value: Any, wanted: Any) -> list[Misfit]:
    """Where a value does not fit; the first such element of a container stands for all."""
    if not fits(value, wanted):
        return [_located(label, value, wanted)]
    broken = _broken_constraint(value, wanted)
    return [Misfit(label, value, wanted, broken)] if broken else []


def fits(value: Any, wanted: Any, most: int = _LOOKED_AT) -> bool:
    """Whether a value is of a type; True where that cannot be told. Waits for no future."""
    if type(value) is wanted or wanted is Any or is_future(value):
        return True
    if isinstance(wanted, type):
        return _is_a(value, wanted)
    if wanted is None:
        return value is None
    if isinstance(wanted, Unresolved | TypeVar):
        return True
    kinds = members(wanted)
    if len(kinds) > 1:
        return any(fits(value, kind, most) for kind in kinds)
    kind = kinds[0]
    origin = get_origin(kind)
    if origin is Literal:
        return any(_is_same(value, choice) for choice in get_args(kind))
    if origin is None:
        return not isinstance(kind, type) or _is_a(value, kind)
    if origin is type:
        return isinstance(value, type)
    if not isinstance(origin, type):
        return True
    if not _is_a(value, origin):
        # A generic class made of the plain one stands for it, as data frames with a schema do.
        return type(value) not in _SEQUENCES + _MAPPINGS and issubclass(origin, type(value))
    return _parts_fit(value, origin, get_args(kind), most)


def _parts_fit(value: Any, origin: type, arguments: tuple[Any, ...], most: int) -> bool:
    if not arguments:
        return True
    if type(value) in _MAPPINGS and len(arguments) == 2:
        return _all_fit(value, arguments[0], most) and _all_fit(value.values(), arguments[1], most)
    if type(value) not in _SEQUENCES:
        return True  # to look into it could use it up, or cost something
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is ...:
            return _all_fit(value, arguments[0], most)
        if any(map(_is_unpacked, arguments)):
            return True
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    return len(arguments) != 1 or _all_fit(value, arguments[0], most)


def _is_unpacked(argument: Any) -> bool:
    return getattr(argument, "__unpacked__", False) or "Unpack" in str(get_origin(argument))


def _all_fit(values: Iterable[Any], wanted: Any, most: int) -> bool:
    if type(wanted) is type and set(map(type, islice(values, most))) <= {wanted}:
        return True  # as nearly always, and several times as fast
    return all(fits(value, wanted, most // 10) for value in islice(values, most))


def _is_a(value: Any, kind: type) -> bool:
    try:
        if isinstance(value, kind):
            return True
    except Exception:  # noqa: BLE001 - user code: a metaclass of theirs; protocols, typed dicts
        return isinstance(value, dict) if is_typeddict(kind) else True
    return (
        isinstance(value, _NUMBERS.get(kind, ()))
        or _is_numpy_scalar(value, kind)
        or (kind is abc.Sequence and _is_array_like(value))
        or _is_class_again(type(value), kind)
        or _is_name_for_another(kind)
    )


def _is_numpy_scalar(value: Any, kind: type) -> bool:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.generic):
        return False
    counts_as = {
        bool: (numpy.bool_,),
        int: (numpy.integer, numpy.bool_),
        float: (numpy.floating, numpy.integer, numpy.bool_),
        complex: (numpy.number, numpy.bool_),
    }
    return isinstance(value, counts_as.get(kind, ()))


def _is_array_like(value: Any) -> bool:
    return hasattr(type(value), "__array__") and hasattr(type(value), "__getitem__")


def _is_class_again(given: type, wanted: type) -> bool:
    """A class that was defined a second time (a cell run again, a module loaded again)."""
    return any(
        kind.__qualname__ == wanted.__qualname__
        and stable_name(kind.__module__) == stable_name(wanted.__module__)
        for kind in given.__mro__
    )


def _is_name_for_another(kind: type) -> bool:
    """A class that never has instances: `EmailStr` of pydantic, whose values are plain texts."""
    return hasattr(kind, "__get_pydantic_core_schema__") and not hasattr(kind, "model_fields")


def _is_same(value: Any, choice: Any) -> bool:
    if _is_numpy_scalar(value, type(choice)):
        value = value.item()
    if isinstance(value, bool) is not isinstance(choice, bool):
        return False
    return value is choice or (isinstance(value, type(choice)) and bool(value == choice))


# --- constraints ------------------------------------------------------------------------------

_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "gt": ("greater than {}", lambda value, bound: value > bound),
    "ge": ("at least {}", lambda value, bound: value >= bound),
    "lt": ("less than {}", lambda value, bound: value < bound),
    "le": ("at most {}", lambda value, bound: value <= bound),
    "multiple_of": ("a multiple of {}", lambda value, bound: value % bound == 0),
    "min_length": ("of length {} or more", lambda value, bound: len(value) >= bound),
    "max_length": ("of length {} or less", lambda value, bound: len(value) <= bound),
}


def _broken_constraint(value: Any, wanted: Any) -> str:
    """The bound of an `Annotated[int, Field(gt=0)]` that the value breaks, in words."""
    for constraint in _constraints(wanted):
        for name, (text, holds) in _BOUNDS.items():
            bound = getattr(constraint, name, None)
            if bound is None or value is None:
                continue
            try:
                broken = not holds(value, bound)
            except Exception:  # noqa: BLE001 - user code: how their values compare
                continue
            if broken:
                return text.format(shown(bound))
    return ""


def _constraints(wanted: Any) -> list[Any]:
    """Those around the type; `Field(…)` of pydantic holds several."""
    found: list[Any] = []
    if get_origin(wanted) is Union:
        wanted = next((kind for kind in get_args(wanted) if kind is not type(None)), wanted)
    while hasattr(wanted, "__metadata__"):
        for one in wanted.__metadata__:
            found.extend(one.metadata if type(one).__name__ == "FieldInfo" else [one])
        wanted = wanted.__origin__
    return found


# --- what is said -----------------------------------------------------------------------------


def _located(label: str, value: Any, wanted: Any) -> Misfit:
    """The part that does not fit: `sizes[2]` rather than the whole list."""
    for kind in members(wanted):
        arguments, origin = get_args(kind), get_origin(kind)
        if not isinstance(origin, type) or not _is_a(value, origin):
            continue
        if type(value) in _MAPPINGS and len(arguments) == 2:
            for key, one in islice(value.items(), _LOOKED_AT):
                if not fits(key, arguments[0], _LOOKED_AT // 10):
                    return Misfit(f"a key of {label}", key, arguments[0])
                if not fits(one, arguments[1], _LOOKED_AT // 10):
                    return _located(f"{label}[{key!r}]", one, arguments[1])
        elif type(value) in (list, tuple, deque):
            is_fixed = origin is tuple and ... not in arguments
            if is_fixed and len(arguments) != len(value):
                continue
            for index, one in enumerate(islice(value, _LOOKED_AT)):
                inner = arguments[index] if is_fixed else arguments[0]
                if not fits(one, inner, _LOOKED_AT // 10):
                    return _located(f"{label}[{index}]", one, inner)
    return Misfit(label, value, wanted)


def _error(name: str, wrong: list[Misfit]) -> UsageError:
    from pipekit.api.way_out import way_out  # where something is wrong, and not on each start

    ways = [way_out(misfit.label, misfit.value, misfit.wanted) for misfit in wrong]
    hint = ", ".join(way for way in ways if way)
    return UsageError(
        f"Pipeline {name!r} was not run: {'; '.join(map(str, wrong))}.",
        hint=hint or f"change the value, or the annotation of {wrong[0].label!r}.",
    )


def shown(value: Any) -> str:
    """A value in a sentence: its `repr`, cut."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - user code: an object's own `__repr__`
        text = f"<{type(value).__name__}>"
    text = text.partition("\n")[0]
    return excerpt(text, _SHOWN_CHARACTERS)


def _class_text(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _starred(code: Any) -> frozenset[str]:
    """The names of `*args` and `**kwargs`."""
    if code is None or not code.co_flags & (_TAKES_ARGS | _TAKES_KWARGS):
        return frozenset()
    first = code.co_argcount + code.co_kwonlyargcount
    count = bool(code.co_flags & _TAKES_ARGS) + bool(code.co_flags & _TAKES_KWARGS)
    return frozenset(code.co_varnames[first : first + count])
