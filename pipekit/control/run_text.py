"""Names the run in which a task was computed, for a reader who meets its id alone."""

from __future__ import annotations

from pipekit.errors import short
from pipekit.model.records import Task
from pipekit.ports import Store


def run_text(run: Task) -> str:
    """`train 01j9zk7abcdef`."""
    return f"{run.name} {short(run.id)}"


class RunTexts:
    """The same by the id of a step. Asks the store once for each run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, str] = {}

    def of(self, task_id: str) -> str:
        """The run that a step is part of, or that the task itself is; the id alone where neither
        is recorded."""
        task = self._store.find_task(task_id)
        if task is None:
            return short(task_id)
        if task.parent is None:
            return run_text(task)
        if task.parent not in self._known:
            run = self._store.find_task(task.parent)
            self._known[task.parent] = short(task.parent) if run is None else run_text(run)
        return self._known[task.parent]
