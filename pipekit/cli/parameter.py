"""A pipeline's parameters as options of the command line: names and kinds. Casts nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

from pipekit.api.annotation import resolve, type_text, without_none

EMPTY = inspect.Parameter.empty
_MANY = (list, tuple, set, frozenset, Sequence, Collection, Iterable, AbstractSet)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a pipeline function."""

    name: str
    annotation: Any
    """The type that text is cast to: as annotated, else that of the default, else `Any`."""
    default: Any = EMPTY
    is_positional: bool = False
    """It can only be given by its place."""
    takes_any_name: bool = False
    """It stands for `**parameters`."""
    takes_more: bool = False
    """It stands for `*parameters`; its annotation is that of all of them together."""

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def is_required(self) -> bool:
        return self.default is EMPTY and not self.takes_any_name and not self.takes_more

    @property
    def is_flag(self) -> bool:
        return without_none(self.annotation) == (bool,)

    @property
    def is_many(self) -> bool:
        """Whether it is given once for each of its items."""
        return any(map(is_collection, without_none(self.annotation)))

    @property
    def type_text(self) -> str:
        """`float`, `list[int]`, `'a' or 'b'`: what is expected, in words."""
        return type_text(self.annotation)


def parameters_of(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a function that text can be given for, in their order."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        annotation = _type_of(parameter, function)
        takes_more = parameter.kind is parameter.VAR_POSITIONAL
        found.append(
            Parameter(
                parameter.name,
                list[annotation] if takes_more else annotation,  # type: ignore[valid-type]
                parameter.default,
                parameter.kind is parameter.POSITIONAL_ONLY,
                parameter.kind is parameter.VAR_KEYWORD,
                takes_more,
            )
        )
    return found


def is_collection(annotation: Any) -> bool:
    """Whether each time that text is given for it adds one item."""
    return (get_origin(annotation) or annotation) in _MANY


def _type_of(parameter: inspect.Parameter, function: Callable[..., Any]) -> Any:
    default = parameter.default
    if parameter.annotation is not EMPTY:
        annotation = resolve(parameter.annotation, function, default)
        if annotation not in (Any, object):
            return annotation
    if default is EMPTY or default is None:
        return Any
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
