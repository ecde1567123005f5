"""Makes the keys of steps whose inputs are known, and looks up what is remembered under them.

In the loop's thread. What is looked up within a round is answered within it.
"""

from __future__ import annotations

from collections.abc import Callable

from pipekit.control.archive import Archive
from pipekit.control.inputs import memo_key, path_digests
from pipekit.control.keeping import Keeping
from pipekit.control.leases import Leases
from pipekit.control.reuse import Reuse
from pipekit.control.run import Run
from pipekit.control.step import Step
from pipekit.control.trace import named_files, still_holds
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.planner import Event, KeyLooked, LookUp, StepRefused
from pipekit.model.trace import Reads
from pipekit.reporting import Reporter

THIS_RUN = "this run"
"""How a run is spoken of whose outcome another step of it takes."""


class Lookups:
    """The look-ups that are still to be answered."""

    def __init__(
        self,
        archive: Archive,
        leases: Leases,
        keeping: Keeping,
        reporter: Reporter,
        handle: Callable[[Run, Event], None],
    ) -> None:
        """`handle` takes the answers."""
        self._archive = archive
        self._leases = leases
        self._keeping = keeping
        self._reporter = reporter
        self._handle = handle
        self._reuse_of = Reuse(archive, reporter)
        self._steps: list[Step] = []

    def add(self, run: Run, command: LookUp) -> None:
        """The key of a step is wanted."""
        self._steps.append(run.steps[command.step])

    def forget(self) -> None:
        """Nobody waits for an answer any more."""
        self._steps.clear()

    def answer(self, commit: Callable[[], None]) -> None:
        """Answer all, those too that an answer gives rise to; then `commit`.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        self._steps += self._leases.look_again()
        if self._steps:
            # From the look-up to the record that refers to what was found, nothing of that is
            # collected as unneeded.
            with self._archive.gate.hold():
                while self._steps:
                    self._answer_some()
                commit()

    def meet(self, step: Step, reads: Reads) -> None:
        """Name what the step has read and another step of its run has written."""
        for meeting in step.run.meetings.add(step, reads):
            self._reporter.warned(str(meeting))

    def _answer_some(self) -> None:
        steps, self._steps = self._steps, []
        keyed = [step for step in self._keeping.keep(steps) if self._make_key(step)]
        usable = self._reuse_of.find(keyed)
        for step in keyed:
            memo, outputs = usable.get(step, (None, {}))
            found = memo is not None and still_holds(step, memo, self._archive)
            if found and memo is not None:
                if memo.reads:
                    self.meet(step, memo.reads)
                step.outputs = outputs
                step.reused_from = memo.task_id
                step.reused_run = THIS_RUN if memo.run == step.run.label else memo.run
            elif self._leases.must_wait(step):
                continue
            self._handle(step.run, KeyLooked(step.number, step.memo_key, found))

    def _make_key(self, step: Step) -> bool:
        """Whether it could be made; where not, the step is refused."""
        try:
            # Read once: the key, and what is compared when the step has ended, are the same.
            step.path_digests = path_digests(step, self._archive.hasher)
            step.memo_key = memo_key(step, self._archive.hasher)
            step.named_files = named_files(step, self._archive.places)
        except Exception as error:  # noqa: BLE001 - user code: what hashing a value calls
            failure = Failure(FailureKind.INPUTS, f"its key cannot be made: {error}")
            self._handle(step.run, StepRefused(step.number, failure))
            return False
        return True
