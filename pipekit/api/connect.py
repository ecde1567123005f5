"""`Task.connect`: a script's own settings become its task's parameters, and take what a clone of
the task was given instead.

The object stays what it was to the script: a dict, a dataclass, a pydantic model, an argparse
namespace. Its values are recorded; where others are recorded already they are put into it, each of
the type of the value that the code has.
"""

from __future__ import annotations

import dataclasses
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pipekit.artifacts.preview import line_of
from pipekit.control.script import Script
from pipekit.errors import UsageError
from pipekit.model.excerpt import excerpt
from pipekit.model.sections import GENERAL, fitted, from_text

T = TypeVar("T")

ARGS = "Args"
_PLAIN = (bool, int, float, str, type(None))
_READ = (int, float, list, tuple, set, frozenset, dict, type(None))
_SHOWN_CHARACTERS = 1000


class ConnectedDict(dict[Any, Any]):
    """A dict whose later writes are recorded too."""

    def __init__(self, values: Mapping[Any, Any], connection: Connection) -> None:
        super().__init__(values)
        self._connection = connection

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self._connection.record()

    def update(self, *args: Any, **kwargs: Any) -> None:
        super().update(*args, **kwargs)
        self._connection.record()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        found = super().setdefault(key, default)
        self._connection.record()
        return found

    def __ior__(self, other: Any) -> ConnectedDict:  # type: ignore[misc]
        super().__ior__(other)
        self._connection.record()
        return self

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


class Connection:
    """One connected object: what it holds now, and what of it is recorded."""

    def __init__(self, run: Script, held: list[Any], section: str) -> None:
        """`held` are the objects that hold the same settings: the script's own first."""
        self._run = run
        self._held = held
        self._section = section
        self._known: list[dict[str, Any]] = []
        """Of each of these, what was recorded of it last."""

    def record(self) -> None:
        """Record what has changed since it was done last; nothing after the task's end."""
        if self._run.is_over:
            return
        changed: dict[str, Any] = {}
        for index, held in enumerate(self._held):
            now = _recorded(_flat(self._section, _values(held)))
            if index == len(self._known):
                self._known.append({} if index == 0 else now)
            known = self._known[index]
            changed |= {k: v for k, v in now.items() if not _is_same(known.get(k, _NEVER), v)}
            self._known[index] = now
        if changed:
            self._run.set_parameters(changed)


_NEVER: Any = object()


def _is_same(a: Any, b: Any) -> bool:
    """Equal, and of the same type: 1, 1.0 and True are three values."""
    return type(a) is type(b) and (a == b or repr(a) == repr(b))


def connect(run: Script, obj: T, section: str = "") -> T:
    """Connect `obj` with the task; returns what the script is to use from now on: `obj` itself, or
    where that cannot change (a frozen dataclass, a named tuple's like) one of its kind.

    Raises:
        UsageError: it is of no kind that can be connected, or a recorded value does not fit.
    """
    _check_kind(obj)
    section = section or (ARGS if isinstance(obj, Namespace) else GENERAL)
    if "/" in section:
        raise UsageError(f"A section cannot be named {section!r}.", hint="leave the '/' out.")
    injected: Any = _injected(obj, _values(obj), run, section)
    held = [injected]
    connection = Connection(run, held, section)
    if type(injected) is dict:
        injected = ConnectedDict(injected, connection)
        held.append(injected)
    connection.record()
    # The script may go on to write into its own object, or into attributes.
    run.before_edit.append(connection.record)
    return cast("T", injected)


def _check_kind(obj: Any) -> None:
    if isinstance(obj, ArgumentParser):
        raise UsageError(
            "An argparse parser holds no values yet.",
            hint="args = parser.parse_args(), then task.connect(args).",
        )
    if isinstance(obj, type):
        raise UsageError(
            f"{obj.__qualname__} is a class.", hint="connect an object of it, or a dict."
        )
    if not (isinstance(obj, dict | Namespace) or dataclasses.is_dataclass(obj) or _is_model(obj)):
        raise UsageError(
            f"A {type(obj).__qualname__} cannot be connected.",
            hint="connect a dict, a dataclass, a pydantic model or what parse_args() returns.",
        )


