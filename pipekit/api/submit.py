"""Records a run without beginning it: to be run by whoever serves a queue, or as a draft that is a
copy of another run with other arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any

from pipekit.api import run_arguments
from pipekit.api.conductor import shown_parameter
from pipekit.api.controller_record import CONTROLLER, GRAPH
from pipekit.api.future import get
from pipekit.api.recorded_run import ON_FAILURE
from pipekit.capture.source_text import source_text_of
from pipekit.clock import IdMaker
from pipekit.console.note import note
from pipekit.control.enqueue import warn_unserved
from pipekit.control.executor_set import parse_executor
from pipekit.control.project_copy import ROOT, SEARCHED, find_original
from pipekit.control.project_snapshot import take_snapshot
from pipekit.control.session import archive_for
from pipekit.errors import NotRunnable, PipekitError, UsageError, short
from pipekit.model.name import check_name
from pipekit.model.options import CALLBACKS
from pipekit.model.records import Change, Event, Kind, Task, TaskSpec
from pipekit.model.status import Status, Transition
from pipekit.origin import find_imported, origin_of
from pipekit.settings import read_settings
from pipekit.worker import loading

if TYPE_CHECKING:
    from pipekit.api.pipeline import Pipeline
    from pipekit.control.archive import Archive
    from pipekit.settings import Settings


def submit_now(
    pipeline: Pipeline[Any, Any], args: Any, kwargs: Any, *, queue: str = ""
) -> tuple[Archive, Task]:
    """Record a run that waits on a queue (default: the pipeline's), with its arguments and the
    project's files; where, and the run.

    Raises:
        TypeError, UsageError: the arguments do not fit.
        NotRunnable: another process could not run it: it is not found by name, or an argument or a
            callback cannot travel.
    """
    if loading.importing:
        raise loading.ImportEnded
    queue = queue or pipeline.queue
    bound = get(pipeline.bind(args, kwargs))
    settings = read_settings(pipeline.folder)
    archive = archive_for(settings)
    spec = _spec(archive, pipeline)
    source = source_text_of(pipeline.function, str(settings.project_root))
    stored = run_arguments.store(archive, bound)
    if stored.missing:
        name = stored.missing[0]
        raise NotRunnable(
            f"Pipeline {pipeline.name!r} cannot be submitted: argument {name!r} is a "
            f"{type(bound[name]).__qualname__}, which cannot be stored.",
            hint="pass what it is made of, and make it in a component.",
        )
    now = archive.clock.now()
    task = Task(
        id=IdMaker(archive.clock)(),
        kind=Kind.PIPELINE,
        name=pipeline.name,
        project=pipeline.project or _project_name(settings),
        status=Status.QUEUED,
        created_at=now,
        spec=replace(
            spec,
            parameters={name: shown_parameter(value) for name, value in bound.items()},
            source=source.digest,
        ),
        type="controller",
        version=pipeline.version,
        queue=queue,
        queued_at=now,
        arguments=stored.values,
    )
    events = (
        Event(task.id, now, Transition.SUBMITTED),
        Event(task.id, now, Transition.ENQUEUED, detail=queue),
    )
    contents = stored.contents
    if source.digest:
        contents = (*contents, (source.digest, source.content))
    archive.store.commit([Change(task.id, create=task, events=events, contents=contents)])
    warn_unserved(archive, queue)
    return archive, task


def clone_run(
    archive: Archive, run: Task, pipeline: Pipeline[Any, Any], changes: Mapping[str, Any], *,
    name: str = "", project: str = "", comment: str = "", tags: Iterable[str] | None = None,
    travels: bool = False,
) -> Task:  # fmt: skip
    """Record a draft that is a copy of a run, with other values for some of its arguments; all else
    is the same: the other arguments, the code where that was recorded, how it runs.

    Args:
        archive: Where both are recorded.
        run: What it is a copy of.
        pipeline: Of the run.
        changes: Argument -> value, of the type that the pipeline says.
        name: Default: that of the run, under which the runs of a pipeline are listed.
        project: Default: the same.
        comment: In words, about the copy.
        tags: Default: the same.
        travels: Whether it is to have the project's files as they are now, where the run has none.

    Raises:
        UsageError: the pipeline has no such parameter, or a value is of another type.
        NotRunnable: an argument could not be stored.
    """
    who = f"Run {run.name!r} ({short(run.id)})"
    missing = [one for one in run_arguments.missing_of(run) if one not in changes]
    if missing:
        raise NotRunnable(
            f"{who} cannot be cloned: its argument {missing[0]!r} could not be stored.",
            hint=f"give another value for it: parameters={{{missing[0]!r}: …}}",
        )
    bound = run_arguments.load(archive, run) | dict(changes)
    args, kwargs = run_arguments.as_call(pipeline.function, bound)
    try:
        bound = pipeline.bind(args, kwargs)
    except TypeError as error:
        raise UsageError(f"{who} cannot be cloned so: {error}") from error
    stored = run_arguments.store(archive, bound)
    if stored.missing:
        raise NotRunnable(
            f"{who} cannot be cloned: argument {stored.missing[0]!r} cannot be stored."
        )
    now = archive.clock.now()
    settings = {k: v for k, v in run.spec.settings.items() if k != run_arguments.NOT_STORED}
    shown = {one: shown_parameter(value) for one, value in bound.items() if one != GRAPH}
    spec = replace(run.spec, parameters=shown, settings=settings)
    if travels and not spec.snapshot and not spec.entry.startswith(CONTROLLER):
        spec = _with_project(archive, pipeline, spec)
    clone = Task(
        id=IdMaker(archive.clock)(),
        kind=Kind.PIPELINE,
        name=check_name(name, "Run") or run.name,
        project=check_name(project, "Project") or run.project,
        status=Status.DRAFT,
        created_at=now,
        spec=spec,
        type=run.type,
        version=run.version,
        tags=run.tags if tags is None else tuple(tags),
        cloned_from=run.id,
        comment=comment,
        arguments=stored.values,
    )
    archive.store.commit([Change(clone.id, create=clone, contents=stored.contents)])
    return clone


def _project_name(settings: Settings) -> str:
    original = find_original(settings.project_root)
    return (original.root if original is not None else settings.project_root).name


def _spec(archive: Archive, pipeline: Pipeline[Any, Any]) -> TaskSpec:
    """What the run is, but for its arguments."""
    who = f"Pipeline {pipeline.name!r} cannot be submitted"
    origin = origin_of(pipeline.function)
    if origin is None or not pipeline.file or isinstance(pipeline.function, MethodType):
        raise NotRunnable(
            f"{who}: no import finds it in another process.",
            hint="define it at the top level of a module, not in a notebook or a function.",
        )
    changed = _changed_options(pipeline, find_imported(origin.module, origin.qualname))
    for name in CALLBACKS:
        if name in changed:
            raise NotRunnable(
                f"{who} with {name}=… of .options(): another process would not find it.",
                hint=f"write @pipeline({name}=…).",
            )
    settings = archive.settings
    executor = pipeline.executor or settings.executor
    parse_executor(executor)
    recorded: dict[str, Any] = {"executor": executor}
    if not pipeline.cache:
        recorded["cache"] = False
    if pipeline.refresh:
        recorded["refresh"] = list(pipeline.refresh)
    if ON_FAILURE in changed:
        recorded[ON_FAILURE] = pipeline.on_failure
    spec = TaskSpec(
        str(origin), settings=recorded, file=str(Path(pipeline.file).resolve()),
        folder=str(Path.cwd()),
    )  # fmt: skip
    return _with_project(archive, pipeline, spec)


def _with_project(archive: Archive, pipeline: Pipeline[Any, Any], spec: TaskSpec) -> TaskSpec:
    """The same with the project's files as they are now; where these cannot travel, that is
    said."""
    root, file, folder = archive.settings.project_root, Path(spec.file), Path(spec.folder)
    original = find_original(root)
    if original is not None:  # in a run that was submitted: the project is what that is of
        snapshot, commit = original.snapshot, ""
        file, folder = (_moved(path, root, original.root) for path in (file, folder))
    else:
        try:
            if not file.is_relative_to(root):
                raise UsageError(f"{file} lies outside of its project {root}.")
            snapshot, commit = take_snapshot(archive.settings, archive.blobs)
        except PipekitError as error:
            note(
                f"pipeline {pipeline.name!r} will be run where it lies, as it is then: its "
                f"project's files cannot travel. {error}"
            )
            return spec
    settings = {**spec.settings, ROOT: str(original.root if original is not None else root)}
    searched = searched_folders(root)
    if searched:
        settings[SEARCHED] = searched
    return replace(
        spec, file=str(file), folder=str(folder), settings=settings, snapshot=snapshot,
        commit=commit,
    )  # fmt: skip


def _changed_options(pipeline: Pipeline[Any, Any], decorated: Any) -> set[str]:
    """Names of the options that are not those of the pipeline that another process will find."""
    from pipekit.api.pipeline import Pipeline as PipelineClass

    if not isinstance(decorated, PipelineClass):
        return {name for name in CALLBACKS if getattr(pipeline.callbacks, name) is not None}
    changed = {
        name
        for name in CALLBACKS
        if getattr(pipeline.callbacks, name) != getattr(decorated.callbacks, name)
    }
    return changed | ({ON_FAILURE} if pipeline.on_failure != decorated.on_failure else set())


def _moved(path: Path, root: Path, to: Path) -> Path:
    return to / path.relative_to(root) if path.is_relative_to(root) else path


def searched_folders(root: Path) -> list[str]:
    """Folders of the project that modules are looked for in."""
    found = (Path(text or os.curdir).resolve() for text in sys.path)
    return list(
        dict.fromkeys(
            path.relative_to(root).as_posix()
            for path in found
            if path.is_relative_to(root) and path.is_dir() and "site-packages" not in path.parts
        )
    )
