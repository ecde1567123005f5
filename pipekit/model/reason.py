"""Why a step ran although an earlier one looks like it: a comparison of two records. Pure."""

from __future__ import annotations

from pipekit.model.records import Kind, Task
from pipekit.model.status import Status


def reason(task: Task, earlier: Task | None) -> str:
    """A few words: what of `task` differs from `earlier`, the same step of the run before."""
    if task.kind is Kind.PIPELINE:
        return "a pipeline runs each time; its steps may be reused"
    if task.spec.settings.get("cache") is False:
        return "its component says cache=False"
    if earlier is None:
        return "no earlier run has this step"
    changes = _changes(task, earlier)
    if changes:
        return f"{', '.join(changes)} changed"
    if earlier.status is not Status.COMPLETED:
        return f"it was {earlier.status.value} before"
    return "no outcome is remembered for its code and inputs"


def _changes(task: Task, earlier: Task) -> list[str]:
    changes = []
    if task.spec.code != earlier.spec.code:
        changes.append("its code")
    if task.version != earlier.version:
        changes.append("its version=")
    if task.spec.outputs != earlier.spec.outputs:
        changes.append("the names of its outputs")
    for name, (_, _, digest) in task.inputs.items():
        before = earlier.inputs.get(name)
        if before is None or before[2] != digest:
            changes.append(f"argument {name!r}")
    return changes
