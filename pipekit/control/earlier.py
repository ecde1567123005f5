"""Finds the record with which a step is compared to say why it ran. Reads the store; what differs,
`model.reason` says."""

from __future__ import annotations

from pipekit.model.reason import reason
from pipekit.model.records import Kind, Task
from pipekit.ports import Store

_COMPARED_RUNS = 20
"""Of how many runs the newest earlier one with the same step is looked for."""


def find_earlier(store: Store, task: Task) -> Task | None:
    """The same step in the newest earlier run of the same pipeline that has it."""
    run = store.find_task(task.parent) if task.parent else None
    if run is None:
        return None
    runs = store.list_tasks(
        kinds=(Kind.PIPELINE,), name=run.name, project=run.project, limit=_COMPARED_RUNS
    )
    for earlier in runs:
        if (earlier.created_at, earlier.id) < (run.created_at, run.id):
            found = store.list_tasks(parent=earlier.id, name=task.name, limit=1)
            if found:
                return found[0]
    return None


def what_changed(store: Store, task_id: str) -> str:
    """Why a step ran although an earlier run had it, in a few words; empty where none had it, or
    where it is to run each time."""
    task = store.find_task(task_id)
    if task is None or task.kind is Kind.PIPELINE or task.spec.settings.get("cache") is False:
        return ""
    earlier = find_earlier(store, task)
    return reason(task, earlier) if earlier is not None else ""
