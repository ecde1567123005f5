"""What to write instead of an argument that is of the wrong type. Decides nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, get_origin

from pipekit.api.annotation import without_none

_MOST_CHARACTERS = 80


def way_out(label: str, value: Any, wanted: Any) -> str:
    """`test_size=0.3`, `data=Path('x.csv')`; empty where nothing is sure to be meant."""
    for kind in without_none(wanted):
        for means in _MEANS:
            try:
                text = means(value, kind)
            except Exception:  # noqa: BLE001 - user code: what making their values raises
                continue
            if text and len(text) <= _MOST_CHARACTERS:
                return f"{label}={text}" if label.isidentifier() else f"write {text}"
    return ""


def _number(value: Any, kind: Any) -> str:
    if kind not in (int, float) or not isinstance(value, str | float | int):
        return ""
    number = kind(value)
    return repr(number) if isinstance(value, str) or number == value else ""


def _truth(value: Any, kind: Any) -> str:
    if kind is not bool:
        return ""
    return {"true": "True", "false": "False", "1": "True", "0": "False"}.get(str(value).lower(), "")


def _text(value: Any, kind: Any) -> str:
    if kind is not str or isinstance(value, bytes | bool):
        return ""
    if isinstance(value, PurePath):
        return f"str({_path(value)})"
    return repr(str(value)) if isinstance(value, int | float) else ""


def _path_of_text(value: Any, kind: Any) -> str:
    is_path = isinstance(kind, type) and issubclass(kind, PurePath)
    return f"Path({value!r})" if is_path and isinstance(value, str) else ""


def _path(value: PurePath) -> str:
    return f"Path({os.fspath(value)!r})"


def _moment(value: Any, kind: Any) -> str:
    if kind not in (date, datetime, time) or not isinstance(value, str):
        return ""
    kind.fromisoformat(value)
    return f"{kind.__name__}.fromisoformat({value!r})"


def _member(value: Any, kind: Any) -> str:
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return ""
    same = [member for member in kind if member.value == value or member.name == value]
    return f"{kind.__name__}.{same[0].name}" if len(same) == 1 else ""


def _container(value: Any, kind: Any) -> str:
    origin = get_origin(kind) or kind
    if origin in (list, tuple, set) and type(value) in (list, tuple, set, frozenset):
        return repr(origin(value)) if type(value) is not origin else ""
    if origin in (list, tuple, set) and isinstance(value, str | int | float | Path):
        return repr(origin([value]))
    return ""


def _fields(value: Any, kind: Any) -> str:
    if type(value) is dict and isinstance(kind, type):
        is_record = hasattr(kind, "__dataclass_fields__") or hasattr(kind, "model_fields")
        return f"{kind.__name__}(**{value!r})" if is_record else ""
    return ""


_MEANS: tuple[Callable[[Any, Any], str], ...] = (
    _number, _truth, _text, _path_of_text, _moment, _member, _container, _fields,
)  # fmt: skip
