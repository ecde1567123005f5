"""Has a task begin anew, or be forgotten: what it was given stays, what it made is not its any
more."""

from __future__ import annotations

from pipekit.control.archive import Archive
from pipekit.errors import UsageError, short
from pipekit.model.records import RUN_KINDS, Change, Event, Kind, Move, Task
from pipekit.model.status import TERMINAL, Status, Transition, sources_of


def reset(archive: Archive, task: Task) -> Task:
    """Make a draft of a script's task that has ended; the task as it is then.

    Raises:
        UsageError: it has not ended, or is no script's.
    """
    who = f"Task {task.name!r} ({short(task.id)})"
    if task.kind is not Kind.SCRIPT:
        raise UsageError(
            f"{who} is a {task.kind}: only a script's task is begun anew as a draft.",
            hint=f"pipekit resume {short(task.id)}" if task.kind is Kind.PIPELINE else "",
        )
    store, now = archive.store, archive.clock.now()
    number = len(store.list_attempts(task.id))
    move = Move(sources_of(Transition.RESET), Status.DRAFT, now)
    event = Event(task.id, now, Transition.RESET, number)
    if not store.commit([Change(task.id, move=move, events=(event,))])[0]:
        found = store.find_task(task.id) or task
        if found.status is Status.DRAFT:
            return found
        raise UsageError(
            f"{who} is {found.status}: it has not ended.", hint=f"pipekit stop {short(task.id)}"
        )
    return store.find_task(task.id) or task


def delete(archive: Archive, task: Task) -> None:
    """Forget a task, with all that lies below it. Bytes that nothing else refers to go with the
    next `pipekit gc`.

    Raises:
        UsageError: it has not ended, or is a part of a run.
    """
    who = f"Task {task.name!r} ({short(task.id)})"
    if task.parent is not None or task.kind not in RUN_KINDS:
        raise UsageError(f"{who} is a part of a run.", hint="delete the run.")
    if task.status not in TERMINAL and task.status is not Status.DRAFT:
        raise UsageError(f"{who} is {task.status}.", hint=f"pipekit stop {short(task.id)}")
    if task.id in archive.store.list_pins():
        raise UsageError(
            f"{who} is pinned.", hint=f"pipekit cache pin --run {short(task.id)} --off"
        )
    with archive.gate.hold(alone=True):
        archive.store.collect([task.id], contents="values")
