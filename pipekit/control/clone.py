"""A new draft of a script's task, with other parameters; and the parameters of drafts. What a
parameter's value may be is decided here: of the type of the one that it takes the place of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from pipekit.clock import IdMaker
from pipekit.console.note import note
from pipekit.control.archive import Archive
from pipekit.control.script import ADDED, FREE, TEXTS, defaults_of
from pipekit.errors import UsageError, short
from pipekit.model.name import check_name
from pipekit.model.records import Artifact, Change, Edit, Kind, Task, TaskSpec
from pipekit.model.sections import added, fitted, from_text, merged, qualified, spread
from pipekit.model.status import Status

_SHOWN_KEYS = 12


def clone(
    archive: Archive, source: Task, *, name: str = "", project: str = "",
    parameters: Mapping[str, Any] | None = None, texts: Mapping[str, str] | None = None,
    tags: Collection[str] | None = None, comment: str = "",
) -> Task:  # fmt: skip
    """Record a draft that is `source` with other parameters: same code, same settings, what it was
    given; nothing of what it made.

    Args:
        name: Default: `Clone of` and the source's.
        parameters: In place of the source's; a key without a section means the one that has it.
        texts: The same as they were typed.

    Raises:
        UsageError: it is no script's task, or a value does not fit.
    """
    who = f"{source.name!r} ({short(source.id)})"
    if source.kind is not Kind.SCRIPT:
        raise UsageError(f"{who} is a {source.kind}: it is not cloned as a script's task is.")
    name = check_name(name, "Task") or f"Clone of {source.name}"
    check_name(project, f"Project of task {name!r}")
    known = defaults_of(source.spec)
    typed = {k: from_text(v, known.get(qualified(k, known))) for k, v in (texts or {}).items()}
    given = {**(parameters or {}), **typed}
    spec = changed(source.spec, given, whose=f"the template, {who}")
    if read := {k: texts[k] for k, v in typed.items() if texts and not isinstance(v, str)}:
        kept = {qualified(key, known): text for key, text in read.items()}
        settings = {**spec.settings, TEXTS: {**spec.settings.get(TEXTS, {}), **kept}}
        spec = replace(spec, settings=settings)
    now = archive.clock.now()
    task = Task(
        id=IdMaker(archive.clock)(), kind=Kind.SCRIPT, name=name,
        project=project or source.project, status=Status.DRAFT, created_at=now,
        spec=spec, type=source.type, version=source.version,
        tags=source.tags if tags is None else tuple(tags), cloned_from=source.id, comment=comment,
    )  # fmt: skip
    # What was given to it, not made by it.
    given_to = [
        Artifact(task.id, 0, one.name, now, one.value)
        for one in archive.store.list_artifacts(source.id)
        if one.attempt == 0 and source.reused_from is None
    ]
    archive.store.commit([Change(task.id, create=task, artifacts=tuple(given_to))])
    return task


def changed(
    spec: TaskSpec, given: Mapping[str, Any], *, whose: str, replaces: bool = False
) -> TaskSpec:
    """A spec with what is given in place of its parameters, each of the type of the one before.
    New ones are added, with a word about it where there were any.

    Raises:
        UsageError: a value does not fit.
    """
    known = spec.parameters
    given = spread(given, known)
    new = merged(known, given, replace=replaces)
    defaults = defaults_of(spec)
    for key, value in new.items():
        if key in known:
            new[key] = fitted(key, value, defaults[key])
    keys = added(known, given)
    if known and keys:
        listed = ", ".join(repr(key) for key in keys[:_SHOWN_KEYS])
        note(f"{whose} has no parameter {listed}: added.")
    settings = dict(spec.settings)
    if keys:
        settings[ADDED] = sorted({*settings.get(ADDED, ()), *keys})
    if free := [key for key, value in defaults.items() if value is None and key in new]:
        settings[FREE] = sorted(free)
    return replace(spec, parameters=new, settings=settings)


def set_parameters(
    archive: Archive, task: Task, given: Mapping[str, Any], *, replaces: bool = False
) -> None:
    """Change the parameters of a draft.

    Raises:
        UsageError: it is none, or a value does not fit.
    """
    who = f"task {task.name!r} ({short(task.id)})"
    edit = Edit(spec=changed(task.spec, given, whose=who, replaces=replaces))
    if task.kind is not Kind.SCRIPT or not archive.store.commit([Change(task.id, edit=edit)])[0]:
        found = archive.store.find_task(task.id) or task
        is_ = f"a {found.kind}" if task.kind is not Kind.SCRIPT else str(found.status)
        raise UsageError(
            f"The parameters of {who} cannot be changed: it is {is_}.",
            hint=f"clone it: Task.clone('{short(task.id)}', parameters={{…}})",
        )
