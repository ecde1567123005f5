"""A session: the settings of one home and all that is wired to them, opened when first needed.

One process has one session a home; its loop, its workers and its connection serve every run there.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from pipekit import crash
from pipekit.capture.code_facts import Facts
from pipekit.capture.fingerprint import Fingerprint, Fingerprinter
from pipekit.capture.source_text import SourceText
from pipekit.clock import Clock, IdMaker
from pipekit.control.archive import Archive
from pipekit.control.child import ChildExecutor
from pipekit.control.earlier import what_changed
from pipekit.control.executor_set import ExecutorSet
from pipekit.control.loop import SelectorLoop
from pipekit.control.recorder import Recorder
from pipekit.control.reporter import SilentReporter
from pipekit.control.run import Run
from pipekit.control.scheduler import Scheduler
from pipekit.control.script_executor import ScriptExecutor
from pipekit.control.step import Step
from pipekit.control.use import SCRIPTS, Use
from pipekit.diagnostics import debug
from pipekit.errors import BlindSpotRefused, SettingsError, Stopped, StoreError
from pipekit.liveness import host_name, started_at
from pipekit.model.records import Change, Task
from pipekit.model.value import Digest
from pipekit.reporting import Reporter, StepFacts
from pipekit.settings import Settings, command_for
from pipekit.worker.message import Logged

_sessions: dict[Path, Session] = {}
_clocks: dict[Path, Clock] = {}
"""Of homes that have one of their own."""
_archives: dict[Path, Archive] = {}
"""Of homes without a session in this process."""
_sessions_lock = threading.Lock()
_of_parent: list[tuple[object, ...]] = []
"""What a forked child has from its parent, and leaves alone."""


def session_for(settings: Settings) -> Session:
    """The session of a home in this process, opened where there is none yet."""
    with _sessions_lock:
        session = _sessions.get(settings.home)
        if session is None or session.retired:
            session = _sessions[settings.home] = Session(settings, clock=_clocks.get(settings.home))
        return session


def _leave_parent() -> None:
    """In a forked child: the sessions are its parent's, whose threads are not here. They are kept,
    for to close their connections is the parent's matter; nothing waits for what they were in."""
    global _sessions_lock
    _sessions_lock = threading.Lock()
    for session in _sessions.values():
        session.leave()
    _of_parent.append((*_sessions.values(), *_archives.values()))
    _sessions.clear()
    _archives.clear()


os.register_at_fork(after_in_child=_leave_parent)


def find_session(home: Path) -> Session | None:
    """The session of a home that is open in this process; opens none."""
    with _sessions_lock:
        return _sessions.get(home)


def set_clock(home: Path, clock: Clock) -> None:
    """Have the sessions of a home that are opened from now on, until it is closed, take their time
    from `clock`."""
    with _sessions_lock:
        _clocks[home] = clock


def close_session(home: Path) -> None:
    """Close what this process has open of one home, and forget its clock. Idempotent."""
    with _sessions_lock:
        session = _sessions.pop(home, None)
        archive = _archives.pop(home, None)
        _clocks.pop(home, None)
    if session is not None:
        session.close()
    if archive is not None:
        archive.close()


def archive_for(settings: Settings) -> Archive:
    """The archive of a home: that of this process's session where there is one, else opened for
    reading, as in a worker."""
    with _sessions_lock:
        session = _sessions.get(settings.home)
        if session is not None and not session.retired:
            return session.archive
        archive = _archives.get(settings.home)
        if archive is None:
            archive = _archives[settings.home] = Archive(settings)
        return archive


@atexit.register
def close_sessions() -> None:
    """End the workers and close the stores of every session of this process."""
    with _sessions_lock:
        sessions = list(_sessions.values())
        _sessions.clear()
    for session in sessions:
        session.close()


