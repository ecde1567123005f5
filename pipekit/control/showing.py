"""Has steps that take longer than a moment recorded as they stand, before their end. Owns when;
`Recorder` owns what.
"""

from __future__ import annotations

from collections.abc import Callable

from pipekit.control.recorder import Recorder
from pipekit.control.reporter import facts_of
from pipekit.control.step import Step
from pipekit.model.status import Status
from pipekit.ports import Loop
from pipekit.reporting import Reporter

_AFTER_SECONDS = 0.05
"""A step is recorded before its end only where it takes longer than about this."""


class Showing:
    """The steps whose record does not say yet how they stand. In the loop's thread."""

    def __init__(
        self, loop: Loop, recorder: Recorder, reporter: Reporter, now: Callable[[], float]
    ) -> None:
        self._loop = loop
        self._recorder = recorder
        self._reporter = reporter
        self._now = now
        self._called: dict[Step, None] = {}
        """Steps that have no record yet."""
        self._begun: dict[Step, None] = {}
        """Steps that have a place, and whose record does not say so."""
        self._is_due = False
        self._busy = False

    def called(self, step: Step) -> None:
        """A step has been called; one that is recorded already says how it stands."""
        if step.earlier is not None:
            return
        self._called[step] = None

    def begun(self, step: Step) -> None:
        """Its attempt has a place."""
        if not step.running_recorded and step.assignment is not None:
            self._begun[step] = None
            self.look_later()

    def settled(self, step: Step) -> None:
        """Its record says how it stands, or soon will."""
        self._called.pop(step, None)
        self._begun.pop(step, None)

    def some_have_ended(self) -> None:
        """A flow of short steps is not to be slowed down by records of those that wait."""
        self._busy = True

    def forget(self) -> None:
        """Nothing is to be recorded any more."""
        self._called.clear()
        self._begun.clear()

    def look_later(self) -> None:
        """Look, in a moment, whether some have taken so long."""
        if (self._called or self._begun) and not self._is_due:
            self._is_due = True
            self._loop.call_later(_AFTER_SECONDS, self._look)

    def is_running(self, step: Step) -> None:
        """Have it recorded as running now."""
        assignment = step.assignment
        assert assignment is not None
        began = assignment.started_at or self._now()
        step.status, step.started_at = Status.RUNNING, began
        self._recorder.running(step, began)
        self.settled(step)
        self._reporter.steps_running((facts_of(step),))

    def _look(self) -> None:
        """Record the running ones; the waiting ones only where nothing has ended meanwhile."""
        self._is_due = False
        quiet, self._busy = not self._busy, False
        late = self._now() - _AFTER_SECONDS
        for step in list(self._begun):
            assignment = step.assignment
            if assignment is None or not 0 < assignment.started_at <= late:
                continue
            # Of what was sent ahead most has not begun, or has ended meanwhile.
            if assignment.refresh is None or assignment.refresh():
                self.is_running(step)
        if quiet:
            for step in [step for step in self._called if step.called_at <= late]:
                self._recorder.waiting(step)
                del self._called[step]
        self.look_later()
