"""What a trial of a sweep is judged by: the number that it returned, that it logged, or that a
function makes of its task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from pipekit.api.task import Task
from pipekit.errors import MetricNotFound, PipekitError, UsageError, listed, short

Objective = str | Callable[[Task], Any] | None


def value_of(task: Task, objective: Objective) -> float:
    """The number that stands for an ended trial.

    Raises:
        PipekitError: there is none, or more than one.
        Exception: what a function of the user's raises.
    """
    if objective is None:
        return _number(task.value, f"Trial {task.name!r} ({short(task.id)}) returned")
    if isinstance(objective, str):
        return _number(_metric(task, objective), f"Metric {objective!r} of trial {task.name!r} is")
    name = getattr(objective, "__name__", "objective")
    return _number(objective(task), f"{name}() gave for trial {task.name!r}")


def is_meant(objective: str, path: tuple[str, ...], metric: str) -> bool:
    """Whether a metric that was logged by the step at `path` below a trial is the objective."""
    return objective in (metric, "/".join((*path, metric)))


def _metric(task: Task, objective: str) -> float:
    logged = task.metrics
    if objective in logged:
        return logged[objective]
    found: dict[str, float] = {}
    known: set[str] = set(logged)
    for path, step in _below(task):
        for name, value in step.metrics.items():
            known.add(name)
            if is_meant(objective, path, name):
                found["/".join((*path, name))] = value
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise PipekitError(
            f"Metric {objective!r} of trial {task.name!r} ({short(task.id)}) was logged by "
            f"{len(found)} steps, and which is meant cannot be told: {listed(sorted(found))}.",
            hint=f"name one of these as the objective, or log {objective!r} in the pipeline "
            "function.",
        )
    raise MetricNotFound(task=task.name, task_id=task.id, name=objective, known=sorted(known))


def _below(task: Task, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Task]]:
    for step in task.steps:
        name = (*path, step.name)
        yield name, step
        if step.kind == "pipeline":
            yield from _below(step, name)


def _number(value: Any, what: str) -> float:
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError) as error:
        raise PipekitError(
            f"{what} {_shown(value)}, which is no number to judge a trial by.",
            hint="return a number, or pass objective='metric' or a function of the trial's task.",
        ) from error
    if math.isnan(number):
        raise PipekitError(f"{what} {number}, by which no trial can be judged.")
    return number


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__qualname__}"


def check_objective(objective: Any) -> None:
    """
    Raises:
        UsageError: it is neither the name of a metric nor a function.
    """
    if objective is None or callable(objective) or (isinstance(objective, str) and objective):
        return
    raise UsageError(
        f"objective={objective!r} is to be the name of a metric, a function of a trial's Task, or "
        "None for what the pipeline returns.",
    )
