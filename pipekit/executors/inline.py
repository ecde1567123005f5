"""The `inline` executor: each attempt runs in the thread that called the component.

Same checks, same stored outputs, same records as in a worker process; no capture of the console and
no way to end a call from outside, so a `timeout` and a limit of memory are not kept. The recorded
CPU seconds are those of the thread.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import get_ident
from time import thread_time

from pipekit.clock import LOOK_UP_SECONDS
from pipekit.errors import DebuggerQuit, PipekitError
from pipekit.executors.interruption import Interruptible, is_main_thread, stack
from pipekit.liveness import host_name, started_at
from pipekit.model.failure import FailureKind
from pipekit.model.resources import size_text
from pipekit.ports import Assignment, Loop, Outcome
from pipekit.worker.infrastructure import kind_of
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
        self._calls: dict[Assignment, Interruptible] = {}
        """Those that a thread has taken."""

    def start(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            if assignment.mailbox.is_left:
                self._loop.post(partial(assignment.report, left_outcome()))
            else:
                assignment.mailbox.deliver(assignment)

    def stop(self, assignment: Assignment) -> None:
        """Interrupt it, where it is in the main thread. In another it comes to its own end."""
        assignment.stop_reason = "stopped"
        call = self._calls.get(assignment)
        if call is not None:
            call.ask("stopped")

    def kill(self, assignment: Assignment) -> bool:
        return False  # it is a piece of a thread

    def close(self) -> None:
        """Nothing is held."""

    def run(self, assignment: Assignment) -> None:
        """Run the attempt in this thread, and report it to the loop.

        Raises:
            KeyboardInterrupt: Ctrl-C ended it, or whatever wants more than this attempt to end.
            DebuggerQuit: it was quit in a debugger.
        """
        call = self._calls[assignment] = Interruptible()
        depth = len(stack) if is_main_thread() else None
        is_over = bool(assignment.stop_reason)  # before it has begun
        try:
            if depth is not None:
                stack.append(call)
            outcome = left_outcome() if is_over else self._outcome(assignment)
        except KeyboardInterrupt:
            if not call.is_raised:
                raise
            outcome = left_outcome()
        finally:
            if depth is not None:
                del stack[depth:]
            del self._calls[assignment]
        self._loop.post(lambda: assignment.report(outcome))
        if outcome.failure_kind is not FailureKind.STOPPED or is_over or call.is_raised:
            return
        if outcome.exception_class == "bdb.BdbQuit":
            name = assignment.component.name
            raise DebuggerQuit(f"The debugger was quit in step {name!r}.")
        raise KeyboardInterrupt

    def _outcome(self, assignment: Assignment) -> Outcome:
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
                    stacklevel=3,
                )
            asked = assignment.resources
            if asked is not None and asked.memory is not None:
                warnings.warn(
                    f"Component {spec.name!r} is to use {size_text(asked.memory)} of memory at "
                    "most, which the inline executor cannot keep: a step runs in your own process.",
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
            return Outcome(0.0, kind_of(error, FailureKind.INPUTS), message=str(error))
        changed = assignment.find_change()
        if changed:
            return Outcome(0.0, FailureKind.CODE_CHANGED, message=_changed(assignment, changed))
        with self._lock:
            self._running += 1
            self._begun += 1
            begun, alone = self._begun, self._running == 1
        cpu_began = thread_time()
        report = self._runner.run(
            Call(
                0,
                spec.number,
                assignment.task_id,
                assignment.arguments,
                inputs,
                is_audited=assignment.is_audited,
                codes=assignment.codes,
            ),
            lambda logged: self._loop.post(lambda: assignment.logged(logged)),
        )
        with self._lock:
            self._running -= 1
            alone = alone and begun == self._begun
        cpu_seconds = thread_time() - cpu_began
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
                cpu_seconds=cpu_seconds,
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
                cpu_seconds=cpu_seconds,
            )
        return outcome


def _changed(assignment: Assignment, changed: str) -> str:
    return str(
        PipekitError(
            f"Step {assignment.label} was not run: {changed}, between its call and its start.",
            hint="change it before the call, or pass the value as an argument.",
        )
    )
