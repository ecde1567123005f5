"""A pipeline's parameters as options of the command line: names, kinds and help. Casts nothing."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

EMPTY = inspect.Parameter.empty
_MANY = (list, tuple, set, frozenset, Sequence, Collection, Iterable, AbstractSet)
_SHOWN_CHARACTERS = 60


class Unresolved:
    """Stands for an annotation whose names cannot be found; `text` is how it was written."""

    def __init__(self, text: str) -> None:
        self.text = text


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a pipeline function."""

    name: str
    annotation: Any
    """The type that text is cast to: as annotated, else that of the default, else `str`."""
    default: Any = EMPTY
    is_positional: bool = False
    takes_any_name: bool = False
    """It stands for `**parameters`."""

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def is_required(self) -> bool:
        return self.default is EMPTY and not self.takes_any_name

    @property
    def is_flag(self) -> bool:
        return bool in without_none(self.annotation)

    @property
    def is_many(self) -> bool:
        return any(map(is_collection, without_none(self.annotation)))

    @property
    def type_text(self) -> str:
        """`float`, `list[int]`, `'a' or 'b'`: what is expected, in words."""
        return type_text(self.annotation)


def parameters_of(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a function that text can be given for, in their order."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.VAR_POSITIONAL:
            found.append(
                Parameter(
                    parameter.name,
                    _type_of(parameter, function),
                    parameter.default,
                    parameter.kind is parameter.POSITIONAL_ONLY,
                    parameter.kind is parameter.VAR_KEYWORD,
                )
            )
    return found


def help_lines(parameters: list[Parameter]) -> list[str]:
    """One aligned line for each: `--test-size FLOAT   default: 0.2`."""
    rows = []
    for parameter in parameters:
        if parameter.takes_any_name:
            rows.append(("--name VALUE", "any further name"))
            continue
        if parameter.is_flag:
            left = f"{parameter.option} / --no-{parameter.option[2:]}"
        else:
            left = f"{parameter.option} {parameter.type_text}"
        if parameter.is_many:
            left += " ..."
        right = "required" if parameter.is_required else f"default: {_shown(parameter.default)}"
        rows.append((left, right))
    width = max((len(left) for left, _ in rows), default=0)
    return [f"  {left:<{width}}  {right}" for left, right in rows]


def without_none(annotation: Any) -> tuple[Any, ...]:
    """The members of a union but for None; any other type by itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(kind for kind in get_args(annotation) if kind is not type(None))
    return (annotation,)


def is_collection(annotation: Any) -> bool:
    """Whether each time that text is given for it adds one item."""
    return (get_origin(annotation) or annotation) in _MANY


def admits_none(annotation: Any) -> bool:
    """Whether None is one of the values."""
    return type(None) in get_args(annotation) or annotation in (None, type(None))


def type_text(annotation: Any) -> str:
    """A type as people write it."""
    from enum import Enum
    from typing import Annotated, Literal

    if isinstance(annotation, Unresolved):
        return annotation.text
    if get_origin(annotation) is Annotated:
        return type_text(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return " or ".join(repr(value) for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(repr(member.value) for member in annotation)
    if get_origin(annotation) is None and isinstance(annotation, type):
        return annotation.__name__
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(
            "none" if kind is type(None) else type_text(kind) for kind in get_args(annotation)
        )
    return str(annotation).replace("typing.", "").replace("collections.abc.", "")


def _type_of(parameter: inspect.Parameter, function: Callable[..., Any]) -> Any:
    annotation = parameter.annotation
    if isinstance(annotation, str):
        annotation = _resolved(parameter.name, annotation, function)
    if annotation not in (EMPTY, Any, object):
        return annotation
    default = parameter.default
    if default is EMPTY or default is None:
        return str
    if type(default) in (list, tuple, set, frozenset):
        return _collection_type(default)
    return Path if isinstance(default, Path) else type(default)


def _collection_type(default: Any) -> Any:
    """`list[int]` for a list of ints; of mixed or no items, the bare type."""
    kinds = {type(item) for item in default}
    if len(kinds) != 1:
        return type(default)
    kind = kinds.pop()
    return tuple[kind, ...] if type(default) is tuple else type(default)[kind]  # type: ignore[valid-type]


def _resolved(name: str, text: str, function: Callable[..., Any]) -> Any:
    """One annotation alone: those of other parameters may name what is imported for checkers."""
    from typing import get_type_hints

    plain = inspect.unwrap(function)
    carrier = types.SimpleNamespace(__annotations__={name: text})
    try:
        return get_type_hints(
            carrier, globalns=getattr(plain, "__globals__", {}), include_extras=True
        )[name]
    except Exception:  # noqa: BLE001 - user code: whatever evaluating the annotation raises
        return Unresolved(text)


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
