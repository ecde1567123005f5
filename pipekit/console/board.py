"""What goes on at this moment, run by run: counts, running steps, how far they have come. Knows no
terminal; its caller holds a lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipekit.console.terminal import word_of
from pipekit.model.status import Status
from pipekit.reporting import RunFacts, StepEnd, StepFacts


class Progress:
    """How far something has come, by what it has said of that."""

    __slots__ = ("_first", "_last", "done", "total")

    def __init__(self, done: float, total: float | None, at: float) -> None:
        self.done = done
        self.total = total
        self._first = self._last = (at, done)

    def move(self, done: float, total: float | None, at: float) -> None:
        """It has come so far by now."""
        if done < self.done:  # it has begun anew
            self._first = (at, done)
        self._last = (at, done)
        self.done, self.total = done, total

    def seconds_left(self, now: float) -> float | None:
        """At the rate so far; None where that says nothing yet."""
        (began, first), (at, done) = self._first, self._last
        if not self.total or done <= first or at <= began or done >= self.total:
            return None
        return max(0.0, (self.total - done) * (at - began) / (done - first) - (now - at))


class RunningStep:
    """One step that runs."""

    __slots__ = ("facts", "progress")

    def __init__(self, facts: StepFacts) -> None:
        self.facts = facts
        self.progress: Progress | None = None


class RunBoard:
    """One run."""

    __slots__ = ("began_at", "called", "components", "counts", "ended", "facts", "progress",
                 "running")  # fmt: skip

    def __init__(self, facts: RunFacts, began_at: float) -> None:
        self.facts = facts
        self.began_at = began_at
        self.called = 0
        self.components: Mapping[str, int] = {}
        """Component -> how many steps of it were called."""
        self.ended: dict[str, int] = {}
        """Component -> how many of these have ended."""
        self.counts: dict[str, int] = {}
        """How steps ended -> how many."""
        self.running: dict[str, RunningStep] = {}
        """By id, in the order in which they began."""
        self.progress: Progress | None = None
        """What the pipeline function says of itself."""

    @property
    def over(self) -> int:
        """How many steps have ended."""
        return sum(self.counts.values())


class Board:
    """The runs that go on."""

    def __init__(self) -> None:
        self.runs: dict[str, RunBoard] = {}
        """By id, in the order in which they began; child runs among them."""

    @property
    def roots(self) -> list[RunBoard]:
        """The runs that are no step of another."""
        return [run for run in self.runs.values() if not run.facts.parent_name]

    def began(self, run: RunFacts, at: float) -> None:
        self.runs[run.id] = RunBoard(run, at)

    def called(self, run: RunFacts, count: int, components: Mapping[str, int], at: float) -> None:
        board = self.runs.get(run.id)
        if board is None:
            board = self.runs[run.id] = RunBoard(run, at)
        board.called, board.components = count, components

    def steps_running(self, steps: Sequence[StepFacts]) -> None:
        for step in steps:
            board = self.runs.get(step.run.id)
            if board is not None:
                board.running[step.id] = RunningStep(step)

    def progressed(self, step: StepFacts, done: float, total: float | None, at: float) -> None:
        board = self.runs.get(step.run.id)
        if board is None:
            return
        # What a pipeline function says of itself comes under the run's own id.
        of: RunBoard | RunningStep | None = (
            board if step.id == board.facts.id else board.running.get(step.id)
        )
        if of is None:
            return
        if of.progress is None:
            of.progress = Progress(done, total, at)
        else:
            of.progress.move(done, total, at)

    def retried(self, step: StepEnd) -> None:
        board = self.runs.get(step.run.id)
        if board is not None:
            board.running.pop(step.id, None)

    def steps_ended(self, steps: Sequence[StepEnd]) -> None:
        for step in steps:
            board = self.runs.get(step.run.id)
            if board is None:
                continue
            if board.running:
                board.running.pop(step.id, None)
            component = step.component
            board.ended[component] = board.ended.get(component, 0) + 1
            word = (
                "completed"
                if step.status is Status.COMPLETED and not step.reused_from and not step.kept
                else word_of(step.status, reused=step.reused_from != "", kept=step.kept)
            )
            board.counts[word] = board.counts.get(word, 0) + 1

    def run_ended(self, run_id: str) -> None:
        self.runs.pop(run_id, None)
