"""The `inline` executor: each attempt runs in the thread that called the component.

Same checks, same stored outputs, same records as in a worker process; no capture of the console and
no way to end a call from outside, so a `timeout` is not kept.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import get_ident

from pipekit.clock import LOOK_UP_SECONDS
from pipekit.errors import DebuggerQuit, PipekitError
from pipekit.liveness import host_name, started_at
from pipekit.model.failure import FailureKind
from pipekit.ports import Assignment, Loop, Outcome
from pipekit.worker.message import Broke, Call, Done
from pipekit.worker.runner import Runner


class Mailbox:
    """Where the calling thread waits: for an attempt to run, or for the step's end (None)."""

    __slots__ = ("_queue", "is_left", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.is_left = False
        """The thread was interrupted, and takes nothing more."""
        self._queue: SimpleQueue[Assignment | None] = SimpleQueue()

    def deliver(self, assignment: Assignment | None) -> None:
        self._queue.put(assignment)

    def take(self) -> Assignment | None:
        while True:
            try:
                return self._queue.get(timeout=LOOK_UP_SECONDS)
            except Empty:
                pass


def left_outcome() -> Outcome:
    """Of an attempt whose thread was interrupted outside of the user's code."""
    return Outcome(0.0, FailureKind.STOPPED, message="stopped by Ctrl-C")


class InlineExecutor:
    """The `Executor` port in the caller's own thread."""

    def __init__(self, loop: Loop, runner: Runner, now: Callable[[], float]) -> None:
        """`now` gives the wall time of records."""
        self._loop = loop
        self._runner = runner
        self._now = now
        self._introduced: set[int] = set()
        self._lock = threading.Lock()
        self._running = 0
        """Attempts, in as many threads."""
        self._begun = 0

    def start(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            if assignment.mailbox.is_left:
                self._loop.post(partial(assignment.report, left_outcome()))
            else:
                assignment.mailbox.deliver(assignment)

    def stop(self, assignment: Assignment) -> None:
        """Nothing: the call is on the stack of the thread that wants it to stop."""

    def close(self) -> None:
        """Nothing is held."""

    def run(self, assignment: Assignment) -> None:
        """Run the attempt in this thread, and report it to the loop."""
        spec = assignment.component
        # Each time: an equal component may hold on to other objects, which change on their own.
        self._runner.introduce(spec.number, spec, assignment.function)
        if spec.number not in self._introduced:
            self._introduced.add(spec.number)
            if assignment.timeout_seconds is not None:
                warnings.warn(
                    f"Component {spec.name!r} has a timeout of {assignment.timeout_seconds:g} s, "
                    "which the inline executor cannot keep: a step runs in your own thread.",
                    RuntimeWarning,
                    stacklevel=2,
                )
        assignment.started_at = self._now()
        assignment.host, assignment.pid = host_name(), os.getpid()
        assignment.pid_started_at = started_at(assignment.pid) or 0.0
        self._loop.post(assignment.began)
        try:
            inputs = assignment.inputs()
        except PipekitError as error:
            refused = Outcome(0.0, FailureKind.INPUTS, message=str(error))
            self._loop.post(lambda: assignment.report(refused))
            return
        changed = assignment.find_change()
        if changed:
            refused = Outcome(0.0, FailureKind.CODE_CHANGED, message=_changed(assignment, changed))
            self._loop.post(lambda: assignment.report(refused))
            return
        with self._lock:
            self._running += 1
            self._begun += 1
            begun, alone = self._begun, self._running == 1
        report = self._runner.run(
            Call(0, spec.number, assignment.task_id, assignment.arguments, inputs),
            lambda logged: self._loop.post(lambda: assignment.logged(logged)),
        )
        with self._lock:
            self._running -= 1
            alone = alone and begun == self._begun
        if isinstance(report, Done):
            changed = assignment.find_change()
            other = f"{changed}, while another step ran in this process" if changed else ""
            outcome = Outcome(
                report.duration_seconds,
                outputs=report.outputs,
                none=report.none,
                reads=report.reads,
                unsure=report.unsure or ("" if alone else other),
                changed=changed,
            )
        else:
            assert isinstance(report, Broke)  # only a worker may be replaced
            outcome = Outcome(
                report.duration_seconds,
                report.kind,
                message=report.message,
                traceback=report.traceback,
                exception_class=report.exception_class,
                bases=report.bases,
                exception=report.exception,
            )
        self._loop.post(lambda: assignment.report(outcome))
        if outcome.failure_kind is FailureKind.STOPPED:
            if outcome.exception_class == "bdb.BdbQuit":
                raise DebuggerQuit(f"The debugger was quit in step {spec.name!r}.")
            raise KeyboardInterrupt


def _changed(assignment: Assignment, changed: str) -> str:
    return str(
        PipekitError(
            f"Step {assignment.label} was not run: {changed}, between its call and its start.",
            hint="change it before the call, or pass the value as an argument.",
        )
    )
