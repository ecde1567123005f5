"""What code asks of the task that it runs in: which it is, and to log something to it.

A function that logs stays a plain function: outside of steps and pipelines nothing is logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipekit.control.current import current_run
from pipekit.worker.task_log import TaskLog, current_script, current_step

if TYPE_CHECKING:
    from pipekit.api.task import Task


def current_task() -> Task | None:
    """The task whose code is running: a step's in a component, the run's in a pipeline function,
    else the script's after `Task.init`; None where there is none."""
    step = current_step()
    run = current_run.get()
    script = current_script()
    if step is None and run is None and script is None:
        return None
    from pipekit.api import task
    from pipekit.control.session import archive_for  # a worker has it imported only where asked

    if step is not None:
        step.announce()
        return task.Task.of_running(archive_for(step.settings), step.task_id)
    if run is not None:
        return task.Task.of_running(run.session.archive, run.task_id)
    assert script is not None
    return task.Task.of_running(archive_for(script.settings), script.task_id)


def log_metric(name: str, value: Any, *, step: int | None = None) -> None:
    """Log a number of the running task; `task.metrics` has it, also when the task is reused.

    Args:
        name: What it is (`loss`, `accuracy`).
        value: A real number: also a NumPy scalar, or an array or tensor of one element.
        step: Your own count (an epoch, a batch), if it is one of a series.

    Raises:
        UsageError: the value is no number, `step` no whole number, or the task has ended.
    """
    log = log_of_here()
    if log is not None:
        log.metric(name, value, step)


def log_artifact(name: str, value: Any) -> None:
    """Store a value with the running task; `task.artifacts[name]` has it, also when the task is
    reused. It is stored when this returns; logged twice under one name, the later one counts.

    Raises:
        UsageError: the component returns something of that name, or the task has ended.
        NotSerializable: the value cannot be stored.
    """
    log = log_of_here()
    if log is not None:
        log.artifact(name, value)


def log_figure(name: str, figure: Any) -> None:
    """Store a matplotlib figure with the running task, as a PNG image beside the object itself.

    Args:
        name: Of the artifact.
        figure: A `matplotlib.figure.Figure`, or anything that has one as its `figure` attribute
            (axes, a seaborn grid).

    Raises:
        UsageError: it is no figure; otherwise as `log_artifact`.
    """
    log = log_of_here()
    if log is not None:
        log.artifact(name, figure_of(figure, f"log_figure({name!r}, …)"))


def report_progress(done: float, total: float | None = None) -> None:
    """Say how far the running task has come, for whoever watches; nothing is recorded.

    Args:
        done: How much is done, in any unit.
        total: Of how much, in the same unit; None where that is not known.

    Raises:
        UsageError: one is no number, or the task has ended.
    """
    log = log_of_here()
    if log is not None:
        log.progress(done, total)


def log_of_here() -> TaskLog | None:
    """The log of the task whose code is running; None where there is none."""
    step = current_step()
    if step is not None:
        return step
    run = current_run.get()
    return current_script() if run is None else run.log


def logs_of_here() -> Iterator[TaskLog]:
    """That one, and those of the tasks around it that this process can log to."""
    step, run, script = current_step(), current_run.get(), current_script()
    if step is not None:
        yield step
    while run is not None:
        yield run.log
        run = run.parent
    if script is not None:
        yield script


def figure_of(value: Any, asked: str) -> Any:
    """The matplotlib figure that a value is, or has.

    Raises:
        UsageError: it has none; `asked` is the call that wants one.
    """
    import sys

    from pipekit.errors import UsageError

    module = sys.modules.get("matplotlib.figure")
    for candidate in (value, getattr(value, "figure", None)):
        if module is not None and isinstance(candidate, module.Figure):
            return candidate
    raise UsageError(
        f"{asked} takes a matplotlib figure, not a {type(value).__qualname__}.",
        hint="log other values with log_artifact(name, value).",
    )
