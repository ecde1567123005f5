"""What a reporter is told of runs and steps, and the one that tells nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipekit.model.status import Status
from pipekit.reporting import RunEnd, RunFacts, StepEnd, StepFacts

if TYPE_CHECKING:
    from pipekit.control.run import Run
    from pipekit.control.step import Step


class SilentReporter:
    """The `Reporter` port, to nobody."""

    shows_output = False

    def run_began(self, run: RunFacts) -> None:
        """Nothing."""

    def steps_called(self, run: RunFacts, count: int, components: Mapping[str, int]) -> None:
        """Nothing."""

    def steps_running(self, steps: Sequence[StepFacts]) -> None:
        """Nothing."""

    def step_progressed(self, step: StepFacts, done: float, total: float | None) -> None:
        """Nothing."""

    def step_wrote(self, step: StepFacts, lines: Sequence[str], left_out_bytes: int) -> None:
        """Nothing."""

    def step_retried(self, step: StepEnd, after_seconds: float) -> None:
        """Nothing."""

    def steps_ended(self, steps: Sequence[StepEnd]) -> None:
        """Nothing."""

    def run_ended(self, end: RunEnd) -> None:
        """Nothing."""

    def run_lost(self, run: RunFacts) -> None:
        """Nothing."""

    def has_told(self, task_id: str) -> bool:
        return False

    def blind_spot(self, component: str, what: str, file: str, line: int) -> None:
        """Nothing."""

    def warned(self, text: str) -> None:
        """Nothing."""


def facts_of(step: Step) -> StepFacts:
    """A step that goes on."""
    return StepFacts(
        step.run.facts,
        step.task_id,
        step.name,
        step.use.name,
        step.attempt,
        _most_attempts(step),
        step.assignment.started_at if step.assignment is not None else 0.0,
    )


def end_of(step: Step) -> StepEnd:
    """How a step ended, or how one of its attempts did."""
    seconds = None
    if step.started_at is not None and step.ended_at is not None:
        seconds = max(0.0, step.ended_at - step.started_at)
    return StepEnd(
        step.run.facts,
        step.task_id,
        step.name,
        step.use.name,
        step.status,
        seconds,
        step.reused_run if step.reused_from and not step.kept else "",
        step.failure,
        step.attempt,
        _most_attempts(step),
        step.kept and step.status is Status.COMPLETED,
    )


def _most_attempts(step: Step) -> int:
    most: int = step.use.options.retries + 1
    if step.earlier is not None:
        most += step.earlier.attempts
    # What the machine is to blame for has retries of its own.
    return most if most > step.attempt else step.attempt


def end_of_run(run: Run, at: float) -> RunEnd:
    """How a run ended."""
    counts = Counter(step.status for step in run.steps)
    return RunEnd(
        run.facts,
        run.status,
        max(0.0, at - run.started_at),
        run.failure,
        counts,
        sum(step.reused_from is not None and not step.kept for step in run.steps),
        [end_of(step) for step in run.steps if step.status is not Status.COMPLETED],
        sum(step.kept and step.status is Status.COMPLETED for step in run.steps),
    )
