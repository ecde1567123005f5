"""Runs a task of a script here and now: its project's files in a fresh folder, its process.

The process writes what it logs itself; this one starts it, waits, and says how it ended. The
attempt may have been opened by whoever claimed the task, or is opened here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep

from pipekit.artifacts.snapshot import unpack
from pipekit.control.archive import Archive
from pipekit.control.script import (
    FAILURE_VARIABLE,
    FOLLOWED_VARIABLE,
    LEASE_SECONDS,
    LIFELINE_VARIABLE,
    TASK_VARIABLE,
)
from pipekit.control.script_entry import ScriptEntry
from pipekit.control.script_exit import read_failure
from pipekit.errors import (
    BlobMissing,
    NotRunnable,
    PipekitError,
    StoreUnavailable,
    UsageError,
    short,
)
from pipekit.executors.obituary import how_it_ended, last_lines
from pipekit.liveness import has_exited, host_name, started_at
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import Attempt, Change, Closing, Event, Kind, Move, Task
from pipekit.model.status import TERMINAL, Status, Transition, sources_of
from pipekit.origin import COPY_VARIABLE

TIMEOUT = "timeout"
"""Among the settings of a spec: the seconds after which an attempt is ended."""
_LOOK_SECONDS = 0.2
_SHORTEST_SECONDS = 0.002
_LONGEST_SECONDS = 0.03
_BEAT_SECONDS = 10.0
_KILL_AFTER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt at a script ended."""

    transition: Transition
    failure: Failure | None


def open_attempt(archive: Archive, task: Task, *, log_path: str) -> int:
    """Have this process run a task that is a draft, or waits: the number of its attempt.

    Raises:
        UsageError: it runs, or has ended.
    """
    now = archive.clock.now()
    number = len(archive.store.list_attempts(task.id)) + 1
    pid = os.getpid()
    attempt = Attempt(
        task.id, number, now, host_name(), pid, started_at(pid) or 0.0,
        lease_until=now + LEASE_SECONDS, heartbeat_at=now, log_path=log_path,
    )  # fmt: skip
    move = Move(sources_of(Transition.STARTED), Status.RUNNING, now)
    started = Event(task.id, now, Transition.STARTED, number)
    if archive.store.commit([Change(task.id, open=attempt, move=move, events=(started,))])[0]:
        return number
    found = archive.store.find_task(task.id) or task
    hint = f"clone it: pipekit clone {short(task.id)} --run" if found.status in TERMINAL else ""
    raise UsageError(
        f"Task {found.name!r} ({short(task.id)}) is {found.status}: it cannot be run now.",
        hint=hint,
    )


