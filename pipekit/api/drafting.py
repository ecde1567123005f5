"""Records a script or a function as a draft, without running it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipekit.api.connect import ARGS, as_recorded
from pipekit.capture.source_text import source_text_of, text_of_file
from pipekit.clock import IdMaker
from pipekit.control.archive import Archive
from pipekit.control.clone import changed
from pipekit.control.project_snapshot import take_snapshot
from pipekit.control.script_entry import ScriptEntry
from pipekit.control.session import archive_for
from pipekit.errors import NotRunnable, UsageError
from pipekit.model.name import check_name
from pipekit.model.options import DEFAULT_OUTPUT
from pipekit.model.records import Change, Kind, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.origin import origin_of
from pipekit.settings import read_settings


def draft(
    script: str | Path | None, function: Callable[..., Any] | None, *, project: str, name: str,
    type_: str, argv: Sequence[str], parameters: Mapping[str, Any], tags: tuple[str, ...],
) -> tuple[Archive, Task]:  # fmt: skip
    """See `Task.create`."""
    if (script is None) == (function is None):
        raise UsageError(
            "A task is made of a script or of a function.",
            hint="Task.create(script='train.py', …), or function=train.",
        )
    own: dict[str, Any] = {}
    if function is None:
        file = _script_file(Path(script or ""))
        name = name or file.stem
    else:
        file, own = _function_file(function), _arguments(function)
        name = name or function.__name__
    settings = read_settings(file.parent)
    archive = archive_for(settings)
    root = settings.project_root
    if not file.is_relative_to(root):
        raise NotRunnable(
            f"{file} lies outside of its project {root}.", hint=f"put a pyproject.toml there, or "
            f"do this in {file.parent}.",
        )  # fmt: skip
    path = file.relative_to(root).as_posix()
    entry = ScriptEntry(path=path, function="" if function is None else function.__qualname__)
    source = text_of_file(file, root)
    if function is not None:
        source = source_text_of(function, str(root))
    snapshot = take_snapshot(settings, archive.blobs)
    folder = Path.cwd()
    spec = TaskSpec(
        entry=entry.text,
        parameters=own,
        settings=entry.settings,
        outputs=() if function is None else (DEFAULT_OUTPUT,),
        source=source.digest,
        file=str(file),
        folder=folder.relative_to(root).as_posix() if folder.is_relative_to(root) else "",
        snapshot=snapshot.blob,
        commit=snapshot.commit,
        argv=tuple(str(word) for word in argv),
    )
    given = {key: as_recorded(value) for key, value in parameters.items()}
    task = Task(
        id=IdMaker(archive.clock)(), kind=Kind.SCRIPT, name=check_name(name, "Task"),
        project=check_name(project, f"Project of task {name!r}") or root.name,
        status=Status.DRAFT, created_at=archive.clock.now(),
        spec=changed(spec, given, whose=f"task {name!r}"), type=type_, tags=tags,
    )  # fmt: skip
    contents = ((source.digest, source.content),) if source.digest else ()
    archive.store.commit([Change(task.id, create=task, contents=contents)])
    return archive, task


def _script_file(path: Path) -> Path:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"The script {path} {what}.", hint=f"looked in {Path.cwd()}")
    return Path(os.path.realpath(path))


def _function_file(function: Callable[..., Any]) -> Path:
    origin = origin_of(function)
    if origin is None or not origin.path or "." in origin.qualname:
        raise NotRunnable(
            f"{getattr(function, '__qualname__', function)!r} is not found at the top level of a "
            "file, so no other process can call it.",
            hint="define it there with 'def'.",
        )
    return Path(os.path.realpath(origin.path))


def _arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """Its parameters and their defaults; None for those that have none."""
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = None if parameter.default is parameter.empty else parameter.default
        found[f"{ARGS}/{name}"] = as_recorded(default)
    return found
