"""Runs a pipeline that was called in a pipeline: a step of the parent, a run of its own.

The child's row is the step's row; the parent's planner records how it began and ended. It takes no
worker: its function runs in a thread of the controller, or inline in the calling one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from pipekit.control.run import Run
from pipekit.executors.inline import left_outcome
from pipekit.liveness import host_name, started_at
from pipekit.model.failure import FailureKind
from pipekit.ports import Assignment, Loop, Outcome


class ChildExecutor:
    """The `Executor` port for pipelines: an assignment's function takes the assignment, runs the
    child to its end and gives the outcome."""

    def __init__(
        self, loop: Loop, stop: Callable[[Run, str], None], now: Callable[[], float]
    ) -> None:
        """`stop` makes a run end, and is told the reason; `now` gives the wall time of records."""
        self._loop = loop
        self._stop = stop
        self._now = now

    def start(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            if assignment.mailbox is not None and assignment.mailbox.is_left:
                self._loop.post(partial(assignment.report, left_outcome()))
            elif assignment.mailbox is not None:
                assignment.mailbox.deliver(assignment)
            else:
                threading.Thread(
                    target=self.run, args=(assignment,), name=assignment.label, daemon=True
                ).start()

    def stop(self, assignment: Assignment) -> None:
        step = assignment.step
        reason = step.stop_reason or step.run.stop_reason or "stopped"
        assignment.stop_reason = reason  # for its thread, where that has no run yet
        if step.child is not None:
            self._loop.post(lambda: self._stop(step.child, reason))

    def kill(self, assignment: Assignment) -> bool:
        return False  # its function runs in a thread

    def close(self) -> None:
        """Its threads end with their runs."""

    def run(self, assignment: Assignment) -> None:
        """Run the child in this thread, and report its end to the loop."""
        began = perf_counter()
        assignment.started_at = self._now()
        assignment.host, assignment.pid = host_name(), os.getpid()
        assignment.pid_started_at = started_at(assignment.pid) or 0.0
        self._loop.post(assignment.began)
        try:
            outcome: Outcome = assignment.function(assignment)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of an end
            outcome = Outcome(0.0, FailureKind.ERROR, message=f"{type(error).__name__}: {error}")
        outcome.duration_seconds = perf_counter() - began
        self._loop.post(lambda: assignment.report(outcome))
        if assignment.mailbox is not None and outcome.interrupted:
            raise KeyboardInterrupt  # it was pressed in this thread, and means the parent too
