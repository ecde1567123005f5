"""What is said where a step changes a variable that the cache key of steps is made of. Finds
nothing out itself: workers and the inline executor do.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipekit.control.step import Step
from pipekit.ports import Outcome

_HINT = (
    "Hint: return the value and pass it on; where it only saves time, name it in "
    "@component(ignore=[…])."
)


def changes_to_tell(step: Step, outcome: Outcome) -> Iterator[str]:
    """A sentence for each variable that was not named before in the run: what the step has changed,
    and what an earlier one had changed in the worker that it was first given to."""
    found = step.assignment.found_changed if step.assignment is not None else ""
    if _is_new(step, outcome.changed):
        yield (
            f"step {step.name!r} changes what the cache key of steps is made of: "
            f"{outcome.changed}. Worker processes do not share it, so a step that uses it gets a "
            f"new worker. {_HINT}"
        )
    if _is_new(step, found):
        yield (
            f"step {step.name!r} was given a new worker, for an earlier step had changed this in "
            f"the last: {found}. {_HINT}"
        )


def _is_new(step: Step, change: str) -> bool:
    variable = change.partition(" was ")[0]
    if not change or variable in step.run.changes:
        return False
    step.run.changes.add(variable)
    return True
