"""Turns what happened to steps and runs into the changes that a store commits, a batch at a time.

A short step is recorded once, when it has ended: its row, its attempt, its artifacts, its memo and
its events in one change. One that takes longer is recorded as running in the meantime, and then
moved. The scheduler announces an end only after `flush` has returned.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipekit import crash
from pipekit.control.heartbeat import LEASE_SECONDS
from pipekit.control.inputs import stored_of
from pipekit.control.output import Output
from pipekit.control.step import NO_MARK, Produced, Step, attempt_of
from pipekit.errors import StoreUnavailable, short
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.options import DEFAULT_OUTPUT
from pipekit.model.records import (
    Artifact,
    Attempt,
    Change,
    Closing,
    Edit,
    Event,
    Memo,
    Metric,
    Move,
    Task,
    TaskSpec,
)
from pipekit.model.status import Status, Transition, sources_of
from pipekit.model.value import Digest
from pipekit.ports import Outcome, Store
from pipekit.worker.message import Logged

if TYPE_CHECKING:
    from pipekit.model.audit import Audit

_MOST_CHANGES = 512
_SHOWN_CHARACTERS = 80
_SOURCES = {transition: sources_of(transition) for transition in Transition}
_TRANSITION_TO = {
    Status.COMPLETED: Transition.COMPLETED,
    Status.FAILED: Transition.FAILED,
    Status.STOPPED: Transition.STOPPED,
    Status.SKIPPED: Transition.SKIPPED,
}


class Recorder:
    """Stages changes, and commits them in order. Used by one thread."""

    def __init__(self, store: Store, *, host: str, pid: int) -> None:
        self._store = store
        self._host = host
        self._pid = pid
        self._staged: list[Change] = []

    def stage(self, change: Change) -> None:
        self._staged.append(change)

    def forget(self) -> None:
        """Drop what is staged: the runs that it belongs to have been given up."""
        self._staged.clear()

    def flush(self) -> None:
        """Commit what is staged; on return it is durable.

        Raises:
            StoreUnavailable: the store cannot be written, or it refused a change because another
                process has taken the task.
        """
        while self._staged:
            batch = self._staged[:_MOST_CHANGES]
            if crash.armed:
                crash.at("controller.before-commit")
            landed = self._store.commit(batch)
            if crash.armed:
                crash.at("controller.after-commit")
            del self._staged[:_MOST_CHANGES]
            if not all(landed):
                refused = batch[landed.index(False)]
                raise StoreUnavailable(
                    f"Task {refused.task_id} was changed by another process while it ran here; "
                    "its record was left as that process made it.",
                    hint=f"see 'pipekit show {short(refused.task_id)}'.",
                )

    # a run

    def run_began(self, task: Task, pid_started_at: float) -> None:
        """A run has begun, with this process as its attempt."""
        began = task.started_at or task.created_at
        attempt = Attempt(
            task.id, 1, began, self._host, self._pid, pid_started_at,
            lease_until=began + LEASE_SECONDS, heartbeat_at=began,
        )  # fmt: skip
        events = (
            Event(task.id, task.created_at, Transition.SUBMITTED),
            Event(task.id, began, Transition.STARTED, 1),
        )
        self.stage(Change(task.id, create=task, open=attempt, events=events))

    def run_ended(
        self, task_id: str, number: int, status: Status, failure: Failure | None,
        value: Output | None, at: float,
    ) -> None:  # fmt: skip
        """A run has ended with its attempt `number`; `value` is what a completed one returned."""
        artifacts: tuple[Artifact, ...] = ()
        contents: tuple[tuple[Digest, bytes], ...] = ()
        if value is not None:
            artifacts = (Artifact(task_id, number, DEFAULT_OUTPUT, at, value.value),)
            contents = _contents({DEFAULT_OUTPUT: value})
        self.stage(
            Change(
                task_id,
                close=Closing(number, at, failure.kind.value if failure else status.value, failure),
                move=Move(_SOURCES[_TRANSITION_TO[status]], status, at, failure),
                artifacts=artifacts,
                contents=contents,
                events=(Event(task_id, at, _TRANSITION_TO[status], number),),
            )
        )

    # one step

    def running(self, step: Step, at: float) -> None:
        """The step's attempt goes on for longer than a moment: show it."""
        attempt = attempt_of(
            step, step.attempt, step.assignment, at=at, host=self._host, pid=self._pid
        )
        started = Event(step.task_id, at, Transition.STARTED, step.attempt, step.note)
        if step.recorded:
            move = Move(_SOURCES[Transition.STARTED], Status.RUNNING, at)
            self.stage(Change(step.task_id, open=attempt, move=move, events=(started,)))
        else:
            create = task_record(step, Status.RUNNING, started_at=at)
            self.stage(Change(step.task_id, create=create, open=attempt, events=(started,)))
        step.recorded = step.running_recorded = True

    def waiting(self, step: Step) -> None:
        """The step waits for longer than a moment: show it."""
        if step.recorded:
            return  # it waits on a queue
        create = task_record(step, Status.PENDING)
        self.stage(Change(step.task_id, create=create))
        step.recorded = True

    def ended(
        self, step: Step, *, at: float, outcome: Outcome | None, memo: Memo | None = None,
    ) -> None:  # fmt: skip
        """The step is terminal, as its fields say; `outcome` of its last attempt, if it had one."""
        if outcome is not None and outcome.is_recorded:
            if memo is not None:
                self.stage(Change(step.task_id, memo=memo, renews=step.renews))
            return
        artifacts: tuple[Artifact, ...] = ()
        if step.use.script is None or outcome is None:  # else its process has recorded them
            artifacts = tuple(
                [
                    Artifact(step.task_id, step.attempt, name, at, output.value)
                    for name, output in step.outputs.items()
                ]
            )
        contents: tuple[tuple[Digest, bytes], ...] = ()
        if outcome is not None:
            contents = _contents(step.outputs)
        transition = (
            Transition.REUSED
            if outcome is None and step.status is Status.COMPLETED
            else _TRANSITION_TO[step.status]
        )
        event = Event(step.task_id, at, transition, step.attempt, step.reused_from or step.note)
        ended = step.status.value
        if step.status is Status.FAILED and step.failure is not None:
            ended = step.failure.kind.value
        opened, closing, started = self._attempt(step, outcome, at, ended)
        if step.recorded:
            create = None
            move = Move(
                _SOURCES[transition], step.status, at, step.failure, step.reused_from,
                step.started_at, _inputs(step),
            )  # fmt: skip
        else:
            create = task_record(step, step.status, started_at=step.started_at, ended_at=at)
            move = None
        self.stage(
            Change(
                step.task_id, create, opened, closing, move, artifacts, contents, memo,
                (*started, event), renews=step.renews,
            )
        )  # fmt: skip
        step.recorded = True

    def resumed(self, step: Step, at: float) -> None:
        """A step that ended in an earlier attempt at its run is to run again."""
        now = task_record(step, Status.PENDING)
        self.stage(
            Change(
                step.task_id,
                move=Move(_SOURCES[Transition.RESUMED], Status.PENDING, at),
                edit=Edit(spec=now.spec, version=now.version),
                events=(Event(step.task_id, at, Transition.RESUMED, detail=step.note),),
            )
        )
        step.recorded = True

    def retried(self, step: Step, *, at: float, outcome: Outcome, failure: Failure) -> None:
        """The attempt failed, and there will be another."""
        if outcome.is_recorded:
            return
        opened, closing, started = self._attempt(step, outcome, at, failure.kind.value, failure)
        event = Event(step.task_id, at, Transition.RETRIED, step.attempt, failure.message)
        if step.recorded:
            move = None
            if step.running_recorded:
                move = Move(_SOURCES[Transition.RETRIED], Status.PENDING, at)
            self.stage(
                Change(
                    step.task_id, open=opened, close=closing, move=move, events=(*started, event)
                )
            )
        else:
            create = task_record(step, Status.PENDING, started_at=step.started_at)
            self.stage(Change(step.task_id, create, opened, closing, events=(*started, event)))
        step.recorded = True
        step.running_recorded = False

    def logged(self, task_id: str, attempt: int, logged: Logged, at: float) -> None:
        """A task whose record exists has logged something while it runs."""
        if not (logged.metrics or logged.artifacts):
            return
        self.stage(
            Change(
                task_id,
                artifacts=tuple(
                    Artifact(task_id, attempt, output.name, at, output.value)
                    for output in logged.artifacts
                ),
                contents=tuple(
                    (output.value.blob, output.content)
                    for output in logged.artifacts
                    if output.content is not None
                ),
                metrics=tuple(
                    Metric(task_id, attempt, metric.name, metric.value, metric.at, metric.step)
                    for metric in logged.metrics
                ),
            )
        )

    def audited(self, step: Step, audit: Audit, at: float) -> None:
        """An attempt of a step whose record exists has told what it was seen to do."""
        event = Event(step.task_id, at, Transition.AUDITED, step.attempt, audit.to_text())
        self.stage(Change(step.task_id, events=(event,)))

    def _attempt(
        self, step: Step, outcome: Outcome | None, at: float, exit: str,
        failure: Failure | None = None,
    ) -> tuple[Attempt | None, Closing | None, tuple[Event, ...]]:  # fmt: skip
        """The opening (where it is not recorded yet) and the closing of the step's attempt."""
        began_at = step.assignment.started_at if step.assignment is not None else 0.0
        if outcome is None:
            return None, None, ()
        # One for which no worker could be had counts, for it is retried.
        counts = outcome.failure_kind is FailureKind.INFRASTRUCTURE
        if not (began_at or step.running_recorded or counts):
            return None, None, ()  # it never had a place
        if failure is None and step.status is not Status.COMPLETED:
            failure = step.failure
        closing = Closing(
            step.attempt,
            at,
            exit,
            failure,
            outcome.log_path,
            outcome.log_start,
            outcome.log_end,
            outcome.cpu_seconds,
            outcome.peak_bytes,
        )
        if step.running_recorded:
            return None, closing, ()
        began = at - outcome.duration_seconds
        opened = attempt_of(
            step, step.attempt, step.assignment, at=began, host=self._host, pid=self._pid
        )
        started = Event(step.task_id, began, Transition.STARTED, step.attempt, step.note)
        return opened, closing, (started,)


