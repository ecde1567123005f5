"""`pipekit resume`: goes on with a run that failed, was stopped, or whose process is gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipekit.api.controller_record import CONTROLLER
from pipekit.api.resume import check_file, not_found, resume_now
from pipekit.cli.home import Home, open_home
from pipekit.cli.outcome import DONE, FAILED, tell
from pipekit.cli.run import tell_failed
from pipekit.cli.target import load_pipeline
from pipekit.control.resume import get_resumable
from pipekit.control.termination import stopped_by_signals
from pipekit.control.until import Reached
from pipekit.errors import (
    NotResumable,
    PipekitError,
    StepSkipped,
    TargetNotFound,
    UsageError,
    short,
)
from pipekit.model.status import Status

if TYPE_CHECKING:
    from pipekit.api.conductor import Conducted
    from pipekit.api.pipeline import Pipeline
    from pipekit.model.records import Task


def resume(typed: str, *, again: Sequence[str], accepts: bool, executor: str) -> int:
    """Go on with the run that was typed; the exit code.

    Args:
        typed: Beginning of its id.
        again: Names of steps that run again although they completed.
        accepts: Whether what completed counts although its code has changed since.
        executor: Where its steps run; empty: where they did.

    Raises:
        UsageError: nothing was typed.
        NotResumable: it goes on, has not begun, or is no run; its pipeline is not found.
        NotFound: there is no such run, or it has no such step.
        UserCodeFailed: the module of its pipeline cannot be imported.
        Stopped, KeyboardInterrupt: the run was stopped.
        StoreError: its records cannot be read or kept.
    """
    with open_home() as home:
        if not typed:
            raise _nothing_typed(home)
        settings = home.archive.settings
        task = home.get_task(typed)
        if get_resumable(home.archive, task, again) is None:
            tell(
                f"Run {task.name!r} ({short(task.id)}) has completed: there is nothing to do. To "
                f"have steps of it run again: pipekit resume {short(task.id)} --from STEP"
            )
            return DONE
    with stopped_by_signals():
        conducted = resume_now(
            load_recorded(task), settings, task, again=again, accepts=accepts, executor=executor
        )
        return DONE if conducted is None else end_of(conducted)


def end_of(conducted: Conducted) -> int:
    """Say how a run ended whose task was given; the exit code."""
    try:
        conducted.result()
    except StepSkipped as skipped:
        if conducted.run.status is not Status.SKIPPED:
            return tell_failed(conducted, skipped)
        tell(str(skipped))
    except Reached as reached:
        if reached.step.status is not Status.COMPLETED:
            return tell_failed(conducted, reached.step.error())
    except (Exception, SystemExit) as error:
        if conducted.run.fatal is error and isinstance(error, PipekitError):
            raise  # not the pipeline's fault: its records cannot be kept
        return tell_failed(conducted, error)
    return DONE if conducted.run.status is not Status.FAILED else FAILED


def _nothing_typed(home: Home) -> UsageError:
    ended = home.list_runs(1, statuses=(Status.FAILED, Status.STOPPED, Status.RUNNING))
    hint = f"pipekit resume {short(ended[0].id)} ({ended[0].name})" if ended else ""
    return UsageError("'pipekit resume' needs the id of a run.", hint=hint)


def load_recorded(task: Task) -> Pipeline[Any, Any]:
    """The pipeline of a run, loaded as `pipekit run` does."""
    if task.spec.entry.startswith(CONTROLLER):
        from pipekit.api.controller_pipeline import pipeline_of  # where there is one

        if task.spec.folder:
            _enter(task)
        return pipeline_of(task)
    module, colon, qualname = task.spec.entry.partition(":")
    if not colon:
        raise not_found(task, "it was defined where no import finds it, as in a notebook")
    check_file(task)
    if task.spec.folder:
        _enter(task)
    file = task.spec.file
    place = file
    if "." in module or not file:
        place = module
        if file:
            is_package = Path(file).name == "__init__.py"
            root = str(Path(file).parents[module.count(".") + is_package])
            sys.path[:0] = [] if root in sys.path else [root]
    try:
        found = load_pipeline(f"{place}:{qualname}")
    except TargetNotFound as error:
        raise not_found(task, str(error).rstrip(".")) from error
    if task.type == "sweep":
        from pipekit.api.sweep import sweep_of  # where there is one

        return cast("Pipeline[Any, Any]", sweep_of(found, task.name))
    return found


def _enter(task: Task) -> None:
    """Its module sees the folder that it saw then."""
    try:
        os.chdir(task.spec.folder)
    except OSError as error:
        raise NotResumable(
            f"Run {task.name!r} ({short(task.id)}) was started in {task.spec.folder}, which "
            f"cannot be entered any more ({error.strerror}).",
            hint="make that folder again, or start a new run.",
        ) from error
