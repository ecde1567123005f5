"""Finds out what a run would do: its pipeline function calls components, and each call is judged by
its key in place of being started. Runs no step and records nothing; who calls the function is not
its matter.

Theory of operation. A call whose inputs are all known gets its key, and what is remembered under it
is its outcome, to be touched and passed on like any other. A call with an input that only the run
will know has no key. Where the function touches a value that is not known, the plan ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pipekit.control.history import History
from pipekit.control.inputs import memo_key, path_digests
from pipekit.control.output import Output
from pipekit.control.reporter import SilentReporter
from pipekit.control.reuse import Reuse
from pipekit.control.run import Run
from pipekit.control.step import Produced, Step
from pipekit.control.trace import still_holds
from pipekit.errors import UsageError
from pipekit.model import planner
from pipekit.model.plan import Necessity, PlannedStep
from pipekit.model.records import Kind, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.model.value import Digest

if TYPE_CHECKING:
    from pipekit.capture.fingerprint import Fingerprint, Fingerprinter
    from pipekit.capture.source_text import SourceText
    from pipekit.control.archive import Archive
    from pipekit.control.executor_set import ExecutorSet
    from pipekit.control.session import Session
    from pipekit.control.use import Use
    from pipekit.model.records import Memo
    from pipekit.ports import Store
    from pipekit.worker.message import Logged


class PlanEnded(BaseException):
    """The pipeline function asked for a value that only the run will know. No `Exception`, so that
    the user's own handlers let it pass."""

    def __init__(self, step: Step, name: str) -> None:
        super().__init__(f"the value of {name} is not known before the run")
        self.step = step


class PlanRun(Run):
    """A run that is planned: nothing in it is waited for."""

    def __init__(
        self, host: PlanHost, *, name: str, project: str, executor: str, entry: str,
        parameters: dict[str, Any], path: str = "",
        parent: Run | None = None,
    ) -> None:  # fmt: skip
        """`entry` and `parameters` are for who asks `current_task()`; `path` stands before the
        names of its steps: `child/`."""
        super().__init__(
            host, task_id=host.new_id(), name=name, project=project, executor=executor,
            parent=parent, logged=lambda logged: None,
        )  # fmt: skip
        self.host = host
        self.path = path
        host.planned[self.task_id] = Task(
            id=self.task_id, kind=Kind.PIPELINE, name=name, project=project,
            status=Status.RUNNING, created_at=host.now(), started_at=host.now(),
            spec=TaskSpec(entry, parameters=parameters),
            parent=parent.task_id if parent is not None else None,
        )  # fmt: skip
        # Taken again by the same thread: a pipeline called as a step is planned in its call.
        self.lock = threading.RLock()  # type: ignore[assignment]

    def wait_for(self, steps: Sequence[Step], timeout_seconds: float | None = None) -> bool:
        """
        Raises:
            PlanEnded: one of the steps is not known.
        """
        for step in steps:
            self._check(step)
        return True

    def on_end(self, step: Step, waiter: Any) -> bool:
        """
        Raises:
            PlanEnded: the step is not known.
        """
        self._check(step)
        return False

    def forget(self, step: Step) -> None:
        """A plan changes nothing."""

    def _check(self, step: Step) -> None:
        if not step.ended:
            ended = PlanEnded(step, f"{self.path}{step.name}")
            if not self.returned and self.fatal is None:
                self.fatal = ended
            raise ended
        if self.fatal is not None:
            raise self.fatal


class _PlannedStore:
    """The store of the home, in which the runs that are planned are found too."""

    def __init__(self, store: Store, planned: dict[str, Task]) -> None:
        self._store = store
        self._planned = planned

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def find_task(self, task_id: str) -> Task | None:
        return self._planned.get(task_id) or self._store.find_task(task_id)


