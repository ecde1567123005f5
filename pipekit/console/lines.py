"""A run's progress as plain lines on stderr. Owns when a line is written and when lines are folded;
`message` and `summary` own how they read, `line_stream` how they get there.

A burst of steps must neither hold up the loop, which waits for the reporter, nor flood a terminal:
beyond a rate, ended steps are only counted, and written as one line for all that are alike.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from pipekit.clock import SystemClock
from pipekit.console.line_stream import LineStream
from pipekit.console.message import Message
from pipekit.console.reasons import Reasons
from pipekit.console.step_output import StepOutput
from pipekit.console.summary import Slow, summary
from pipekit.model.status import Status
from pipekit.reporting import RunEnd, RunFacts, StepEnd, StepFacts

_MOST_IN_ONE_CALL = 8
_MOST_A_SECOND = 40
_WINDOW_SECONDS = 1.0
_MOST_IN_FULL = 5
"""Failures of one run that are told with their tracebacks; one of each component."""
_MOST_TOLD = 1000
_SLOW_SECONDS = 0.5
_MOST_SLOW = 5

_Key = tuple[str, Status, bool, bool, str]


class LineReporter:
    """The port `Reporter` for people who watch a run: a line a step, when it has ended; what the
    steps write, line by line; a failure in full.

    Thread-safe. A stream that is closed or cannot be written silences it.
    """

    shows_output = True

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        command: Callable[[], str] = lambda: "pipekit",
        why: Callable[[str], str] | None = None,
        now: Callable[[], float] = SystemClock.now,
        monotonic: Callable[[], float] = SystemClock.monotonic,
        call_later: Callable[[float, Callable[[], None]], None] | None = None,
    ) -> None:
        """
        Args:
            stream: Where to write; None: to what `sys.stderr` is at that moment.
            command: What is to be typed before `logs` or `show` to reach this run's home.
            why: Says of a step's id why it ran, or nothing; may take its time.
            now: The wall time that lines begin with.
            monotonic: The clock by which the rate is measured.
            call_later: Runs a callback once after so many seconds; None: in a thread.
        """
        self._stream = LineStream(stream)
        self._command = command
        self._now = now
        self._monotonic = monotonic
        self._call_later = call_later or _in_a_thread
        self._lock = threading.Lock()
        self._message = Message(None, now=now)
        self._output = StepOutput()
        self.reasons = Reasons(why) if why is not None else None
        self._held: dict[_Key, StepEnd] = {}
        """The first of those that are alike."""
        self._counts: dict[_Key, int] = {}
        self._window_at = float("-inf")
        self._window_lines = 0
        self._is_due = False
        self._in_full: dict[str, set[str]] = {}
        """Run -> components of which a failure was told in full."""
        self._tracebacks: set[str] = set()
        self._told: dict[str, None] = {}
        """Ids of the steps whose failures were told in full."""
        self._slowest: dict[str, list[Slow]] = {}
        self._open: set[str] = set()
        """Runs that go on, but for child runs."""

    # the port

    def run_began(self, run: RunFacts) -> None:
        with self._lock:
            if not run.parent_name:
                self._open.add(run.id)
                self._message = Message(self._stream.target, command=self._command, now=self._now)
                self._message.is_shared = len(self._open) > 1
                self._write([self._message.began(run)])

    def steps_called(self, run: RunFacts, count: int, components: Mapping[str, int]) -> None:
        """Nothing: lines tell of what has ended."""

    def steps_running(self, steps: Sequence[StepFacts]) -> None:
        if self.reasons is not None:
            for step in steps:
                self.reasons.ask(step.id)

    def step_progressed(self, step: StepFacts, done: float, total: float | None) -> None:
        """Nothing."""

    def step_wrote(self, step: StepFacts, lines: Sequence[str], left_out_bytes: int) -> None:
        with self._lock:
            now = self._monotonic()
            self._stream.write(self._output.take(self._message, step, lines, left_out_bytes, now))

    def steps_ended(self, steps: Sequence[StepEnd]) -> None:
        with self._lock:
            alike = steps
            if self._output.hides or not all(map(_is_plain, steps)):
                alike = [step for step in steps if not self._tell_at_once(step)]
            busy = self._is_busy()
            if self._counts or busy or len(alike) > _MOST_IN_ONE_CALL:
                self._hold(alike)
                if busy:
                    self._write_later()
                else:
                    self._write_held()
            else:
                self._write([self._message.step(step, self._why(step)) for step in alike])

    def step_retried(self, step: StepEnd, after_seconds: float) -> None:
        with self._lock:
            self._why(step)
            self._write(
                [
                    *self._output.end_of(self._message, step.id),
                    self._message.step(step, retry_seconds=after_seconds),
                ]
            )

    def run_ended(self, end: RunEnd) -> None:
        with self._lock:
            self._write_held()
            self._write(self._output.rest(self._message))
            slowest = self._slowest.get(end.run.id, ())
            self._write(summary(self._message, end, told=self._told, slowest=slowest))
            self._forget(end.run)

    def run_lost(self, run: RunFacts) -> None:
        with self._lock:
            self._write_held()
            self._forget(run)

    def blind_spot(self, component: str, what: str, file: str, line: int) -> None:
        with self._lock:
            self._write([self._message.blind_spot(component, what, file, line)])

    def warned(self, text: str) -> None:
        with self._lock:
            self._write([self._message.warned(text)])

    def has_told(self, task_id: str) -> bool:
        return task_id in self._told

    def _forget(self, run: RunFacts) -> None:
        self._slowest.pop(run.id, None)
        self._in_full.pop(run.id, None)
        self._open.discard(run.id)
        if not self._open:
            self._tracebacks.clear()  # the next run shows its own
        self._message.is_shared = len(self._open) > 1

    # what is told at once

    def _tell_at_once(self, step: StepEnd) -> bool:
        """What must not wait or be folded; False where nothing of the kind is to be said."""
        if step.seconds is not None and step.seconds >= _SLOW_SECONDS:
            self._note_slow(step)
        if self._output.hides:
            self._write(self._output.end_of(self._message, step.id))
        if step.status is not Status.FAILED or not self._is_for_full(step):
            return False
        self._why(step)
        self._write_held()
        self._write(self._message.failed(step))
        return True

    def _is_for_full(self, step: StepEnd) -> bool:
        failure = step.failure
        if failure is None:
            return False
        if len(self._told) > _MOST_TOLD:
            self._told.clear()
            self._tracebacks.clear()
        if failure.traceback in self._tracebacks:  # a child run failed of it, and now its parent
            self._told[step.id] = None
            return False
        components = self._in_full.setdefault(step.run.id, set())
        if step.component in components or len(components) >= _MOST_IN_FULL:
            return False
        components.add(step.component)
        self._told[step.id] = None
        if failure.traceback:
            self._tracebacks.add(failure.traceback)
        return True

    def _note_slow(self, step: StepEnd) -> None:
        slowest = self._slowest.setdefault(step.run.id, [])
        insort(slowest, (step.seconds or 0.0, self._message.name(step)), key=lambda slow: -slow[0])
        del slowest[_MOST_SLOW:]

    def _why(self, step: StepEnd) -> str:
        return self.reasons.take(step.id) if self.reasons is not None else ""

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
            key = (step.component, step.status, step.reused_from != "", step.kept, step.run.id)
            count = counts.get(key, 0)
            counts[key] = count + 1
            if not count:
                held[key] = step
        if self.reasons is not None and self.reasons.has_open:
            for step in steps:
                self.reasons.take(step.id)

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

    def _write(self, lines: Sequence[str]) -> None:
        self._window_lines += len(lines)
        self._stream.write(lines)


def _is_plain(step: StepEnd) -> bool:
    """Whether there is no more to say of it than that it has ended."""
    return step.status is not Status.FAILED and (step.seconds or 0.0) < _SLOW_SECONDS


def _in_a_thread(seconds: float, callback: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, callback)
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:
        pass  # no thread can be had; the next step, or the run's end, writes what is held
