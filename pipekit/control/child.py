"""Runs a pipeline that was called in a pipeline: a step of the parent, a run of its own.

The child's row is the step's row; the parent's planner records how it began and ended. It takes no
worker: its function runs in a thread of the controller, or inline in the calling one.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import perf_counter, time

from pipekit.control.scheduler import Scheduler
from pipekit.model.planner import StopAsked
from pipekit.ports import Assignment, Loop, Outcome


class ChildExecutor:
    """The `Executor` port for pipelines: an assignment's function takes the assignment, runs the
    child to its end and gives the outcome."""

    def __init__(self, loop: Loop, scheduler: Scheduler) -> None:
        self._loop = loop
        self._scheduler = scheduler

    def start(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            if assignment.mailbox is not None:
                assignment.mailbox.deliver(assignment)
            else:
                threading.Thread(
                    target=self.run, args=(assignment,), name=assignment.label, daemon=True
                ).start()

    def stop(self, assignment: Assignment) -> None:
        child = assignment.step.child
        if child is not None:
            self._scheduler.send(child, StopAsked())

    def close(self) -> None:
        """Its threads end with their runs."""

    def run(self, assignment: Assignment) -> None:
        """Run the child in this thread, and report its end to the loop."""
        began = perf_counter()
        assignment.started_at = time()
        outcome: Outcome = assignment.function(assignment)
        outcome.duration_seconds = perf_counter() - began
        self._loop.post(lambda: assignment.report(outcome))
