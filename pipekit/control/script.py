"""A script's own task while its process runs: what it writes to the store, itself.

The process may have made the task (`begin_script`), or may have been started to run it
(`attach_script`, told by `PIPEKIT_TASK`). Each change carries the number of its attempt: one that
has lost its task changes nothing any more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pipekit.clock import IdMaker
from pipekit.console.note import note
from pipekit.control.archive import Archive
from pipekit.errors import (
    PipekitError,
    StoreError,
    StoreUnavailable,
    TaskNotFound,
    TaskTaken,
    short,
)
from pipekit.liveness import host_name, started_at, this_pid
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import (
    Artifact,
    Attempt,
    Change,
    Closing,
    Edit,
    Event,
    Kind,
    Metric,
    Move,
    Task,
    TaskSpec,
)
from pipekit.model.status import TERMINAL, Status, Transition, sources_of
from pipekit.model.value import Digest
from pipekit.worker.message import Logged
from pipekit.worker.task_log import TaskLog

TASK_VARIABLE = "PIPEKIT_TASK"
"""`<id>:<number>`: the task, and the attempt at it, for which a process was started."""
FAILURE_VARIABLE = "PIPEKIT_FAILURE"
"""The file in which such a process leaves what it raised."""
LIFELINE_VARIABLE = "_PIPEKIT_LIFELINE"
"""`<file number>:<pid>`: the process that has started such a one, and a file whose end says that it
is gone."""
FOLLOWED_VARIABLE = "_PIPEKIT_SCRIPT"
"""`<id>:<id or nothing>:<folder>`: the script's task, the same again where its parameters were
given to it, and where its project is, for processes that load the script's module again."""
PROGRESS = "progress"
"""The metric that holds how far a script has come, in percent."""
ADDED = "added"
"""Among the settings of a spec: whole keys of parameters that its code had not named."""
TEXTS = "texts"
"""Among them: whole key -> what was typed for a parameter without a value to go by, and taken for
something else than text."""
FREE = "free"
"""Among them: whole keys of parameters that had no value before a clone was given
one, so that any type may stand there."""
LEASE_SECONDS = 30.0
_BEAT_SECONDS = 10.0
_LOOK_SECONDS = 1.0