class PlanHost:
    """What a planned run has in place of its session: everything of that but what would start or
    record something."""

    def __init__(self, session: Session, plan_child: Callable[[PlanRun, Step], None]) -> None:
        """`plan_child` plans a pipeline that was called as a step, with all its inputs known."""
        self._session = session
        self.planned: dict[str, Task] = {}
        """The runs that are planned: nothing of them is recorded."""
        self._archive = copy(session.archive)
        self._archive.store = cast("Store", _PlannedStore(session.archive.store, self.planned))
        self._plan_child = plan_child
        self.settings = session.settings
        self.retired = False
        self.ending_lock = threading.Lock()
        self._reuse = Reuse(session.archive, SilentReporter())
        self.judged: list[_Judged] = []
        """The calls in order, those of child runs among them."""
        self.open_ends: list[str] = []
        self._opened: list[tuple[int, str, PlanRun | None]] = []
        """Where steps are called that are not listed: after how many calls, in which run."""

    def end_early(self, sentence: str, *, name: str, run: PlanRun | None) -> None:
        """Steps are called that are not listed, in a run that goes on beside the others.

        Args:
            sentence: What to say of it.
            name: Of the run within the whole one; empty for the whole one.
            run: That run; None where it was not even begun.
        """
        self.open_ends.append(sentence)
        self._opened.append((len(self.judged), name, run))

    @property
    def archive(self) -> Archive:
        return self._archive

    @property
    def scheduler(self) -> PlanHost:
        return self

    @property
    def executors(self) -> ExecutorSet:
        return self._session.executors

    @property
    def fingerprinter(self) -> Fingerprinter:
        return self._session.fingerprinter

    @property
    def now(self) -> Callable[[], float]:
        return self._session.now

    @property
    def new_id(self) -> Callable[[], str]:
        return self._session.new_id

    @property
    def reporter(self) -> Any:
        return self._session.reporter

    def warn_of_blind_spots(self, run: Run, use: Use) -> None:
        """The run itself will name them."""

    def warn_of_changes(self, run: Run) -> None:
        """The run itself will name them."""

    def keep_source(self, run: Run, source: SourceText) -> None:
        """Nothing is recorded."""

    def keep_code(self, run: Run, fingerprint: Fingerprint) -> None:
        """Nothing is recorded."""

    def begin(
        self, run: Run, task: Task | None, contents: tuple[tuple[Digest, bytes], ...] = ()
    ) -> None:
        """Nothing is recorded."""

    def log(self, run: Run, logged: Logged) -> None:
        """Nothing is recorded."""

    def post(self, callback: Callable[[], None]) -> None:
        """Nothing happens in a loop."""

    def stop_step(self, step: Step, reason: str = "") -> None:
        """None runs."""

    def kill(self, run: Run) -> None:
        """Nothing runs."""

    def kill_later(self, run: Run) -> None:
        """Nothing runs."""

    def leave_step(self, step: Step) -> None:
        """Nothing runs."""

    def send(self, run: Run, event: planner.Event) -> None:
        """Judge a step that was called. From the calling thread, which holds the run's lock."""
        if not isinstance(event, planner.StepCalled) or not isinstance(run, PlanRun):
            return
        step = run.steps[event.step]
        judged = self._judge(run, step, keyed=event.keyed)
        self.judged.append(judged)
        if judged.memo is not None and judged.necessity is Necessity.CACHED:
            step.outputs = {name: Output(value, None) for name, value in judged.memo.outputs}
            step.status, step.ended = Status.COMPLETED, True
        if step.use.is_pipeline:
            if judged.waits_for:
                what = f"{run.path}{step.name}"
                sentence = f"What {what} does is not known: its arguments depend on the value of "
                self.end_early(f"{sentence}{judged.waits_for}.", name=what, run=None)
            else:
                self._plan_child(run, step)
        if step.mailbox is not None:
            step.mailbox.deliver(None)

    def _judge(self, run: PlanRun, step: Step, *, keyed: bool) -> _Judged:
        unknown = _first_unknown(
            source.step for source in step.sources if isinstance(source, Produced)
        )
        if step.use.is_pipeline:
            why = "a pipeline runs each time; its steps may be reused"
            return _Judged(run, step, Necessity.MUST, why, waits_for=unknown)
        if not keyed:
            return _Judged(run, step, Necessity.MUST, "it runs each time", waits_for=unknown)
        if unknown:
            why = f"it takes what {unknown} gives"
            return _Judged(run, step, Necessity.MAY, why, is_keyed=True, waits_for=unknown)
        try:
            step.path_digests = path_digests(step, self.archive.hasher)
            step.memo_key = memo_key(step, self.archive.hasher)
        except Exception as error:  # user code: what hashing a value calls
            raise UsageError(f"The key of step {step.name!r} cannot be made: {error}") from error
        memo = self._find_memo(step)
        before = _first_unknown(step.after)
        if memo is None:
            return _Judged(run, step, Necessity.MUST, "", is_keyed=True, waits_for=before)
        if before:
            why = f"it is remembered, but waits for {before}, which may change what it reads"
            return _Judged(run, step, Necessity.MAY, why, memo, is_keyed=True, waits_for=before)
        if memo.reads and any(one.necessity is not Necessity.CACHED for one in self.judged):
            why = "it is remembered, but a step before it may change what it reads"
            return _Judged(run, step, Necessity.MAY, why, memo, is_keyed=True)
        why = f"from {memo.run}"
        return _Judged(run, step, Necessity.CACHED, why, memo, is_keyed=True)

    def _find_memo(self, step: Step) -> Memo | None:
        """What the scheduler would reuse; unlike there, what is no good is left where it is."""
        found = self._reuse.find([step]).get(step)
        return found[0] if found is not None and still_holds(step, found[0], self.archive) else None

    # the end

    def steps(self, history: History) -> tuple[PlannedStep, ...]:
        """What was judged, once no call is to come: calls that are equal, or may be, stand in for
        each other."""
        equal: dict[Digest, list[_Judged]] = {}
        unknown: dict[Digest, list[int]] = {}
        for index, one in enumerate(self.judged):
            if one.is_keyed and one.step.memo_key and one.necessity is not Necessity.CACHED:
                equal.setdefault(one.step.memo_key, []).append(one)
            elif one.is_keyed and not one.step.memo_key:
                unknown.setdefault(one.step.use.key_prefix, []).append(index)
        found = []
        for index, one in enumerate(self.judged):
            settled = one
            if one.necessity is Necessity.MUST and one.is_keyed:
                rivals = [
                    self.judged[place].name
                    for place in unknown.get(one.step.use.key_prefix, ())
                    if place < index or self.judged[place].run is not one.run or not _is_ready(one)
                ]
                rivals += [
                    f"a step of {name or 'the rest'}"
                    for place, name, run in self._opened
                    if (place <= index and run is not one.run) or one.waits_for
                ]
                settled = _settled(one, equal[one.step.memo_key], rivals)
            found.append(_planned(settled, history))
        return tuple(found)


