"""Short texts about values, made when they are stored, for people. Never raises."""

from __future__ import annotations

from reprlib import Repr
from typing import Any

from pipekit.model.excerpt import excerpt

LONGEST = 2000
"""Characters of a preview."""

_HEAD = 5

_repr = Repr()
_repr.maxlevel = 3
_repr.maxdict = _repr.maxlist = _repr.maxtuple = _repr.maxset = _repr.maxfrozenset = 12
_repr.maxstring = _repr.maxother = _repr.maxlong = 200


def clip(text: str) -> str:
    """The text, shortened to what a preview may have."""
    return excerpt(text, LONGEST)


def describe(value: object) -> str:
    """The head of any value: its length where it has one, and its `repr`, shortened."""
    try:
        text = _repr.repr(value)
        if type(value) in (list, tuple, dict, set, frozenset) and len(value) > 12:  # type: ignore[arg-type]
            text = f"{type(value).__name__} of {len(value)}: {text}"  # type: ignore[arg-type]
        return clip(text)
    except Exception as error:  # noqa: BLE001 - user code: `__repr__` and `__len__`
        return _without_repr(value, error)


def _without_repr(value: object, error: Exception) -> str:
    return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def line_of(value: object, most: int) -> str:
    """A value where it is told in passing: a path as it is, else its `repr`; so many characters at
    the most."""
    try:
        text = str(value) if hasattr(value, "__fspath__") else repr(value)
    except Exception as error:  # noqa: BLE001 - user code
        text = _without_repr(value, error)
    return excerpt(text, most)


def describe_array(value: Any) -> str:
    """Shape, dtype and first items of a numpy array."""
    shape = " × ".join(map(str, value.shape)) or "no dimension"
    head = ", ".join(str(item) for item in value.reshape(-1)[:_HEAD].tolist())
    more = ", …" if value.size > _HEAD else ""
    return clip(f"array {shape} {value.dtype}\n[{head}{more}]")


def describe_frame(value: Any) -> str:
    """Shape and first rows of a frame of pandas or polars."""
    rows, columns = value.shape
    head = value.head(_HEAD)
    if columns > 20:
        head = head.iloc[:, :20] if hasattr(head, "iloc") else head[:, :20]
    text = head.to_string() if hasattr(head, "to_string") else str(head)
    return clip(f"frame, {rows} rows × {columns} columns\n{text}")
