"""Values as plain JSON. What JSON has no form for is refused, not approximated."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pipekit.artifacts.preview import describe
from pipekit.errors import PipekitError

_AS_TEXT = (PurePath, Decimal, UUID)
_WITH_ISO_FORMAT = (datetime, date, time)


class NotPlain(PipekitError):
    """A value that JSON has no form for."""

    def __init__(self, *, where: str, what: str) -> None:
        at = f" at {where}" if where else ""
        super().__init__(
            f"The value has no JSON form: {what}{at}.", hint="leave out --json to see it as text."
        )


def to_plain(value: Any) -> Any:
    """The value as None, bool, int, float, str, and lists and text-keyed dicts of these.

    Collections become lists, records (dataclasses, pydantic models) dicts, paths and moments text,
    durations seconds, arrays nested lists, frames lists of rows (in them, as the frame's library
    does it, a missing value is null).

    Raises:
        NotPlain: there is no such form, as for NaN, bytes, or an instance of some class.
    """
    try:
        return _plain(value, "")
    except RecursionError:
        raise NotPlain(where="", what="it holds itself, or is nested too deeply") from None


def to_plain_or_text(value: Any) -> Any:
    """The same as `to_plain`, or a short text about a value that has no such form."""
    try:
        return to_plain(value)
    except NotPlain:
        return describe(value)


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value), where)
    if isinstance(value, Mapping):
        return _plain_mapping(value, where)
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, AbstractSet):
        return [_plain(item, where) for item in _in_order(value)]
    if isinstance(value, _WITH_ISO_FORMAT):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, _AS_TEXT):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name), f"{where}.{field.name}")
            for field in dataclasses.fields(value)
        }
    return _plain_of_library(value, where)


def _plain_of_library(value: Any, where: str) -> Any:
    """Values of libraries that are not imported for this: who has such a value has imported it."""
    if _is_a(value, "numpy", "generic"):
        item = value.item()
        if type(item) is type(value):
            raise NotPlain(where=where, what=_about(value))
        return _plain(item, where)
    if _is_a(value, "numpy", "ndarray"):
        return _plain(value.tolist(), where)
    if _is_a(value, "pandas", "DataFrame"):
        if not value.columns.is_unique:
            raise NotPlain(where=where, what="a frame with two columns of one name")
        rows = value.astype(object).where(value.notna(), None).to_dict(orient="records")
        return _plain(rows, where)
    if _is_a(value, "pandas", "Series"):
        return _plain(value.astype(object).where(value.notna(), None).tolist(), where)
    if _is_a(value, "polars", "DataFrame"):
        return _plain(value.to_dicts(), where)
    if _is_a(value, "polars", "Series"):
        return _plain(value.to_list(), where)
    if _is_a(value, "pydantic", "BaseModel"):
        return _plain(value.model_dump(mode="json"), where)
    raise NotPlain(where=where, what=_about(value))


def _is_a(value: object, library: str, name: str) -> bool:
    cls = getattr(sys.modules.get(library), name, None)
    return isinstance(cls, type) and isinstance(value, cls)


def _plain_mapping(value: Mapping[Any, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, where)
        if name in found:
            raise NotPlain(where=where, what=f"two keys that read {name!r}")
        found[name] = _plain(item, f"{where}[{key!r}]")
    return found


def _finite(number: float, where: str) -> float:
    if not math.isfinite(number):
        raise NotPlain(where=where, what=repr(number))
    return number


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return key.value if isinstance(key, Enum) else key
    if isinstance(key, bool) or not isinstance(key, int | float | date | PurePath):
        raise NotPlain(where=where, what=f"a key that is {_about(key)}")
    return str(key)


def _in_order(values: AbstractSet[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def _about(value: object) -> str:
    return f"a value of type {type(value).__name__}"
