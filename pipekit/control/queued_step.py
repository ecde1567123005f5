"""Steps of a run that wait on a queue: puts their rows there, and sees in the store what becomes of
them. An agent, wherever it is, opens and closes their attempts and records how they end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipekit.control.archive import Archive
from pipekit.control.recorder import task_record
from pipekit.errors import StoreUnavailable
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import Artifact, Change, Event, Move, Task
from pipekit.model.status import TERMINAL, Status, Transition, sources_of
from pipekit.ports import Assignment, Loop, Outcome

if TYPE_CHECKING:
    from pipekit.control.step import Step

_FIRST_LOOK_SECONDS, _LOOK_SECONDS = 0.05, 0.3


def given_artifacts(step: Step, at: float) -> Change:
    """That a step has what its task is given before it runs."""
    given = step.use.script.given if step.use.script is not None else ()
    return Change(
        step.task_id,
        artifacts=tuple(Artifact(step.task_id, 0, name, at, value) for name, value in given),
    )


class QueuedSteps:
    """The steps of one session that agents run. In the loop's thread."""

    def __init__(
        self, loop: Loop, archive: Archive, *, stage: Callable[[Change], None],
        stop_step: Callable[[Step, str], None],
        outputs: Callable[[str], tuple[tuple[str, Any, None], ...]],
    ) -> None:  # fmt: skip
        """`stage` has a change recorded at the end of this turn; `stop_step` tells a planner that
        someone else has stopped a step; `outputs` reads what a task has stored."""
        self._loop = loop
        self._archive = archive
        self._stage = stage
        self._stop_step = stop_step
        self._outputs = outputs
        self._waiting: dict[str, Assignment] = {}
        """By the id of the task."""
        self._asked: set[str] = set()
        """Those among them that are to stop."""
        self._pause = _FIRST_LOOK_SECONDS
        self._looks = False
        self._ended: dict[str, float | None] = {}
        """Id -> when an agent has ended the task last: it may wait again since."""

    def add(self, assignment: Assignment) -> None:
        """Put the step on its queue."""
        step: Step = assignment.step
        assert step.use.script is not None
        self._waiting[step.task_id] = assignment
        self._asked.discard(step.task_id)
        self._pause = _FIRST_LOOK_SECONDS
        self._look_later()
        if step.earlier is not None and step.earlier.goes_on and not step.recorded:
            step.recorded = step.running_recorded = True
            return  # it has been there since an earlier attempt at its run
        queue, now = step.use.script.queue, self._archive.clock.now()
        enqueued = Event(step.task_id, now, Transition.ENQUEUED, detail=queue)
        if not step.recorded:
            row = replace(task_record(step, Status.QUEUED), queue=queue, queued_at=now)
            self._stage(Change(step.task_id, create=row, events=(enqueued,)))
            self._stage(given_artifacts(step, now))
        else:
            if step.task_id in self._ended:
                again = Move(sources_of(Transition.RESUMED), Status.PENDING, now)
                resumed = Event(step.task_id, now, Transition.RESUMED)
                self._stage(Change(step.task_id, move=again, events=(resumed,)))
            move = Move(frozenset({Status.PENDING}), Status.QUEUED, now, queue=queue)
            self._stage(Change(step.task_id, move=move, events=(enqueued,)))
        # From now on an agent says how it stands.
        step.recorded = step.running_recorded = True

    def stop(self, assignment: Assignment) -> None:
        """Take it off the queue, or ask its agent to stop it. It is reported when that is done."""
        task_id = assignment.task_id
        if self._waiting.get(task_id) is not assignment:
            return
        self._asked.add(task_id)
        self._ask(assignment)
        self._pause = _FIRST_LOOK_SECONDS
        self._look_later()

    def _ask(self, assignment: Assignment) -> None:
        step, task_id = assignment.step, assignment.task_id
        reason = step.stop_reason or step.run.stop_reason or "stopped"
        now = self._archive.clock.now()
        failure = Failure(FailureKind.STOPPED, reason)
        move = Move(frozenset({Status.QUEUED}), Status.STOPPED, now, failure)
        event = Event(task_id, now, Transition.STOPPED)
        store = self._archive.store
        if not store.commit([Change(task_id, move=move, events=(event,))])[0]:
            store.request_stop(task_id, now)

    def forget(self) -> None:
        """Nobody waits for them any more."""
        self._waiting.clear()

    def _look_later(self) -> None:
        if self._waiting and not self._looks:
            self._looks = True
            self._loop.call_later(self._pause, self._look)

    def _look(self) -> None:
        self._looks = False
        self._pause = min(_LOOK_SECONDS, self._pause * 1.5)
        try:
            for task_id, assignment in list(self._waiting.items()):
                task = self._archive.store.find_task(task_id)
                if task is not None:
                    self._see(task, assignment)
        except StoreUnavailable:
            pass  # the next look may find it again; what is recorded says so itself
        self._look_later()

    def _see(self, task: Task, assignment: Assignment) -> None:
        step = assignment.step
        if task.id in self._asked and task.status not in TERMINAL and not self._knows(task):
            self._ask(assignment)  # that it waits was not recorded yet when it was asked
        if task.status is Status.RUNNING and step.status is not Status.RUNNING:
            assignment.started_at = step.started_at = task.started_at or task.created_at
            step.status = Status.RUNNING
            assignment.began()
        elif task.status in TERMINAL:
            if task.id in self._ended and self._ended[task.id] == task.ended_at:
                return  # that it waits again is not recorded yet
            del self._waiting[task.id]
            self._ended[task.id] = task.ended_at
            assignment.started_at = assignment.started_at or task.started_at or 0.0
            outcome = self._outcome(task)
            if task.status is Status.STOPPED and not (step.stop_reason or step.run.stopping):
                self._stop_step(step, outcome.message)
            assignment.report(outcome)

    def _knows(self, task: Task) -> bool:
        """Whether whoever runs it hears that it is to stop."""
        return task.status is Status.RUNNING and task.stop_requested_at is not None

    def _outcome(self, task: Task) -> Outcome:
        outcome = Outcome(task.seconds(None) or 0.0, is_recorded=True)
        if task.status is Status.COMPLETED:
            outcome.outputs = self._outputs(task.id)
            return outcome
        failure = task.failure or Failure(FailureKind.STOPPED, task.status.value)
        outcome.failure_kind = failure.kind
        if task.status is not Status.FAILED:
            outcome.failure_kind = FailureKind.STOPPED
        outcome.message, outcome.traceback = failure.message, failure.traceback
        outcome.exception_class, outcome.bases = failure.exception, (failure.exception,)
        return outcome
