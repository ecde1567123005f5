"""Which change lands, and what a move does to a task. Pure; every store asks here.

A store reads where a task stands, under whatever keeps other writers out, asks `admits`, and writes
what `advance` gives. The rules:

1. `create` lands if the id is unknown. Everything else that is said of a task (guards, artifacts,
   events) lands only if the task is known; a memo and contents alone belong to no task.
2. `open` lands if no attempt is open, the number is the next one, and the status is not terminal.
   A task that the same change creates may be terminal already if its attempt is closed there too:
   a short step is recorded when it is over, in one piece.
3. `close` lands while its number is the open attempt, whatever the status: a task that was stopped
   from elsewhere must not keep its attempt open for ever.
4. `move` lands while the status is among `expected`, and nothing else counts. So a terminal status
   is left only by a move that names it.
5. `fence` lands while that attempt is open; a new spec in `edit` lands on a draft, with a fence, or
   with a move that leaves a terminal status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipekit.model.failure import Failure
from pipekit.model.records import Change, Move, Task
from pipekit.model.status import TERMINAL, Status
from pipekit.model.value import Digest


@dataclass(slots=True)
class Standing:
    """The mutable part of a task, and of its attempts what the guards look at."""

    status: Status
    reused_from: str | None
    started_at: float | None
    ended_at: float | None
    stop_requested_at: float | None
    failure: Failure | None
    number: int = 0
    """Of the last attempt, 0 where there was none."""
    is_open: bool = False
    """Whether that attempt is open."""
    inputs: Mapping[str, tuple[str, str, Digest]] | None = None
    """To be recorded; None leaves what is."""
    queue: str | None = None
    queued_at: float | None = None


def standing_of(task: Task) -> Standing:
    """Where a task that has no attempt yet stands."""
    return Standing(
        task.status,
        task.reused_from,
        task.started_at,
        task.ended_at,
        task.stop_requested_at,
        task.failure,
        queue=task.queue,
        queued_at=task.queued_at,
    )


def admits(change: Change, standing: Standing | None) -> bool:
    """Whether the whole change lands on a task that stands so (None: the id is unknown).

    Raises:
        ValueError: A record in the change belongs to another task than the change.
    """
    _check_owner(change)
    created = change.create
    if created is not None:
        if standing is not None:
            return False
        status, number, is_open = created.status, 0, False
    elif standing is None:
        return not (
            change.open
            or change.close
            or change.move
            or change.artifacts
            or change.events
            or change.metrics
            or change.edit
            or change.fence is not None
        )
    else:
        status, number, is_open = standing.status, standing.number, standing.is_open
    if change.fence is not None:
        if not is_open or change.fence != number:
            return False
    elif change.edit is not None and change.edit.spec is not None:
        runs_again = change.move is not None and change.move.to not in TERMINAL
        if status is not Status.DRAFT and not (runs_again and status in TERMINAL):
            return False
    attempt = change.open
    if attempt is not None:
        if is_open or attempt.number != number + 1 or (created is None and status in TERMINAL):
            return False
        number, is_open = attempt.number, attempt.ended_at is None
    closing = change.close
    if closing is not None:
        if not is_open or closing.number != number:
            return False
        is_open = False
    if is_open and created is not None and status in TERMINAL:
        return False
    return change.move is None or status in change.move.expected


def advance(standing: Standing, move: Move) -> None:
    """Make an admitted move.

    The failure is always that of the last move. Leaving a terminal status also forgets when the
    task began, how and when it ended, what it reused and the wish to stop it: those spoke of the
    outcome that is gone.
    """
    to = move.to
    if to in TERMINAL:
        standing.ended_at = move.at
    elif standing.status in TERMINAL:
        standing.started_at = standing.ended_at = None
        standing.stop_requested_at = standing.reused_from = None
    if standing.started_at is None:
        standing.started_at = move.at if to is Status.RUNNING else move.started_at
    if move.inputs is not None:
        standing.inputs = move.inputs
    if move.reused_from is not None:
        standing.reused_from = move.reused_from
    if to is Status.QUEUED:
        standing.queue, standing.queued_at = move.queue or standing.queue, move.at
    elif to is Status.DRAFT:
        standing.queue = standing.queued_at = None
    standing.failure = move.failure
    standing.status = to


def _check_owner(change: Change) -> None:
    owner = change.task_id
    owned = (change.create is None or change.create.id == owner) and (
        change.open is None or change.open.task_id == owner
    )
    # Loops, not `any`: this is run for every step, and a generator costs more than the test.
    for artifact in change.artifacts:
        owned = owned and artifact.task_id == owner
    for event in change.events:
        owned = owned and event.task_id == owner
    for metric in change.metrics:
        owned = owned and metric.task_id == owner
    if not owned:
        raise ValueError(f"A change of task {owner!r} holds records of another task.")
