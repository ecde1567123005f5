"""A run's progress as plain lines on stderr. Owns when a line is written and when lines are folded;
`message` owns how they read.

A burst of steps must neither hold up the loop, which waits for the reporter, nor flood a terminal:
beyond a rate, ended steps are only counted, and written as one line for all that are alike.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import TextIO

from pipekit.clock import SystemClock
from pipekit.console.message import Message
from pipekit.model.status import Status
from pipekit.ports import RunEnd, RunFacts, StepEnd

_MOST_IN_ONE_CALL = 8
_MOST_A_SECOND = 40
_WINDOW_SECONDS = 1.0

_Key = tuple[str, Status, bool, str]


class LineReporter:
    """The port `Reporter` for people who watch a run: a line a step, when it has ended.

    Thread-safe. A stream that is closed or cannot be written silences it; it never raises.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        monotonic: Callable[[], float] = SystemClock.monotonic,
        call_later: Callable[[float, Callable[[], None]], None] | None = None,
    ) -> None:
        """
        Args:
            stream: Where to write; None: to what `sys.stderr` is at that moment.
            monotonic: The clock by which the rate is measured.
            call_later: Runs a callback once after so many seconds; None: in a thread.
        """
        self._stream = stream
        self._monotonic = monotonic
        self._call_later = call_later or _in_a_thread
        self._lock = threading.Lock()
        self._message = Message(None)
        self._held: dict[_Key, StepEnd] = {}
        """The first of those that are alike."""
        self._counts: dict[_Key, int] = {}
        self._window_at = float("-inf")
        self._window_lines = 0
        self._is_due = False

    # the port

    def run_began(self, run: RunFacts) -> None:
        with self._lock:
            self._message = Message(self._target())
            if not run.parent_name:
                self._write([self._message.began(run)])

    def steps_ended(self, steps: Sequence[StepEnd]) -> None:
        with self._lock:
            busy = self._is_busy()
            if self._counts or busy or len(steps) > _MOST_IN_ONE_CALL:
                self._hold(steps)
                if busy:
                    self._write_later()
                else:
                    self._write_held()
            else:
                self._write([self._message.step(step) for step in steps])

    def step_retried(self, step: StepEnd) -> None:
        self.steps_ended((step,))

    def run_ended(self, end: RunEnd) -> None:
        with self._lock:
            self._write_held()
            self._write(self._message.ended(end))

    def blind_spot(self, component: str, what: str, file: str, line: int) -> None:
        with self._lock:
            self._write([self._message.blind_spot(component, what, file, line)])

    # bursts

    def _is_busy(self) -> bool:
        now = self._monotonic()
        if now - self._window_at >= _WINDOW_SECONDS:
            self._window_at = now
            self._window_lines = 0
        return self._window_lines >= _MOST_A_SECOND

    def _hold(self, steps: Sequence[StepEnd]) -> None:
        counts, held = self._counts, self._held
        for step in steps:
            key = (step.component, step.status, step.reused_from != "", step.run.id)
            count = counts.get(key, 0)
            counts[key] = count + 1
            if not count:
                held[key] = step

    def _write_held(self) -> None:
        if not self._counts:
            return
        lines = [
            self._message.step(self._held[key])
            if count == 1
            else self._message.folded(self._held[key], count)
            for key, count in self._counts.items()
        ]
        self._counts.clear()
        self._held.clear()
        self._write(lines)

    def _write_later(self) -> None:
        # If nothing more ends for a while, what is held must be seen all the same.
        if not self._is_due:
            self._is_due = True
            self._call_later(_WINDOW_SECONDS, self._write_due)

    def _write_due(self) -> None:
        with self._lock:
            self._is_due = False
            self._write_held()

    # the stream

    def _target(self) -> TextIO | None:
        return self._stream if self._stream is not None else sys.stderr

    def _write(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        self._window_lines += len(lines)
        target = self._target()
        if target is None:
            return
        try:
            target.write("\n".join(lines) + "\n")
            target.flush()
        except (OSError, ValueError):
            pass  # closed, full, or it takes no such character: a run does not fail for that


def _in_a_thread(seconds: float, callback: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, callback)
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:
        pass  # no thread can be had; the next step, or the run's end, writes what is held
