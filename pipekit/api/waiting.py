"""Waiting for futures without asking for their values, and getting from a future to its task."""

from __future__ import annotations

from time import monotonic
from typing import Any

from pipekit.api.future import find_futures, is_future, source_of
from pipekit.api.task import Task
from pipekit.control.step import Step
from pipekit.errors import UsageError


def wait(*futures: Any, timeout: float | None = None) -> bool:
    """Block until all futures in the arguments, in any nesting, have ended, well or not.

    Never raises for a step that failed: ask `task_of(future).status`, or touch the value.

    Args:
        futures: Futures, or lists, tuples and dicts of them.
        timeout: Seconds to wait at most; None: as long as it takes.

    Returns:
        Whether all have ended; False where the time was over first.
    """
    steps = {id(step): step for future in find_futures(futures) if (step := _step(future))}
    by_run: dict[Any, list[Step]] = {}
    for step in steps.values():
        by_run.setdefault(step.run, []).append(step)
    end = None if timeout is None else monotonic() + timeout
    return all(
        run.wait_for(group, None if end is None else max(0.0, end - monotonic()))
        for run, group in by_run.items()
    )


def task_of(future: Any) -> Task:
    """The task of the step that a future comes from. Does not wait for the step.

    Raises:
        UsageError: the argument is no future.
    """
    if not is_future(future):
        raise UsageError(
            f"task_of takes a future, not a {type(future).__qualname__}.",
            hint="pass what a component call gave, before it is used as a value.",
        )
    return Task.of_step(_step(future))


def _step(future: Any) -> Step:
    step = source_of(future)
    assert isinstance(step, Step)
    return step
