"""What is said of a task from outside of it: how it ended; what it is given before it begins."""

from __future__ import annotations

from typing import Any

from pipekit.control.archive import Archive
from pipekit.control.dead import find_open_attempt
from pipekit.errors import UsageError, short
from pipekit.model.failure import Failure
from pipekit.model.name import check_name
from pipekit.model.records import Artifact, Change, Closing, Event, Kind, Move, Task
from pipekit.model.status import TRANSITIONS, Status, Transition

_WAITING = (Status.DRAFT, Status.PENDING, Status.QUEUED)


def mark(archive: Archive, task: Task, transition: Transition, failure: Failure | None) -> None:
    """Record an end of a script's task that others run, or would.

    Raises:
        UsageError: it has ended, it has not begun, or it is no script's.
    """
    who = f"Task {task.name!r} ({short(task.id)})"
    if task.kind is not Kind.SCRIPT:
        raise UsageError(
            f"{who} is a {task.kind}: how it ends is recorded by what runs it.",
            hint=f"pipekit stop {short(task.id)}",
        )
    status = TRANSITIONS.get((task.status, transition))
    if status is None:
        raise UsageError(f"{who} is {task.status}: it cannot be marked as {transition.value}.")
    now = archive.clock.now()
    attempt = find_open_attempt(archive.store, task.id)
    exit_ = failure.kind.value if failure is not None else transition.value
    number = attempt.number if attempt is not None else 0
    change = Change(
        task.id,
        close=Closing(number, now, exit_, failure) if number else None,
        move=Move(frozenset({task.status}), status, now, failure),
        events=(Event(task.id, now, transition, number),),
    )
    if not archive.store.commit([change])[0]:
        raise UsageError(f"{who} has moved on at this moment.", hint="try again.")


def give(archive: Archive, task: Task, name: str, value: Any) -> None:
    """Store an artifact with a task that has not begun.

    Raises:
        UsageError: it runs, or has ended; the name is none.
        NotSerializable: the value cannot be stored.
    """
    who = f"task {task.name!r} ({short(task.id)})"
    if not check_name(name, f"Artifact of {who}"):
        raise UsageError(f"An artifact of {who} is to have a name.")
    if task.kind is not Kind.SCRIPT or task.status not in _WAITING:
        does = "runs in another process" if task.status is Status.RUNNING else f"is {task.status}"
        raise UsageError(
            f"Nothing can be stored with {who}: it {does}.",
            hint=f"clone it, and give the clone what it is to have: pipekit clone {short(task.id)}",
        )
    stored, content = archive.artifacts.put(value, where=f"Artifact {name!r}")
    artifact = Artifact(task.id, 0, name, archive.clock.now(), stored)
    contents = ((stored.blob, content),) if content is not None else ()
    archive.store.commit([Change(task.id, artifacts=(artifact,), contents=contents)])
