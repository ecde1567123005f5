"""A session: the settings of one home and all that is wired to them, opened when first needed.

One process has one session a home; its loop, its workers and its connection serve every run there.
"""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import threading
from io import BytesIO
from pathlib import Path
from time import time
from typing import Any

from pipekit.capture.fingerprint import Fingerprint, Fingerprinter, differences
from pipekit.clock import IdMaker, SystemClock
from pipekit.control.archive import Archive
from pipekit.control.child import ChildExecutor
from pipekit.control.loop import SelectorLoop
from pipekit.control.recorder import Recorder, stored_of
from pipekit.control.reporter import SilentReporter
from pipekit.control.run import Run
from pipekit.control.scheduler import Scheduler
from pipekit.control.step import Argument, Produced, Step
from pipekit.control.use import Use
from pipekit.errors import PipekitError, Stopped, UnknownExecutor
from pipekit.liveness import host_name, started_at
from pipekit.model.hashing import Hasher
from pipekit.model.records import Artifact, Attempt, Change, Closing, Event, Move, Task
from pipekit.model.status import Status, Transition
from pipekit.model.value import Digest, StoredValue
from pipekit.origin import MAIN, stable_name
from pipekit.ports import Executor, Reporter
from pipekit.settings import Settings

KNOWN_EXECUTORS = ("inline", "process")

_sessions: dict[Path, Session] = {}
_sessions_lock = threading.Lock()


def session_for(settings: Settings) -> Session:
    """The session of a home in this process, opened where there is none yet."""
    with _sessions_lock:
        session = _sessions.get(settings.home)
        if session is None or session.closed or session.pid != os.getpid():
            session = _sessions[settings.home] = Session(settings)
        return session


@atexit.register
def close_sessions() -> None:
    """End the workers and close the stores of every session of this process."""
    with _sessions_lock:
        # A forked child has its parent's sessions, without their threads: they are not its own.
        sessions = [session for session in _sessions.values() if session.pid == os.getpid()]
        _sessions.clear()
    for session in sessions:
        session.close()