class Session:
    """Everything that runs of one home share.

    Raises (at creation):
        StoreUnavailable, StoreVersionMismatch: the home or its store cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        reporter: Reporter | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self._pid = os.getpid()
        self.retired = False
        """No further run is to use it: its loop or its store is gone. Its last run closes it."""
        self._is_closed = False
        facts = Facts(settings.home / "cache", lambda: self.archive.key())
        self.fingerprinter = Fingerprinter(root=settings.project_root, facts=facts)
        self._open_runs = 0
        self._sources: set[Digest] = set()
        """Of functions, that are recorded since a run was begun while no other went on."""
        self._codes: set[Digest] = set()
        """Fingerprints whose parts are recorded."""
        self.archive = Archive(settings, code_of=self._code_of, named=self._named, clock=clock)
        self._check_key()
        self.reporter: Reporter = reporter or _reporter_for(settings, self.archive)
        self.now = self.archive.clock.now
        self.new_id = IdMaker(self.archive.clock)
        self.ending_lock = threading.Lock()
        self._runs_lock = threading.Lock()
        self._loop = SelectorLoop(self._turn_ended, self._loop_failed)
        self.executors = ExecutorSet(self._loop, self.archive, self.fingerprinter)
        self._recorder = Recorder(self.archive.store, host=host_name(), pid=self._pid)
        self.scheduler = Scheduler(
            self._loop,
            self.archive,
            self._recorder,
            self.executors,
            self.reporter,
            self.ending_lock,
        )
        stop_run = self.scheduler.stopping.stop_run
        self.executors.add("pipeline", ChildExecutor(self._loop, stop_run, self.now))
        scripts = ScriptExecutor(
            self._loop,
            self.archive,
            stage=self._recorder.stage,
            stop_step=self.scheduler.stopping.stop_step,
        )
        self.executors.add(SCRIPTS, scripts)
        self._loop.start()

    def _check_key(self) -> None:
        """Before anything is recorded: workers cannot begin without the key.

        Raises:
            SettingsError: it cannot be read.
        """
        try:
            self.archive.key()
        except SettingsError:
            self.archive.close()
            raise

    # what the floors below need

    def enter_run(self) -> None:
        """A run begins. What globals hold is looked at anew, unless another run goes on, for which
        it is frozen."""
        with self._runs_lock:
            if self._open_runs == 0:
                self.fingerprinter.thaw()
                # With the runs that had them, they may have been collected.
                self._sources.clear()
                self._codes.clear()
                self._loop.post(self.executors.refresh)
            self._open_runs += 1

    def leave_run(self) -> None:
        """A run has ended."""
        with self._runs_lock:
            self._open_runs -= 1
            is_last = self._open_runs == 0
        if is_last:
            self.fingerprinter.facts.save()
        if is_last and self.retired:
            self.close()

    def _code_of(self, obj: object) -> Digest:
        return self.fingerprinter.code_of(obj)

    def _named(self, objs: Iterable[object]) -> dict[str, Digest]:
        return self.fingerprinter.codes.named(objs)

    def warn_of_blind_spots(self, run: Run, use: Use) -> None:
        """Name, once a run, what the fingerprint of a component could not follow.

        Raises:
            BlindSpotRefused: its policy is to have none.
        """
        spots = use.fingerprint.blind_spots
        if use.blind_spots in ("ok", "rerun"):
            return
        if spots and use.blind_spots == "error":
            raise BlindSpotRefused(component=use.name, spots=[str(spot) for spot in spots])
        for spot in spots:
            known = (spot.file, spot.line, spot.what)
            if known not in run.blind_spots:
                run.blind_spots.add(known)
                self.reporter.blind_spot(use.name, spot.what, spot.file, spot.line)

    def warn_of_changes(self, run: Run) -> None:
        """Name what the pipeline function has changed of large values that steps in workers rest
        on: at their calls only the others are compared."""
        for use in list(run.uses.values()):
            changed = use.find_change() if use.executor != "inline" else ""
            variable = changed.partition(" was ")[0]
            if changed and variable not in run.changes:
                run.changes.add(variable)
                self.reporter.warned(
                    f"{changed} since step {use.name!r} was first called: worker processes did not "
                    "see that. Hint: pass the value as an argument."
                )

    def keep_source(self, run: Run, source: SourceText) -> None:
        """Have the text of a function recorded, where it was not by this session."""
        if source.digest and source.digest not in self._sources:
            self._sources.add(source.digest)
            change = Change(run.task_id, contents=((source.digest, source.content),))
            self._loop.post(lambda: self._recorder.stage(change))

    def keep_code(self, run: Run, fingerprint: Fingerprint) -> None:
        """Have what a fingerprint is made of recorded, where it was not yet."""
        if fingerprint.digest and fingerprint.digest not in self._codes:
            self._codes.add(fingerprint.digest)
            self._loop.post(lambda: self._record_code(run.task_id, fingerprint))

    def _record_code(self, task_id: str, fingerprint: Fingerprint) -> None:
        from pipekit.control.code_record import contents_of, is_recorded  # where there is a step

        try:
            if is_recorded(self.archive.store, fingerprint.digest):
                return
        except StoreError:
            return  # the commit of this very round will tell
        contents = contents_of(fingerprint, self.fingerprinter.root)
        self._recorder.stage(Change(task_id, contents=contents))

    def post(self, callback: Callable[[], None]) -> None:
        """Run a callback in the loop's thread, soon. From any thread."""
        self._loop.post(callback)

    # the beginning and the end

    def begin(
        self, run: Run, task: Task | None, contents: tuple[tuple[Digest, bytes], ...] = ()
    ) -> None:
        """Have a run told of and recorded, with the bytes that its record refers to; None: that has
        been done."""
        self.scheduler.adopt(run)
        run.is_begun = True
        if crash.armed:
            crash.at("controller.run-begins")
        began = started_at(self._pid) or 0.0
        # Sent, not posted: what was posted may come after events that are sent later, the end too.
        if contents:
            change = Change(run.task_id, contents=contents)
            self.scheduler.send(run, lambda: self._recorder.stage(change))
        if task is not None:
            self.scheduler.send(run, lambda: self._recorder.run_began(task, began))
        self._loop.post(self.scheduler.stopping.look_later)
        self._loop.post(self.scheduler.heartbeat.beat_later)
        debug("run", "%s %s began, executor %s", run.name, run.task_id, run.executor)
        self.reporter.run_began(run.facts)
        if crash.armed:
            crash.at("controller.run-begun")

    def log(self, run: Run, logged: Logged) -> None:
        """Have what a run's own function has logged recorded. From any thread."""
        self.scheduler.send(
            run, lambda: self._recorder.logged(run.task_id, run.attempt, logged, self.now())
        )
        if logged.progress is not None:
            number = run.attempt
            facts = StepFacts(run.facts, run.task_id, run.name, "", number, number, run.started_at)
            done, total = logged.progress
            self._loop.post(lambda: self.reporter.step_progressed(facts, done, total))

    def kill(self, run: Run) -> None:
        """End a run and its attempts at once; they are recorded as stopped. From any thread."""
        reason = run.stop_reason or "stopped by Ctrl-C"
        self._loop.post(lambda: self.scheduler.stopping.kill(run, reason))

    def kill_later(self, run: Run) -> None:
        """The same, unless it ends by itself in the time that a stop may take. From any thread."""
        self._loop.post(lambda: self.scheduler.stopping.kill_later(run))

    def stop_step(self, step: Step, reason: str = "") -> None:
        """Stop one step, and let its run go on. From any thread. `reason` is how that is told."""
        said = reason or "stopped by Task.stop()"
        self._loop.post(lambda: self.scheduler.stopping.stop_step(step, said))

    def _turn_ended(self) -> None:
        self.scheduler.turn_ended()

    def _loop_failed(self, error: BaseException) -> None:
        self.retired = True
        try:
            self.executors.stop()
        finally:  # whatever else is broken: nobody is to wait for what does not come
            self.scheduler.fail(error, for_good=True)

    def leave(self) -> None:
        """This process was forked: everything here is its parent's."""
        self.retired = True
        self.ending_lock = threading.Lock()
        self._runs_lock = threading.Lock()
        self.scheduler.leave()

    def close(self) -> None:
        """End the workers, close the store. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = self.retired = True
        self.fingerprinter.facts.save()
        if crash.armed:
            crash.at("controller.closing")
        self._loop.post(self.executors.stop)
        self._loop.close()
        self.scheduler.fail(Stopped("The session of its home was closed."), for_good=True)
        self.archive.close()


def _reporter_for(settings: Settings, archive: Archive) -> Reporter:
    if settings.progress == "off":
        return SilentReporter()
    from pipekit.console.choice import reporter_for

    return reporter_for(
        settings.progress,
        command=lambda: command_for(settings.home),
        why=lambda task_id: what_changed(archive.store, task_id),
        now=archive.clock.now,
    )
