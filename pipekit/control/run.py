"""A pipeline run while it goes on: its steps, its planner, who waits for them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from pipekit.clock import LOOK_UP_SECONDS
from pipekit.control.archive import Archive
from pipekit.control.callback_thread import CallbackThread
from pipekit.control.output import KEPT_BYTES, Output
from pipekit.control.reuse import Wishes
from pipekit.control.step import Mark, Step
from pipekit.control.trace import Meetings
from pipekit.errors import BlobCorrupt, BlobMissing, RunElsewhere, Stopped, UsageError, short
from pipekit.executors.interruption import Interruptible
from pipekit.model.failure import Failure
from pipekit.model.options import DEFAULT_OUTPUT
from pipekit.model.planner import Event, FailureHandled, Planner
from pipekit.model.status import Status
from pipekit.model.value import Digest
from pipekit.reporting import Reporter, RunFacts
from pipekit.settings import Settings
from pipekit.worker.message import Logged
from pipekit.worker.task_log import TaskLog

if TYPE_CHECKING:
    from pipekit.capture.fingerprint import Fingerprint, Fingerprinter
    from pipekit.capture.source_text import SourceText
    from pipekit.control.audit import Audits
    from pipekit.control.executor_set import ExecutorSet
    from pipekit.control.recorded import RecordedSteps
    from pipekit.control.until import Until
    from pipekit.control.use import Use
    from pipekit.errors import CallbackFailed
    from pipekit.model.records import Task


_FETCHED_STEPS = 512


class Waiter:
    """Blocks one thread until a number of steps have ended."""

    __slots__ = ("_lock", "remaining")

    def __init__(self, remaining: int) -> None:
        self.remaining = remaining
        self._lock = threading.Lock()
        self._lock.acquire()

    def one_ended(self) -> None:
        self.remaining -= 1
        if self.remaining == 0:
            self._lock.release()

    def give_up(self) -> None:
        """Wake the thread although not all have ended. Idempotent."""
        if self.remaining > 0:
            self.remaining = 0
            self._lock.release()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Whether all have ended; False where the time is over first."""
        end = None if timeout_seconds is None else monotonic() + timeout_seconds
        while True:
            left = LOOK_UP_SECONDS if end is None else min(LOOK_UP_SECONDS, end - monotonic())
            if self._lock.acquire(timeout=max(0.0, left)):
                return True
            if left < LOOK_UP_SECONDS:
                return False


