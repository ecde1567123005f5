"""What is told of runs and steps while they go on, and the port of whoever hears it. Every other
port stands in `ports`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from pipekit.model.failure import Failure
from pipekit.model.status import Status


class RunFacts(NamedTuple):
    """A run, as a reporter hears of it."""

    id: str
    name: str
    project: str
    executor: str
    parent_name: str = ""
    """Display name of the run that it is a step of; empty for one that was started by itself."""
    attempt: int = 1
    """More than 1 where the run was resumed."""


class StepFacts(NamedTuple):
    """A step that goes on, as a reporter hears of it."""

    run: RunFacts
    id: str
    name: str
    component: str
    attempt: int
    attempts: int
    """The most that it may have."""
    started_at: float


class StepEnd(NamedTuple):
    """A step that has ended."""

    run: RunFacts
    id: str
    name: str
    component: str
    status: Status
    seconds: float | None
    """Of its attempts; None where there was none."""
    reused_from: str
    """Display text of the run that it was taken from (`train 01j9zk7…`); empty where it ran."""
    failure: Failure | None
    attempt: int
    attempts: int
    """The most that it may have."""
    kept: bool = False
    """Whether it did not run in this attempt at its run, because it had completed in an earlier."""


class RunEnd(NamedTuple):
    """A run that has ended."""

    run: RunFacts
    status: Status
    seconds: float
    failure: Failure | None
    steps: Mapping[Status, int]
    """How many steps ended in each status."""
    reused: int
    """How many of the completed were reused."""
    unfinished: Sequence[StepEnd]
    """The steps that did not complete, in call order."""
    kept: int = 0
    """How many of the completed had done so in an earlier attempt at the run."""


class Reporter(Protocol):
    """Hears of runs and steps while they go on, in the loop's thread, after the record is durable.

    Never raises; must be quick, for the loop waits for it.
    """

    shows_output: bool
    """Whether `step_wrote` does anything: if not, nobody reads the consoles of the steps."""

    def run_began(self, run: RunFacts) -> None: ...

    def steps_called(self, run: RunFacts, count: int, components: Mapping[str, int]) -> None:
        """The pipeline function has called so many steps by now, and so many of each component;
        `components` goes on counting."""

    def steps_running(self, steps: Sequence[StepFacts]) -> None:
        """These have been running for longer than a moment. Shorter ones are never told of."""

    def step_progressed(self, step: StepFacts, done: float, total: float | None) -> None:
        """The step says how far it has come; `total` None: of it knows not how much."""

    def step_wrote(self, step: StepFacts, lines: Sequence[str], left_out_bytes: int) -> None:
        """Whole lines that the step has written to its console, without their ends; and how much
        that came before them is not told, because it was too much at once."""

    def step_retried(self, step: StepEnd, after_seconds: float) -> None:
        """An attempt failed (`failure` says how), and there will be another after so long."""

    def steps_ended(self, steps: Sequence[StepEnd]) -> None: ...

    def run_ended(self, end: RunEnd) -> None: ...

    def run_lost(self, run: RunFacts) -> None:
        """The run cannot go on, and nothing more is told of it: its records cannot be kept, or it
        was killed. What is said of that, is said elsewhere."""

    def has_told(self, task_id: str) -> bool:
        """Whether people were shown the traceback of this failed step, so that nobody else need do
        so. From any thread, after the step has ended."""

    def blind_spot(self, component: str, what: str, file: str, line: int) -> None:
        """The component's key does not see `what`. In the thread of the pipeline function."""

    def warned(self, text: str) -> None:
        """Something about a run that its author should know, in full sentences."""
