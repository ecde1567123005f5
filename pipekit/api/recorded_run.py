"""Conducts a run that was recorded before it began: submitted, or cloned from another. Its attempt
is open already; who opened it says where the pipeline was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipekit.api import run_arguments
from pipekit.api.conductor import Conducted, conduct
from pipekit.capture.source_text import source_text_of
from pipekit.control.recorded import Again, RecordedSteps
from pipekit.control.resume import ended_at
from pipekit.control.reuse import Wishes
from pipekit.control.run import Run
from pipekit.control.session import session_for
from pipekit.control.until import Until
from pipekit.errors import NotRunnable, UsageError, short

if TYPE_CHECKING:
    from pipekit.api.pipeline import Pipeline
    from pipekit.control.archive import Archive
    from pipekit.model.records import Task
    from pipekit.settings import Settings

ON_FAILURE = "on_failure"
"""Among a run's settings: what was asked for in place of what the pipeline says."""


def conduct_recorded(
    pipeline: Pipeline[Any, Any], settings: Settings, task: Task, number: int, *,
    shows_output: bool = True,
) -> Conducted:  # fmt: skip
    """Run the pipeline as attempt `number` at a run, to its end in this thread. What completed in
    an earlier attempt is kept.

    Args:
        pipeline: Of which the task is a run.
        settings: Of the home that it is recorded in, and of the project as it lies here.
        task: The run.
        number: Of its open attempt, which this process makes.
        shows_output: Whether what steps print is told here too.

    Raises:
        NotRunnable: the pipeline cannot be called with what is recorded.
    """
    session = session_for(settings)
    if not shows_output:
        session.reporter.shows_output = False
    recorded = dict(task.spec.settings)
    executor = str(recorded.get("executor") or settings.executor)
    on_failure = recorded.get(ON_FAILURE, pipeline.on_failure)
    if on_failure != pipeline.on_failure:
        pipeline = pipeline.options(on_failure=on_failure)
    args, kwargs = _arguments(session.archive, pipeline, task)
    run = Run(session, task_id=task.id, name=task.name, project=task.project, executor=executor)
    run.attempt = number
    run.facts = run.facts._replace(attempt=number)
    run.until = Until(str(recorded["until"])) if recorded.get("until") else None
    run.wishes = Wishes(
        reuses=recorded.get("cache") is not False, refreshed=recorded.get("refresh", ())
    )
    earlier = session.archive.store.list_attempts(task.id)[: number - 1]
    if earlier:
        run.recorded = RecordedSteps(
            session.archive.store, task.id, again=Again(), accepts=False, until=ended_at(earlier)
        )

    def begin() -> None:
        run.started_at = session.now()
        session.begin(run, None)
        session.keep_source(run, source_text_of(pipeline.function, session.fingerprinter.root))

    return conduct(session, run, pipeline, args, kwargs, begin)


def _arguments(
    archive: Archive, pipeline: Pipeline[Any, Any], task: Task
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    who = f"Run {task.name!r} ({short(task.id)})"
    missing = run_arguments.missing_of(task)
    if missing:
        raise NotRunnable(
            f"{who} cannot be run from its record: its argument {missing[0]!r} could not be stored."
        )
    bound = run_arguments.load(archive, task)
    args, kwargs = run_arguments.as_call(pipeline.function, bound)
    try:
        pipeline.bind(args, kwargs)
    except (TypeError, UsageError) as error:
        raise NotRunnable(f"{who} cannot be run: {error}") from error
    return args, kwargs