class Gate:
    """Shut until it is opened, once and for good; any number of threads may wait.

    An interrupt while a thread waits leaves nothing locked that `open` would have to wait for, as
    it may with a `threading.Event`, whose code is Python.
    """

    __slots__ = ("_lock", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let everyone through. Idempotent; one thread at a time."""
        if not self.is_open:
            self.is_open = True
            self._lock.release()

    def wait(self) -> None:
        """Return when it is open."""
        while not self.is_open:
            if self._lock.acquire(timeout=LOOK_UP_SECONDS):
                self._lock.release()


class Sender(Protocol):
    """The scheduler, from the side of those who tell it what happened."""

    def send(self, run: Run, event: Event) -> None: ...

    def leave_step(self, step: Step) -> None: ...


class RunHost(Protocol):
    """What a run has from its session."""

    @property
    def settings(self) -> Settings: ...

    @property
    def archive(self) -> Archive: ...

    @property
    def reporter(self) -> Reporter: ...

    @property
    def ending_lock(self) -> threading.Lock: ...

    @property
    def scheduler(self) -> Sender: ...

    @property
    def executors(self) -> ExecutorSet: ...

    @property
    def fingerprinter(self) -> Fingerprinter: ...

    @property
    def now(self) -> Callable[[], float]: ...

    @property
    def new_id(self) -> Callable[[], str]: ...

    def warn_of_blind_spots(self, run: Run, use: Use) -> None: ...

    def warn_of_changes(self, run: Run) -> None: ...

    def keep_source(self, run: Run, source: SourceText) -> None: ...

    def keep_code(self, run: Run, fingerprint: Fingerprint) -> None: ...

    def begin(
        self, run: Run, task: Task | None, contents: tuple[tuple[Digest, bytes], ...] = ()
    ) -> None: ...

    def log(self, run: Run, logged: Logged) -> None: ...

    def post(self, callback: Callable[[], None]) -> None: ...

    def kill(self, run: Run) -> None: ...

    def kill_later(self, run: Run) -> None: ...

    def stop_step(self, step: Step, reason: str = "") -> None: ...

    retired: bool


def _working_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise UsageError(
            "The working folder is gone.", hint="go to one that exists before you start a run."
        ) from None


class Run:
    """One run. Steps are added by the threads of its pipeline function, ended by the loop's."""

    def __init__(
        self, session: RunHost, *, task_id: str, name: str, project: str, executor: str,
        parent: Run | None = None, logged: Callable[[Logged], None] | None = None,
    ) -> None:  # fmt: skip
        """`logged` takes what the pipeline function logs, where the run is another's step."""
        self.session = session
        self.task_id = task_id
        self.name = name
        self.project = project
        self.executor = executor
        self.parent = parent
        """The run whose step this one is; that run then records its beginning and its end."""
        self.depth: int = parent.depth + 1 if parent is not None else 0
        """Of how many runs it is a part."""
        self.folder: str = parent.folder if parent is not None else _working_folder()
        """The working folder at its beginning: what its steps see."""
        self.log = TaskLog(
            task_id,
            settings=session.archive.settings,
            token=0,
            outputs=(DEFAULT_OUTPUT,),
            artifacts=session.archive.artifacts,
            send=logged or (lambda message: session.log(self, message)),
        )
        self.planner = Planner()
        self.facts = RunFacts(task_id, name, project, executor, parent.name if parent else "")
        self.steps: list[Step] = []
        self.uses: dict[tuple[Any, str], Use] = {}
        """By component and what its closure holds; guarded by `lock`."""
        self.lock = threading.Lock()
        self.ordinals: dict[str, int] = {}
        self.occurrences: dict[Digest, int] = {}
        """Of equal calls: how many there were."""
        self.caller: threading.Thread | None = None
        """The thread of the first call, which is mostly that of all."""
        self.callers: dict[Digest, threading.Thread] = {}
        """Of equal calls: which thread made the last; from when there was another than `caller`."""
        self.status = Status.RUNNING
        self.failure: Failure | None = None
        self.roots: tuple[Step, ...] = ()
        self.value: Output | None = None
        self.started_at = 0.0
        self.attempt = 1
        """Which attempt at it this is: more than 1 where it was resumed."""
        self.recorded: RecordedSteps | None = None
        """Of a resumed run: what its earlier attempts left."""
        self.until: Until | None = None
        """The step after which it is to stop; None: at its own end."""
        self.audits: Audits | None = parent.audits if parent is not None else None
        """Where it is audited: what its steps and those of the runs below it have told."""
        self.stopping: Stopped | None = None
        """What its function is to get where it asks for more: someone wants the run to stop."""
        self.is_begun = False
        """Its beginning is recorded, or about to be."""
        self.stop_reason = ""
        """How that is told: `stopped by 'pipekit stop'`."""
        self.interruptible = Interruptible()
        """Its function, where it runs in the main thread."""
        self.callbacks: CallbackThread = (
            parent.callbacks if parent is not None else CallbackThread()
        )
        self.view: Callable[[Step], Any] = parent.view if parent is not None else lambda step: step
        """Makes what callbacks are told of a step."""
        self.hears: Callable[[Step, Logged], None] | None = parent.hears if parent else None
        """Told, in the loop's thread, of all that a step of it logs, or one of a run below it."""
        self.shares: bool = parent.shares if parent is not None else False
        """Whether other runs go on beside it that want the same: each of that is computed once."""
        self.stops_on_failure = True
        """Whether a callback that fails stops the steps that go on."""
        self.broken: CallbackFailed | None = None
        """The first failure of a callback."""
        self.fatal: BaseException | None = None
        """What ended the run from below: the store is gone, the loop has failed."""
        self.returned = False
        """The pipeline function has ended: no step can be added. Guarded by `lock`."""
        self.over = Gate()
        """Opened at its end."""
        self._pid = os.getpid()
        self.blind_spots: set[tuple[str, int, str]] = set()
        """What was named already: file, line, what."""
        self.changes: set[str] = set()
        """Variables that steps have changed, and that were named already."""
        self.is_declared = False
        """Its steps were declared under names of their own, which alone they go by."""
        self.marks: dict[str, Mark] = {}
        """By the names of components: what is said of their steps."""
        self.meetings = Meetings()
        self.wishes = Wishes()
        """What was asked for of the cache."""

    @property
    def label(self) -> str:
        """`train 01j9zk7…`: how it is spoken of where an outcome of it is reused."""
        return f"{self.name} {short(self.task_id)}"

    @property
    def root(self) -> Run:
        """The run that this one is part of and that was started by itself; it may be that."""
        run = self
        while run.parent is not None:
            run = run.parent
        return run

    @property
    def is_elsewhere(self) -> bool:
        """Whether it goes on in another process, of which this one was forked."""
        return os.getpid() != self._pid

    def be_interrupted(self, by: str) -> None:
        """Who stops it, unless that is known: the name of a signal; empty: Ctrl-C."""
        self.stop_reason = self.stop_reason or f"stopped by {by or 'Ctrl-C'}"

    def be_stopped(self, reason: str) -> None:
        """Its function gets no further from now on: what it calls or waits for raises."""
        self.stop_reason = reason
        self.stopping = Stopped(f"Run {self.name!r} ({short(self.task_id)}) was {reason}.")

    def leave(self) -> None:
        """This process was forked while the run goes on in its parent: nothing of it can be had
        here that is not at hand, and nothing is waited for."""
        self.lock = threading.Lock()
        self.fatal = RunElsewhere(run=self.name, task_id=self.task_id)
        self.callbacks = CallbackThread()
        self.over = Gate()
        self.over.open()

    def display_name(self, name: str) -> str:
        """`fit`, `fit-2`, `fit-3` …; of a resumed run, one that no recorded step goes by. The
        caller holds the lock."""
        count = self.ordinals.get(name, 0) + 1
        self.ordinals[name] = count
        if self.recorded is not None:
            return self.recorded.free_name(name)
        return name if count == 1 else f"{name}-{count}"

    def known_name(self, name: str, recorded: str) -> str:
        """The name of a step that goes by it since an earlier attempt. The caller holds the
        lock."""
        self.ordinals[name] = self.ordinals.get(name, 0) + 1
        return recorded

    def wait_for(self, steps: Sequence[Step], timeout_seconds: float | None = None) -> bool:
        """Block until all these steps have ended; False where the time is over first.

        Raises:
            BaseException: `fatal`, where the run cannot go on.
        """
        with self.session.ending_lock:
            pending = [step for step in steps if not step.ended]
            if self.fatal is not None:
                raise self.fatal
            if not pending:
                return True
            waiter = Waiter(len(pending))
            for step in pending:
                if step.waiters is None:
                    step.waiters = []
                step.waiters.append(waiter)
        done = waiter.wait(timeout_seconds)
        if self.fatal is not None:
            raise self.fatal
        return done

    def leave_steps(self) -> None:
        """The pipeline function was interrupted in this thread: what was to run in it does not."""
        for step in self.steps:
            if step.mailbox is not None and not step.ended and step.mailbox.thread == get_ident():
                self.session.scheduler.leave_step(step)

    def on_end(self, step: Step, waiter: Any) -> bool:
        """Have `waiter.one_ended()` called when the step has ended, or `give_up()` where the run
        cannot go on; False, and nothing is called, where it has ended already.

        Raises:
            BaseException: `fatal`, where the run cannot go on.
        """
        with self.session.ending_lock:
            if self.fatal is not None:
                raise self.fatal
            if step.ended:
                return False
            if step.waiters is None:
                step.waiters = []
            step.waiters.append(waiter)
            return True

    def tell_failure(self, step: Step) -> None:
        """The pipeline function learns of the step's failure: what it does now is up to it."""
        self.session.scheduler.send(self, FailureHandled(step.number))

    def load(self, step: Step, output: str) -> Any:
        """A fresh value of an output of an ended step."""
        what = f"output {output!r} of {step.label}"
        try:
            found = self.fetched(step, output)
            return self.session.archive.load(found.value, what=what, content=found.content)
        except (BlobMissing, BlobCorrupt):
            self.forget(step)
            raise

    def forget(self, step: Step) -> None:
        """The bytes of the step's outcome are no good: the next run is not to reuse it."""
        if step.memo_key:
            self.session.archive.store.remove_memo(step.memo_key)

    def fetched(self, step: Step, output: str) -> Output:
        """The output with its bytes, where they are inline.

        One query also reads those of the steps that were called next, where they are small: who
        asks for one value of many tends to ask for all.
        """
        if isinstance(self.fatal, RunElsewhere):
            raise self.fatal  # the store's connection is the parent's
        found = step.outputs[output]
        if found.content is not None or not found.value.inline:
            return found
        wanted = [
            (other, name, stored.value)
            for other in self.steps[step.number : step.number + _FETCHED_STEPS]
            if other.ended or other is step
            for name, stored in other.outputs.items()
            if stored.content is None and stored.value.inline
            if other is step or stored.value.size_bytes <= KEPT_BYTES
        ]
        contents = self.session.archive.store.read_contents({value.blob for _, _, value in wanted})
        for other, name, value in wanted:
            if value.blob in contents and value.size_bytes <= KEPT_BYTES:
                other.outputs[name] = Output(value, contents[value.blob])
        return Output(found.value, contents.get(found.value.blob))
