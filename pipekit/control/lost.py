"""Hands back what agents ran that are gone: their attempts are closed, and the tasks wait on their
queues again. Whoever serves a queue or looks at runs has that done first.

On this host an agent is asked for by pid and start time; of another host the lease decides. A task
that loses its process three times in a row is not tried again: it may be what kills them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipekit import liveness
from pipekit.control.archive import Archive
from pipekit.control.dead import (
    changes_below,
    copied_below,
    find_open_attempt,
    remove_copies_of,
)
from pipekit.control.project_copy import remove_copies
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import Attempt, Change, Closing, Event, Move, Task
from pipekit.model.status import Status, Transition

MOST_LOST = 3
_FOREVER = float("inf")
_FORGOTTEN_SECONDS = 86400.0
"""After which an agent of another host that is silent is not listed any more."""


class HandedBack(NamedTuple):
    """An attempt whose process is gone, and where its task stands since."""

    task: Task
    attempt: Attempt
    status: Status


def hand_back_lost(archive: Archive) -> list[HandedBack]:
    """Hand back every task whose agent is gone. One query where no agent runs anything.

    Raises:
        StoreUnavailable: the store cannot be read or written.
    """
    now = archive.clock.now()
    found = []
    for attempt in archive.store.list_lost(_FOREVER):
        alive = liveness.is_alive(attempt.host, attempt.pid, attempt.pid_started_at)
        if alive is None:
            alive = attempt.lease_until is None or attempt.lease_until >= now
        if not alive:
            why = f"Its agent (pid {attempt.pid} on {attempt.host}) is gone."
            handed = hand_back(archive, attempt, why)
            if attempt.host == liveness.host_name():
                remove_copies(attempt.task_id, attempt.number)
            if handed is not None:
                found.append(handed)
    return found


def hand_back(
    archive: Archive, attempt: Attempt, why: str, *, counts: bool = True
) -> HandedBack | None:
    """Close an attempt that nobody runs any more, and have its task wait again; None where someone
    else was first. A task that was to be stopped is stopped.

    Args:
        archive: Of the home that it is recorded in.
        attempt: The open one.
        why: A sentence: what became of its process.
        counts: Whether the task may be to blame.
    """
    store, now = archive.store, archive.clock.now()
    task = store.find_task(attempt.task_id)
    if task is None:
        return None
    kind = FailureKind.LOST if counts else FailureKind.STOPPED
    failure = Failure(kind, why)
    losses = [*_losses(store.list_attempts(task.id), attempt.number), why] if counts else []
    events = [Event(task.id, now, Transition.LOST, attempt.number, why)]
    if task.stop_requested_at is not None:
        failure = Failure(FailureKind.STOPPED, "stopped by 'pipekit stop'")
        move = Move(frozenset({Status.RUNNING}), Status.STOPPED, now, failure)
        events = [Event(task.id, now, Transition.STOPPED, attempt.number)]
    elif len(losses) >= MOST_LOST or not task.queue:
        poisoned = Failure(FailureKind.LOST, _poisoned(attempt, losses))
        move = Move(frozenset({Status.RUNNING}), Status.FAILED, now, poisoned)
        events.append(Event(task.id, now, Transition.FAILED, attempt.number))
    else:
        move = Move(frozenset({Status.RUNNING}), Status.QUEUED, now, queue=task.queue)
        events.append(Event(task.id, now, Transition.ENQUEUED, detail=task.queue))
    closing = Closing(attempt.number, now, failure.kind.value, failure)
    whole = Change(task.id, close=closing, move=move, events=tuple(events), fence=attempt.number)
    copied = copied_below(store, task)
    # The first is the guard of the others: they are steps of that attempt at a run.
    if not store.commit([whole, *changes_below(store, task, now)], if_first=True)[0]:
        return None
    remove_copies_of(copied)
    return HandedBack(task, attempt, move.to)


def take_back(archive: Archive, task_id: str, number: int) -> bool:
    """Have a task wait again that its agent, on its own end, had stopped in attempt `number`;
    whether it does."""
    store, now = archive.store, archive.clock.now()
    task = store.find_task(task_id)
    attempts = store.list_attempts(task_id)
    if task is None or task.status is not Status.STOPPED or attempts[-1].number != number:
        return False
    if task.stop_requested_at is not None or not task.queue:
        return False
    move = Move(frozenset({Status.STOPPED}), Status.QUEUED, now, queue=task.queue)
    events = (
        Event(task_id, now, Transition.RESUMED, number, "its agent ended"),
        Event(task_id, now, Transition.ENQUEUED, detail=task.queue),
    )
    return store.commit([Change(task_id, move=move, events=events)])[0]


def find_claimed(archive: Archive, task_id: str, agent: str) -> Attempt | None:
    """The open attempt at a task, where that agent has it."""
    attempt = find_open_attempt(archive.store, task_id)
    return attempt if attempt is not None and attempt.agent == agent else None


def forget_dead_agents(archive: Archive) -> None:
    """Take agents off the list that ended without saying so."""
    now = archive.clock.now()
    for agent in archive.store.list_agents():
        alive = liveness.is_alive(agent.host, agent.pid, agent.pid_started_at)
        if alive is None:
            alive = now - agent.heartbeat_at < _FORGOTTEN_SECONDS
        if not alive:
            archive.store.remove_agent(agent.id)


def _losses(attempts: Sequence[Attempt], number: int) -> list[str]:
    """What became of the attempts right before this one that were lost too."""
    found: list[str] = []
    for attempt in reversed([one for one in attempts if one.number < number]):
        if attempt.exit != FailureKind.LOST.value:
            break
        found.insert(0, attempt.failure.message if attempt.failure is not None else "lost")
    return found


def _poisoned(attempt: Attempt, losses: Sequence[str]) -> str:
    first = attempt.number - len(losses) + 1
    if len(losses) < MOST_LOST:
        return f"It was lost, and waits on no queue. {losses[-1] if losses else ''}".rstrip()
    exits = "\n".join(f"Attempt {first + index}: {why}" for index, why in enumerate(losses))
    return (
        f"It lost its process {len(losses)} times in a row, so it is not tried again: it may be "
        f"what ends them.\n{exits}"
    )
