"""What a run would do, as data: which steps run for certain, which perhaps, which are reused. Pure;
who finds it out, and how, is `control.planning`'s matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipekit.model.value import Digest


class Necessity(StrEnum):
    """How certain it is that a step runs."""

    MUST = "must run"
    """It runs, whatever the other steps give, as long as none that it needs fails."""
    MAY = "may run"
    """It depends on what other steps give: an equal value spares it."""
    CACHED = "cached"
    """Its outcome is remembered, and what it rests on is as it was."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step that the pipeline function calls."""

    name: str
    """As in the run: `fit-2`; within a pipeline that is called as a step, `child/fit-2`."""
    component: str
    """`module:qualname` of the function."""
    key: Digest
    """The key of the step within its run: that of the run's own step, `Task.key`."""
    necessity: Necessity
    why: str
    """In a few words: what changed, what it waits for, what it is reused from."""
    seconds: float | None = None
    """The median of earlier attempts, of the same call where there were any, else of the same
    component; of a cached step, how long it took when it was computed. None: never seen."""
    is_pipeline: bool = False
    """Whether it is a pipeline called as a step, which runs each time."""

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "component": self.component,
            "key": self.key,
            "plan": self.necessity.value,
            "why": self.why,
            "seconds": self.seconds,
            "is_pipeline": self.is_pipeline,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of a pipeline would do, as bounds: what is `must_run` runs, and nothing runs but
    `must_run` and `may_run`, and what follows on the `open_ends`."""

    pipeline: str
    project: str
    steps: tuple[PlannedStep, ...]
    """In the order of their calls."""
    open_ends: tuple[str, ...] = ()
    """Where the plan ends early, a sentence each: what is called there depends on a value that only
    the run will know. Empty where every step is listed."""

    @property
    def must_run(self) -> list[PlannedStep]:
        return self._of(Necessity.MUST)

    @property
    def may_run(self) -> list[PlannedStep]:
        return self._of(Necessity.MAY)

    @property
    def cached(self) -> list[PlannedStep]:
        return self._of(Necessity.CACHED)

    @property
    def is_complete(self) -> bool:
        """Whether every step of the run is listed."""
        return not self.open_ends

    @property
    def counts(self) -> str:
        """`1 must run, 2 may run, 5 cached`: the steps, without the pipelines among them."""
        return ", ".join(
            f"{sum(not step.is_pipeline for step in self._of(necessity))} {necessity.value}"
            for necessity in Necessity
        )

    @property
    def seconds(self) -> tuple[float, float]:
        """How long the steps take that must run, and those that must or may, one after another, as
        far as earlier attempts tell."""
        least = _sum(self.must_run)
        return least, least + _sum(self.may_run)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        least, most = self.seconds
        return {
            "pipeline": self.pipeline,
            "project": self.project,
            "complete": self.is_complete,
            "open_ends": list(self.open_ends),
            "seconds_at_least": least,
            "seconds_at_most": most if self.is_complete else None,
            "steps": [step.record() for step in self.steps],
        }

    def _of(self, necessity: Necessity) -> list[PlannedStep]:
        return [step for step in self.steps if step.necessity is necessity]

    def __str__(self) -> str:
        lines = [
            self.counts,
            *(f"{step.necessity.value}: {step.name} ({step.why})" for step in self.steps),
            *self.open_ends,
        ]
        return "\n".join(lines)


def _sum(steps: Iterable[PlannedStep]) -> float:
    # A pipeline's time is that of its steps, which are listed too.
    return sum((step.seconds or 0.0 for step in steps if not step.is_pipeline), 0.0)