def _contents(outputs: dict[str, Output]) -> tuple[tuple[Digest, bytes], ...]:
    return tuple(
        [
            (output.value.blob, output.content)
            for output in outputs.values()
            if output.content is not None
        ]
    )


def task_record(
    step: Step, status: Status, *, started_at: float | None = None, ended_at: float | None = None
) -> Task:
    use = step.use
    script = use.script
    mark = step.run.marks.get(use.name, NO_MARK)
    return Task(
        id=step.task_id,
        kind=use.kind,
        name=step.name,
        project=step.run.project,
        status=status,
        created_at=step.called_at,
        spec=_spec(step) if script is None else replace(script.spec, code=use.code),
        type=mark.type,
        tags=mark.tags,
        queue=script.queue or None if script is not None else None,
        cloned_from=script.cloned_from if script is not None else None,
        version=use.options.version,
        parent=step.run.task_id,
        step_key=step.key,
        reused_from=step.reused_from,
        started_at=started_at,
        ended_at=ended_at,
        failure=step.failure,
        inputs=_inputs(step),
        needs=_needs(step),
    )


def _spec(step: Step) -> TaskSpec:
    use = step.use
    return TaskSpec(
        use.entry,
        use.code,
        {argument.name: argument.shown for argument in step.arguments},
        use.outputs,
        use.settings,
        use.source.digest,
    )


