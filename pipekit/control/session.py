"""A session: the settings of one home and all that is wired to them, opened when first needed.

One process has one session a home; its loop, its workers and its connection serve every run there.
"""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path
from time import time

from pipekit.capture.fingerprint import Fingerprinter
from pipekit.clock import IdMaker, SystemClock
from pipekit.control.archive import Archive
from pipekit.control.child import ChildExecutor
from pipekit.control.executor_set import ExecutorSet
from pipekit.control.loop import SelectorLoop
from pipekit.control.recorder import Recorder
from pipekit.control.reporter import SilentReporter
from pipekit.control.run import Run
from pipekit.control.scheduler import Scheduler
from pipekit.control.use import Use
from pipekit.errors import Stopped
from pipekit.liveness import host_name, started_at
from pipekit.model.records import Task
from pipekit.model.value import Digest
from pipekit.ports import Reporter
from pipekit.settings import Settings

_sessions: dict[Path, Session] = {}
_sessions_lock = threading.Lock()


def session_for(settings: Settings) -> Session:
    """The session of a home in this process, opened where there is none yet."""
    with _sessions_lock:
        session = _sessions.get(settings.home)
        if session is None or session.retired or session.pid != os.getpid():
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
        self.retired = False
        """No further run is to use it: its loop or its store is gone. Its last run closes it."""
        self._is_closed = False
        self.fingerprinter = Fingerprinter(root=settings.project_root)
        self._open_runs = 0
        self.archive = Archive(settings, code_of=self._code_of)
        self.reporter: Reporter = reporter or _reporter_for(settings)
        self.now = time
        self.new_id = IdMaker(SystemClock())
        self.ending_lock = threading.Lock()
        self._runs_lock = threading.Lock()
        self._loop = SelectorLoop(self._turn_ended, self._loop_failed)
        self.executors = ExecutorSet(self._loop, self.archive, self.fingerprinter)
        self._recorder = Recorder(self.archive.store, host=host_name(), pid=self.pid)
        self.scheduler = Scheduler(
            self._loop,
            self.archive,
            self._recorder,
            self.executors,
            self.reporter,
            self.ending_lock,
            self.now,
        )
        self.executors.add("pipeline", ChildExecutor(self._loop, self.scheduler.send))
        self._loop.start()

    # what the floors below need

    def enter_run(self) -> None:
        """A run begins. What globals hold is looked at anew, unless another run goes on, for which
        it is frozen."""
        with self._runs_lock:
            if self._open_runs == 0:
                self.fingerprinter.thaw()
                self._loop.post(self.executors.refresh)
            self._open_runs += 1

    def leave_run(self) -> None:
        """A run has ended."""
        with self._runs_lock:
            self._open_runs -= 1
            is_last = self._open_runs == 0
        if is_last and self.retired:
            self.close()

    def _code_of(self, obj: object) -> Digest:
        return self.fingerprinter.code_of(obj)

    def warn_of_blind_spots(self, run: Run, use: Use) -> None:
        """Name, once a run, what the fingerprint of a component could not follow."""
        for spot in use.fingerprint.blind_spots:
            known = (spot.file, spot.line, spot.what)
            if known not in run.blind_spots:
                run.blind_spots.add(known)
                self.reporter.blind_spot(use.name, spot.what, spot.file, spot.line)

    # the beginning and the end

    def begin(self, run: Run, task: Task) -> None:
        """Have a run recorded and told of."""
        self.scheduler.adopt(run)
        began = started_at(self.pid) or 0.0
        self._loop.post(lambda: self._recorder.run_began(task, began))
        self.reporter.run_began(run.facts)

    def kill(self) -> None:
        """End every attempt at once; what was not recorded is not. From any thread."""
        self._loop.post(self.executors.stop)
        self._loop.post(lambda: self.scheduler.fail(Stopped("killed by a second Ctrl-C")))

    def _turn_ended(self) -> None:
        self.scheduler.turn_ended()

    def _loop_failed(self, error: BaseException) -> None:
        self.retired = True
        self.executors.stop()
        self.scheduler.fail(error)

    def close(self) -> None:
        """End the workers, close the store. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = self.retired = True
        self._loop.post(self.executors.stop)
        self._loop.close()
        self.archive.close()


def _reporter_for(settings: Settings) -> Reporter:
    if settings.progress == "off":
        return SilentReporter()
    from pipekit.console.lines import LineReporter

    return LineReporter()
