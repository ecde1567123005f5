"""What an attempt in a worker may not exceed: its time, its memory, what it prints. Finds out that
it did, and says so; ends nothing.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from pipekit.executors.capacity import Capacity
from pipekit.executors.memory import MemoryWatch, OomKiller
from pipekit.executors.memory_group import MemoryGroup, find_base
from pipekit.executors.obituary import obituary, size_of
from pipekit.executors.worker_process import WorkerProcess
from pipekit.model.failure import FailureKind
from pipekit.model.resources import about_text, size_text
from pipekit.ports import Assignment

Excess = tuple[FailureKind, str]


class Limits:
    """The limits of the attempts of one pool."""

    def __init__(self, capacity: Capacity, *, log_limit_bytes: int) -> None:
        self._capacity = capacity
        self._log_limit_bytes = log_limit_bytes
        self._oom_killer: OomKiller | None = None
        self._base: Path | None = None
        self._looked_for_base = False

    def begin(self) -> None:
        """Workers run from now on."""
        if self._oom_killer is None:
            self._oom_killer = OomKiller()

    def hold(self, worker: WorkerProcess, memory: int) -> None:
        """Hold the worker to so many bytes, until its `leave_limit`."""
        if not self._looked_for_base:
            self._looked_for_base, self._base = True, find_base()
        if worker.group is None and self._base is not None:
            worker.group = MemoryGroup.make(self._base, worker.pid)
            if worker.group is None:
                self._base = None  # there was something to write to, and no group came of it
        if worker.group is None or not worker.group.limit(memory):
            worker.watch = MemoryWatch(worker.pid, memory)

    def find_excess(
        self, worker: WorkerProcess, assignment: Assignment, took_seconds: float
    ) -> Excess | None:
        """What the attempt that the worker is in has exceeded, if anything."""
        seconds = assignment.timeout_seconds
        if seconds is not None and took_seconds > seconds:
            text = f"{_attempt(assignment)} was ended after its timeout of {seconds:g} s."
            return FailureKind.TIMEOUT, text
        if size_of(worker.log) - worker.log_at > self._log_limit_bytes:
            return FailureKind.FLOODED, (
                f"{_attempt(assignment)} was ended: it wrote more than {self._log_limit_bytes:,} "
                "bytes to its console. Hint: print less, or raise PIPEKIT_LOG_LIMIT_BYTES."
            )
        memory = assignment.resources.memory if assignment.resources is not None else None
        if memory is not None and worker.watch is not None:
            used = worker.watch.look()
            if used > memory:
                return FailureKind.MEMORY, self._too_much(assignment, memory, about_text(used))
        return None

    def look_around(self) -> None:
        """Know what the out-of-memory killer has done until now. To be called now and then."""
        if self._oom_killer is not None:
            self._oom_killer.look()

    def judge(
        self, worker: WorkerProcess, assignment: Assignment, status: int, took_seconds: float
    ) -> Excess:
        """Why an attempt that nobody here has ended is over: its process ended with `status`."""
        memory = assignment.resources.memory if assignment.resources is not None else None
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if killed and memory is not None and worker.was_too_large:
            return FailureKind.MEMORY, self._too_much(assignment, memory, "more")
        by_kernel = killed and self._oom_killer is not None and self._oom_killer.has_killed()
        text = obituary(
            _attempt(assignment), status, took_seconds, worker.log, worker.log_at, oom=by_kernel
        )
        kind = FailureKind.MEMORY if by_kernel and memory is not None else FailureKind.EXITED
        return kind, text

    def next_memory(self, assignment: Assignment) -> int:
        """What a further attempt may have, after one that was ended for its memory: twice as much,
        or all; 0 where it had all."""
        memory = assignment.resources.memory if assignment.resources is not None else None
        if memory is None or memory >= self._capacity.memory:
            return 0
        return min(2 * memory, self._capacity.memory)

    def _too_much(self, assignment: Assignment, memory: int, used: str) -> str:
        text = f"{_attempt(assignment)} was ended: it used {used} of memory, and may use "
        text += f"{size_text(memory)}. Hint: "
        more = self.next_memory(assignment)
        if not more:
            return f"{text}that is all that this machine has; let it work on less at a time."
        return (
            f'{text}give it more with resources={{"memory": "{size_text(2 * memory)}"}}; with '
            "memory_retries=2 it is tried with twice as much."
        )


def _attempt(assignment: Assignment) -> str:
    return f"Attempt {assignment.number} of {assignment.label}"
