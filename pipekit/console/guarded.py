"""A reporter that cannot harm the run which it reports: what raises in it silences it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipekit.console.line_stream import LineStream
from pipekit.diagnostics import debug
from pipekit.reporting import Reporter, RunEnd, RunFacts, StepEnd, StepFacts


class GuardedReporter:
    """The port `Reporter` around another one. When that raises, people are told so once, and from
    then on nothing more."""

    def __init__(self, reporter: Reporter, stream: LineStream | None = None) -> None:
        """`stream` takes the last words; None: stderr."""
        self.shows_output = reporter.shows_output
        self._reporter = reporter
        self._stream = stream or LineStream()
        self._is_silent = False

    def run_began(self, run: RunFacts) -> None:
        self._tell(self._reporter.run_began, run)

    def steps_called(self, run: RunFacts, count: int, components: Mapping[str, int]) -> None:
        if not self._is_silent:  # and not by `_tell`: this comes once a step
            try:
                self._reporter.steps_called(run, count, components)
            except Exception as error:  # noqa: BLE001 - as in `_tell`
                self._fall_silent(error)

    def steps_running(self, steps: Sequence[StepFacts]) -> None:
        self._tell(self._reporter.steps_running, steps)

    def step_progressed(self, step: StepFacts, done: float, total: float | None) -> None:
        self._tell(self._reporter.step_progressed, step, done, total)

    def step_wrote(self, step: StepFacts, lines: Sequence[str], left_out_bytes: int) -> None:
        self._tell(self._reporter.step_wrote, step, lines, left_out_bytes)

    def step_retried(self, step: StepEnd, after_seconds: float) -> None:
        self._tell(self._reporter.step_retried, step, after_seconds)

    def steps_ended(self, steps: Sequence[StepEnd]) -> None:
        if not self._is_silent:
            try:
                self._reporter.steps_ended(steps)
            except Exception as error:  # noqa: BLE001 - as in `_tell`
                self._fall_silent(error)

    def run_ended(self, end: RunEnd) -> None:
        self._tell(self._reporter.run_ended, end)

    def run_lost(self, run: RunFacts) -> None:
        self._tell(self._reporter.run_lost, run)

    def blind_spot(self, component: str, what: str, file: str, line: int) -> None:
        self._tell(self._reporter.blind_spot, component, what, file, line)

    def warned(self, text: str) -> None:
        self._tell(self._reporter.warned, text)

    def has_told(self, task_id: str) -> bool:
        return not self._is_silent and self._reporter.has_told(task_id)

    def _tell(self, tell: Callable[..., None], *what: Any) -> None:
        if self._is_silent:
            return
        try:
            tell(*what)
        except Exception as error:  # noqa: BLE001 - a run does not end for what people see of it
            self._fall_silent(error)

    def _fall_silent(self, error: Exception) -> None:
        self._is_silent = True
        debug("console", "the reporter failed: %r", error)
        try:
            self._reporter.run_lost(RunFacts("", "", "", ""))  # what it has drawn must go
        except Exception:  # noqa: BLE001 - it has failed once already
            pass
        self._stream.write(
            [f"! the progress is not shown any more ({type(error).__name__}: {error})"]
        )
