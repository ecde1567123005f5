"""Parameters with sections: `General/rate`, `Args/epochs`. Pure; owns what a key means, and which
values may stand in the place of a default.

A key without a section means the one section that has it, else `General`; it beats a key with a
section that is given beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from pipekit.errors import UsageError, nearest

GENERAL = "General"
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")


def qualified(key: str, known: Iterable[str]) -> str:
    """The whole key that `key` means, where these exist."""
    known = set(known)
    if key in known:
        return key
    having = [one for one in known if one.partition("/")[2] == key]
    if len(having) == 1:
        return having[0]
    return f"{GENERAL}/{key}" if having or "/" not in key else key


def merged(
    known: Mapping[str, Any], given: Mapping[str, Any], *, replace: bool = False
) -> dict[str, Any]:
    """`known` with what is given in its place, or beside it; `replace` leaves out all else.

    Values that are given as they are stay so; see `fitted`.
    """
    whole = {qualified(key, known): (key, value) for key, value in given.items() if "/" in key}
    for key, value in given.items():
        if "/" not in key:
            whole[qualified(key, known)] = (key, value)
    result = {} if replace else dict(known)
    result.update({key: value for key, (_, value) in whole.items()})
    return result


def added(known: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """The whole keys among those given that were not known."""
    return [whole for key in given if (whole := qualified(key, known)) not in known]


def spread(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """`given`, with a dict that stands for a group of parameters (`General/model`, where
    `General/model/depth` is known) as its parts.

    Raises:
        UsageError: something else than a dict stands for a group.
    """
    known = set(known)
    result: dict[str, Any] = {}
    # A key without a section comes last: it beats one with it.
    for key, value in sorted(given.items(), key=lambda item: "/" not in item[0]):
        group = "" if qualified(key, known) in known else group_of(key, known)
        if group and isinstance(value, Mapping) and value:
            parts = {f"{group}/{name}": inner for name, inner in value.items()}
            result.update(spread(parts, known))
        elif "/" in group:
            having = sorted(one for one in known if one.startswith(f"{group}/"))
            raise UsageError(
                f"Parameter {group!r} cannot be {value!r}: it is a group of {', '.join(having)}.",
                hint=f"set one of them, as in {having[0]}=…, or give a dict.",
            )
        else:
            result[key] = value
    return result


def group_of(key: str, known: Iterable[str]) -> str:
    """The whole key of the group of parameters that `key` means; empty where there is none."""
    wholes = {key, *(f"{one.partition('/')[0]}/{key}" for one in known)}
    having = [whole for whole in wholes if any(one.startswith(f"{whole}/") for one in known)]
    if len(having) == 1:
        return having[0]
    general = f"{GENERAL}/{key}"
    return general if general in having else ""


def from_text(text: str, default: Any) -> Any:
    """What a text stands for where `default` is what stood there: texts come from a command line or
    a form, and have no type of their own. Without a default to go by, a number, a truth value, null
    and JSON's brackets are what they look like."""
    if default is not None:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, str) else value


def fitted(key: str, value: Any, default: Any) -> Any:
    """The value for a parameter whose code gives `default`: of the default's type.

    Numbers become one another where nothing is lost; a text is read as what the default is, and
    stays a text where the default is one, or is None. A list or a dict may be given as JSON.

    Raises:
        UsageError: it does not fit.
    """
    kind = type(default)
    if default is None or type(value) is kind:
        return value
    try:
        return _FITTING.get(kind, _other)(value, kind)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(
            f"Parameter {key!r} cannot be {value!r}: its default is {default!r}, so it is to be "
            f"of type {kind.__name__} too.",
            hint="change the default in the code where another type is meant.",
        ) from error


def check_known(key: str, known: Iterable[str], *, whose: str) -> str:
    """The whole key of a parameter that has to be there.

    Raises:
        UsageError: it is not; the nearest is named.
    """
    listed = sorted(known)
    whole = qualified(key, listed)
    if whole not in listed:
        has = f"It has: {', '.join(listed)}." if listed else "It has none."
        raise UsageError(f"{whose} has no parameter {key!r}. {has}", hint=nearest(whole, listed))
    return whole


def flattened(section: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    """A dict of parameters by whole keys; dicts in it become parts of the key, empty ones stay."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{section}/{name}"
        if isinstance(value, Mapping) and value:
            flat.update(flattened(key, value))
        else:
            flat[key] = value
    return flat


def _as_bool(value: Any, _: type) -> bool:
    text = str(value).strip().lower() if isinstance(value, str) else None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


def _as_int(value: Any, _: type) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        return int(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    if isinstance(value, int):
        return int(value)
    raise TypeError


def _as_float(value: Any, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = float(value)
    if isinstance(value, int) and int(number) != value:
        raise OverflowError
    return number


def _as_collection(value: Any, kind: type) -> Any:
    if isinstance(value, str):
        value = json.loads(value)
    plain = list if kind in (tuple, set, frozenset) else kind
    if not isinstance(value, plain | kind):
        raise TypeError
    return kind(value)


def _as_text(value: Any, _: type) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError


def _other(value: Any, kind: type) -> Any:
    """A type that is recorded as a text: a path, an enum, a moment."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str | int | float):
        raise TypeError
    read = getattr(kind, "fromisoformat", kind)
    return read(value)


_FITTING = {
    bool: _as_bool,
    int: _as_int,
    float: _as_float,
    str: _as_text,
    list: _as_collection,
    tuple: _as_collection,
    set: _as_collection,
    frozenset: _as_collection,
    dict: _as_collection,
}
