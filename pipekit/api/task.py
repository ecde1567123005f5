"""`Task`: the record of a run or a step, as users see it. Reads; changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipekit.api.artifact import Artifacts
from pipekit.clock import SystemClock, to_datetime
from pipekit.errors import NotFound, PipekitError, nearest, short
from pipekit.model.failure import Failure
from pipekit.model.records import Attempt, Kind
from pipekit.model.records import Task as TaskRecord
from pipekit.model.status import TERMINAL, Status

if TYPE_CHECKING:
    from pipekit.control.archive import Archive
    from pipekit.control.step import Step


class Task:
    """A run or a step: what it was given, what became of it, what it made.

    What is read is as the store has it at that moment; a task that has ended is read once.
    """

    def __init__(self, archive: Archive, task_id: str, *, step: Step | None = None) -> None:
        self._archive = archive
        self._step = step
        self._ended: TaskRecord | None = None
        self.id = task_id

    @classmethod
    def of_step(cls, step: Step) -> Task:
        """The task of a step of a run that goes on in this process."""
        return cls(step.run.session.archive, step.task_id, step=step)

    @classmethod
    def get(cls, archive: Archive, prefix: str) -> Task:
        """The task whose id begins with `prefix`.

        Raises:
            TaskNotFound: there is none, or more than one.
        """
        return cls(archive, archive.get_task(prefix).id)

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
        if found is None:
            raise PipekitError(f"Task {self.id} is not in the store any more.")
        if found.status in TERMINAL:
            self._ended = found
        return found

    @property
    def name(self) -> str:
        """Display name: of a pipeline, or of a step within its run (`fit`, `fit-2`)."""
        return self.record.name

    @property
    def key(self) -> str:
        """A step's identity within its run, the same whenever the run is repeated or resumed."""
        return self.record.step_key or ""

    @property
    def project(self) -> str:
        return self.record.project

    @property
    def kind(self) -> Kind:
        return self.record.kind

    @property
    def type(self) -> str:
        return self.record.type

    @property
    def version(self) -> str:
        return self.record.version

    @property
    def tags(self) -> tuple[str, ...]:
        return self.record.tags

    @property
    def status(self) -> Status:
        """`Status` compares equal to its text: `task.status == "completed"`."""
        step = self._step
        if step is not None and step.ended:
            return step.status
        return self.record.status

    @property
    def reused(self) -> bool:
        """Whether its outcome was taken from an earlier task instead of running."""
        return self.record.reused_from is not None

    @property
    def reused_from(self) -> str | None:
        """Id of the task that computed what this one reuses."""
        return self.record.reused_from

    @property
    def attempts(self) -> list[Attempt]:
        """Every try at it, in order; empty where it was reused or skipped."""
        return self._archive.store.list_attempts(self.id)

    @property
    def parameters(self) -> dict[str, Any]:
        """Argument name -> value where that is plain, else a text about it; `${step.artifacts.x}`
        for what another step made."""
        return dict(self.record.spec.parameters)

    @property
    def parent(self) -> str | None:
        """Id of the run that it belongs to."""
        return self.record.parent

    @property
    def created_at(self) -> datetime:
        return to_datetime(self.record.created_at)

    @property
    def duration_seconds(self) -> float | None:
        """From its start to its end, or to now; None before its start, 0.0 where it was reused."""
        record = self.record
        if record.reused_from is not None:
            return 0.0
        if record.started_at is None:
            return None
        end = record.ended_at if record.ended_at is not None else SystemClock.now()
        return max(0.0, end - record.started_at)

    @property
    def failure(self) -> Failure | None:
        """Why it failed or was skipped, in parts."""
        return self.record.failure

    @property
    def error(self) -> str | None:
        """Why it failed or was skipped, as text; None where it did not."""
        failure = self.record.failure
        return None if failure is None else failure.message

    @property
    def steps(self) -> list[Task]:
        """The steps of a run in the order of their calls; child runs among them."""
        records = self._archive.store.list_tasks(parent=self.id)
        return [Task(self._archive, record.id) for record in reversed(records)]

    def __getitem__(self, name: str) -> Task:
        """The first step of that name.

        Raises:
            NotFound: the run has none; the message lists those it has.
        """
        steps = self.steps
        for step in steps:
            if step.name == name:
                return step
        known = [step.name for step in steps]
        has = f"It has: {', '.join(map(repr, known[:12]))}." if known else "It has none."
        raise NotFound(
            f"Run {self.name!r} ({short(self.id)}) has no step {name!r}. {has}",
            hint=nearest(name, known),
        )

    @property
    def artifacts(self) -> Artifacts:
        """Its stored values by name."""
        return Artifacts(self._archive, self.id, self.name)

    @property
    def value(self) -> Any:
        """What it returned: a fresh copy each time; a tuple where it has several outputs.

        Raises:
            PipekitError: it has no value, and the message says why.
        """
        if self._step is not None:
            self._step.run.wait_for([self._step])
        status = self.status
        if status is not Status.COMPLETED:
            why = f": {self.error}" if self.error else "."
            raise PipekitError(
                f"Task {self.name!r} ({short(self.id)}) has no value, for it is {status.value}{why}"
            )
        values = [artifact.get() for artifact in self.artifacts.values()]
        return values[0] if len(values) == 1 else tuple(values)

    @property
    def log(self) -> str:
        """What it wrote to its console, of every attempt in order."""
        return "".join(self.read_log(attempt) for attempt in self.attempts)

    def read_log(self, attempt: Attempt) -> str:
        """What one attempt wrote to its console."""
        if not attempt.log_path:
            return ""
        path = self._archive.settings.home / attempt.log_path
        try:
            with path.open("rb") as file:
                file.seek(attempt.log_start)
                end = attempt.log_end
                data = file.read() if end is None else file.read(end - attempt.log_start)
        except FileNotFoundError:
            return ""
        return data.decode(errors="replace")

    def __repr__(self) -> str:
        return f"<Task {self.name!r} {short(self.id)} {self.status.value}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)
