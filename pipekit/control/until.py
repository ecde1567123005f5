"""Ends a run after a step: the pipeline function is left once the step of that name has ended."""

from __future__ import annotations

from pipekit.control.step import Step
from pipekit.errors import Stopped


class Reached(Stopped):
    """Leaves the pipeline function: the step that the run was to go to has ended."""

    def __init__(self, step: Step) -> None:
        super().__init__(f"Step {step.label} has ended.")
        self.step = step


class Until:
    """The step that a run is to go to: the first whose name this is, or whose component's."""

    __slots__ = ("_reached", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._reached: Step | None = None

    def called(self, step: Step) -> None:
        """A step was called. Where it is the one: waits for its end.

        Raises:
            Reached: it has ended; or it had before, and the pipeline function took no notice.
        """
        reached = self._reached
        if reached is None:
            function = getattr(step.use.function, "__name__", "")
            if self.name not in (step.name, step.use.name, function):
                return
            self._reached = reached = step
        step.run.wait_for([reached])
        raise Reached(reached)