def _needs(step: Step) -> tuple[tuple[str, str], ...]:
    """The edges that lead to the step, each once."""
    if not step.sources and not step.after:
        return ()
    needs = {
        (source.step.task_id, source.output): None
        for source in step.sources
        if type(source) is Produced
    }
    return (*needs, *((other.task_id, "") for other in step.after))


def _inputs(step: Step) -> dict[str, tuple[str, str, Digest]]:
    """What was really passed, as far as it is known."""
    shown: dict[str, tuple[str, str, Digest]] = {}
    paths = iter(step.path_digests)
    for argument in step.arguments:
        if argument.source >= 0:
            stored = stored_of(step, argument.source)
            if stored is not None:
                preview = stored.value.preview.partition("\n")[0][:_SHOWN_CHARACTERS]
                shown[argument.name] = (stored.value.type, preview, stored.value.digest)
        elif argument.digest is not None:
            value: Any = argument.shown
            shown[argument.name] = (
                type(value).__name__,
                repr(value)[:_SHOWN_CHARACTERS],
                argument.digest,
            )
        elif argument.path is not None:
            digest = next(paths, None)
            if digest is not None:
                shown[argument.name] = ("Path", str(argument.shown), digest)
        elif argument.name in step.nested_digests:
            digest = step.nested_digests[argument.name]
            shown[argument.name] = ("", str(argument.shown), digest)
    return shown
