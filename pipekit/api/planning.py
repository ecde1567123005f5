"""`Pipeline.plan`: calls the pipeline function with steps that are judged and not run, and gives
what a run would do. `control.planning` judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipekit.api.future import get
from pipekit.artifacts.preview import line_of
from pipekit.control.current import current_run
from pipekit.control.history import History
from pipekit.control.inputs import read_inputs
from pipekit.control.output import Output
from pipekit.control.planning import PlanEnded, PlanHost, PlanRun
from pipekit.control.reuse import Wishes
from pipekit.control.session import session_for
from pipekit.control.step import Step
from pipekit.control.thread_context import carry_runs
from pipekit.model.options import DEFAULT_OUTPUT
from pipekit.model.plan import Plan
from pipekit.model.status import Status
from pipekit.settings import read_settings
from pipekit.worker import loading
from pipekit.worker.runner import load_arguments

if TYPE_CHECKING:
    from pipekit.api.pipeline import Pipeline

_SHOWN_CHARACTERS = 1000
_NOTHING = object()
"""Stands for a value that only the run will know."""


def plan_now(pipeline: Pipeline[Any, Any], args: Any, kwargs: Any) -> Plan:
    """What a run with these arguments would do. The pipeline function runs, its steps do not.

    Raises:
        TypeError: the arguments do not fit.
        Exception: what the pipeline function raised.
    """
    if loading.importing:
        raise loading.ImportEnded
    bound = pipeline.bind(args, kwargs)
    settings = read_settings(pipeline.folder)
    session = session_for(settings)
    project = pipeline.project or settings.project_root.name
    host = PlanHost(session, _plan_child)
    session.enter_run()
    try:
        run = PlanRun(
            host, name=pipeline.name, project=project,
            executor=pipeline.executor or settings.executor,
            entry=pipeline.entry, parameters={name: _shown(value) for name, value in bound.items()},
        )  # fmt: skip
        run.wishes = Wishes(reuses=pipeline.cache, refreshed=pipeline.refresh)
        _conduct(run, pipeline, args, kwargs)
        history = History(session.archive.store, name=pipeline.name, project=project)
        steps = host.steps(history)
    finally:
        session.leave_run()
    return Plan(pipeline.name, project, steps, tuple(host.open_ends))


def _plan_child(parent: PlanRun, step: Step) -> None:
    pipeline = _pipeline_of(parent, step)
    archive = parent.host.archive
    child = PlanRun(
        parent.host, name=step.name, project=pipeline.project or parent.project,
        executor=step.use.executor, entry=pipeline.entry,
        parameters={argument.name: argument.shown for argument in step.arguments},
        path=f"{parent.path}{step.name}/", parent=parent,
    )  # fmt: skip
    child.wishes = parent.wishes.below(step, reuses=pipeline.cache, refreshed=pipeline.refresh)
    args, kwargs = load_arguments(step.call, read_inputs(step, archive), archive.artifacts)
    value = _conduct(child, pipeline, args, kwargs)
    if value is _NOTHING:
        return
    stored, content = archive.artifacts.put(value, where=f"The value of pipeline {child.name!r}")
    step.outputs = {DEFAULT_OUTPUT: Output(stored, content)}
    step.status, step.ended = Status.COMPLETED, True


def _pipeline_of(run: PlanRun, step: Step) -> Pipeline[Any, Any]:
    for (pipeline, _), use in run.uses.items():
        if use is step.use:
            found: Pipeline[Any, Any] = pipeline
            return found
    raise LookupError(step.name)


def _conduct(run: PlanRun, pipeline: Pipeline[Any, Any], args: Any, kwargs: Any) -> Any:
    """Call the function; its value where that is known."""
    carry_runs()
    token = current_run.set(run)
    try:
        value = pipeline.call_function(args, kwargs)
        run.returned = True
        return get(value)
    except PlanEnded as ended:
        if not run.returned or run.fatal is not None:
            name = run.path.rstrip("/")
            where = f" In {name}:" if name else ""
            value = f"{_path_of(ended.step)}{ended.step.name}"
            run.host.end_early(
                f"The plan ends here.{where} What is called next depends on the value of {value}.",
                name=name,
                run=run,
            )
        return _NOTHING
    finally:
        run.returned = True
        run.log.close()
        current_run.reset(token)


def _shown(value: Any) -> Any:
    if type(value) in (int, float, str, bool, type(None)):
        return value
    return line_of(value, _SHOWN_CHARACTERS)


def _path_of(step: Step) -> str:
    path: str = step.run.path
    return path