class ScriptRun:
    """One attempt at a script's task, in the process that is it. Thread-safe."""

    def __init__(self, archive: Archive, task: Task, number: int, *, is_own: bool) -> None:
        """`is_own`: this process made the task and says how it ends; else the one that started it
        does."""
        self.archive = archive
        self.task_id = task.id
        self.name = task.name
        self.project = task.project
        self.number = number
        self.is_own = is_own
        self.given: Mapping[str, Any] = {} if is_own else task.spec.parameters
        """What stood in the record when this process began: it is what the script is to run with.
        A script that nobody was asked to run is run as it stands."""
        self.added = frozenset() if is_own else added_to(task.spec)
        self.texts: Mapping[str, str] = {} if is_own else task.spec.settings.get(TEXTS, {})
        self._pid = this_pid()
        self._lock = threading.RLock()
        self._spec = task.spec
        self._is_over = False
        self._has_lost = False
        """Something that was logged, which was said."""
        self._stop = threading.Event()
        self.on_stop: Callable[[], None] = lambda: None
        """Called in a thread when someone asks for the task to be stopped."""
        self.before_edit: list[Callable[[], None]] = []
        """Called before the end, for what is still to be recorded."""
        self.log = TaskLog(
            task.id,
            settings=archive.settings,
            token=0,
            outputs=(),
            artifacts=archive.artifacts,
            send=self._record,
        )
        if is_own:
            threading.Thread(target=self._beat, name="pipekit heartbeat", daemon=True).start()

    @property
    def parameters(self) -> Mapping[str, Any]:
        """As they are recorded, by whole keys."""
        return self._spec.parameters

    @property
    def is_over(self) -> bool:
        """Whether nothing can be recorded any more, here: it has ended, or this is a forked child
        of its process."""
        return self._is_over or this_pid() != self._pid

    @property
    def has_ended(self) -> bool:
        """Whether its end is recorded, or others are to record it."""
        return self._is_over

    def set_parameters(self, values: Mapping[str, Any], *, replaces: bool = False) -> None:
        """Record parameters, beside those that are and in place of those of the same key; with
        `replaces` in place of all."""
        with self._lock:
            parameters = dict(values) if replaces else {**self._spec.parameters, **values}
            if not _alike(parameters, self._spec.parameters):
                spec = replace(self._spec, parameters=parameters)
                self._say(edit=Edit(spec=spec))
                self._spec = spec

    def end(
        self, transition: Transition, *, failure: Failure | None = None, queue: str | None = None
    ) -> bool:
        """Record the end of the attempt, and where the task stands then: `enqueued` puts it on
        `queue`, `dequeued` makes a draft of it again. False where someone else has recorded an
        end. Nothing is recorded afterwards. Idempotent."""
        with self._lock:
            if self.is_over:
                return False
            self._record_rest()
            self._is_over = True
            self._stop.set()
            at = self.archive.clock.now()
            first = Transition.ENQUEUED if transition is Transition.DEQUEUED else transition
            exit_ = failure.kind.value if failure else first.value
            closing = Closing(self.number, at, exit_, failure, log_end=self._log_size())
            move = Move(sources_of(first), _STATUS_AFTER[first], at, failure, queue=queue)
            event = Event(self.task_id, at, first, self.number, queue or "")
            changes = [
                Change(self.task_id, close=closing, move=move, events=(event,), fence=self.number)
            ]
            if transition is Transition.DEQUEUED:
                move = Move(sources_of(transition), Status.DRAFT, at)
                event = Event(self.task_id, at, transition, self.number)
                changes.append(Change(self.task_id, move=move, events=(event,)))
            return self.archive.store.commit(changes, if_first=True)[0]

    def wait_for_end(self, seconds: float) -> bool:
        """Whether the end is recorded within so long."""
        return self._stop.wait(seconds)

    def leave(self) -> None:
        """Record what is left to be, where others record the end."""
        with self._lock:
            self._record_rest()
            self._is_over = True

    def _record_rest(self) -> None:
        """What was not recorded yet. That it cannot be must not keep the end from being so."""
        try:
            self.record_connected()
            self.log.close()
        except PipekitError as error:
            note(f"not all of task {self.name!r} ({short(self.task_id)}) was recorded: {error}")

    def record_connected(self) -> None:
        """What the objects that are connected with the task hold now."""
        for callback in self.before_edit:
            callback()

    def _log_size(self) -> int | None:
        for attempt in self.archive.store.list_attempts(self.task_id):
            if attempt.number == self.number and attempt.log_path:
                try:
                    return (self.archive.settings.home / attempt.log_path).stat().st_size
                except OSError:
                    return None
        return None

    def _record(self, logged: Logged) -> None:
        now = self.archive.clock.now()
        metrics = [
            Metric(self.task_id, self.number, one.name, one.value, one.at, one.step)
            for one in logged.metrics
        ]
        if logged.progress is not None:
            done, total = logged.progress
            percent = 100.0 * done / total if total else done
            metrics.append(Metric(self.task_id, self.number, PROGRESS, percent, now))
        try:
            self._record_logged(logged, metrics, now)
        except StoreError as error:
            if logged.artifacts or this_pid() != self._pid:
                raise
            # Numbers are sent on now and then, from whatever thread logs: nobody is to be stopped
            # by what happened to others.
            if not self._has_lost:
                self._has_lost = True
                note(f"what task {self.name!r} logs is not recorded: {error}")

    def _record_logged(self, logged: Logged, metrics: list[Metric], now: float) -> None:
        self._say(
            artifacts=tuple(
                Artifact(self.task_id, self.number, output.name, now, output.value)
                for output in logged.artifacts
            ),
            contents=tuple(
                (output.value.blob, output.content)
                for output in logged.artifacts
                if output.content is not None
            ),
            metrics=tuple(metrics),
        )

    def _say(self, **what: Any) -> None:
        if this_pid() != self._pid:
            raise PipekitError(
                f"Nothing can be recorded for task {self.name!r} by a process that it has started.",
                hint="hand the value to the script's own process, and record it there.",
            )
        if not self.archive.store.commit([Change(self.task_id, fence=self.number, **what)])[0]:
            raise TaskTaken(task=self.name, task_id=self.task_id)

    def _beat(self) -> None:
        """Say that this process lives, and hear whether it is to stop."""
        store, waited = self.archive.store, 0.0
        while not self._stop.wait(_LOOK_SECONDS):
            if this_pid() != self._pid:
                return
            waited += _LOOK_SECONDS
            try:
                if waited >= _BEAT_SECONDS:
                    waited = 0.0
                    now = self.archive.clock.now()
                    until = now + LEASE_SECONDS
                    store.renew({self.task_id: self.number}, at=now, until=until)
                if store.list_stop_requests([self.task_id]):
                    self.on_stop()
                    return
            except StoreUnavailable:
                pass  # the next look may find it again; what is recorded says so itself


