"""The `script` executor: steps whose code is a script's, each a process of its own on this machine,
or a row on a queue that an agent takes.

A script's process writes what it logs itself, so its task is recorded as running before it starts;
what it has stored is read from the store when it has ended.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pipekit.control.archive import Archive
from pipekit.control.queued_step import QueuedSteps, given_artifacts
from pipekit.diagnostics import debug
from pipekit.errors import PipekitError
from pipekit.executors.machine import usable_cpus
from pipekit.liveness import host_name, started_at
from pipekit.model.failure import FailureKind
from pipekit.model.records import Change
from pipekit.model.status import Status, Transition
from pipekit.ports import Assignment, Loop, Outcome
from pipekit.worker.message import Logged

if TYPE_CHECKING:
    from pipekit.control.execute import Ended, ScriptProcess
    from pipekit.control.step import Step

_SHOWN_BYTES = 65536


class ScriptExecutor:
    """The `Executor` port for steps with a `ScriptShape`. In the loop's thread, but for `_run`."""

    def __init__(
        self, loop: Loop, archive: Archive, *, stage: Callable[[Change], None],
        stop_step: Callable[[Step, str], None],
    ) -> None:  # fmt: skip
        """`stage` has a change recorded at the end of this turn; `stop_step` tells a step's planner
        that someone else has stopped it."""
        self._loop = loop
        self._archive = archive
        self._stage = stage
        self._stop_step = stop_step
        self._waiting: deque[Assignment] = deque()
        self._running: dict[Assignment, Running] = {}
        self._most = usable_cpus()
        self._queued = QueuedSteps(
            loop, archive, stage=stage, stop_step=stop_step, outputs=self._outputs
        )

    def start(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            use = assignment.step.use
            if use.refusal:
                refused = Outcome(0.0, FailureKind.INPUTS, message=use.refusal)
                self._report_later(assignment, refused)
            elif use.script.queue:
                self._queued.add(assignment)
            else:
                self._waiting.append(assignment)
        self._fill()

    def stop(self, assignment: Assignment) -> None:
        reason = _reason(assignment)
        if assignment in self._waiting:
            self._waiting.remove(assignment)
            self._report_later(assignment, Outcome(0.0, FailureKind.STOPPED, message=reason))
        elif assignment in self._running:
            self._running[assignment].stop(reason)
        else:
            self._queued.stop(assignment)

    def kill(self, assignment: Assignment) -> bool:
        if assignment in self._running:
            self._running[assignment].kill()
        else:
            self.stop(assignment)
        return False  # whoever wants it dead need not wait until it is

    def close(self) -> None:
        for running in self._running.values():
            running.kill()
        self._waiting.clear()
        self._queued.forget()

    def _report_later(self, assignment: Assignment, outcome: Outcome) -> None:
        self._loop.post(lambda: assignment.report(outcome))

    # on this machine

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._most:
            self._begin(self._waiting.popleft())

    def _begin(self, assignment: Assignment) -> None:
        running = self._running[assignment] = Running(assignment, self._archive)
        assignment.started_at = self._archive.clock.now()
        assignment.host, assignment.pid = host_name(), os.getpid()
        assignment.pid_started_at = started_at(assignment.pid) or 0.0
        name = f"script-{os.getpid()}-{assignment.task_id}-{assignment.number}.log"
        assignment.log_path = f"logs/{name}"
        # Recorded as running in this turn of the loop or the next, for the process writes to a task
        # that runs; and started in the one after it.
        self._loop.post(lambda: self._show(assignment, running))

    def _show(self, assignment: Assignment, running: Running) -> None:
        assignment.began()
        assignment.logged(Logged(0))
        if assignment.number == 1:
            self._stage(given_artifacts(assignment.step, self._archive.clock.now()))
        self._loop.post(lambda: self._start_thread(assignment, running))

    def _start_thread(self, assignment: Assignment, running: Running) -> None:
        threading.Thread(
            target=self._run, args=(assignment, running), name=assignment.label, daemon=True
        ).start()

    def _run(self, assignment: Assignment, running: Running) -> None:
        try:
            outcome = running.run(lambda: self._hand_on_output(assignment, running))
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must hear of an end
            outcome = Outcome(
                0.0, FailureKind.INFRASTRUCTURE, message=f"{type(error).__name__}: {error}"
            )
        self._loop.post(lambda: self._ended(assignment, outcome))

    def _hand_on_output(self, assignment: Assignment, running: Running) -> None:
        if assignment.wrote is not None:
            data, left_out = running.new_output()
            if data:
                wrote = assignment.wrote
                self._loop.post(lambda: wrote(data, left_out))

    def _ended(self, assignment: Assignment, outcome: Outcome) -> None:
        self._running.pop(assignment, None)
        if outcome.failure_kind is None:
            outcome.outputs = self._outputs(assignment.task_id)
        elif outcome.failure_kind is FailureKind.STOPPED and not _is_asked(assignment):
            self._stop_step(assignment.step, outcome.message)
        assignment.report(outcome)
        self._fill()

    def _outputs(self, task_id: str) -> tuple[tuple[str, Any, None], ...]:
        """What a task has stored: of each name the last."""
        found = {one.name: one.value for one in self._archive.store.list_artifacts(task_id)}
        return tuple((name, value, None) for name, value in found.items())


class Running:
    """One attempt in a process of this machine. In a thread of its own, but for `stop`, `kill`."""

    def __init__(self, assignment: Assignment, archive: Archive) -> None:
        self._assignment = assignment
        self._archive = archive
        self._lock = threading.Lock()
        self._process: ScriptProcess | None = None
        self._why = ""
        self._is_killed = False
        self._timed_out = False
        self._read_to = 0

    @property
    def log(self) -> Path:
        return self._archive.settings.home / self._assignment.log_path

    def stop(self, why: str) -> None:
        """Ask it to end; where it has not begun, it does not."""
        with self._lock:
            self._why = why
            if self._process is not None:
                self._process.stop(why)

    def kill(self) -> None:
        """End it at once."""
        with self._lock:
            self._is_killed = True
            self._why = self._why or "stopped"
            if self._process is not None:
                self._process.kill()

    def run(self, look: Callable[[], None]) -> Outcome:
        """Run it to its end."""
        from pipekit.control.execute import ScriptProcess  # where a script is run

        assignment, began = self._assignment, perf_counter()
        task = self._archive.store.find_task(assignment.task_id)
        if task is None:
            return Outcome(0.0, FailureKind.INPUTS, message="its record is gone")
        if self._why:
            return Outcome(0.0, FailureKind.STOPPED, message=self._why)
        try:
            process = ScriptProcess(self._archive, task, assignment.number, log=self.log)
        except (PipekitError, OSError) as error:
            return Outcome(0.0, FailureKind.IMPORT, message=str(error))
        with self._lock:
            self._process = process
            if self._is_killed:
                process.kill()
            elif self._why:  # asked for while its files were put in place
                process.stop(self._why)
        debug("script", "%s runs as process %s", assignment.label, process.pid)

        def watch() -> None:
            look()
            seconds = assignment.timeout_seconds
            if seconds is not None and perf_counter() - began > seconds and not self._why:
                self._timed_out = True
                self.stop("timeout")

        ended = process.wait(watch)
        look()
        return self._outcome(ended, perf_counter() - began)

    def _outcome(self, ended: Ended, seconds: float) -> Outcome:
        outcome = Outcome(
            seconds, log_path=self._assignment.log_path, log_start=0, log_end=self._size()
        )
        failure = ended.failure
        if ended.transition is Transition.COMPLETED and not self._is_killed:
            return outcome
        if self._timed_out:
            from pipekit.control.execute import late_text

            limit = self._assignment.timeout_seconds
            outcome.failure_kind = FailureKind.TIMEOUT
            outcome.message = late_text(
                self._assignment.step.name, self._assignment.task_id, self._assignment.number,
                limit or 0.0,
            )  # fmt: skip
        elif self._is_killed or failure is None:
            outcome.failure_kind, outcome.message = FailureKind.STOPPED, self._why or "stopped"
        else:
            outcome.failure_kind, outcome.message = failure.kind, failure.message
            outcome.traceback, outcome.exception_class = failure.traceback, failure.exception
            outcome.bases = (failure.exception,)
        return outcome

    def _size(self) -> int:
        try:
            return self.log.stat().st_size
        except OSError:
            return 0

    def new_output(self) -> tuple[bytes, int]:
        """What it has written since this was asked last, and how much of that is left out."""
        left_out = max(0, self._size() - self._read_to - _SHOWN_BYTES)
        try:
            with self.log.open("rb") as file:
                file.seek(self._read_to + left_out)
                data = file.read(_SHOWN_BYTES)
        except OSError:
            return b"", 0
        self._read_to += left_out + len(data)
        return data, left_out


def _reason(assignment: Assignment) -> str:
    step = assignment.step
    return str(step.stop_reason or step.run.stop_reason or "stopped")


def _is_asked(assignment: Assignment) -> bool:
    """Whether its planner knows that it was to stop."""
    step = assignment.step
    return bool(step.stop_reason or step.run.stopping or step.status is not Status.RUNNING)
