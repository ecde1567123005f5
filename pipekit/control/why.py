"""Everything that is known of why a task ran or was reused: the comparison of `control.earlier`,
with the code and the values looked into. Reads; loads no pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipekit.clock import to_datetime
from pipekit.control.archive import Archive
from pipekit.control.code_record import code_changes, source_diff
from pipekit.control.earlier import Earlier, explain
from pipekit.control.run_text import run_text
from pipekit.errors import ArtifactError, PipekitError, short
from pipekit.model.reason import NO_EARLIER, Changed, reason
from pipekit.model.records import Kind, Task
from pipekit.model.status import Status
from pipekit.model.value import StoredValue
from pipekit.model.value_difference import value_differences

_COMPARED_STEPS = 1000
"""Of the newest steps in the home: among them one of the same component is looked for."""
_PLAIN = frozenset({"json", "text", "npy", "numpy-scalar", "arrow", "polars", "pandas"})
"""Serializers whose values can be loaded without running anybody's code."""
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Why:
    """Why a task ran, or from where it was reused. `str()` is the answer in one line.

    Attributes:
        reason: The answer in a few words.
        compared_with: Id of the earlier task that it was compared with, or that it was reused from;
            None where there is none.
        compared_text: That task in words: `fit of train 01j9zk7`.
    """

    reason: str
    compared_with: str | None = None
    compared_text: str = ""
    lines: tuple[str, ...] = ()
    """All that is recorded of it, a sentence each."""
    _archive: Archive | None = field(default=None, repr=False, compare=False)
    _pair: tuple[Task, Task] | None = field(default=None, repr=False, compare=False)
    _changes: tuple[Changed, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return self.reason

    @cached_property
    def changes(self) -> tuple[Changed, ...]:
        """What differs, one by one. Read when it is first asked for: code and values are looked
        into."""
        if self._archive is None or self._pair is None:
            return self._changes
        task, earlier = self._pair
        found: list[Changed] = []
        for change in self._changes:
            found += _looked_into(self._archive, change, task, earlier) or [change]
        return tuple(found)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "reason": self.reason,
            "compared_with": self.compared_with,
            "changes": [change.record() for change in self.changes],
            "lines": list(self.lines),
        }


def why(archive: Archive, task: Task) -> Why:
    """Why a task ran, was reused, or did not run."""
    store = archive.store
    if task.reused_from is not None:
        return _reused(archive, task, task.reused_from)
    found, earlier = explain(store, task)
    if found is NO_EARLIER and task.kind is Kind.STEP:
        earlier = _same_component(archive, task)
        if earlier is None:
            return Why(found.short, lines=found.lines)
        step = earlier.step
        returned_none = [a.value.type for a in store.list_artifacts(step.id)] == ["NoneType"]
        compared = reason(task, step, returned_none=returned_none)
        lines = (*found.lines, *compared.lines)
        return Why(found.short, step.id, _spoken(earlier), lines, archive, (task, step),
                   compared.changes)  # fmt: skip
    if earlier is None:
        return Why(found.short, lines=found.lines)
    lines = found.lines
    if not found.changes:
        lines = (*lines, *_gone(archive, earlier.step))
    return Why(found.short, earlier.step.id, _spoken(earlier), lines, archive,
               (task, earlier.step), found.changes)  # fmt: skip


def _reused(archive: Archive, task: Task, source_id: str) -> Why:
    text = f"reused from {short(source_id)}"
    source = archive.store.find_task(source_id)
    if source is None:
        return Why(text, source_id, lines=("its code and inputs are as they were",))
    run = archive.store.find_task(source.parent) if source.parent else None
    spoken = f"{source.name} of {run_text(run)}" if run is not None else source.name
    lines = [f"its code and inputs are those of {spoken}"]
    if run is not None and run.id == task.parent:
        lines = [f"it equals {source.name} of the same run, which computed the value"]
    if source.ended_at is not None:
        seconds = source.seconds(None)
        took = f", in {seconds:.3g} s" if seconds is not None else ""
        at = to_datetime(source.ended_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"the value was computed {at}{took}")
    return Why(text, source_id, spoken, tuple(lines))


def _spoken(earlier: Earlier) -> str:
    return f"{earlier.step.name} of {run_text(earlier.run)}"


def _same_component(archive: Archive, task: Task) -> Earlier | None:
    """The latest earlier step of the same component, in whatever run."""
    own = (task.created_at, task.id)
    for other in archive.store.list_tasks(kinds=(Kind.STEP,), limit=_COMPARED_STEPS):
        same = other.spec.entry == task.spec.entry and (other.created_at, other.id) < own
        if same and other.parent is not None:
            run = archive.store.find_task(other.parent)
            if run is not None:
                return Earlier(other, run)
    return None


def _gone(archive: Archive, earlier: Task) -> tuple[str, ...]:
    """Why what is equal was not reused, as far as it can still be seen."""
    if earlier.status is not Status.COMPLETED:
        return ()
    return tuple(
        f"the bytes of its {artifact.name!r} ({short(earlier.id)}) are gone"
        for artifact in archive.store.list_artifacts(earlier.id)
        if not _is_there(archive, artifact.value)
    )


def _is_there(archive: Archive, value: StoredValue) -> bool:
    if value.inline:
        return True
    try:
        archive.artifacts.get_path(value, what="")
    except ArtifactError:
        return False
    return True


def _looked_into(archive: Archive, change: Changed, task: Task, earlier: Task) -> list[Changed]:
    """One change in its parts; none where nothing more is known of it."""
    if change.kind == "argument":
        return _argument(archive, change, task, earlier)
    if change.kind != "code":
        return []
    found = code_changes(archive.store, earlier.spec.code, task.spec.code)
    if found or not (task.spec.source and earlier.spec.source):
        return found
    diff = source_diff(archive.store, earlier.spec.source, task.spec.source)
    return [change._replace(diff=diff)] if diff else []


def _argument(archive: Archive, change: Changed, task: Task, earlier: Task) -> list[Changed]:
    before = _value(archive, change.what, earlier)
    after = _value(archive, change.what, task)
    if not before or not after:
        return []
    return [
        Changed("argument", found.path, found.before, found.after, str(found), short=change.short)
        for found in value_differences(change.what, before[0], after[0])
    ]


def _value(archive: Archive, name: str, task: Task) -> tuple[Any] | None:
    """What a step was given under a name, where that is plain and at hand; None elsewhere."""
    if name not in task.spec.parameters or name not in task.inputs:
        return None
    digest = task.inputs[name][2]
    shown = task.spec.parameters[name]
    for needed, output in task.needs:
        for artifact in archive.store.list_artifacts(needed) if output else ():
            if artifact.name == output and artifact.value.digest == digest:
                return _load(archive, artifact.value, name)
    return _shown_value(shown, task.inputs[name][0])


def _load(archive: Archive, value: StoredValue, name: str) -> tuple[Any] | None:
    if value.serializer not in _PLAIN or value.size_bytes > _MOST_BYTES:
        return None
    try:
        return (archive.load(value, what=f"argument {name!r}"),)
    except PipekitError:
        return None  # it is gone: what is recorded of it is shown


def _shown_value(shown: Any, kind: str) -> tuple[Any] | None:
    """A value from how it is recorded, where that is all of it."""
    if not isinstance(shown, str):
        return (shown,)
    prefix = f"<{kind}> "
    if kind not in ("dict", "list") or not shown.startswith(prefix):
        return None
    try:
        return (json.loads(shown[len(prefix) :]),)
    except ValueError:
        return None  # it was too long, and was cut
