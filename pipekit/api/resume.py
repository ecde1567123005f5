"""Goes on with a run that has ended: finds its pipeline from the record, calls it again with the
recorded arguments in the recorded folder. What is kept of its steps is decided below."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.api import run_arguments
from pipekit.api.conductor import Conducted, conduct
from pipekit.api.controller_record import CONTROLLER
from pipekit.api.pipeline import Pipeline
from pipekit.capture.source_text import source_text_of
from pipekit.control.current import current_run
from pipekit.control.executor_set import parse_executor
from pipekit.control.recorded import RecordedSteps
from pipekit.control.resume import check_again, claim, get_resumable, spec_for
from pipekit.control.reuse import Wishes
from pipekit.control.run import Run
from pipekit.control.session import archive_for, session_for
from pipekit.control.until import Until
from pipekit.errors import NotResumable, UsageError, short
from pipekit.origin import MAIN, Origin, stable_name, walk
from pipekit.settings import read_settings
from pipekit.worker import loading

if TYPE_CHECKING:
    from pipekit.api.task import Task as TaskView
    from pipekit.control.archive import Archive
    from pipekit.model.records import Task
    from pipekit.settings import Settings

__tracebackhide__ = True
"""For pytest: where a run raises, a test's traceback ends at the user's line."""


def resume_now(
    pipeline: Pipeline[Any, Any], settings: Settings, task: Task, *, again: Iterable[str] = (),
    accepts: bool = False, executor: str = "", given: dict[str, Any] | None = None,
) -> Conducted | None:  # fmt: skip
    """Run the pipeline as the next attempt at a run, to its end in this thread; None where that has
    completed and nothing of it is to run again.

    Args:
        pipeline: Of which the task is a run.
        settings: Of the home that the run is recorded in.
        task: The run.
        again: Names of steps that run again although they completed, with what depends on them.
        accepts: Whether what completed counts although its code has changed since.
        executor: In place of the recorded one.
        given: The arguments that are not recorded, because they could not be stored.

    Raises:
        NotResumable: it goes on, has not begun, is a part of another run, or cannot be called with
            what is recorded.
        NotFound: it has no step of a name in `again`.
    """
    if loading.importing:
        raise loading.ImportEnded
    if current_run.get() is not None:
        raise UsageError(
            f"Run {task.name!r} ({short(task.id)}) was to be resumed in a pipeline function.",
            hint="resume it where no run goes on.",
        )
    session = session_for(settings)
    names = check_again(again)
    found = get_resumable(session.archive, task, names)
    if found is None:
        return None
    task = found
    args, kwargs = _arguments(session.archive, pipeline, task, given or {})
    recorded = dict(task.spec.settings)
    until = "" if _has_reached(session.archive, task) else str(recorded.get("until", ""))
    executor = executor or str(recorded.get("executor") or pipeline.executor or settings.executor)
    parse_executor(executor)
    recorded["executor"] = executor
    if not until:
        recorded.pop("until", None)
    source = source_text_of(pipeline.function, session.fingerprinter.root)
    spec = spec_for(
        task,
        settings=recorded,
        file=pipeline.file or task.spec.file,
        source=source.digest or task.spec.source,
    )
    with _in_folder(task):
        run = Run(session, task_id=task.id, name=task.name, project=task.project, executor=executor)
        run.until = Until(until) if until else None
        if recorded.get("audit"):
            from pipekit.control.audit import Audits  # for those who ask for it

            run.audits = Audits()
        run.wishes = Wishes(
            reuses=recorded.get("cache") is not False, refreshed=recorded.get("refresh", ())
        )
        claimed = claim(session.archive, task, spec, names)
        run.attempt = claimed.attempt
        run.facts = run.facts._replace(attempt=claimed.attempt)
        run.recorded = RecordedSteps(
            session.archive.store, task.id, again=claimed.again, accepts=accepts,
            until=claimed.until,
        )  # fmt: skip

        def begin() -> None:
            run.started_at = session.now()
            session.begin(run, None)
            session.keep_source(run, source)

        return conduct(session, run, pipeline, args, kwargs, begin)


def resume_by(
    pipeline: Pipeline[Any, Any], run: TaskView | str, *, again: str | Iterable[str],
    accepts: bool, executor: str, given: dict[str, Any],
) -> TaskView:  # fmt: skip
    """`resume_now` for who has the pipeline, and a run or its id; the run's Task.

    Raises:
        UsageError: the run is one of another pipeline.
    """
    from pipekit.api.task import Task as TaskView
    from pipekit.api.task import settings_of

    if isinstance(run, str):
        archive = archive_for(read_settings(pipeline.folder))
        run = TaskView(archive, archive.get_task(run).id)
    task = run.record
    entry = task.spec.entry
    if entry != pipeline.entry and task.name != pipeline.name and task.parent is None:
        raise UsageError(
            f"Run {task.name!r} ({short(task.id)}) is one of {entry}, not of {pipeline.entry}.",
            hint="run.resume() finds its pipeline.",
        )
    conducted = resume_now(
        pipeline, settings_of(run), task, again=check_again(again), accepts=accepts,
        executor=executor, given=given,
    )  # fmt: skip
    return conducted.warned().task() if conducted is not None else run


def _arguments(
    archive: Archive, pipeline: Pipeline[Any, Any], task: Task, given: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    who = f"Run {task.name!r} ({short(task.id)})"
    missing = run_arguments.missing_of(task)
    for name in given:
        if name not in missing:
            raise UsageError(
                f"{who} goes on with the arguments that it was started with, and {name!r} is one "
                "of those that are recorded.",
                hint="start a new run for another value.",
            )
    left = [name for name in missing if name not in given]
    if left:
        passed = ", ".join(f"{name}=…" for name in left)
        raise NotResumable(
            f"{who} cannot go on by itself: its argument {left[0]!r} could not be stored.",
            hint=f"from Python, pass it again: {task.name}.resume({short(task.id)!r}, {passed})",
        )
    bound = run_arguments.load(archive, task) | given
    args, kwargs = run_arguments.as_call(pipeline.function, bound)
    try:
        pipeline.bind(args, kwargs)
    except (TypeError, UsageError) as error:
        raise NotResumable(
            f"{who} cannot go on: its pipeline is not called any more as it was then: {error}",
            hint="start a new run, or take the change of its parameters back.",
        ) from error
    return args, kwargs


def _has_reached(archive: Archive, task: Task) -> bool:
    """Whether the run ended because it had come to the step that it was to go to."""
    until = task.spec.settings.get("until")
    steps = archive.store.list_tasks(parent=task.id)
    return any(
        until in (step.name, step.spec.entry.rpartition(":")[2]) and step.status == "completed"
        for step in steps
    )


@contextlib.contextmanager
def _in_folder(task: Task) -> Iterator[None]:
    """The recorded working folder."""
    folder = task.spec.folder
    if not folder or _is_here(folder):
        yield
        return
    try:
        before = os.getcwd()
    except FileNotFoundError:
        before = ""
    try:
        os.chdir(folder)
    except OSError as error:
        raise NotResumable(
            f"Run {task.name!r} ({short(task.id)}) was started in {folder}, which cannot be "
            f"entered any more ({error.strerror}).",
            hint="make that folder again, or start a new run.",
        ) from error
    try:
        yield
    finally:
        if before:
            os.chdir(before)


def _is_here(folder: str) -> bool:
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:
        return False


# from the record to the pipeline


def find_pipeline(task: Task) -> Pipeline[Any, Any]:
    """The pipeline that a run is recorded of; its module is imported where this process has not
    done so.

    Raises:
        NotResumable: the record does not lead to it, or not any more.
        Exception: whatever importing the module raises.
    """
    if task.spec.entry.startswith(CONTROLLER):
        from pipekit.api.controller_pipeline import pipeline_of  # where there is one

        return pipeline_of(task)
    module_name, colon, qualname = task.spec.entry.partition(":")
    if not colon:
        raise not_found(task, "it was defined where no import finds it, as in a notebook")
    module = sys.modules.get(module_name)
    main = sys.modules.get(MAIN)
    if module is None and main is not None and stable_name(MAIN) == module_name:
        module = main
    if module is None:
        check_file(task)
        module = loading.import_module(Origin(module_name, "", task.spec.file), is_main=False)
    found = walk(module, qualname)
    if task.type == "sweep":
        from pipekit.api.sweep import sweep_of  # where there is one

        found = sweep_of(found, task.name)
    if not isinstance(found, Pipeline):
        raise not_found(task, f"{task.spec.file or module_name} has no pipeline {qualname!r}")
    return found


def check_file(task: Task) -> None:
    """
    Raises:
        NotResumable: the file of its pipeline is not where it was.
    """
    if task.spec.file and not Path(task.spec.file).is_file():
        raise not_found(task, f"its file {task.spec.file} does not exist any more")


def not_found(task: Task, why: str) -> NotResumable:
    """The error for a run whose pipeline the record does not lead to."""
    return NotResumable(
        f"The pipeline of run {task.name!r} ({short(task.id)}) is not found: {why}.",
        hint="put it back; or, where it is now, resume the run from Python: "
        f"the_pipeline.resume({short(task.id)!r})",
    )
