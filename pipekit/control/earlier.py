"""Finds the record with which a step is compared to say why it ran. Reads the store; what differs,
`model.reason` says."""

from __future__ import annotations

from typing import NamedTuple

from pipekit.model.reason import NO_EARLIER, Reason, reason, reason_alone, with_note
from pipekit.model.records import Kind, Task
from pipekit.model.status import Status, Transition
from pipekit.ports import Store

_COMPARED_RUNS = 20
"""Of how many runs the newest earlier one with the same step is looked for."""


class Earlier(NamedTuple):
    """A step of an earlier run."""

    step: Task
    run: Task


def list_earlier_runs(store: Store, run: Task) -> list[Task]:
    """The runs of the same pipeline before this one, newest first, as many as are compared."""
    own = (run.created_at, run.id)
    asked = _COMPARED_RUNS
    while True:
        found = store.list_tasks(
            kinds=(Kind.PIPELINE,), name=run.name, project=run.project, limit=asked
        )
        earlier = [task for task in found if (task.created_at, task.id) < own]
        if len(earlier) >= _COMPARED_RUNS or len(found) < asked:
            return earlier[:_COMPARED_RUNS]
        asked *= 4


def find_earlier(store: Store, step: Task) -> Earlier | None:
    """The same step in the newest earlier run of the same pipeline that has it: the same call,
    else the one of the same name."""
    run = store.find_task(step.parent) if step.parent else None
    if run is None:
        return None
    for earlier in list_earlier_runs(store, run):
        found = []
        if step.step_key:
            found = store.list_tasks(parent=earlier.id, step_key=step.step_key, limit=1)
        found = found or store.list_tasks(parent=earlier.id, name=step.name, limit=1)
        if found:
            return Earlier(found[0], earlier)
    return None


def explain(store: Store, task: Task) -> tuple[Reason, Earlier | None]:
    """Why a task that was not reused ran, and what it was compared with."""
    alone = reason_alone(task)
    if alone is not None:
        return alone, None
    earlier = find_earlier(store, task)
    note = _note(store, task)
    if earlier is None:
        return with_note(NO_EARLIER, note), None
    artifacts = store.list_artifacts(earlier.step.id)
    returned_none = [artifact.value.type for artifact in artifacts] == ["NoneType"]
    found = reason(task, earlier.step, returned_none=returned_none)
    return with_note(found, note), earlier


def _note(store: Store, task: Task) -> str:
    events = store.list_events(task.id)
    return next((event.detail for event in events if event.name is Transition.STARTED), "")


def what_changed(store: Store, task_id: str) -> str:
    """Why a step that runs now does although an earlier run had it, in a few words; empty where
    none had it, or where it is to run each time."""
    task = store.find_task(task_id)
    if task is None or task.status is not Status.RUNNING:
        return ""
    found, earlier = explain(store, task)
    return found.short if earlier is not None else ""
