"""Steps that have, or never get, a value; and what an operation gives, in a form to compare."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from pipekit.api.future import Future, get, value_of


class Done:
    """A step that has its value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get_output(self, output: str) -> Any:
        return self.value

    def has_output(self, output: str) -> bool:
        return True

    def describe_output(self, output: str) -> str:
        return f"fit.{output}, completed"


class Running:
    """A step that goes on; it counts who would have had to wait for it."""

    def __init__(self) -> None:
        self.waited = 0

    def get_output(self, output: str) -> Any:
        self.waited += 1
        return 5

    def has_output(self, output: str) -> bool:
        return False

    def describe_output(self, output: str) -> str:
        return f"fit.{output}, running"


def future(value: Any) -> Any:
    return Future(Done(value), "value")


def touched(value: Any) -> Any:
    """A future whose value has been used."""
    made = future(value)
    value_of(made)
    return made


Outcome = tuple[Any, ...]


def outcome(operation: Callable[..., Any], *args: Any, watched: Any = None) -> Outcome:
    """What an operation gives: type and content of the result, or the error's type; and what has
    become of the `watched` value."""
    try:
        result = get(operation(*args))
        if isinstance(result, Iterator):
            result = list(result)
        shown = repr(result)
    except Exception as error:  # noqa: BLE001
        return ("raised", type(error))
    return ("returned", type(result), _plain(shown), _plain(repr(watched)))


def _plain(text: str) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", text)
