"""`Task.clone` and `Task.enqueue`, for tasks of every kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipekit.api.connect import as_recorded
from pipekit.api.task_handle import TaskHandle
from pipekit.control import clone, enqueue
from pipekit.model.records import Kind
from pipekit.model.records import Task as TaskRecord


def clone_task(
    source: TaskHandle, name: str, parameters: Mapping[str, Any], project: str, comment: str,
    tags: Iterable[str] | None,
) -> TaskRecord:  # fmt: skip
    """See `Task.clone`."""
    words = (tags,) if isinstance(tags, str) else tags
    if source.record.kind is Kind.PIPELINE and source.record.parent is None:
        from pipekit.api.resume import find_pipeline  # where a run is cloned
        from pipekit.api.submit import clone_run

        return clone_run(
            source._archive, source.record, find_pipeline(source.record), parameters, name=name,
            project=project, comment=comment, tags=words,
        )  # fmt: skip
    given = {key: as_recorded(value) for key, value in parameters.items()}
    return clone.clone(
        source._archive, source.record, name=name, parameters=given, project=project,
        comment=comment, tags=None if words is None else tuple(words),
    )  # fmt: skip


def enqueue_task(task: TaskHandle, queue: str, *, force: bool) -> None:
    """See `Task.enqueue`."""
    enqueue.enqueue(task._archive, task.record, queue, force=force)
    task._changed()


def dequeue_task(task: TaskHandle) -> None:
    """See `Task.dequeue`."""
    enqueue.dequeue(task._archive, task.record)
    task._changed()
