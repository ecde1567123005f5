"""The life of a task, as a table. Owns which status may follow which; knows nothing of stores.

Two rules hold for every writer:

1. A task moves only along a row of `TRANSITIONS`: (status it is in, what happened) -> status. Who
   writes a move takes the statuses that it expects from the table (`sources_of`), and a store
   makes it only where one of them holds, by compare-and-set.
2. A terminal status absorbs everything but `resumed` and `reset`. A late heartbeat, a second
   completion or a stop that lost the race changes nothing.

*Cached* is no status: a reused step is `completed`, by the transition `reused`, without an attempt.
*Stopping* is no status either: the wish is a column (`stop_requested_at`), `stopped` its outcome.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a task stands."""

    DRAFT = "draft"
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


class Transition(StrEnum):
    """What happened to a task; each is the name of one recorded event."""

    SUBMITTED = "submitted"
    ENQUEUED = "enqueued"
    DEQUEUED = "dequeued"
    STARTED = "started"
    REUSED = "reused"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRIED = "retried"
    LOST = "lost"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    RESUMED = "resumed"
    RESET = "reset"
    AUDITED = "audited"
    """Changes no status: what an attempt was seen to do beside what its key counts."""


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.STOPPED, Status.SKIPPED})

TRANSITIONS: dict[tuple[Status, Transition], Status] = {
    (Status.DRAFT, Transition.SUBMITTED): Status.PENDING,
    (Status.DRAFT, Transition.ENQUEUED): Status.QUEUED,
    (Status.DRAFT, Transition.STARTED): Status.RUNNING,
    (Status.PENDING, Transition.ENQUEUED): Status.QUEUED,
    (Status.PENDING, Transition.STARTED): Status.RUNNING,
    (Status.PENDING, Transition.REUSED): Status.COMPLETED,
    # A short step, whose start is recorded together with its end:
    (Status.PENDING, Transition.COMPLETED): Status.COMPLETED,
    (Status.PENDING, Transition.FAILED): Status.FAILED,
    (Status.PENDING, Transition.STOPPED): Status.STOPPED,
    (Status.PENDING, Transition.SKIPPED): Status.SKIPPED,
    (Status.QUEUED, Transition.STARTED): Status.RUNNING,
    (Status.QUEUED, Transition.DEQUEUED): Status.DRAFT,
    (Status.QUEUED, Transition.REUSED): Status.COMPLETED,
    (Status.QUEUED, Transition.FAILED): Status.FAILED,
    (Status.QUEUED, Transition.STOPPED): Status.STOPPED,
    (Status.QUEUED, Transition.SKIPPED): Status.SKIPPED,
    (Status.RUNNING, Transition.COMPLETED): Status.COMPLETED,
    (Status.RUNNING, Transition.FAILED): Status.FAILED,
    (Status.RUNNING, Transition.RETRIED): Status.PENDING,
    (Status.RUNNING, Transition.LOST): Status.PENDING,
    (Status.RUNNING, Transition.ENQUEUED): Status.QUEUED,
    (Status.RUNNING, Transition.STOPPED): Status.STOPPED,
    # A run whose own code says, when it is asked, that there is nothing to do:
    (Status.RUNNING, Transition.SKIPPED): Status.SKIPPED,
    # Asked for: an outcome of other code, or from a named step on.
    (Status.COMPLETED, Transition.RESUMED): Status.PENDING,
    (Status.COMPLETED, Transition.RESET): Status.DRAFT,
    (Status.FAILED, Transition.RESUMED): Status.PENDING,
    (Status.FAILED, Transition.RESET): Status.DRAFT,
    (Status.STOPPED, Transition.RESUMED): Status.PENDING,
    (Status.STOPPED, Transition.RESET): Status.DRAFT,
    (Status.SKIPPED, Transition.RESUMED): Status.PENDING,
    (Status.SKIPPED, Transition.RESET): Status.DRAFT,
}


def sources_of(transition: Transition) -> frozenset[Status]:
    """The statuses that a task may be in when this happens to it."""
    return frozenset(status for status, happened in TRANSITIONS if happened is transition)
