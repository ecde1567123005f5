"""Has the callbacks of steps called when they are due, in the order of what happened, and tells the
planners what came of them. In the loop's thread; the callbacks run in one of their own.

What a callback is told of is durable by then: calls are held until the round's records are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from pipekit.control.callbacks import (
    Callback,
    agrees,
    call,
    failure_of_callback,
    seconds_of,
)
from pipekit.control.run import Run
from pipekit.control.step import Step
from pipekit.errors import CallbackFailed
from pipekit.model import planner as plan
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.status import TERMINAL, Status
from pipekit.ports import Loop, Outcome
from pipekit.reporting import Reporter
from pipekit.worker.raised import pickled

asked_step: ContextVar[Step | None] = ContextVar("pipekit_asked_step", default=None)
"""The step whose policy is being asked, in the thread of the callbacks."""

_Answered = Callable[[Any, CallbackFailed | None], None]
Policy = Callable[[float | bool, CallbackFailed | None], None]


class Watching:
    """The callbacks of every run of a session."""

    def __init__(
        self, loop: Loop, handle: Callable[[Run, plan.Event], None],
        start: Callable[[Step], None], reporter: Reporter,
    ) -> None:  # fmt: skip
        """`handle` takes what planners are to know, `start` the steps that may begin."""
        self._loop = loop
        self._handle = handle
        self._start = start
        self._reporter = reporter
        self._due: list[Callable[[], None]] = []
        self._asked: dict[Step, bool] = {}
        """Watched steps that were to start, and whether an answer of `before` is awaited."""
        self._policies: dict[Step, Outcome] = {}
        """Steps whose attempt failed so, and whose policy has not answered."""
        self._told: dict[Step, Status] = {}

    # what happens to watched steps

    def asks_first(self, step: Step) -> bool:
        """Whether the step's start waits for its `before`, which is asked once."""
        if step.use.options.before is None or step in self._asked:
            return False
        self._asked[step] = True
        callback = Callback("before", step.use.options.before, f"step {step.label}")
        self._call(step, callback, lambda *told: self._before_said(step, callback, *told), agrees)
        return True

    def changed(self, step: Step, status: Status) -> None:
        """The step's status is this now; where it has ended, its watchers are told of that last."""
        options = step.use.options
        if step.kept and status in TERMINAL:  # it ended in an earlier attempt at the run
            self._all_told(step)
            return
        step.status = status
        old = self._told.get(step, Status.PENDING)
        if status is not old:
            self._told[step] = status
            if options.on_status is not None:
                callback = Callback("on_status", options.on_status, f"step {step.label}")
                told = lambda _, error: self._returned(step, error)  # noqa: E731
                self._call(step, callback, told, None, old, status)
        if status in TERMINAL:
            self._asked.pop(step, None)
            self._told.pop(step, None)
            if options.after is not None:
                callback = Callback("after", options.after, f"step {step.label}")
                self._call(step, callback, lambda _, error: self._returned(step, error))
            if options.after is None and options.on_status is None:
                self._all_told(step)  # a `before` that does not return holds nobody up
            else:
                self._due.append(lambda: step.run.callbacks.add(lambda: self._all_told(step)))

    def ask_policy(
        self, step: Step, outcome: Outcome, error: Callable[[], object], answered: Policy
    ) -> None:
        """Ask the policy of a step whether its failed attempt is to be followed by another; `error`
        makes what it is asked about, in the thread of the callbacks."""
        self._policies[step] = outcome
        number = step.attempt
        policy: Any = step.use.options.retry_on
        callback = Callback("retry_on", policy, f"step {step.label}")

        def work() -> None:
            asked_step.set(step)
            answer, broken = call(callback, lambda: (error(), number), seconds_of)
            self._loop.post(lambda: said(answer, broken))

        def said(answer: float | bool, broken: CallbackFailed | None) -> None:
            if self._policies.get(step) is outcome:  # else it was stopped meanwhile
                del self._policies[step]
                if step.run.fatal is None:
                    answered(answer, broken)

        self._due.append(lambda: step.run.callbacks.add(work))

    def is_asking(self, step: Step) -> bool:
        """Whether no attempt of the step is under way, for the user's code has not answered yet."""
        return bool(self._asked.get(step)) or step in self._policies

    def give_up(self, step: Step) -> Outcome | None:
        """The step is stopped: what is answered means nothing. How its last attempt ended, if it
        had one."""
        if self._asked.get(step):
            self._asked[step] = False
            step.attempt -= 1  # the one that was to begin
        return self._policies.pop(step, None)

    def tell(self) -> None:
        """What has happened so far is durable: have the callbacks called that wait for that."""
        if self._due:
            due, self._due = self._due, []
            for add in due:
                add()

    def forget(self) -> None:
        """The runs have been given up."""
        for table in (self._asked, self._policies, self._told):
            table.clear()
        self._due.clear()

    # what callbacks say

    def _call(
        self, step: Step, callback: Callback, answered: _Answered,
        check: Callable[[Callback, Any], Any] | None = None, *arguments: Any,
    ) -> None:  # fmt: skip
        run: Run = step.run

        def work() -> None:
            answer, error = call(
                callback, lambda: (run.view(step), *arguments), check or (lambda *_: None)
            )
            self._loop.post(lambda: answered(answer, error))

        self._due.append(lambda: run.callbacks.add(work))

    def _before_said(
        self, step: Step, callback: Callback, agreed: bool, error: CallbackFailed | None
    ) -> None:
        if step.run.fatal is not None or not self._asked.get(step):
            self._tell_of(step, error)
            return  # it was stopped meanwhile
        self._asked[step] = False
        if agreed:
            self._start(step)
            return
        step.attempt -= 1  # the one that was to begin
        if error is None:
            step.failure = Failure(
                FailureKind.SKIPPED,
                f"Step {step.name!r} was skipped: its {callback.name} returned False.",
                chain=(step.name,),
            )
            self._handle(step.run, plan.StepDeclined(step.number))
        else:
            step.exception = pickled(error.__cause__) if error.__cause__ is not None else b""
            self._handle(step.run, plan.StepRefused(step.number, failure_of_callback(error)))
            self._failed(step, error)

    def _returned(self, step: Step, error: CallbackFailed | None) -> None:
        if error is not None:
            self._failed(step, error)

    def _all_told(self, step: Step) -> None:
        """Also from the callbacks' thread, behind all that concern the step."""
        self._loop.post(lambda: self._end(step))

    def _end(self, step: Step) -> None:
        if step.run.fatal is None:
            self._handle(step.run, plan.WatchersTold(step.number))

    def _failed(self, step: Step, error: CallbackFailed) -> None:
        run: Run = step.run
        if run.fatal is not None or run.broken is not None:
            self._tell_of(step, error)
            return
        run.broken = error
        event = plan.CallbackFailed(failure_of_callback(error), run.stops_on_failure)
        self._handle(run, event)

    def _tell_of(self, step: Step, error: CallbackFailed | None) -> None:
        """An error that does not decide how the run ends is said all the same."""
        if error is not None:
            self._reporter.warned(str(error))
