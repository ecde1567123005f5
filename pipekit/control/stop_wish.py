"""A wish to stop a task, from whichever process: leaves it where the task's own process finds it,
and waits for what becomes of it. Closes what nobody runs; stops nothing itself."""

from __future__ import annotations

from time import monotonic, sleep

from pipekit.control.archive import Archive
from pipekit.control.dead import close_if_dead, find_open_attempt
from pipekit.errors import PipekitError
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import Change, Event, Move, Task
from pipekit.model.status import TERMINAL, Status, Transition, sources_of

BY_COMMAND = "stopped by 'pipekit stop'"
_FIRST_LOOK_SECONDS = 0.02
_LOOK_SECONDS = 0.2
_DEAD_SECONDS = 1.0


class StopWish:
    """The wish, for one task of a home."""

    def __init__(self, archive: Archive, task_id: str) -> None:
        self._archive = archive
        self._store = archive.store
        self._id = task_id

    def send(self) -> Task:
        """Leave the wish; the task as it stands then. Idempotent.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        self._close_if_dead()
        task = self._task()
        if task.status in TERMINAL or task.status is Status.DRAFT:
            return task
        if task.parent is None and find_open_attempt(self._store, task.id) is None:
            return self._close_waiting(task)
        self._store.request_stop(task.id, self._archive.clock.now())
        return self._task()

    def wait(self, timeout_seconds: float | None = None) -> Task:
        """Wait until it has ended, or for so long; the task as it stands then. A run whose process
        dies meanwhile is closed.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        end = None if timeout_seconds is None else monotonic() + timeout_seconds
        pause, asked_at = _FIRST_LOOK_SECONDS, monotonic()
        while (task := self._task()).status not in TERMINAL:
            now = monotonic()
            if end is not None and now >= end:
                break
            if now - asked_at >= _DEAD_SECONDS:
                asked_at = now
                self._close_if_dead()
            sleep(pause if end is None else min(pause, end - now))
            pause = min(_LOOK_SECONDS, pause * 1.5)
        return task

    def _task(self) -> Task:
        found = self._store.find_task(self._id)
        if found is None:
            raise PipekitError(f"Task {self._id} is not in the store any more.")
        return found

    def _close_if_dead(self) -> None:
        root = self._archive.root_of(self._task())
        close_if_dead(self._archive, root)

    def _close_waiting(self, task: Task) -> Task:
        """Nobody runs it: it is stopped before it has begun, unless someone begins now."""
        now = self._archive.clock.now()
        failure = Failure(FailureKind.STOPPED, BY_COMMAND)
        move = Move(frozenset({task.status}), Status.STOPPED, now, failure)
        if task.status in sources_of(Transition.STOPPED):
            event = Event(task.id, now, Transition.STOPPED)
            if self._store.commit([Change(task.id, move=move, events=(event,))])[0]:
                return self._task()
        self._store.request_stop(task.id, now)
        return self._task()