class ScriptProcess:
    """The process of one attempt at a script's task."""

    def __init__(self, archive: Archive, task: Task, number: int, *, log: Path) -> None:
        """Start it.

        Raises:
            NotRunnable, PipekitError: its files cannot be had.
            OSError: no process can be started.
        """
        self._archive = archive
        self._task = task
        self._number = number
        self.log = log
        # Not in the home, for what lies there does not count among what steps read. By its name
        # others find it, should this process die (`remove_copies`).
        self._folder = Path(mkdtemp(prefix=f"pipekit-{task.id}-{number}-")).resolve()
        self._failure_path = self._folder / "failure.json"
        self._asked_at: float | None = None
        self._is_terminated = False
        self._why = ""
        # Held open as long as this process lives: the script's hears of its death by it.
        heard, self._lifeline = os.pipe()
        try:
            self._process = self._start(heard)
        except BaseException:
            os.close(self._lifeline)
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        finally:
            os.close(heard)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _start(self, heard: int) -> subprocess.Popen[bytes]:
        spec = self._task.spec
        entry = ScriptEntry.of(spec)
        project = self._folder / "project"
        unpack(_snapshot(self._archive, self._task), project)
        if entry.path and not (project / entry.path).is_file():
            raise NotRunnable(
                f"The snapshot of task {self._task.name!r} ({short(self._task.id)}) has no file "
                f"{entry.path!r}.",
                hint="see that .gitignore and .pipekitignore leave it in, and run it once more.",
            )
        folder = project / spec.folder
        folder.mkdir(parents=True, exist_ok=True)  # one without files does not travel
        settings = self._archive.settings
        environment = os.environ | {
            TASK_VARIABLE: f"{self._task.id}:{self._number}",
            FAILURE_VARIABLE: str(self._failure_path),
            LIFELINE_VARIABLE: f"{heard}:{os.getpid()}",
            COPY_VARIABLE: str(project),
            "PIPEKIT_HOME": str(settings.home),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": _joined(
                *(str(project / path) for path in entry.search_path),
                os.environ.get("PYTHONPATH", ""),
            ),
        }
        environment.pop(FOLLOWED_VARIABLE, None)
        if settings.store:
            environment["PIPEKIT_STORE"] = settings.store
        if settings.artifacts:
            environment["PIPEKIT_ARTIFACTS"] = settings.artifacts
        with open(
            self.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)
        ) as console:
            return subprocess.Popen(
                [sys.executable, *entry.command(project), *spec.argv],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=console,
                stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(heard,),
            )  # fmt: skip

    def stop(self, why: str) -> None:
        """Ask it to end: SIGINT, later SIGTERM, at last SIGKILL, each to all that it has started.
        Idempotent."""
        if self._asked_at is None and not has_exited(self._process.pid):
            self._asked_at, self._why = monotonic(), why
            self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it at once, with all that it has started."""
        if self._process.returncode is None:  # else its pid may be another's by now
            self._signal(signal.SIGKILL)

    def wait(self, look: Callable[[], None] = lambda: None) -> Ended:
        """Wait for its end; `look` is called now and then meanwhile."""
        looked, pause = monotonic(), _SHORTEST_SECONDS
        while not has_exited(self._process.pid):
            sleep(pause)
            pause = min(2 * pause, _LONGEST_SECONDS)
            if monotonic() - looked > _LOOK_SECONDS:
                looked = monotonic()
                look()
                self._escalate()
        self._signal(signal.SIGKILL)  # what it has started and left behind
        ended = self._ended(self._process.wait())
        os.close(self._lifeline)
        shutil.rmtree(self._folder, ignore_errors=True)
        return ended

    def _escalate(self) -> None:
        if self._asked_at is None:
            return
        waited = monotonic() - self._asked_at
        patience = self._archive.settings.stop_seconds
        if waited > patience + _KILL_AFTER_SECONDS:
            self._signal(signal.SIGKILL)
        elif waited > patience and not self._is_terminated:
            self._is_terminated = True  # once: what it does at its end is not to be interrupted
            self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _ended(self, code: int) -> Ended:
        left = read_failure(str(self._failure_path))
        if self._asked_at is not None and (code or left):
            return Ended(Transition.STOPPED, Failure(FailureKind.STOPPED, self._why))
        if left is not None:
            stopped = left.kind is FailureKind.STOPPED
            return Ended(Transition.STOPPED if stopped else Transition.FAILED, left)
        if code == 0:
            return Ended(Transition.COMPLETED, None)
        status = code << 8 if code > 0 else -code
        said = last_lines(self.log)
        text = f"it {how_it_ended(status)}"
        return Ended(
            Transition.FAILED,
            Failure(
                FailureKind.EXITED, f"{text}. Its last log lines follow.\n{said}" if said else text
            ),
        )


def close_attempt(archive: Archive, task_id: str, number: int, ended: Ended) -> bool:
    """Record the end of an attempt; False where it was not open any more."""
    at = archive.clock.now()
    status = {
        Transition.COMPLETED: Status.COMPLETED,
        Transition.FAILED: Status.FAILED,
        Transition.STOPPED: Status.STOPPED,
    }[ended.transition]
    failure = ended.failure
    closing = Closing(number, at, failure.kind.value if failure else status.value, failure)
    move = Move(frozenset({Status.RUNNING}), status, at, failure)
    event = Event(task_id, at, ended.transition, number)
    change = Change(task_id, close=closing, move=move, events=(event,), fence=number)
    return archive.store.commit([change])[0]


def execute_script(
    archive: Archive, task: Task, number: int, *, log: Path,
    look: Callable[[], None] = lambda: None,
) -> Ended:  # fmt: skip
    """Run an attempt that is open to its end, and record that. Renews its lease meanwhile, and
    hears whether it is to stop. `look` is called now and then, and after the end; what it raises
    ends the process, and nothing is recorded."""
    try:
        process = ScriptProcess(archive, task, number, log=log)
    except (PipekitError, OSError) as error:
        ended = Ended(Transition.FAILED, Failure(FailureKind.IMPORT, str(error)))
        close_attempt(archive, task.id, number, ended)
        return ended
    beat = [monotonic()]
    began, limit = monotonic(), task.spec.settings.get(TIMEOUT)
    is_late = [False]

    def look_after() -> None:
        look()
        if limit is not None and not is_late[0] and monotonic() - began > limit:
            is_late[0] = True
            process.stop("ended after its time limit")
        try:
            if monotonic() - beat[0] > _BEAT_SECONDS:
                beat[0] = monotonic()
                now = archive.clock.now()
                archive.store.renew({task.id: number}, at=now, until=now + LEASE_SECONDS)
            if archive.store.list_stop_requests([task.id]):
                process.stop("stopped by 'pipekit stop'")
        except StoreUnavailable:
            pass  # the next look may find it again; the end says so itself

    try:
        ended = process.wait(look_after)
    except KeyboardInterrupt as interrupt:
        ended = _stopped(process, look, str(interrupt) or "Ctrl-C")
        close_attempt(archive, task.id, number, ended)
        raise
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        look()
    if is_late[0] and limit is not None and ended.transition is not Transition.COMPLETED:
        late = Failure(FailureKind.TIMEOUT, late_text(task.name, task.id, number, limit))
        ended = Ended(Transition.FAILED, late)
    close_attempt(archive, task.id, number, ended)
    return ended


def late_text(name: str, task_id: str, number: int, limit: float) -> str:
    """Why an attempt failed that took too long."""
    return (
        f"Attempt {number} of {name!r} ({short(task_id)}) was ended after its time limit of "
        f"{limit:g} s."
    )


def _stopped(process: ScriptProcess, look: Callable[[], None], by: str) -> Ended:
    """Its end, once it was asked to; a second Ctrl-C ends it at once."""
    process.stop(f"stopped by {by}")
    try:
        return process.wait(look)
    except KeyboardInterrupt:
        process.kill()
        return process.wait(look)


def check_runnable(task: Task) -> None:
    """
    Raises:
        NotRunnable: no process can be started from the record.
    """
    if task.kind is not Kind.SCRIPT:
        raise NotRunnable(f"{task.name!r} ({short(task.id)}) is a {task.kind.value}, no script.")
    if not task.spec.snapshot:
        raise NotRunnable(
            f"Task {task.name!r} ({short(task.id)}) has no snapshot of its project's files, so it "
            "cannot be run from its record.",
            hint="run the script once more where it lies: a warning there says why it had none.",
        )
    ScriptEntry.of(task.spec)


def _snapshot(archive: Archive, task: Task) -> Path:
    check_runnable(task)
    found = archive.blobs.find(task.spec.snapshot)
    if found is None:
        raise BlobMissing(digest=task.spec.snapshot, what=f"the project of task {task.name!r}")
    return found


def _joined(*paths: str) -> str:
    return os.pathsep.join([path for path in paths if path])
