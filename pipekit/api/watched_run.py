"""The callbacks of a run that was started by itself: called in their thread, while its own waits.
Those of a run that is a step are the step's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipekit.api.task import Task
from pipekit.control.callbacks import Callback, agrees, wait_for
from pipekit.errors import CallbackFailed, StepSkipped, short
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.status import Status

if TYPE_CHECKING:
    from pipekit.api.pipeline import Pipeline
    from pipekit.control.run import Run


def begin(run: Run, pipeline: Pipeline[Any, Any]) -> None:
    """Ask its `before`, and tell that it runs.

    Raises:
        StepSkipped: it is not to run.
        CallbackFailed: a callback raised.
    """
    options = pipeline.callbacks
    if options.before is not None:
        callback = _callback(run, "before", options.before)
        if not wait_for(run.callbacks, callback, lambda: (_view(run),), agrees):
            raise StepSkipped(
                f"Run {run.name!r} ({short(run.task_id)}) was skipped: its {callback.name} "
                "returned False.",
                step=run.name,
                task_id=run.task_id,
            )
    _tell_status(run, pipeline, Status.PENDING, Status.RUNNING)


def skipped(run: Run, error: BaseException) -> Failure | None:
    """How it is recorded that a run is not to run; None where the error is another."""
    if isinstance(error, StepSkipped) and error.task_id == run.task_id:
        return Failure(FailureKind.SKIPPED, str(error))
    return None


def end(run: Run, pipeline: Pipeline[Any, Any]) -> CallbackFailed | None:
    """Tell that its end is recorded; the first error of a callback, which comes too late to change
    that."""
    found: CallbackFailed | None = None
    old = Status.PENDING if run.status is Status.SKIPPED else Status.RUNNING
    try:
        _tell_status(run, pipeline, old, run.status)
    except CallbackFailed as error:
        found = error
    if pipeline.callbacks.after is not None:
        callback = _callback(run, "after", pipeline.callbacks.after)
        try:
            wait_for(run.callbacks, callback, lambda: (_view(run),))
        except CallbackFailed as error:
            if found is not None:
                run.session.reporter.warned(str(error))
            found = found or error
    return found


def _tell_status(run: Run, pipeline: Pipeline[Any, Any], old: Status, new: Status) -> None:
    if pipeline.callbacks.on_status is not None:
        callback = _callback(run, "on_status", pipeline.callbacks.on_status)
        wait_for(run.callbacks, callback, lambda: (_view(run), old, new))


def _callback(run: Run, option: str, function: Any) -> Callback:
    return Callback(option, function, f"run {run.name!r} ({short(run.task_id)})")


def _view(run: Run) -> Task:
    return Task.of_running(run.session.archive, run.task_id)