class Session:
    """Everything that runs of one home share.

    Raises (at creation):
        StoreUnavailable, StoreVersionMismatch: the home or its store cannot be used.
    """

    def __init__(self, settings: Settings, *, reporter: Reporter | None = None) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self.closed = False
        self.fingerprinter = Fingerprinter(root=settings.project_root)
        self._open_runs = 0
        self.archive = Archive(settings, code_of=self._code_of)
        self.store = self.archive.store
        self.artifacts = self.archive.artifacts
        self.hasher = self.archive.hasher
        self.reporter: Reporter = reporter or _reporter_for(settings)
        self.now = time
        self.new_id = IdMaker(SystemClock())
        self.ending_lock = threading.Lock()
        self._runs_lock = threading.Lock()
        self._loop = SelectorLoop(self._turn_ended, self._loop_failed)
        recorder = Recorder(self.store, host=host_name(), pid=os.getpid())
        self._recorder = recorder
        self.scheduler = Scheduler(self, self._loop, recorder)
        self._executors: dict[str, Executor] = {}
        self._loop.start()

    # what the floors below need

    def enter_run(self) -> None:
        """A run begins. What globals hold is looked at anew, unless another run goes on, for which
        it is frozen."""
        with self._runs_lock:
            if self._open_runs == 0:
                self.fingerprinter.thaw()
            self._open_runs += 1

    def leave_run(self) -> None:
        """A run has ended."""
        with self._runs_lock:
            self._open_runs -= 1

    def _code_of(self, obj: object) -> Digest:
        return self.fingerprinter.code_of(obj)

    def read_fingerprint(self, data: bytes) -> Fingerprint:
        """The fingerprint that a worker sent with its refusal."""
        found: Fingerprint = pickle.loads(data)
        return found

    def differences(self, mine: Fingerprint, theirs: Fingerprint) -> list[str]:
        return differences(mine, theirs)

    def warn_of_blind_spots(self, run: Run, use: Use) -> None:
        """Name, once a run, what the fingerprint of a component could not follow."""
        for spot in use.fingerprint.blind_spots:
            known = (spot.file, spot.line, spot.what)
            if known not in run.blind_spots:
                run.blind_spots.add(known)
                self.reporter.blind_spot(use.name, spot.what, spot.file, spot.line)

    # executors

    def executor(self, name: str) -> Executor:
        """The executor of a mode such as `process` or `process:4`. In the loop's thread."""
        found = self._executors.get(name)
        if found is None:
            found = self._executors[name] = self._make_executor(name)
        return found

    def _make_executor(self, name: str) -> Executor:
        if name == "pipeline":
            return ChildExecutor(self._loop, self.scheduler)
        kind, workers = parse_executor(name)
        if kind == "inline":
            from pipekit.executors.inline import InlineExecutor
            from pipekit.worker.runner import Runner

            return InlineExecutor(
                self._loop, Runner(self.artifacts, self.fingerprinter.fingerprint)
            )
        from pipekit.executors.process import ProcessExecutor

        return ProcessExecutor(
            self._loop,
            self._worker_setup(),
            workers=workers,
            folder=self.settings.home,
            log_limit_bytes=self.settings.log_limit_bytes,
        )

    def _worker_setup(self) -> Any:
        from pipekit.worker.message import Setup

        main_module = stable_name(MAIN)
        main = sys.modules.get(MAIN)
        return Setup(
            sys_path=list(sys.path),
            argv=list(sys.argv),
            main_module="" if main_module == MAIN else main_module,
            main_path=getattr(main, "__file__", None) or "",
            python_path=os.environ.get("PYTHONPATH"),
            project_root=str(self.settings.project_root),
            blob_folder=str(self.settings.blob_folder),
            home=str(self.settings.home),
            key=self.archive.key(),
            fsync=self.settings.durability == "full",
        )

    def stop_executors(self) -> None:
        """End every attempt at once. In the loop's thread."""
        for executor in self._executors.values():
            executor.close()
        self._executors.clear()

    # values

    def read_inputs(self, step: Step) -> tuple[tuple[StoredValue, bytes | None, str], ...]:
        """The stored values behind a step's sources, ready to be sent."""
        inputs = []
        for index, source in enumerate(step.sources):
            output = stored_of(step, index)
            if output is None:
                raise PipekitError(f"Input {index} of step {step.label} has no value.")
            what = f"input {index + 1} of {step.label}"
            if type(source) is Produced:
                output = source.step.run.fetched(source.step, source.output)
                what = f"output {source.output!r} of {source.step.label}"
            inputs.append((output.value, self.archive.content(output), what))
        return tuple(inputs)

    def digest_nested(self, step: Step, argument: Argument) -> Digest:
        """The digest of an argument that has sources inside it."""
        value = _Nested(argument.nested).load()
        hasher = Hasher(
            code_of=self._code_of,
            digest_path=self.archive.files.digest,
            known={_Source: lambda source: _digest_of(step, source.index)},
        )
        return hasher.digest(value)

    # the records of runs

    def record_start(self, run: Run, task: Task, started_at_: float) -> None:
        """Record that a run has begun, with this process as its attempt."""
        pid = os.getpid()
        attempt = Attempt(
            task_id=task.id, number=1, started_at=started_at_, host=host_name(), pid=pid,
            pid_started_at=started_at(pid) or 0.0,
        )  # fmt: skip
        events = (
            Event(task.id, task.created_at, Transition.SUBMITTED),
            Event(task.id, started_at_, Transition.STARTED, 1),
        )
        change = Change(task.id, create=task, open=attempt, events=events)
        self.scheduler.adopt(run)
        self._loop.post(lambda: self._recorder.stage(change))

    def record_end(self, run: Run) -> None:
        """Stage the end of a run. In the loop's thread."""
        at = self.now()
        artifacts: tuple[Artifact, ...] = ()
        contents: tuple[tuple[Digest, bytes], ...] = ()
        if run.value is not None and run.status is Status.COMPLETED:
            artifacts = (Artifact(run.task_id, 1, "value", at, run.value.value),)
            if run.value.content is not None:
                contents = ((run.value.value.blob, run.value.content),)
        transition = {
            Status.COMPLETED: Transition.COMPLETED,
            Status.STOPPED: Transition.STOPPED,
        }.get(run.status, Transition.FAILED)
        exit = run.failure.kind.value if run.failure else run.status.value
        self._recorder.stage(
            Change(
                run.task_id,
                close=Closing(1, at, exit, run.failure),
                move=Move(frozenset({Status.RUNNING}), run.status, at, run.failure),
                artifacts=artifacts,
                contents=contents,
                events=(Event(run.task_id, at, transition, 1),),
            )
        )

    # ends

    def kill(self) -> None:
        """End every attempt at once; what was not recorded is not. From any thread."""
        self._loop.post(self.stop_executors)
        self._loop.post(lambda: self.scheduler.fail(Stopped("killed by a second Ctrl-C")))

    def _turn_ended(self) -> None:
        self.scheduler.turn_ended()

    def _loop_failed(self, error: BaseException) -> None:
        self.closed = True  # the next run opens another session
        self.stop_executors()
        self.scheduler.fail(error)

    def close(self) -> None:
        """End the workers, close the store. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self._loop.post(self.stop_executors)
        self._loop.close()
        self.archive.close()


def _reporter_for(settings: Settings) -> Reporter:
    if settings.progress == "off":
        return SilentReporter()
    from pipekit.console.lines import LineReporter

    return LineReporter()


class _Source:
    """Where a source stands in a structure."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class _Nested(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(BytesIO(data))

    def persistent_load(self, index: int) -> Any:
        return _Source(index)


def _digest_of(step: Step, index: int) -> Digest:
    output = stored_of(step, index)
    if output is None:
        raise LookupError(f"input {index} has no value")
    return output.value.digest


def parse_executor(name: str) -> tuple[str, int]:
    """`process:8` -> (`process`, 8); without a number, as many workers as cores.

    Raises:
        UnknownExecutor: no such executor.
    """
    kind, _, count = name.partition(":")
    if kind not in KNOWN_EXECUTORS or (count and (kind != "process" or not count.isdigit())):
        raise UnknownExecutor(name=name, known=KNOWN_EXECUTORS)
    workers = int(count) if count else _cores()
    if workers < 1:
        raise UnknownExecutor(name=name, known=KNOWN_EXECUTORS)
    return kind, workers


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
