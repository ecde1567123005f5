"""Objects of the user's classes as settings of a task, by their attributes."""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any, TypeVar

from pipekit.errors import UsageError

T = TypeVar("T")
_PLAIN = (bool, int, float, str, list, tuple, dict, type(None))


def is_plain_object(value: Any) -> bool:
    """Whether only its attributes say what is in it."""
    if isinstance(value, dict | Namespace | ArgumentParser) or hasattr(value, "model_fields"):
        return False
    return isinstance(value, type) or not dataclasses.is_dataclass(value)


def connect_object(connect: Callable[[Any, str], Any], held: T, name: str) -> T:
    """Connect what an object, or a class, has as attributes of plain values; what a clone was given
    instead is set there.

    Raises:
        UsageError: it has none.
    """
    owner = held if isinstance(held, type) else type(held)
    names = [
        one
        for one in dict.fromkeys([*_of_classes(owner), *getattr(held, "__dict__", ())])
        if not one.startswith("_") and type(getattr(held, one, held)) in _PLAIN
    ]
    if not names:
        raise UsageError(
            f"A {owner.__qualname__} has no attributes that could be connected.",
            hint="connect a dict, a dataclass, or what parse_args() returns.",
        )
    values = {one: getattr(held, one) for one in names}
    for one, value in connect(dict(values), name).items():
        if one not in values or value != values[one]:
            setattr(held, one, value)
    return held


def _of_classes(owner: type) -> list[str]:
    """Names of the attributes of the user's classes, the base's first."""
    classes = [cls for cls in reversed(owner.__mro__) if cls is not object]
    return [name for cls in classes for name in vars(cls)]
