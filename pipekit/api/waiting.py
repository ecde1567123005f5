"""Waiting for futures without asking for their values, and getting from a future to its task."""

from __future__ import annotations

from typing import Any

from pipekit.api.future import find_futures, source_of
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
    done = [run.wait_for(group, timeout) for run, group in by_run.items()]
    return all(done)


def task_of(future: Any) -> Task:
    """The task of the step that a future comes from. Does not wait for the step.

    Raises:
        UsageError: the argument is no future.
    """
    found = find_futures(future)
    if not found:
        raise UsageError(
            f"task_of takes a future, not a {type(future).__qualname__}.",
            hint="pass what a component call gave, before it is used as a value.",
        )
    step = _step(found[0])
    return Task.of_step(step)


def _step(future: Any) -> Step:
    step = source_of(future)
    assert isinstance(step, Step)
    return step
