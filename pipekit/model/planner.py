"""The brain of a run: events in, commands out. Decides what happens next to each step; does nothing
itself, knows no clock, no process and no store. The words for both are in `turn`.

Theory of operation. A step waits until all that it needs has ended; then its key is looked up;
then it is reused, joined to an equal step that is under way, or started. An attempt that fails is
retried while its budget lasts. What depends on a failed step is skipped. The run is over when the
pipeline function has ended and no step is left that is not terminal.

Two rules hold after every event: a step is started at most once a number, and a terminal step takes
no more commands. The shell carries out commands in order, but makes every recording durable before
it announces or starts anything that rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipekit.model.failure import Failure, FailureKind
from pipekit.model.status import Status
from pipekit.model.turn import (
    Abandoned,
    AttemptCompleted,
    AttemptFailed,
    Budget,
    CallbackFailed,
    Command,
    Complete,
    Event,
    Fail,
    FailureHandled,
    Finish,
    Halt,
    KeyLooked,
    LookUp,
    PipelineRaised,
    PipelineReturned,
    Retry,
    RetryDue,
    Reuse,
    Share,
    Skip,
    Start,
    StepCalled,
    StepDeclined,
    StepNumber,
    StepRefused,
    StepStopAsked,
    Stop,
    StopAsked,
    WatchersTold,
)
from pipekit.model.value import Digest

__all__ = [
    "Abandoned",
    "AttemptCompleted",
    "AttemptFailed",
    "Budget",
    "CallbackFailed",
    "Command",
    "Complete",
    "Event",
    "Fail",
    "FailureHandled",
    "Finish",
    "Halt",
    "KeyLooked",
    "LookUp",
    "PipelineRaised",
    "PipelineReturned",
    "Planner",
    "Retry",
    "RetryDue",
    "Reuse",
    "Share",
    "Skip",
    "Start",
    "StepCalled",
    "StepDeclined",
    "StepNumber",
    "StepRefused",
    "StepStopAsked",
    "Stop",
    "StopAsked",
    "WatchersTold",
]
"""With the words that it is told and answers in: who plans has all from here."""

# --- state ----------------------------------------------------------------------------------

_ENDS = {FailureKind.STOPPED: Status.STOPPED, FailureKind.SKIPPED: Status.SKIPPED}
"""How a run ends where an exception left the pipeline function, or it was not called at all."""
_MOST_IN_CHAIN = 16
"""A chain of causes may be as long as the run, and each step of it records its own."""

_WAITING, _LOOKING, _FOLLOWING, _RUNNING, _RESTING, _ENDED = range(6)


@dataclass(slots=True, eq=False)
class _Step:
    phase: int
    waits_for: int
    keyed: bool
    watched: bool
    completed: bool = False
    """In an earlier attempt at its run."""
    dependants: list[StepNumber] | None = None
    followers: list[StepNumber] | None = None
    attempt: int = 0
    spent: dict[str, int] | None = None
    """Of each budget: how many failures were followed by a further attempt."""
    outcome: Status | None = None
    asked: bool = False
    """Someone wants it to stop, alone."""
    cause: StepNumber = -1
    """For a skipped step: the need that failed or was skipped."""
    root: StepNumber = -1
    """For a skipped step: where the causes begin."""
    depth: int = 0
    """For a skipped step: how many causes there are."""
    handled: bool = False
    """With it, all its causes."""


class Planner:
    """Plans one run. Not thread-safe: one caller at a time."""

    def __init__(self) -> None:
        self._steps: dict[StepNumber, _Step] = {}
        self._leaders: dict[Digest, StepNumber] = {}
        self._keys: dict[StepNumber, Digest] = {}
        self._open = 0
        self._ended: Status | None = None
        self._failure: Failure | None = None
        self._broken: Failure | None = None
        """Of the first callback that failed while the run went well."""
        self._stopping = False
        self._finished = False
        self._failed: list[StepNumber] = []
        self._handlers = {
            StepCalled: self._called,
            KeyLooked: self._looked,
            StepRefused: self._refused,
            StepDeclined: self._declined,
            AttemptCompleted: self._completed,
            AttemptFailed: self._attempt_failed,
            RetryDue: self._retry_due,
            FailureHandled: self._handled,
            WatchersTold: self._watchers_told,
            CallbackFailed: self._callback_failed,
            PipelineReturned: self._returned,
            PipelineRaised: self._raised,
            StopAsked: self._stop_asked,
            StepStopAsked: self._step_stop_asked,
            Abandoned: self._abandoned,
        }

    @property
    def finished(self) -> bool:
        """Whether `Finish` was given: no further event changes anything."""
        return self._finished

    def spent(self, step: StepNumber, budget: str) -> int:
        """How many failures of that budget were followed by a further attempt of the step."""
        return (self._steps[step].spent or {}).get(budget, 0)

    def handle(self, event: Event) -> list[Command]:
        """What to do about `event`. An event that comes too late gives no command."""
        commands: list[Command] = []
        if not self._finished:
            self._handlers[type(event)](event, commands)  # type: ignore[operator]
        return commands

    # events, in the order of a step's life

    def _called(self, event: StepCalled, commands: list[Command]) -> None:
        if event.step in self._steps:
            raise ValueError(f"step {event.step} was called before")
        step = _Step(
            _WAITING, 0, event.keyed, event.watched, event.completed, attempt=event.attempts
        )
        cause = -1
        for need in event.needs:
            needed = self._steps[need]
            if needed.phase != _ENDED:
                step.waits_for += 1
                if needed.dependants is None:
                    needed.dependants = [event.step]
                else:
                    needed.dependants.append(event.step)
            elif needed.outcome is not Status.COMPLETED and cause < 0:
                cause = need
        self._steps[event.step] = step
        self._open += 1
        if self._stopping:
            self._end(event.step, step, Status.STOPPED, Stop(event.step, 0), commands)
        elif cause >= 0:
            self._skip(event.step, step, cause, commands)
        elif step.waits_for == 0:
            self._ready(event.step, step, commands)

    def _ready(self, number: StepNumber, step: _Step, commands: list[Command]) -> None:
        if step.keyed or step.completed:
            step.phase = _LOOKING
            commands.append(LookUp(number))
        else:
            self._start(number, step, commands)

    def _start(self, number: StepNumber, step: _Step, commands: list[Command]) -> None:
        step.phase = _RUNNING
        step.attempt += 1
        commands.append(Start(number, step.attempt))

    def _looked(self, event: KeyLooked, commands: list[Command]) -> None:
        step = self._steps[event.step]
        if step.phase != _LOOKING:
            return
        if event.found:
            self._end(event.step, step, Status.COMPLETED, Reuse(event.step), commands)
            return
        if not step.keyed:
            self._start(event.step, step, commands)
            return
        leader_number = self._leaders.setdefault(event.key, event.step)
        if leader_number == event.step:
            self._keys[event.step] = event.key
            self._start(event.step, step, commands)
            return
        leader = self._steps[leader_number]
        if leader.phase == _ENDED:
            self._follow_ended(event.step, step, leader_number, leader, commands)
        else:
            step.phase = _FOLLOWING
            leader.followers = [*(leader.followers or ()), event.step]

    def _follow_ended(
        self, number: StepNumber, step: _Step, leader_number: StepNumber, leader: _Step,
        commands: list[Command],
    ) -> None:  # fmt: skip
        if leader.outcome is Status.COMPLETED:
            self._end(number, step, Status.COMPLETED, Share(number, leader_number), commands)
        else:
            self._start(number, step, commands)

    def _refused(self, event: StepRefused, commands: list[Command]) -> None:
        step = self._steps[event.step]
        if step.phase == _ENDED:
            return
        # Where it was to start (phase `_RUNNING`), it has not.
        number = step.attempt - (step.phase == _RUNNING)
        self._end(
            event.step, step, Status.FAILED, Fail(event.step, number, event.failure), commands
        )

    def _declined(self, event: StepDeclined, commands: list[Command]) -> None:
        step = self._steps[event.step]
        if step.phase == _RUNNING:
            self._end(event.step, step, Status.SKIPPED, Skip(event.step, (event.step,)), commands)

    def _completed(self, event: AttemptCompleted, commands: list[Command]) -> None:
        step = self._steps[event.step]
        if step.phase != _RUNNING or event.number != step.attempt:
            return
        self._end(
            event.step, step, Status.COMPLETED, Complete(event.step, event.number), commands,
            shareable=event.shareable,
        )  # fmt: skip

    def _attempt_failed(self, event: AttemptFailed, commands: list[Command]) -> None:
        number, step = event.step, self._steps[event.step]
        if step.phase != _RUNNING or event.number != step.attempt:
            return
        if self._stopping or step.asked or event.failure.kind is FailureKind.STOPPED:
            self._end(number, step, Status.STOPPED, Stop(number, step.attempt), commands)
        elif event.budget is not None and self._spend(step, event.budget):
            step.phase = _RESTING
            delay = event.budget.delay(step.spent[event.budget.name] - 1)  # type: ignore[index]
            commands.append(Retry(number, step.attempt, event.failure, delay))
        else:
            command = Fail(number, step.attempt, event.failure)
            self._end(number, step, Status.FAILED, command, commands)

    def _spend(self, step: _Step, budget: Budget) -> bool:
        """Whether the budget had a further attempt left, which is then spent."""
        step.spent = step.spent or {}
        spent = step.spent.get(budget.name, 0)
        if spent >= budget.retries:
            return False
        step.spent[budget.name] = spent + 1
        return True

    def _retry_due(self, event: RetryDue, commands: list[Command]) -> None:
        step = self._steps[event.step]
        if step.phase == _RESTING:
            self._start(event.step, step, commands)

    def _handled(self, event: FailureHandled, commands: list[Command]) -> None:
        number = event.step
        while number >= 0 and not (step := self._steps[number]).handled:
            step.handled = True
            number = step.cause

    def _watchers_told(self, event: WatchersTold, commands: list[Command]) -> None:
        step = self._steps[event.step]
        if step.watched and step.phase == _ENDED:
            step.watched = False
            self._open -= 1
            self._finish_if_over(commands)

    def _callback_failed(self, event: CallbackFailed, commands: list[Command]) -> None:
        if self._stopping or self._ended not in (None, Status.COMPLETED):
            return  # the run fails, or was stopped, for what came before
        self._broken = self._broken or event.failure
        if event.stop_rest:
            self._stop_rest(commands)
        self._finish_if_over(commands)

    def _returned(self, event: PipelineReturned, commands: list[Command]) -> None:
        self._ended = self._ended or Status.COMPLETED
        self._finish_if_over(commands)

    def _raised(self, event: PipelineRaised, commands: list[Command]) -> None:
        if self._ended is None:
            self._ended = _ENDS.get(event.failure.kind, Status.FAILED)
            self._failure = event.failure
        if event.stop_rest:
            self._stop_rest(commands)
        self._finish_if_over(commands)

    def _stop_asked(self, event: StopAsked, commands: list[Command]) -> None:
        self._stop_rest(commands)

    def _step_stop_asked(self, event: StepStopAsked, commands: list[Command]) -> None:
        step = self._steps[event.step]
        if step.phase == _ENDED or step.asked or self._stopping:
            return
        step.asked = True
        if step.phase == _RUNNING:
            commands.append(Halt(event.step, step.attempt))
        else:
            self._end(event.step, step, Status.STOPPED, Stop(event.step, 0), commands)

    def _abandoned(self, event: Abandoned, commands: list[Command]) -> None:
        self._stopping = True
        if self._ended in (None, Status.COMPLETED):
            self._ended, self._failure = Status.STOPPED, event.failure
        for number, step in list(self._steps.items()):
            if step.phase != _ENDED:
                attempt = step.attempt if step.phase == _RUNNING else 0
                self._end(number, step, Status.STOPPED, Stop(number, attempt), commands)
            if step.watched:
                step.watched = False
                self._open -= 1
        self._finish_if_over(commands)

    # what follows from them

    def _stop_rest(self, commands: list[Command]) -> None:
        if self._stopping:
            return
        self._stopping = True
        for number, step in list(self._steps.items()):
            if step.phase == _RUNNING:
                commands.append(Halt(number, step.attempt))
            elif step.phase != _ENDED:
                # A step that rests between two attempts has a closed one behind it.
                self._end(number, step, Status.STOPPED, Stop(number, 0), commands)

    def _skip(
        self, number: StepNumber, step: _Step, cause: StepNumber, commands: list[Command]
    ) -> None:
        self._end(number, step, Status.SKIPPED, self._skipped(number, step, cause), commands)

    def _skipped(self, number: StepNumber, step: _Step, cause: StepNumber) -> Skip:
        needed = self._steps[cause]
        step.cause = cause
        step.root = cause if needed.root < 0 else needed.root
        step.depth = needed.depth + 1
        chain = [number]
        while cause >= 0 and len(chain) < _MOST_IN_CHAIN:
            chain.append(cause)
            cause = self._steps[cause].cause
        chain[-1] = step.root
        return Skip(number, tuple(chain), step.depth + 1 - len(chain))

    def _end(
        self, number: StepNumber, step: _Step, outcome: Status, command: Command,
        commands: list[Command], *, shareable: bool = True,
    ) -> None:  # fmt: skip
        """End a step and all that its end decides, without recursion: chains are long."""
        ending = [(number, step, outcome, command)]
        while ending:
            number, step, outcome, command = ending.pop()
            if step.phase == _ENDED:
                continue
            step.phase = _ENDED
            step.outcome = outcome
            commands.append(command)
            if not step.watched:
                self._open -= 1
            if outcome is Status.FAILED or (outcome is Status.STOPPED and step.asked):
                self._failed.append(number)
            followers, step.followers = step.followers, None
            if followers:
                self._end_followers(number, outcome, followers, shareable, ending, commands)
            elif not shareable and self._leaders.get(self._keys.get(number, "")) == number:
                del self._leaders[self._keys[number]]
            self._keys.pop(number, None)
            dependants, step.dependants = step.dependants, None
            for dependant in dependants or ():
                self._need_ended(dependant, number, outcome, ending, commands)
        self._finish_if_over(commands)

    def _need_ended(
        self, number: StepNumber, need: StepNumber, outcome: Status,
        ending: list[tuple[StepNumber, _Step, Status, Command]], commands: list[Command],
    ) -> None:  # fmt: skip
        step = self._steps[number]
        if step.phase != _WAITING:
            return
        step.waits_for -= 1
        if outcome is not Status.COMPLETED:
            ending.append((number, step, Status.SKIPPED, self._skipped(number, step, need)))
        elif step.waits_for == 0:
            self._ready(number, step, commands)

    def _end_followers(
        self, leader: StepNumber, outcome: Status, followers: list[StepNumber], shareable: bool,
        ending: list[tuple[StepNumber, _Step, Status, Command]], commands: list[Command],
    ) -> None:  # fmt: skip
        if outcome is Status.COMPLETED and shareable:
            for number in followers:
                ending.append(
                    (number, self._steps[number], Status.COMPLETED, Share(number, leader))
                )
            return
        # The outcome is not theirs to take: each runs on its own, and nobody joins the next.
        for number in followers:
            step = self._steps[number]
            if step.phase == _FOLLOWING and self._stopping:
                ending.append((number, step, Status.STOPPED, Stop(number, 0)))
            elif step.phase == _FOLLOWING:
                self._start(number, step, commands)
        key = self._keys.get(leader)
        if key is not None:
            self._leaders.pop(key, None)

    def _finish_if_over(self, commands: list[Command]) -> None:
        if self._open or self._ended is None or self._finished:
            return
        self._finished = True
        roots = tuple(n for n in self._failed if not self._steps[n].handled)
        status = self._ended
        if self._broken is not None:
            commands.append(Finish(Status.FAILED, self._broken, roots))
            return
        if status is Status.COMPLETED and self._stopping:
            status = Status.STOPPED
        elif status is Status.COMPLETED and roots:
            status = Status.FAILED
        commands.append(Finish(status, self._failure, roots))