def _is_model(obj: Any) -> bool:
    return hasattr(type(obj), "model_fields") and hasattr(obj, "model_copy")


def _values(obj: Any) -> Mapping[Any, Any]:
    """Its settings by name."""
    if isinstance(obj, Mapping):
        return obj
    if dataclasses.is_dataclass(obj):
        return {field.name: getattr(obj, field.name) for field in dataclasses.fields(obj)}
    if _is_model(obj):
        return {name: getattr(obj, name) for name in type(obj).model_fields}
    return dict(vars(obj))


def _injected(obj: Any, values: Mapping[Any, Any], run: Script, prefix: str) -> Any:
    """`obj` with what the task was given under its keys."""
    given: dict[Any, Any] = {}
    for name, value in values.items():
        key = f"{prefix}/{name}"
        if _holds_settings(value):
            inner = _injected(value, _values(value), run, key)
            if inner is not value:
                given[name] = inner
        elif key in run.given and not _is_same(run.given[key], as_recorded(value)):
            given[name] = fitted(key, _as_given(run, key, value), value)
    if isinstance(obj, dict):
        known = {f"{prefix}/{name}" for name in values}
        for key in run.added:
            below, _, name = key.rpartition("/")
            if below == prefix and key not in known:
                given[name] = run.given[key]  # the code finds it under this key, if it looks
    return _with(obj, given)


def _as_given(run: Script, key: str, default: Any) -> Any:
    """What the task was given; where the code has a text, as it was typed."""
    value, text = run.given[key], run.texts.get(key)
    if text is None or not _is_same(value, from_text(text, None)):
        return value
    is_read = isinstance(default, _READ) and not isinstance(default, bool)
    return value if is_read else text


def _with(obj: Any, given: dict[Any, Any]) -> Any:
    if not given:
        return obj
    if isinstance(obj, dict):
        obj.update(given)
    elif dataclasses.is_dataclass(obj):
        shape: Any = type(obj)
        if shape.__dataclass_params__.frozen:
            return dataclasses.replace(cast("Any", obj), **given)
        _set(obj, given)
    elif _is_model(obj):
        # Through its own validation: its types are the ones that count.
        try:
            fresh = type(obj).model_validate({**_values(obj), **given})
        except ValueError as error:
            raise UsageError(f"{type(obj).__qualname__} refuses {given!r}: {error}") from error
        if obj.model_config.get("frozen"):
            return fresh
        _set(obj, {name: getattr(fresh, name) for name in given})
    else:
        _set(obj, given)
    return obj


def _set(obj: Any, given: dict[Any, Any]) -> None:
    for name, value in given.items():
        setattr(obj, name, value)


def _holds_settings(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value)
    return (dataclasses.is_dataclass(value) and not isinstance(value, type)) or _is_model(value)


def _flat(prefix: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}/{name}"
        if _holds_settings(value):
            flat.update(_flat(key, _values(value)))
        else:
            flat[key] = value
    return flat


def _recorded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: as_recorded(value) for key, value in values.items()}


def as_recorded(value: Any) -> Any:
    """The value as plain JSON; of others a text, from which it can be made again where its type
    takes one."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [as_recorded(item) for item in items]
    if isinstance(value, Mapping):
        return {str(key): as_recorded(item) for key, item in value.items()}
    if isinstance(value, bool | int | float | str):
        return _plain_of(value)
    member = getattr(value, "value", None)
    if hasattr(type(value), "__members__") and isinstance(member, _PLAIN):
        return member
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__fspath__"):
        return str(value)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()  # a NumPy number
    # Without where it lies in memory: another process would take that for another value.
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", line_of(value, _SHOWN_CHARACTERS))
    return excerpt(text, _SHOWN_CHARACTERS)


def _plain_of(value: Any) -> Any:
    """A number or text of a class of its own (an `IntEnum`, a NumPy float) as the plain one."""
    kind = next(kind for kind in (bool, int, float, str) if isinstance(value, kind))
    return value.value if hasattr(value, "_value_") else kind(value)
