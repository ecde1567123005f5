"""What others log to a task that does not run in their own process: straight to the store.

Each number and each artifact is recorded when the call returns. What has ended is left as it is.
"""

from __future__ import annotations

from pipekit.control.archive import Archive
from pipekit.errors import UsageError, short
from pipekit.model.records import Artifact, Change, Metric
from pipekit.model.status import TERMINAL
from pipekit.worker.message import Logged
from pipekit.worker.task_log import TEXT, TaskLog


class OutsideLog(TaskLog):
    """The log of a task from outside of it. It belongs to the attempt that goes on, or to the last
    one.

    A task that ends in the very moment in which something is recorded has it all the same.
    """

    __slots__ = ("_archive",)

    def __init__(self, archive: Archive, task_id: str, *, outputs: tuple[str, ...] = ()) -> None:
        self._archive = archive
        super().__init__(
            task_id,
            settings=archive.settings,
            token=0,
            outputs=outputs,
            artifacts=archive.artifacts,
            send=self._record,
        )

    def metric(self, name: str, value: object, step: int | None) -> None:
        super().metric(name, value, step)
        self.announce()

    def text(self, line: str) -> None:
        if self._texts is None:
            found = [
                artifact
                for artifact in self._archive.store.list_artifacts(self.task_id)
                if artifact.name == TEXT
            ]
            said = self._archive.load(found[-1].value, what="its text") if found else None
            self._texts = [said] if isinstance(said, str) else []
        super().text(line)

    def progress(self, done: float, total: float | None) -> None:
        """Nothing: nobody watches a task from here."""

    def _record(self, logged: Logged) -> None:
        store = self._archive.store
        task = store.find_task(self.task_id)
        if task is None:
            raise UsageError(f"Task {self.task_id} is not in the store any more.")
        if task.status in TERMINAL:
            raise UsageError(
                f"Nothing can be logged to task {task.name!r} ({short(task.id)}) any more: it is "
                f"{task.status.value}.",
                hint="log it in the task's own code, or to the run that asks for it.",
            )
        attempts = store.list_attempts(task.id)
        number = attempts[-1].number if attempts else 0
        at = self._archive.clock.now()
        store.commit(
            [
                Change(
                    task.id,
                    artifacts=tuple(
                        Artifact(task.id, number, output.name, at, output.value)
                        for output in logged.artifacts
                    ),
                    contents=tuple(
                        (output.value.blob, output.content)
                        for output in logged.artifacts
                        if output.content is not None
                    ),
                    metrics=tuple(
                        Metric(task.id, number, one.name, one.value, one.at, one.step)
                        for one in logged.metrics
                    ),
                )
            ]
        )
