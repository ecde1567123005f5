"""Starts the pipeline of a controller: in this process, or by way of a queue. Checks all of it
before."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from pipekit.api import run_arguments
from pipekit.api.conductor import conduct
from pipekit.api.controller_checks import check_graph, find_templates
from pipekit.api.controller_parameter import TYPES
from pipekit.api.controller_pipeline import ControllerPipeline
from pipekit.api.controller_record import GRAPH, record_of
from pipekit.api.submit import searched_folders
from pipekit.artifacts.preview import line_of
from pipekit.capture.source_text import NO_SOURCE, text_of_file
from pipekit.clock import IdMaker
from pipekit.console.note import note
from pipekit.control.current import current_run
from pipekit.control.dead import close_if_dead
from pipekit.control.enqueue import warn_unserved
from pipekit.control.executor_set import parse_executor
from pipekit.control.project_copy import ROOT, SEARCHED
from pipekit.control.project_snapshot import Snapshot, take_snapshot
from pipekit.control.reuse import Wishes
from pipekit.control.run import Gate, Run
from pipekit.control.session import archive_for, session_for
from pipekit.errors import PipekitError, Stopped, TaskFailed, UsageError, short
from pipekit.model.records import Change, Event, Kind, Task, TaskSpec
from pipekit.model.status import TERMINAL, Status, Transition
from pipekit.settings import read_settings
from pipekit.worker import loading
from pipekit.worker.task_log import inside_step

if TYPE_CHECKING:
    from pipekit.api.controller import PipelineController
    from pipekit.control.archive import Archive

_LOOK_SECONDS = 0.2
_DEAD_SECONDS = 1.0
_SHOWN_CHARACTERS = 1000
__tracebackhide__ = True
"""For pytest: where a run raises, a test's traceback ends at the user's line."""


def start_locally(controller: PipelineController, *, here: bool, wait: bool, executor: str) -> bool:
    """See `PipelineController.start_locally`."""
    _check_place(controller)
    controller._runs_tasks_here = here
    pipeline = ControllerPipeline(controller, executor=executor)
    settings = read_settings(pipeline.folder)
    mode = "inline" if inside_step.get() else executor or settings.executor
    parse_executor(mode)
    session = session_for(settings)
    _prepare(controller, session.archive)
    run = Run(
        session,
        task_id=session.new_id(),
        name=controller.name,
        project=controller.project or settings.project_root.name,
        executor=mode,
    )
    run.wishes = Wishes()
    values = {one.name: one.default for one in controller.parameters}

    def begin() -> None:
        run.started_at = session.now()
        task, contents = _record(
            controller, session.archive, run.task_id, values,
            at=run.started_at, executor=mode, folder=run.folder,
        )  # fmt: skip
        session.begin(run, task, contents)

    def work() -> Any:
        return conduct(session, run, pipeline, (), dict(values), begin).result()

    controller._attach(run)
    if not wait:
        controller._run_in(work)
        return True
    work()
    return True


def start(controller: PipelineController, queue: str, *, wait: bool) -> bool:
    """See `PipelineController.start`."""
    _check_place(controller)
    controller._runs_tasks_here = False
    pipeline = ControllerPipeline(controller)
    settings = read_settings(pipeline.folder)
    archive = archive_for(settings)
    _prepare(controller, archive)
    record_of(controller.nodes)  # what cannot travel is told before anything is recorded
    now = archive.clock.now()
    values = {one.name: one.default for one in controller.parameters}
    task, contents = _record(
        controller, archive, IdMaker(archive.clock)(), values,
        at=now, executor=settings.executor, folder=str(pipeline.folder), queue=queue,
    )  # fmt: skip
    events = (
        Event(task.id, now, Transition.SUBMITTED),
        Event(task.id, now, Transition.ENQUEUED, detail=queue),
    )
    archive.store.commit([Change(task.id, create=task, contents=contents, events=events)])
    controller._begin(archive, task.id)
    note(f"pipeline {controller.name!r} ({task.id}) waits on queue {queue!r}.")
    note(f"  its steps:   pipekit show {short(task.id)}")
    note(f"  its console: pipekit logs -f {short(task.id)}")
    warn_unserved(archive, queue)
    if not wait:
        return True
    try:
        wait_for_end(controller, None)
    except KeyboardInterrupt:
        note(f"the pipeline goes on without this script. Hint: pipekit stop {short(task.id)}")
        raise
    ended = controller.task.record
    if ended.status is Status.STOPPED:
        raise Stopped(f"Pipeline {controller.name!r} ({short(task.id)}) was stopped.")
    if ended.status is not Status.COMPLETED:
        reason = ended.failure.message if ended.failure is not None else ""
        raise TaskFailed(
            task=controller.name, task_id=task.id, status=ended.status.value, reason=reason
        )
    return True


def wait_for_end(controller: PipelineController, end: float | None) -> bool:
    """Wait until the recorded run has ended, or for so long; whether it has."""
    archive = controller.task._archive
    looked_at = monotonic()
    while True:
        task = archive.store.find_task(controller.id)
        if task is None or task.status in TERMINAL:
            return True
        now = monotonic()
        if end is not None and now >= end:
            return False
        if now - looked_at > _DEAD_SECONDS:
            looked_at = now
            close_if_dead(archive, task)
        sleep(_LOOK_SECONDS if end is None else max(0.0, min(_LOOK_SECONDS, end - now)))


def stop_run(run: Run) -> None:
    """Stop a run that goes on in this process: when this returns, its function gets no further."""
    session: Any = run.session
    told = Gate()

    def stop() -> None:
        session.scheduler.stopping.stop_run(run, "stopped by PipelineController.stop()")
        told.open()

    session.post(stop)
    told.wait()


def _check_place(controller: PipelineController) -> None:
    if loading.importing:
        raise loading.ImportEnded
    controller._check_open("start it once more")
    if current_run.get() is not None:
        raise UsageError(
            f"Pipeline {controller.name!r} was to be started in a pipeline function.",
            hint="start it where no run goes on.",
        )


def _prepare(controller: PipelineController, archive: Archive) -> None:
    """Check all, and find the templates."""
    nodes = check_graph(controller.nodes, [one.name for one in controller.parameters])
    find_templates(archive, nodes, note)
    controller._take(nodes)
    if controller._runs_tasks_here:
        return
    queues: dict[str, None] = {}
    for node in nodes.values():
        if not node.is_function:
            queues[node.queue or controller.default_queue] = None
        elif node.queue:
            note(
                f"step {node.name!r}: a function runs in worker processes of its controller, not "
                f"on queue {node.queue!r}."
            )
    for queue in queues:
        warn_unserved(archive, queue)


def _record(
    controller: PipelineController, archive: Archive, task_id: str, values: dict[str, Any], *,
    at: float, executor: str, folder: str, queue: str = "",
) -> tuple[Task, tuple[tuple[str, bytes], ...]]:  # fmt: skip
    """The run's record, and the bytes that it refers to."""
    stored = run_arguments.store(archive, values | _graph(controller))
    settings: dict[str, Any] = {"executor": executor, "on_failure": controller.on_failure}
    types = {one.name: one.type.__name__ for one in controller.parameters if one.type in TYPES}
    if types:
        settings["types"] = types
    missing = [*stored.missing, *([] if stored_graph(stored.values) else [GRAPH])]
    if missing:
        settings[run_arguments.NOT_STORED] = list(dict.fromkeys(missing))
    pipeline = ControllerPipeline(controller)
    root = archive.settings.project_root
    source = text_of_file(Path(pipeline.file), root) if pipeline.file else NO_SOURCE
    snapshot = Snapshot("", "")
    if queue:
        snapshot = _snapshot(controller, archive)
        if snapshot.blob:
            settings |= {ROOT: str(root), SEARCHED: searched_folders(root)}
    task = Task(
        id=task_id,
        kind=Kind.PIPELINE,
        name=controller.name,
        project=controller.project or archive.settings.project_root.name,
        status=Status.QUEUED if queue else Status.RUNNING,
        created_at=at,
        started_at=None if queue else at,
        spec=TaskSpec(
            pipeline.entry,
            parameters={name: _shown(value) for name, value in values.items()},
            settings=settings,
            file=pipeline.file,
            folder=folder,
            source=source.digest,
            snapshot=snapshot.blob,
            commit=snapshot.commit,
        ),
        arguments=stored.values,
        type=pipeline.task_type,
        version=controller.version,
        queue=queue or None,
        queued_at=at if queue else None,
    )
    contents = stored.contents
    if source.digest:
        contents = (*contents, (source.digest, source.content))
    return task, contents


def _snapshot(controller: PipelineController, archive: Archive) -> Snapshot:
    """The project's files, which travel with the run where they can."""
    try:
        return take_snapshot(archive.settings, archive.blobs)
    except PipekitError as error:
        note(
            f"pipeline {controller.name!r} will be run where it lies, as it is then: its project's "
            f"files cannot travel. {error}"
        )
        return Snapshot("", "")


def _graph(controller: PipelineController) -> dict[str, Any]:
    """The steps as an argument; nothing where another process could not find their functions."""
    try:
        record = record_of(
            controller.nodes,
            is_here=controller._runs_tasks_here,
            default_queue=controller.default_queue,
            add_pipeline_tags=controller.add_pipeline_tags,
        )
    except UsageError:
        return {}
    return {GRAPH: record}


def stored_graph(values: tuple[tuple[str, Any], ...]) -> bool:
    """Whether the steps are among the stored arguments."""
    return any(name == GRAPH for name, _ in values)


def _shown(value: Any) -> Any:
    if type(value) in run_arguments.PLAIN:
        return value
    return line_of(value, _SHOWN_CHARACTERS)