class _Judged(NamedTuple):
    """One call, and what is known of it when it is made."""

    run: PlanRun
    step: Step
    necessity: Necessity
    why: str
    """Empty: to be found by comparing it with an earlier run."""
    memo: Memo | None = None
    is_keyed: bool = False
    waits_for: str = ""
    """A step before it that is not known; empty where there is none."""

    @property
    def name(self) -> str:
        return f"{self.run.path}{self.step.name}"


def _settled(one: _Judged, equal: list[_Judged], rivals: list[str]) -> _Judged:
    """Which of several equal calls runs is certain only where it is looked up first: it is the
    first, waits for nothing, and none of `rivals` can have given the same before."""
    first = equal[0]
    may = Necessity.MAY
    if len(equal) > 1 and one is not first:
        return one._replace(necessity=may, why=f"it equals {first.name}, and takes what that gives")
    is_alone = all(other.run is first.run for other in equal) and _is_ready(first)
    if len(equal) > 1 and not is_alone:
        names = ", ".join(other.name for other in equal)
        return one._replace(necessity=may, why=f"one of these runs, for they are equal: {names}")
    if rivals:
        why = f"{rivals[0]} may turn out to be equal, and give it its result"
        return one._replace(necessity=may, why=why)
    return one


def _is_ready(one: _Judged) -> bool:
    """Whether its key is looked up when it is called, with nothing to wait for."""
    produced = any(isinstance(source, Produced) for source in one.step.sources)
    return not one.step.after and not produced


def _first_unknown(steps: Any) -> str:
    for step in steps:
        if not step.ended:
            return f"{step.run.path}{step.name}"
    return ""


def _planned(one: _Judged, history: History) -> PlannedStep:
    step = one.step
    why = one.why or history.why(step, one.name)
    seconds = one.memo.duration_seconds if one.memo is not None else None
    if seconds is None and not step.use.is_pipeline:
        seconds = history.seconds(step)
    return PlannedStep(
        one.name, step.use.entry, step.key, one.necessity, why, seconds, step.use.is_pipeline
    )
