"""The arguments of a run as they are recorded, so that its function can be called with them again:
plain values stand with its parameters, others are stored."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipekit.control.archive import Archive
    from pipekit.model.records import Task
    from pipekit.model.value import Digest, StoredValue

PLAIN = frozenset({int, float, str, bool, type(None)})
"""Types whose values are recorded as parameters, whole."""
NOT_STORED = "not_stored"
"""In a run's settings: names of the arguments that cannot be stored."""
_PATH = "Path"
"""Type of the text that is recorded for a path: what lies there does not belong to the run."""


class Stored(NamedTuple):
    """What is recorded of arguments that are not plain."""

    values: tuple[tuple[str, StoredValue], ...]
    contents: tuple[tuple[Digest, bytes], ...]
    missing: list[str]
    """Names of those that cannot be stored."""


def store(archive: Archive, bound: Mapping[str, Any]) -> Stored:
    """Store the arguments that are not plain."""
    values: list[tuple[str, StoredValue]] = []
    contents: list[tuple[Digest, bytes]] = []
    missing: list[str] = []
    for name, value in bound.items():
        if type(value) in PLAIN:
            continue
        is_path = type(value) is PosixPath
        try:
            stored, content = archive.artifacts.put(
                str(value) if is_path else value, where=f"Argument {name!r}"
            )
        except Exception:  # noqa: BLE001 - serializers run user code; said when it is resumed
            missing.append(name)
            continue
        values.append((name, replace(stored, type=_PATH) if is_path else stored))
        if content is not None:
            contents.append((stored.blob, content))
    return Stored(tuple(values), tuple(contents), missing)


def missing_of(task: Task) -> list[str]:
    """Names of the arguments of a recorded run that could not be stored."""
    return list(task.spec.settings.get(NOT_STORED, ()))


def load(archive: Archive, task: Task) -> dict[str, Any]:
    """Parameter name -> value, of all that are recorded.

    Raises:
        ArtifactError: one cannot be had any more.
    """
    stored = dict(task.arguments)
    left_out = {*stored, *missing_of(task)}
    bound = {name: one for name, one in task.spec.parameters.items() if name not in left_out}
    for name, value in task.arguments:
        loaded = archive.load(value, what=f"argument {name!r} of run {task.name!r}")
        bound[name] = PosixPath(loaded) if value.type == _PATH else loaded
    return bound


def as_call(
    function: Callable[..., Any], bound: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments by position and by name with which `function` is called so."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    known = inspect.signature(function).parameters
    by_name = False
    for name, parameter in known.items():
        if name not in bound:
            by_name = True  # it is new since: its default, or an error that says so
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            args += bound[name]
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            kwargs |= bound[name]
        elif by_name or parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            kwargs[name] = bound[name]
        else:
            args.append(bound[name])
    kwargs |= {name: value for name, value in bound.items() if name not in known}
    return tuple(args), kwargs
