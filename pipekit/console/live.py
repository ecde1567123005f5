"""A run's progress on a terminal: lines as `lines` writes them, and below them a table of what goes
on, drawn in a thread of its own. Owns when the table is there.

A run that is over before `_SHOW_AFTER_SECONDS` has no table and no thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipekit.clock import SystemClock
from pipekit.console.board import Board
from pipekit.console.lines import LineReporter
from pipekit.console.terminal import has_colour, marks_of
from pipekit.diagnostics import debug
from pipekit.reporting import RunEnd, RunFacts, StepEnd, StepFacts

if TYPE_CHECKING:
    from pipekit.console.panel import Panel
    from pipekit.console.screen import Screen

_SHOW_AFTER_SECONDS = 0.3
_FRAME_SECONDS = 0.125
_SHRINK_AFTER_FRAMES = 12
"""Lines that come and go would make everything above them jump."""
_LINGER_SECONDS = 1.0
"""The thread waits so long for another run."""


class LiveReporter:
    """The port `Reporter` for people at a terminal. Thread-safe.

    Where the table cannot be drawn (the terminal is tiny, another process draws there, an inline
    run owns it), the lines remain.
    """

    shows_output = True

    def __init__(
        self,
        lines: LineReporter,
        *,
        now: Callable[[], float] = SystemClock.now,
        monotonic: Callable[[], float] = SystemClock.monotonic,
    ) -> None:
        self._lines = lines
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._board = Board()
        self._inline: set[str] = set()
        """Runs whose steps own the terminal."""
        self._began_at = 0.0
        """By the monotonic clock: when the first of the runs that go on began."""
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._screen: Screen | None = None
        self._need = 0
        """Lines that the table had lately, so that it does not shrink at once."""
        self._frames_below = 0

    # the port

    def run_began(self, run: RunFacts) -> None:
        with self._lock:
            if not self._board.runs:
                self._began_at = self._monotonic()
                self._wake.set()
            self._board.began(run, self._now())
            if run.executor == "inline":
                self._inline.add(run.id)
                self._hide()
        self._lines.run_began(run)

    def steps_called(self, run: RunFacts, count: int, components: Mapping[str, int]) -> None:
        with self._lock:
            self._board.called(run, count, components, self._now())
            self._draw_later()

    def steps_running(self, steps: Sequence[StepFacts]) -> None:
        with self._lock:
            self._board.steps_running(steps)
            self._draw_later(soon=True)
        self._lines.steps_running(steps)

    def step_progressed(self, step: StepFacts, done: float, total: float | None) -> None:
        with self._lock:
            self._board.progressed(step, done, total, self._now())
            self._draw_later()

    def step_wrote(self, step: StepFacts, lines: Sequence[str], left_out_bytes: int) -> None:
        self._lines.step_wrote(step, lines, left_out_bytes)

    def step_retried(self, step: StepEnd, after_seconds: float) -> None:
        with self._lock:
            self._board.retried(step)
        self._lines.step_retried(step, after_seconds)

    def steps_ended(self, steps: Sequence[StepEnd]) -> None:
        with self._lock:
            self._board.steps_ended(steps)
            self._draw_later()
        self._lines.steps_ended(steps)

    def run_ended(self, end: RunEnd) -> None:
        self._forget(end.run)
        self._lines.run_ended(end)

    def run_lost(self, run: RunFacts) -> None:
        self._forget(run)
        self._lines.run_lost(run)

    def blind_spot(self, component: str, what: str, file: str, line: int) -> None:
        self._lines.blind_spot(component, what, file, line)

    def warned(self, text: str) -> None:
        self._lines.warned(text)

    def has_told(self, task_id: str) -> bool:
        return self._lines.has_told(task_id)

    # the table

    def _forget(self, run: RunFacts) -> None:
        with self._lock:
            if run.id:
                self._board.run_ended(run.id)
                self._inline.discard(run.id)
            else:  # of none in particular: of all
                self._board = Board()
            if not self._board.roots:
                self._board.runs.clear()
                self._need = 0
                self._hide()
                self._wake.set()

    def _hide(self) -> None:
        if self._screen is not None:
            self._screen.hide()

    def _draw_later(self, *, soon: bool = False) -> None:
        """See to it that there is a thread that draws, once the run has gone on for a moment;
        `soon`: also where that moment is yet to come, for nobody may call again before it."""
        if self._thread is not None:
            return
        if soon or self._monotonic() - self._began_at >= _SHOW_AFTER_SECONDS:
            self._thread = threading.Thread(target=self._work, name="pipekit-live", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = None  # no thread can be had: the lines do

    def _work(self) -> None:
        try:
            self._wait(self._began_at + _SHOW_AFTER_SECONDS - self._monotonic())
            if self._has_runs():
                self._draw_until_over()
        except Exception as error:  # noqa: BLE001 - a run does not end for what people see of it
            debug("console", "the table failed: %r", error)
            with self._lock:  # and no other thread is started
                self._let_go()

    def _draw_until_over(self) -> None:
        from pipekit.console.panel import Panel
        from pipekit.console.screen import Screen

        screen = Screen.open(sys.stderr)
        if screen is None:
            self._wait_until_over()
            return
        stderr, reasons = sys.stderr, self._lines.reasons
        panel = Panel(
            marks_of(stderr),
            has_colour=has_colour(stderr),
            find_reason=reasons.find if reasons is not None else lambda task_id: "",
        )
        with self._lock:
            self._screen = screen
        while self._has_runs():
            with self._lock:
                self._draw(panel, screen)
            self._wait(_FRAME_SECONDS)

    def _draw(self, panel: Panel, screen: Screen) -> None:
        if not self._board.roots:
            return  # they have ended since the caller looked
        most = screen.most_rows
        early = self._monotonic() - self._began_at < _SHOW_AFTER_SECONDS
        if early or self._inline or not most or not screen.is_ours:
            screen.hide()
            return
        lines = panel.draw(self._board, columns=screen.size.columns, height=most, now=self._now())
        screen.show([""] * (self._height(len(lines), most) - len(lines)) + lines)

    def _height(self, wanted: int, most: int) -> int:
        """How many rows to keep for so many lines: more at once, less only after a while."""
        self._frames_below = self._frames_below + 1 if wanted < self._need else 0
        if wanted > self._need or self._frames_below > _SHRINK_AFTER_FRAMES:
            self._need, self._frames_below = wanted, 0
        return max(wanted, min(self._need, most))

    def _has_runs(self) -> bool:
        with self._lock:
            if self._board.roots:
                return True
        # Another run often follows at once; a thread is cheaper kept than started anew.
        self._wait(_LINGER_SECONDS)
        with self._lock:
            if self._board.roots:
                return True
            self._thread = None
            self._let_go()
            return False

    def _let_go(self) -> None:
        screen, self._screen = self._screen, None
        if screen is not None:
            screen.close()

    def _wait_until_over(self) -> None:
        while self._has_runs():
            self._wait(_LINGER_SECONDS)

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and self._wake.wait(seconds):
            self._wake.clear()