def _alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether both say the same, also of what types: 1, 1.0 and True are three things."""
    return repr(sorted(a.items())) == repr(sorted(b.items()))


_STATUS_AFTER = {
    Transition.COMPLETED: Status.COMPLETED,
    Transition.FAILED: Status.FAILED,
    Transition.STOPPED: Status.STOPPED,
    Transition.ENQUEUED: Status.QUEUED,
}


class FollowedScript:
    """The script's task in a process that only loads the script's module again, for the functions
    in it: what stood in the parameters is injected there too, and nothing is recorded."""

    is_over = True

    def __init__(self, archive: Archive, task: Task | None, *, task_id: str = "") -> None:
        """None: nothing was given to what is loaded."""
        self.archive = archive
        self.task_id = task_id
        self.name = task.name if task is not None else ""
        self.project = task.project if task is not None else ""
        self.given: Mapping[str, Any] = task.spec.parameters if task is not None else {}
        self.added = added_to(task.spec) if task is not None else frozenset()
        settings = task.spec.settings if task is not None else {}
        self.texts: Mapping[str, str] = settings.get(TEXTS, {})
        self.before_edit: list[Callable[[], None]] = []

    def set_parameters(self, values: Mapping[str, Any], *, replaces: bool = False) -> None:
        """They are recorded by the script's own process."""


Script = ScriptRun | FollowedScript


def added_to(spec: TaskSpec) -> frozenset[str]:
    """Whole keys of parameters that were given to a task, and that its code had not named."""
    return frozenset(spec.settings.get(ADDED, ())) & spec.parameters.keys()


def defaults_of(spec: TaskSpec) -> dict[str, Any]:
    """The values whose types those that are given take: what is recorded, but None for what had no
    value before a clone was given one."""
    free = spec.settings.get(FREE, ())
    return {key: None if key in free else value for key, value in spec.parameters.items()}


def begin_script(
    archive: Archive,
    *,
    name: str,
    project: str,
    type_: str,
    tags: tuple[str, ...],
    spec: TaskSpec,
    reuse_last: bool,
    log_path: str,
    contents: tuple[tuple[Digest, bytes], ...] = (),
) -> ScriptRun:
    """A new task for the script that runs in this process, or with `reuse_last` the last of its
    name and project where that has ended: it begins anew. `contents` are bytes that the spec
    refers to.

    Raises:
        StoreUnavailable: it cannot be recorded.
    """
    now = archive.clock.now()
    last = _last_of(archive, name, project) if reuse_last else None
    number = 1
    changes = []
    if last is None:
        task = Task(
            id=IdMaker(archive.clock)(),
            kind=Kind.SCRIPT,
            name=name,
            project=project,
            status=Status.RUNNING,
            created_at=now,
            started_at=now,
            spec=spec,
            type=type_,
            tags=tags,
        )
        create, move = task, None
    else:
        number = len(archive.store.list_attempts(last.id)) + 1
        task = replace(last, spec=spec)
        reset = Move(sources_of(Transition.RESET), Status.DRAFT, now)
        changes.append(
            Change(
                last.id,
                move=reset,
                edit=Edit(type=type_, tags=tags),
                events=(Event(last.id, now, Transition.RESET, number - 1),),
            )
        )
        changes.append(Change(last.id, edit=Edit(spec=spec)))
        create, move = None, Move(sources_of(Transition.STARTED), Status.RUNNING, now)
    attempt = Attempt(
        task.id, number, now, host_name(), os.getpid(), started_at(os.getpid()) or 0.0,
        lease_until=now + LEASE_SECONDS, heartbeat_at=now, log_path=log_path,
    )  # fmt: skip
    started = Event(task.id, now, Transition.STARTED, number)
    changes.append(
        Change(
            task.id, create=create, open=attempt, move=move, events=(started,), contents=contents
        )
    )
    if not all(archive.store.commit(changes, if_first=True)):
        raise StoreUnavailable(
            f"Task {name!r} ({short(task.id)}) was changed by another process at this moment.",
            hint="run the script again, or without reuse_last.",
        )
    return ScriptRun(archive, task, number, is_own=True)


def _last_of(archive: Archive, name: str, project: str) -> Task | None:
    found = archive.store.list_tasks(kinds=(Kind.SCRIPT,), name=name, project=project, limit=1)
    return found[0] if found and found[0].status in TERMINAL else None


def attach_script(archive: Archive, words: str) -> ScriptRun:
    """The task that this process was started to run, by `PIPEKIT_TASK`.

    Raises:
        TaskNotFound, PipekitError: there is no such task, or its attempt is over.
    """
    task_id, _, number = words.partition(":")
    task = archive.store.find_task(task_id)
    if task is None or not number.isdigit():
        raise TaskNotFound.of_id(task_id)
    attempts = archive.store.list_attempts(task_id)
    if not attempts or attempts[-1].number != int(number) or attempts[-1].ended_at is not None:
        raise PipekitError(
            f"Attempt {number} of task {task.name!r} ({short(task_id)}) is over: this process is "
            "not to run it any more.",
            hint=f"see 'pipekit show {short(task_id)}'.",
        )
    return ScriptRun(archive, task, int(number), is_own=False)


def failure_of(error: BaseException, traceback: str) -> Failure:
    """What a script raised, as its task's failure."""
    name = type(error).__name__
    text = str(error)
    return Failure(FailureKind.ERROR, f"{name}: {text}" if text else name, traceback, name)
