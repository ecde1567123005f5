"""What a planner is told of one run, and what it answers: its events and its commands, as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pipekit.model.failure import Failure
from pipekit.model.status import Status
from pipekit.model.value import Digest

StepNumber = int
"""Steps of one run, counted in call order from 0."""

_MOST_DOUBLINGS = 64
"""More would be beyond any number."""

# --- events ---------------------------------------------------------------------------------


class StepCalled(NamedTuple):
    """The pipeline function called a component. `needs` are earlier steps."""

    step: StepNumber
    needs: Sequence[StepNumber] = ()
    keyed: bool = True
    """Whether a key is looked up: False runs the step whatever came before (`cache=False`)."""
    watched: bool = False
    """Whether the run is not over before `WatchersTold`, once the step has ended."""
    attempts: int = 0
    """How many attempts are recorded of it already, in a run that was resumed."""
    completed: bool = False
    """Whether one of these completed: then it is looked up whether that still counts."""


class KeyLooked(NamedTuple):
    """The answer to `LookUp`: the step's memo key, and whether its outcome is remembered."""

    step: StepNumber
    key: Digest
    found: bool


class StepRefused(NamedTuple):
    """The step cannot be started at all: its key cannot be made."""

    step: StepNumber
    failure: Failure


class AttemptCompleted(NamedTuple):
    step: StepNumber
    number: int
    shareable: bool = True
    """Whether equal steps may take this outcome; False for one that only returned None."""


class Budget(NamedTuple):
    """What failures of one class may cost a step. Each class is counted on its own."""

    name: str
    retries: int
    """How many of them are followed by a further attempt."""
    delay_seconds: float = 0.0
    """Before the first of these; it doubles with each."""
    most_seconds: float = math.inf
    """What doubling stops at."""
    jitter: float = 1.0
    """Factor of this very delay, so that steps that failed together part."""

    def delay(self, spent: int) -> float:
        """Seconds to wait where so many were spent before."""
        doubled = self.delay_seconds * 2.0 ** min(spent, _MOST_DOUBLINGS)
        return min(doubled, max(self.most_seconds, self.delay_seconds)) * self.jitter


class AttemptFailed(NamedTuple):
    step: StepNumber
    number: int
    failure: Failure
    budget: Budget | None = None
    """What a further attempt is paid from; None: none helps."""


class StepDeclined(NamedTuple):
    """The user's own code says that the step is not to run: it never began."""

    step: StepNumber


class WatchersTold(NamedTuple):
    """All who were to be told of the end of a watched step have been."""

    step: StepNumber


class CallbackFailed(NamedTuple):
    """A callback of the user's raised. `stop_rest`: nothing more is worth running."""

    failure: Failure
    stop_rest: bool = True


class RetryDue(NamedTuple):
    """The delay of a `Retry` is over."""

    step: StepNumber


class FailureHandled(NamedTuple):
    """The pipeline function was told of the failure: it is no longer the run's."""

    step: StepNumber


class PipelineReturned(NamedTuple):
    """The pipeline function came to its end."""


class PipelineRaised(NamedTuple):
    """An exception left the pipeline function. `stop_rest`: nothing more is worth running."""

    failure: Failure
    stop_rest: bool = True


class StopAsked(NamedTuple):
    """Someone wants the run to stop."""


class StepStopAsked(NamedTuple):
    """Someone wants this step to stop, and the run to go on without it."""

    step: StepNumber


class Abandoned(NamedTuple):
    """The run is over now, whatever has not ended: no attempt of it is under way any more."""

    failure: Failure


Event = (
    StepCalled | KeyLooked | StepRefused | StepDeclined | AttemptCompleted | AttemptFailed
    | RetryDue | FailureHandled | WatchersTold | CallbackFailed | PipelineReturned
    | PipelineRaised | StopAsked | StepStopAsked | Abandoned
)  # fmt: skip

# --- commands -------------------------------------------------------------------------------


class LookUp(NamedTuple):
    """Make the step's key (its inputs are known) and look it up; answer with `KeyLooked`."""

    step: StepNumber


class Start(NamedTuple):
    """Start attempt `number`."""

    step: StepNumber
    number: int


class Reuse(NamedTuple):
    """Record that the step takes the remembered outcome, and announce it."""

    step: StepNumber


class Share(NamedTuple):
    """Record that the step takes the outcome of `leader`, an equal step, and announce it."""

    step: StepNumber
    leader: StepNumber


class Complete(NamedTuple):
    """Record the outcome of attempt `number`, and announce it."""

    step: StepNumber
    number: int


class Retry(NamedTuple):
    """Record that attempt `number` failed; send `RetryDue` after the delay."""

    step: StepNumber
    number: int
    failure: Failure
    delay_seconds: float = 0.0


class Fail(NamedTuple):
    """Record that the step failed for good, and announce it. `number` 0: it was never started."""

    step: StepNumber
    number: int
    failure: Failure


class Skip(NamedTuple):
    """Record that the step is skipped, and announce it. `chain`: itself … the root cause, which is
    the step itself where it was declined."""

    step: StepNumber
    chain: tuple[StepNumber, ...]
    left_out: int = 0
    """So many causes are not in a long chain, before its last."""


class Stop(NamedTuple):
    """Record that the step was stopped, and announce it. `number` 0: no attempt was under way."""

    step: StepNumber
    number: int


class Halt(NamedTuple):
    """Make the running attempt end; its end is reported as an event."""

    step: StepNumber
    number: int


class Finish(NamedTuple):
    """Record the end of the run. `roots`: failed steps that nobody handled, in call order."""

    status: Status
    failure: Failure | None
    roots: tuple[StepNumber, ...]


Command = LookUp | Start | Reuse | Share | Complete | Retry | Fail | Skip | Stop | Halt | Finish
