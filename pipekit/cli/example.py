"""A value of a type that a message can show: as it is typed, and as JSON has it."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pipekit.api.annotation import without_none
from pipekit.cli.parameter import Parameter, is_collection

_SCALARS: dict[Any, Any] = {
    bool: True,
    int: 3,
    float: 0.5,
    str: "text",
    date: "2026-03-14",
    datetime: "2026-03-14T09:30:00",
    time: "09:30:00",
    timedelta: "1:30:00",
}
_MOST_DEPTH = 4


def example_of(annotation: Any, depth: int = 0) -> Any:
    """Plain data that fits the type; None where nothing is known to fit."""
    kind = without_none(annotation)[0] if without_none(annotation) else None
    if kind in _SCALARS:
        return _SCALARS[kind]
    if get_origin(kind) is Literal:
        value = get_args(kind)[0]
        return example_of(type(value)) if isinstance(value, Enum) else value
    if isinstance(kind, type) and issubclass(kind, Enum):
        first = next(iter(kind))
        return first.value if isinstance(first.value, str) else first.name
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return "path/to/file"
    arguments = get_args(kind)
    if depth > _MOST_DEPTH:
        return None
    if is_collection(kind):
        inner = [one for one in arguments if one is not ...] or [str]
        return [example_of(one, depth + 1) for one in inner]
    if (get_origin(kind) or kind) is dict:
        return {"name": example_of(arguments[1], depth + 1) if len(arguments) == 2 else 1}
    return _record(kind, depth)


def _record(kind: Any, depth: int) -> Any:
    """The required fields of a dataclass or model."""
    if hasattr(kind, "model_fields"):
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
    elif isinstance(kind, type) and is_dataclass(kind):
        needed = [
            field.name
            for field in fields(kind)
            if field.init and field.default is MISSING and field.default_factory is MISSING
        ]
    else:
        return None
    try:
        hints = get_type_hints(kind)
    except Exception:  # noqa: BLE001 - user code: whatever evaluating the annotations raises
        return None
    return {name: example_of(hints[name], depth + 1) for name in needed}


def typed_example(parameter: Parameter) -> str:
    """`--test-size 0.5`, as it would be typed; empty where nothing is known to fit."""
    from pipekit.cli.cast import Misfit, cast

    value = example_of(parameter.annotation)
    if value is None:
        return ""
    items = value if parameter.is_many and isinstance(value, list) else [value]
    texts = [item if isinstance(item, str) else json.dumps(item) for item in items]
    try:
        cast(parameter, texts)
    except Misfit:
        return ""
    if parameter.is_flag:
        return f"{parameter.option} or --no-{parameter.option[2:]}"
    from shlex import quote

    return " ".join(f"{parameter.option} {quote(text)}" for text in texts)
