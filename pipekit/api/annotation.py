"""What a function's annotations say: each by itself, its names looked up, and how it reads.

Checks and casts nothing. Imports nothing but `typing`: it stands on the way of every start.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

NOTHING: Any = object()
"""Stands for a default or an annotation that is not there."""

_PLAIN = {kind.__name__: kind for kind in (int, float, str, bool, bytes, complex, list, dict)}
_NONE = type(None)
_MOST_CHOICES = 8


class Unresolved:
    """Stands for an annotation whose names cannot be found; `text` is how it was written."""

    def __init__(self, text: str) -> None:
        self.text = text


def function_behind(function: Callable[..., Any]) -> Any:
    """The function whose parameters a callable has: behind decorators that say so, behind a
    `partial`, and of an instance its `__call__`."""
    found: Any = function
    for _ in range(64):
        inner = getattr(found, "__wrapped__", None)
        if inner is None and not hasattr(found, "__annotations__"):
            inner = getattr(found, "func", None)
        if inner is None:
            break
        found = inner
    if isinstance(found, type):
        return vars(found).get("__init__", found)
    return found if hasattr(found, "__code__") else vars(type(found)).get("__call__", found)


def resolve(annotation: Any, function: Callable[..., Any], default: Any = NOTHING) -> Any:
    """An annotation of a parameter with its names looked up, or `Unresolved`.

    One alone: those of other parameters may name what is imported for type checkers only. A default
    of None admits None, as many write it.
    """
    plain = function_behind(function)
    space = getattr(plain, "__globals__", {})
    if isinstance(annotation, str):
        text = annotation
        annotation = _PLAIN.get(text, text) if text not in space else text
        if isinstance(annotation, str):
            annotation = _evaluated(text, plain, space)
        if isinstance(annotation, Unresolved):
            annotation = _class_of_that_name(text, default) or annotation
    elif not isinstance(annotation, type):
        annotation = _evaluated(annotation, plain, space)
    if default is None and not isinstance(annotation, Unresolved) and not admits_none(annotation):
        return _or_none(annotation)
    return annotation


def _evaluated(annotation: Any, plain: Any, space: dict[str, Any]) -> Any:
    carrier = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return get_type_hints(carrier, space, _local_names(plain), include_extras=True)["it"]
    except Exception:  # noqa: BLE001 - user code: whatever evaluating the annotation raises
        return Unresolved(annotation if isinstance(annotation, str) else type_text(annotation))


def _local_names(plain: Any) -> dict[str, Any]:
    """What the function sees of those around it, and its own type parameters."""
    names = {p.__name__: p for p in getattr(plain, "__type_params__", ())}
    code = getattr(plain, "__code__", None)
    cells = getattr(plain, "__closure__", None) or ()
    for name, cell in zip(getattr(code, "co_freevars", ()), cells, strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            pass  # it is not bound yet
    return names


def _class_of_that_name(text: str, default: Any) -> Any:
    """A class that is imported for type checkers only may be that of the default: `Path` often."""
    name = text.strip("'\"").rpartition(".")[2]
    kinds = () if default is NOTHING or default is None else type(default).__mro__
    return next((kind for kind in kinds if kind.__name__ == name), None)


def _or_none(annotation: Any) -> Any:
    try:
        return union_of((annotation, None))
    except TypeError:
        return annotation  # no type at all, and left to whoever meets it


def union_of(kinds: Iterable[Any]) -> Any:
    """The union of types that are known only when the program runs.

    Raises:
        TypeError: one of them is no type.
    """
    return Union[tuple(kinds)]  # noqa: UP007 - `|` takes two, and not each kind of type


def bare(annotation: Any) -> Any:
    """The type itself: without `Annotated`, `NewType` and aliases around it."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, None among them; any other type by itself."""
    annotation = bare(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(kind for inner in get_args(annotation) for kind in members(inner))
    return (_NONE if annotation is None else annotation,)


def without_none(annotation: Any) -> tuple[Any, ...]:
    """The types of a union but for None; any other type by itself."""
    return tuple(kind for kind in members(annotation) if kind is not _NONE)


def admits_none(annotation: Any) -> bool:
    """Whether None is one of the values."""
    return any(
        kind is _NONE or kind is Any or kind is object
        or (get_origin(kind) is Literal and None in get_args(kind))
        for kind in members(annotation)
    )  # fmt: skip


def type_text(annotation: Any) -> str:
    """A type as people write it: `list[int]`, `'a' or 'b'`, `float or none`."""
    if isinstance(annotation, Unresolved):
        return annotation.text
    if isinstance(annotation, list):
        return f"[{', '.join(map(type_text, annotation))}]"  # the parameters of a Callable
    if annotation is ...:
        return "..."
    return " or ".join(dict.fromkeys(map(_one_type_text, members(annotation))))


def _one_type_text(kind: Any) -> str:
    if kind is _NONE:
        return "none"
    if kind is Any:
        return "any"
    if get_origin(kind) is Literal:
        return _choice([_value_text(value) for value in get_args(kind)])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice([choice_of(member) for member in kind])
    if get_origin(kind) is None:
        return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")
    origin = get_origin(kind)
    name = getattr(origin, "__name__", str(origin))
    arguments = get_args(kind)
    return f"{name}[{', '.join(map(type_text, arguments))}]" if arguments else name


def choice_of(member: Enum) -> str:
    """A member as it is offered: its value where that is text, else its name."""
    return repr(member.value) if isinstance(member.value, str) else member.name


def _value_text(value: Any) -> str:
    if value is None:
        return "none"
    return choice_of(value) if isinstance(value, Enum) else repr(value)


def _choice(texts: list[str]) -> str:
    if len(texts) > _MOST_CHOICES:
        texts = [*texts[:_MOST_CHOICES], f"{len(texts) - _MOST_CHOICES} more"]
    return " or ".join(texts)
