"""`Task`: the record of a run or a step, as users see it. Reads, and tells others what is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from pipekit.api.artifact import Artifacts
from pipekit.api.metric import Metrics
from pipekit.clock import to_datetime
from pipekit.errors import (
    NotFound,
    PipekitError,
    StoreUnavailable,
    TaskNotFound,
    UsageError,
    listed,
    nearest,
    short,
)
from pipekit.model.failure import Failure
from pipekit.model.records import RUN_KINDS, Attempt, Kind
from pipekit.model.records import Task as TaskRecord
from pipekit.model.status import TERMINAL, Status

if TYPE_CHECKING:
    from networkx import DiGraph

    from pipekit.control.archive import Archive
    from pipekit.control.step import Step
    from pipekit.control.why import Why
    from pipekit.settings import Settings


_RECORDED_WITHIN_SECONDS = 5.0


class Task:
    """A run or a step: what it was given, what became of it, what it made.

    What is read is as the store has it at that moment; a task that has ended is read once.
    """

    def __init__(self, archive: Archive, task_id: str, *, step: Step | None = None) -> None:
        self._archive = archive
        self._step = step
        self._ended: TaskRecord | None = None
        self._is_running = False
        self._waits = True
        """Whether `value` may wait for the end of a step that goes on."""
        self.id = task_id

    @classmethod
    def of_step(cls, step: Step) -> Task:
        """The task of a step of a run that goes on in this process."""
        return cls(step.run.session.archive, step.task_id, step=step)

    @classmethod
    def of_watched(cls, step: Step) -> Task:
        """The same for a callback: the step's end may wait for that in turn."""
        task = cls.of_step(step)
        task._waits = False
        return task

    @classmethod
    def of_running(cls, archive: Archive, task_id: str) -> Task:
        """The task whose code runs in this process, which is recorded soon if it is not yet."""
        task = cls(archive, task_id)
        task._is_running = True
        return task

    @classmethod
    def get_task(
        cls,
        task_id: str | None = None,
        *,
        project_name: str | None = None,
        task_name: str | None = None,
    ) -> Task:
        """The task of an id, or the newest run of a name.

        Looks into the home of the working folder's project, or that of `PIPEKIT_HOME`; in a step,
        into the one that it is recorded in.

        Args:
            task_id: The id, or its beginning as long as that is unique.
            project_name: Without an id: only runs of this project.
            task_name: Without an id: only runs of this name.

        Raises:
            TaskNotFound: there is none, or the id's beginning is that of more than one.
        """
        archive = _archive()
        _close_dead(archive)
        if task_id is not None:
            return cls(archive, archive.get_task(task_id).id)
        found = cls.get_tasks(project_name=project_name, task_name=task_name, limit=1)
        if found:
            return found[0]
        given = {"project": project_name, "name": task_name}
        wanted = " and ".join(f"{key} {value!r}" for key, value in given.items() if value)
        known = sorted(
            {task.name for task in archive.store.list_tasks(kinds=RUN_KINDS, limit=1000)}
        )
        has = f"There are runs of: {listed(known)}." if known else "There are no runs."
        raise TaskNotFound(
            f"No run has the {wanted}. {has}" if wanted else has,
            hint=nearest(task_name or "", known) or "'pipekit doctor' shows which store is used.",
        )

    @classmethod
    def get_tasks(
        cls,
        *,
        project_name: str | None = None,
        task_name: str | None = None,
        status: Status | str | None = None,
        limit: int | None = None,
    ) -> list[Task]:
        """Runs, newest first, child runs among them: those of a project, a name, a status.

        Raises:
            UsageError: there is no such status.
        """
        statuses: tuple[Status, ...] = ()
        if status is not None:
            words = [known.value for known in Status]
            if status not in words:
                raise UsageError(
                    f"No status is {status!r}. There are: {', '.join(words)}.",
                    hint=nearest(str(status), words),
                )
            statuses = (Status(status),)
        archive = _archive()
        _close_dead(archive)
        found = archive.store.list_tasks(
            kinds=RUN_KINDS, project=project_name, name=task_name, statuses=statuses, limit=limit
        )
        return [cls(archive, record.id) for record in found]

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
        if found is None and self._is_running:
            found = self._wait_for_record()
        if found is None:
            raise PipekitError(f"Task {self.id} is not in the store any more.")
        if found.status in TERMINAL:
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
        if step is not None and (step.ended or step.status is Status.RUNNING):
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
        return record.seconds(self._archive.clock.now())

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

    def graph(self) -> DiGraph[str]:
        """What each step of a run took from which, as a `networkx.DiGraph`: to be asked, say, for
        its longest path. Nodes are the ids of the steps, with `name`, `component`, `kind`,
        `status`, `reused` and `seconds`; edges have the `outputs` that were taken, none where a
        step only waited (`after=`)."""
        from pipekit.model.graph import Graph

        records = self._archive.store.list_tasks(parent=self.id)
        return Graph.of(records[::-1], now=self._archive.clock.now()).to_networkx()

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
        has = f"It has: {listed(known)}." if known else "It has none."
        raise NotFound(
            f"Run {self.name!r} ({short(self.id)}) has no step {name!r}. {has}",
            hint=nearest(name, known),
        )

    @property
    def artifacts(self) -> Artifacts:
        """Its stored values by name."""
        record = self.record
        return Artifacts(self._archive, self.id, record.name, record.reused_from)

    @property
    def metrics(self) -> Metrics:
        """The numbers that it has logged, by name; of a reused one, those of the task that it was
        reused from."""
        record = self.record
        logged = self._archive.store.list_metrics(record.reused_from or self.id)
        return Metrics(self.id, record.name, logged)

    @property
    def why(self) -> Why:
        """Why it ran, from where it was reused, or why it did not run: compared with the same step
        of the run of its pipeline before this one. `str()` of it is the answer in a few words;
        `.changes` are the differences one by one, of code and of values."""
        from pipekit.control.why import why

        return why(self._archive, self.record)

    @property
    def value(self) -> Any:
        """What it returned: a fresh copy each time; a tuple where it has several outputs.

        Raises:
            PipekitError: it has no value, and the message says why.
        """
        if self._step is not None and self._waits:
            self._step.run.wait_for([self._step])
        status = self.status
        if status is not Status.COMPLETED:
            why = f": {self.error}" if self.error else "."
            raise PipekitError(
                f"Task {self.name!r} ({short(self.id)}) has no value, for it is {status.value}{why}"
            )
        artifacts = self.artifacts
        values = [artifacts[name].get() for name in self.record.spec.outputs]
        return values[0] if len(values) == 1 else tuple(values)

    def stop(self, *, wait: bool = True, timeout: float | None = None) -> bool:
        """Stop a run, or one step, in whatever process it goes on. What it has started ends with
        it. Where it has ended already, nothing happens.

        A run that is stopped ends as `stopped`, and `Stopped` is raised where it was called. A step
        that is stopped alone leaves its run going: what depends on it is skipped, and asking for
        its value raises `StepFailed`.

        Args:
            wait: Until it has ended. In a callback it is not waited for.
            timeout: Seconds to wait at most; None: as long as it takes.

        Returns:
            Whether it has ended.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        from pipekit.control.stop_wish import StopWish

        step = self._step
        if step is not None:  # at hand, and perhaps not recorded yet
            if not step.ended:
                step.run.session.stop_step(step)
                step.run.tell_failure(step)  # who stops it himself need not be told
            if not (wait and self._waits):
                return step.ended
            return bool(step.run.wait_for([step], timeout))
        wish = StopWish(self._archive, self.id)
        task = wish.send()
        if wait and self._waits and task.status not in TERMINAL:
            task = wish.wait(timeout)
        return task.status in TERMINAL

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

    def resume(
        self, *, from_: str | Iterable[str] = (), accept_changes: bool = False, executor: str = ""
    ) -> Task:
        """Go on with a run that failed, was stopped, or whose process is gone: its pipeline
        function is called again, with the same arguments, and what completed is kept.

        Args:
            from_: Names of steps that run again although they completed, with all that depends on
                them; `child/fit` is a step of a run that is a step itself.
            accept_changes: Keep also what was computed by code that has changed since.
            executor: Where its steps run; default: where they did.

        Returns:
            The run's Task, however it ended; a run that has completed is left as it is.

        Raises:
            NotResumable: the run goes on, has not begun, or cannot be called with what is recorded;
                or this is no run.
            NotFound: it has no step of a name in `from_`.
        """
        from pipekit.api.resume import find_pipeline, resume_now
        from pipekit.control.resume import get_resumable

        task = self.record
        if get_resumable(self._archive, task) is None and not from_:
            return self
        conducted = resume_now(
            find_pipeline(task), self._archive.settings, task, again=from_,
            accepts=accept_changes, executor=executor,
        )  # fmt: skip
        self._ended = None
        return conducted.warned().task() if conducted is not None else self

    def __repr__(self) -> str:
        return f"<Task {self.name!r} {short(self.id)} {self.status.value}>"

    def _repr_html_(self) -> str:
        """What a notebook shows. Never raises."""
        from pipekit.api.display import html_of

        return html_of(self._archive, self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


def _close_dead(archive: Archive) -> None:
    from pipekit.control.dead import close_dead

    try:
        close_dead(archive)
    except StoreUnavailable:
        pass  # who only looks may look at what is there


def settings_of(task: Task) -> Settings:
    """Of the home that a task is recorded in."""
    return task._archive.settings


def _archive() -> Archive:
    """Of the home that the calling code belongs to."""
    from pipekit.control.session import archive_for
    from pipekit.settings import read_settings
    from pipekit.worker.task_log import current_step

    step = current_step()
    return archive_for(step.settings if step is not None else read_settings())
