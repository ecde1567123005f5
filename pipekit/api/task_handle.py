"""Which task a `Task` speaks of, and its row as it is recorded."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Self

from pipekit.errors import PipekitError
from pipekit.model.records import Kind
from pipekit.model.records import Task as TaskRecord
from pipekit.model.status import TERMINAL, Status, Transition

if TYPE_CHECKING:
    from pipekit.control.archive import Archive
    from pipekit.control.step import Step
    from pipekit.settings import Settings

_RECORDED_WITHIN_SECONDS = 5.0


class TaskHandle:
    """An id, and the home that it is recorded in. What is read is as the store has it at that
    moment."""

    def __init__(self, archive: Archive, task_id: str, *, step: Step | None = None) -> None:
        self._archive = archive
        self._step = step
        self._ended: TaskRecord | None = None
        self._is_running = False
        self._waits = True
        """Whether `value` may wait for the end of a step that goes on."""
        self.id = task_id

    @classmethod
    def of_step(cls, step: Step) -> Self:
        """The task of a step of a run that goes on in this process."""
        return cls(step.run.session.archive, step.task_id, step=step)

    @classmethod
    def of_watched(cls, step: Step) -> Self:
        """The same for a callback: the step's end may wait for that in turn."""
        task = cls.of_step(step)
        task._waits = False
        return task

    @classmethod
    def of_running(cls, archive: Archive, task_id: str) -> Self:
        """The task whose code runs in this process, which is recorded soon if it is not yet."""
        task = cls(archive, task_id)
        task._is_running = True
        return task

    @property
    def record(self) -> TaskRecord:
        """The row as it is recorded."""
        if self._ended is not None:
            return self._ended
        step = self._step
        found = self._archive.store.find_task(self.id)
        if found is None and step is not None:
            from pipekit.control.recorder import task_record

            return task_record(step, step.status, started_at=step.started_at)
        if not self.id:
            return _unrecorded()
        if found is None and self._is_running:
            found = self._wait_for_record()
        if found is None:
            raise PipekitError(f"Task {self.id} is not in the store any more.")
        if found.status in TERMINAL and found.kind is not Kind.SCRIPT:  # which may begin anew
            self._ended = found
        return found

    def _wait_for_record(self) -> TaskRecord:
        end = monotonic() + _RECORDED_WITHIN_SECONDS
        while (found := self._archive.store.find_task(self.id)) is None:
            if monotonic() > end:
                raise PipekitError(
                    f"Task {self.id} is not in the store that this process sees.",
                    hint="a store in memory is seen by inline steps only: use another, or "
                    "executor='inline'.",
                )
            sleep(0.005)
        return found

    def last_forgotten(self, record: TaskRecord) -> int:
        """Number of the last attempt whose outputs do not count any more, because the task was
        reset since; 0 where all do."""
        if record.kind is not Kind.SCRIPT:
            return 0
        events = self._archive.store.list_events(self.id)
        return max((one.attempt for one in events if one.name is Transition.RESET), default=0)

    def _changed(self) -> None:
        """What was read of it may not be so any more."""
        self._ended = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskHandle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


def _unrecorded() -> TaskRecord:
    """What a script is given whose module is loaded where no task belongs to it."""
    from pipekit.model.records import TaskSpec

    return TaskRecord("", Kind.SCRIPT, "", "", Status.DRAFT, 0.0, TaskSpec("", outputs=()))


def settings_of(task: TaskHandle) -> Settings:
    """Of the home that a task is recorded in."""
    return task._archive.settings


def archive_of(task: TaskHandle) -> Archive:
    """That home, opened."""
    return task._archive


def archive_here() -> Archive:
    """Of the home that the calling code belongs to: its step's, its run's, its script's, else that
    of the working folder's project or of `PIPEKIT_HOME`."""
    from pipekit.control.current import current_run
    from pipekit.control.session import archive_for
    from pipekit.settings import read_settings
    from pipekit.worker.task_log import current_script, current_step

    run = current_run.get()
    log = current_step() or (current_script() if run is None else None)
    if log is None and run is not None:
        return run.session.archive
    return archive_for(log.settings if log is not None else read_settings())


def step_of(task: TaskHandle) -> Step | None:
    """The step that it is of a run that goes on in this process; None where it was found by id."""
    return task._step
