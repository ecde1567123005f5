"""`Task`: the record of a run, a step or a script, as users see it. Reads, and tells others what is
wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipekit.api.artifact import Artifacts
from pipekit.api.metric import Metrics
from pipekit.api.reported import ReportVerbs
from pipekit.api.task_handle import settings_of as settings_of
from pipekit.api.task_lookup import LookupVerbs
from pipekit.api.task_making import MakingVerbs
from pipekit.api.task_parameters import ParameterVerbs
from pipekit.api.task_verbs import StatusVerbs
from pipekit.clock import to_datetime
from pipekit.errors import NotFound, PipekitError, listed, nearest, short
from pipekit.model.failure import Failure
from pipekit.model.records import Attempt, Kind
from pipekit.model.status import TERMINAL, Status

if TYPE_CHECKING:
    from networkx import DiGraph

    from pipekit.control.why import Why


class Task(ReportVerbs, LookupVerbs, MakingVerbs, ParameterVerbs, StatusVerbs):
    """A run, a step or a script: what it was given, what became of it, what it made.

    What is read is as the store has it at that moment; a task that has ended is read once.
    """

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
        return self._standing()

    def _standing(self) -> Status:
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
        since = self.last_forgotten(record)
        return Artifacts(self._archive, self.id, record.name, record.reused_from, since=since)

    @property
    def metrics(self) -> Metrics:
        """The numbers that it has logged, by name; of a reused one, those of the task that it was
        reused from."""
        record = self.record
        logged = self._archive.store.list_metrics(record.reused_from or self.id)
        since = self.last_forgotten(record)
        return Metrics(
            self.id, record.name, [one for one in logged if one.attempt > since or not since]
        )

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
        status = self._standing()
        if status is not Status.COMPLETED:
            why = f": {self.error}" if self.error else "."
            raise PipekitError(
                f"Task {self.name!r} ({short(self.id)}) has no value, for it is {status.value}{why}"
            )
        artifacts, outputs = self.artifacts, self.record.spec.outputs
        if not outputs:
            raise PipekitError(
                f"Task {self.name!r} ({short(self.id)}) has no value: it is a script, and what it "
                "made are its artifacts."
            )
        values = [artifacts[name].get() for name in outputs]
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

    def clone(
        source_task: Task | str,
        name: str = "",
        *,
        parameters: Mapping[str, Any] | None = None,
        project: str = "",
        comment: str = "",
        tags: Iterable[str] | None = None,
    ) -> Task:
        """A new draft that is this task with other parameters: `task.clone(…)`, or
        `Task.clone(source_task=…)` of a task or an id. It has what the task was given, and nothing
        of what it made; the task stays as it is.

        Args:
            source_task: Its id, where it is called on the class.
            name: Default: `Clone of` and the name.
            parameters: In place of the recorded ones, each turned into the type of the one before;
                one that is not known is added, and that is said. A key without a section means the
                one section that has it, else `General`.
            project: Default: the same.
            comment: In words, about the clone.
            tags: Default: the same.

        Raises:
            UsageError: a value does not fit, or a task of its kind is not cloned.
        """
        from pipekit.api.cloning import clone_task
        from pipekit.api.task_making import task_of

        source = task_of(source_task)
        made = clone_task(source, name, parameters or {}, project, comment, tags)
        return Task(source._archive, made.id)

    def enqueue(task: Task | str, queue_name: str = "default", *, force: bool = False) -> None:
        """Have an agent run a draft: `task.enqueue("default")`, or `Task.enqueue(task, …)` of a
        task or an id. Where no agent serves the queue, that is said.

        Args:
            task: Its id, where it is called on the class.
            queue_name: Any name.
            force: Where it has ended: begin it anew.

        Raises:
            UsageError: it runs, waits, or has ended.
            NotRunnable: it cannot be run from its record.
        """
        from pipekit.api.cloning import enqueue_task
        from pipekit.api.task_making import task_of

        enqueue_task(task_of(task), queue_name, force=force)

    def dequeue(task: Task | str) -> None:
        """Take it off its queue: it is a draft again.

        Raises:
            UsageError: it waits on none.
        """
        from pipekit.api.cloning import dequeue_task
        from pipekit.api.task_making import task_of

        dequeue_task(task_of(task))

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
        return f"<Task {self.name!r} {short(self.id)} {self._standing().value}>"

    def _repr_html_(self) -> str:
        """What a notebook shows. Never raises."""
        from pipekit.api.display import html_of

        return html_of(self._archive, self)
