"""Stops runs and steps: sees the wishes that other processes have left in the store, says to
planners and threads what is wanted, and ends what does not obey. In the loop's thread.

Theory of operation. A run that is to stop is told so three times. At once its steps are halted, and
its function is interrupted, where that runs in the main thread; in another thread it ends when it
next calls a component or asks for a value. After `stop_seconds` its function is interrupted again.
Some seconds later the run is over in any case: what could not be ended is left behind, and nothing
that it does counts any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from pipekit.control.executor_set import ExecutorSet
from pipekit.control.run import Run
from pipekit.control.stop_wish import BY_COMMAND
from pipekit.errors import StoreUnavailable
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.planner import Abandoned, Event, StepStopAsked, StopAsked
from pipekit.model.status import TERMINAL
from pipekit.ports import Loop, Store

if TYPE_CHECKING:
    from pipekit.control.step import Step

LOOK_SECONDS = 0.5
_ABANDON_SHARE, _ABANDON_SECONDS = 0.5, 2.0
"""So much of `stop_seconds` and so long after that: by then workers have SIGTERM and SIGKILL behind
them."""


class Stopping:
    """The wishes to stop of one session."""

    def __init__(
        self, loop: Loop, store: Store, executors: ExecutorSet, runs: Collection[Run], *,
        stop_seconds: float, handle: Callable[[Run, Event], None],
        leave: Callable[[Step], None],
    ) -> None:  # fmt: skip
        """`runs` are those that go on. `handle` takes events of a run; `leave` ends an attempt of a
        step whatever its thread does."""
        self._loop = loop
        self._store = store
        self._executors = executors
        self._runs = runs
        self._stop_seconds = stop_seconds
        self._handle = handle
        self._leave = leave
        self._looks = False
        self._seen: set[str] = set()
        """Ids of tasks whose wish has been followed."""

    # wishes of other processes

    def look_later(self) -> None:
        """Look into the store in a moment, and again as long as there are runs."""
        if not self._looks:
            self._looks = True
            self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._looks = False
        runs = {run.task_id: run for run in list(self._runs)}
        if not runs:
            return
        self.look_later()
        try:
            asked = self._store.list_stop_requests(runs)
        except StoreUnavailable:
            return  # the next commit says what is wrong
        self._seen.intersection_update(asked)
        for task_id in asked:
            if task_id not in self._seen and self._follow(task_id, runs):
                self._seen.add(task_id)

    def _follow(self, task_id: str, runs: dict[str, Run]) -> bool:
        """Whether the task was found: a step that was not called yet in this attempt is not."""
        run = runs.get(task_id)
        if run is not None and run.parent is None:
            self.stop_run(run, BY_COMMAND)
            return True
        for one in runs.values():
            for step in one.steps:
                if step.task_id == task_id:
                    self.stop_step(step, BY_COMMAND)
                    return True
        return False

    # what is to stop

    def stop_step(self, step: Step, reason: str) -> None:
        """Stop one step, and let its run go on. Nothing, where it has ended."""
        if step.status not in TERMINAL:
            step.stop_reason = reason
            self._handle(step.run, StepStopAsked(step.number))

    def stop_run(self, run: Run, reason: str) -> None:
        """Stop a run with all its steps. Nothing, where it is stopping already."""
        if run.stopping is not None or run.over.is_open or run.fatal is not None:
            return
        run.be_stopped(reason)
        # First: what is halted below is then not interrupted on its own.
        run.interruptible.ask(reason)
        self._handle(run, StopAsked())
        self._loop.call_later(self._stop_seconds, lambda: self._ask_again(run))

    def _ask_again(self, run: Run) -> None:
        if run.over.is_open:
            return
        if not run.returned:
            run.interruptible.ask(run.stop_reason)
        wait = _ABANDON_SHARE * self._stop_seconds + _ABANDON_SECONDS
        self._loop.call_later(wait, lambda: self.kill(run, run.stop_reason))

    def kill_later(self, run: Run) -> None:
        """End a run that was interrupted when what it waits for has had its time: a callback may
        never return."""
        wait = (1 + _ABANDON_SHARE) * self._stop_seconds + _ABANDON_SECONDS
        self._loop.call_later(wait, lambda: self.kill(run, run.stop_reason))

    def kill(self, run: Run, reason: str) -> None:
        """End a run at once, and have it recorded as stopped. Idempotent."""
        if run.over.is_open or run.fatal is not None:
            return
        if run.stopping is None:
            run.be_stopped(reason)
        self._handle(run, StopAsked())
        for step in list(run.steps):
            assignment = step.assignment
            if step.status in TERMINAL or assignment is None:
                continue
            if step.child is not None:
                self.kill(step.child, reason)
            where = "pipeline" if step.use.is_pipeline else step.use.executor
            if not self._executors.get(where).kill(assignment):
                self._leave(step)
        with run.lock:
            run.returned = True
        self._handle(run, Abandoned(Failure(FailureKind.STOPPED, reason)))
        if run.parent is not None:
            for step in run.parent.steps:
                if step.child is run:
                    self._leave(step)
