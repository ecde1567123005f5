"""The `process` executor: warm worker processes on this machine, started as they are needed.

Short calls are sent ahead, so that a worker need not wait for its controller between two of them:
as many as are expected to take `_HORIZON_SECONDS` together, by what calls of the same component
took before. A call that turns out slow gives those behind it back. A worker that dies costs the
call that it was in one attempt; what it had not begun goes to another.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, time

from pipekit.diagnostics import debug
from pipekit.errors import PipekitError
from pipekit.executors.obituary import how_it_ended, last_lines, obituary, size_of
from pipekit.executors.worker_process import WorkerProcess
from pipekit.liveness import host_name
from pipekit.model.failure import FailureKind
from pipekit.ports import Assignment, Loop, Outcome
from pipekit.worker.board import NO_CALL
from pipekit.worker.message import Broke, Done, Logged, Setup, Stale

_HORIZON_SECONDS = 0.005
_SLOW_SECONDS = 0.05
_WATCH_SECONDS = 0.2
_SHOWN_BYTES = 65536
"""Of what an attempt writes between two looks, this much of its end is handed on."""
_KILL_AFTER_SECONDS = 5.0
_STARTS_BEFORE_GIVING_UP = 3


class ProcessExecutor:
    """The `Executor` port over a pool of `WorkerProcess`."""

    def __init__(
        self,
        loop: Loop,
        setup: Setup,
        *,
        workers: int,
        folder: Path,
        log_limit_bytes: int,
        now: Callable[[], float],
    ) -> None:
        """`folder` is the home; logs go to `<home>/logs`. `now` gives the wall time of records."""
        self._now = now
        self._loop = loop
        self._setup = setup
        self._most = workers
        self._folder = folder
        self._log_limit_bytes = log_limit_bytes
        self._workers: list[WorkerProcess] = []
        self._waiting: deque[Assignment] = deque()
        self._expected: dict[int, float] = {}
        self._failed_starts = 0
        self._watching: float | None = None
        self.workers_started = 0

    # the port

    def start(self, assignments: Sequence[Assignment]) -> None:
        self._waiting.extend(assignments)
        self._fill()

    def stop(self, assignment: Assignment) -> None:
        if assignment in self._waiting:
            self._waiting.remove(assignment)
            self._loop.post(lambda: assignment.report(_stopped()))
            return
        for worker in self._workers:
            for token, other in worker.in_flight.items():
                if other is assignment:
                    self._stop_in(worker, token, assignment)
                    return

    def close(self) -> None:
        for worker in self._workers:
            self._loop.unwatch(worker.fd)
            worker.end()
        self._workers.clear()
        self._waiting.clear()

    # sending

    def _fill(self) -> None:
        touched: dict[WorkerProcess, None] = {}
        while self._waiting:
            try:
                worker = self._place_for(self._waiting[0])
            except OSError as error:
                if self._workers:
                    self._most = len(self._workers)  # no more than these can be had
                    continue
                message = f"no worker process can be started: {error}"
                self._refuse(self._waiting.popleft(), FailureKind.IMPORT, message)
                continue
            if worker is None:
                break
            assignment = self._waiting.popleft()
            try:
                token = worker.assign(assignment)
            except PipekitError as error:
                self._refuse(assignment, FailureKind.INPUTS, str(error))
                continue
            worker.load += self._expected.get(assignment.component.number, 0.0)
            assignment.started_at = self._now()
            assignment.refresh = partial(self._refresh, assignment, worker, token)
            self._identify(assignment, worker)
            assignment.began()
            touched[worker] = None
        for worker in touched:
            self._flush(worker)
        if self._workers:
            self._keep_watch()

    def _refresh(self, assignment: Assignment, worker: WorkerProcess, token: int) -> bool:
        """It began when its worker did, which may be a while after it was sent."""
        if token not in worker.in_flight or not worker.board.seems_in(token):
            return False
        current, began = worker.board.current()
        if current != token:
            return False
        assignment.started_at = self._now() - max(0.0, monotonic() - began)
        return True

    def _refuse(self, assignment: Assignment, kind: FailureKind, message: str) -> None:
        outcome = Outcome(0.0, kind, message=message)
        self._loop.post(lambda: assignment.report(outcome))

    def _place_for(self, assignment: Assignment) -> WorkerProcess | None:
        """An idle worker, else a new one, else one whose queue is short enough, else None."""
        least: WorkerProcess | None = None
        for worker in reversed(self._workers):
            if not worker.in_flight:
                return worker
            if least is None or worker.load < least.load:
                least = worker
        if len(self._workers) < self._most:
            return self._start_worker()
        expected = self._expected.get(assignment.component.number)
        if expected is None or least is None or least.ending is not None:
            return None
        return least if least.load + expected <= _HORIZON_SECONDS else None

    def _start_worker(self) -> WorkerProcess:
        name = f"logs/{int(time() * 1000):x}-{os.getpid()}-{self.workers_started + 1}.log"
        worker = WorkerProcess(
            self._setup, log=self._folder / name, log_name=name, folder=self._folder / "tmp"
        )
        debug("worker", "process %s started, console in %s", worker.pid, worker.log)
        self.workers_started += 1
        self._workers.append(worker)
        self._loop.watch(worker.fd, lambda: self._readable(worker))
        return worker

    def _flush(self, worker: WorkerProcess) -> None:
        try:
            sent = worker.flush()
        except OSError:
            return  # its end of the socket is closed: reading will say so
        callback = lambda: self._readable(worker)  # noqa: E731
        if sent:
            self._loop.watch(worker.fd, callback)
        else:
            self._loop.watch(worker.fd, callback, write=True)

    # receiving

    def _readable(self, worker: WorkerProcess) -> None:
        messages = worker.receive()
        if messages is None:
            self._died(worker)
            self._fill()
            return
        outdated = spoiled = False
        for message in messages:
            if type(message) is Done:
                self._done(worker, message)
            elif type(message) is Broke:
                outdated = self._broke(worker, message) or outdated
            elif type(message) is Stale:
                if self._is_stale(worker, message):
                    outdated, spoiled = outdated or not message.changed, True
            elif type(message) is Logged and message.token in worker.in_flight:
                worker.in_flight[message.token].logged(message)
            # `Ready` alone is no proof: it counts as started when it has answered a call.
        if outdated or spoiled:
            self._retire(worker)
            idle = [other for other in self._workers if not other.in_flight] if outdated else []
            for other in idle:
                self._retire(other)  # as old as that one
        else:
            self._flush(worker)
        self._fill()

    def _take(self, worker: WorkerProcess, message: Done | Broke) -> Assignment | None:
        """What the message answers; None where it was answered before."""
        assignment = worker.in_flight.pop(message.token, None)
        if assignment is None:
            return None
        self._failed_starts = 0
        if worker.ending is not None and worker.ending[0] is assignment:
            worker.ending = None  # it ended by itself, and its worker lives on
        if assignment.wrote is not None and message.log_end > message.log_start:
            self._hand_on_output(worker, assignment, message.log_start, _written_to(message))
        worker.log_at = message.log_end
        following = next(iter(worker.in_flight.values()), None)
        if following is not None:  # the one that it is in now
            following.log_start = worker.log_at
        expected = self._expected.get(assignment.component.number)
        took = message.duration_seconds
        if expected is None:
            self._expected[assignment.component.number] = took
        else:
            self._expected[assignment.component.number] = 0.75 * expected + 0.25 * took
            worker.load = max(0.0, worker.load - expected)
        if not worker.in_flight:
            worker.load = 0.0
        assignment.started_at = self._now() - took
        return assignment

    def _identify(self, assignment: Assignment, worker: WorkerProcess) -> None:
        assignment.host = host_name()
        assignment.pid = worker.pid
        assignment.pid_started_at = worker.pid_started_at
        assignment.log_path, assignment.log_start = worker.log_name, worker.log_at

    def _done(self, worker: WorkerProcess, message: Done) -> None:
        assignment = self._take(worker, message)
        if assignment is not None:
            assignment.report(
                Outcome(
                    message.duration_seconds,
                    outputs=message.outputs,
                    none=message.none,
                    reads=message.reads,
                    unsure=message.unsure,
                    changed=message.changed,
                    log_path=worker.log_name,
                    log_start=message.log_start,
                    log_end=message.log_end,
                )
            )

    def _broke(self, worker: WorkerProcess, message: Broke) -> bool:
        """Report it; True where the worker is to be replaced instead, for its code is older."""
        was_asked = worker.ending is not None
        assignment = self._take(worker, message)
        if assignment is None:
            return False
        kind = message.kind
        if kind is FailureKind.STOPPED and not was_asked:
            kind = FailureKind.ERROR  # the step's own KeyboardInterrupt is an error like others
        if message.kind is FailureKind.CODE_CHANGED and not assignment.asked_afresh:
            # A warm worker may have imported the code before it was edited: ask a fresh one.
            assignment.asked_afresh = True
            self._wait_again([assignment])
            return True
        assignment.report(
            Outcome(
                message.duration_seconds,
                kind,
                message=message.message,
                traceback=message.traceback,
                exception_class=message.exception_class,
                bases=message.bases,
                exception=message.exception,
                log_path=worker.log_name,
                log_start=message.log_start,
                log_end=message.log_end,
            )
        )
        return False

    def _is_stale(self, worker: WorkerProcess, message: Stale) -> bool:
        """Put back what the worker did not begin, for it remembers what has changed since; the
        worker is to be replaced."""
        assignment = worker.in_flight.pop(message.token, None)
        if assignment is None:
            return False
        if worker.ending is not None and worker.ending[0] is assignment:
            _, kind, text = worker.ending
            worker.ending = None
            assignment.report(Outcome(0.0, kind, message=text))
            return True
        if message.changed:
            assignment.found_changed = message.changed
            debug("worker", "process %s is replaced: %s", worker.pid, message.changed)
        self._wait_again([assignment])
        return True

    # ending

    def _retire(self, worker: WorkerProcess) -> None:
        """End a worker that has begun nothing; what it was sent goes to another."""
        self._take_back(worker)
        self._wait_again(list(worker.in_flight.values()))
        worker.in_flight.clear()
        self._remove(worker)

    def _wait_again(self, assignments: list[Assignment]) -> None:
        """Put what was sent and not begun back in front, in its order."""
        for assignment in assignments:
            assignment.started_at = 0.0
            assignment.shown_to = 0
        self._waiting.extendleft(reversed(assignments))

    def _remove(self, worker: WorkerProcess) -> int:
        self._workers.remove(worker)
        self._loop.unwatch(worker.fd)
        return worker.end()

    def _died(self, worker: WorkerProcess) -> None:
        token, began = worker.board.current()
        charged = worker.in_flight.pop(token, None)
        ending = worker.ending
        log_start = worker.log_at
        others = list(worker.in_flight.values())
        status = self._remove(worker)
        debug("worker", "process %s ended by itself, status %s", worker.pid, status)
        if others and charged is None and token == NO_CALL:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS_BEFORE_GIVING_UP:
                self._give_up(others, worker, status)
                return
        self._wait_again(others)
        if charged is None:
            return
        took = max(0.0, monotonic() - began)
        charged.started_at = self._now() - took
        self._hand_on_output(worker, charged, log_start, size_of(worker.log))
        if ending is not None and ending[0] is charged:
            kind, message = ending[1], ending[2]
        else:
            kind, message = (
                FailureKind.EXITED,
                obituary(_attempt(charged), status, took, worker.log, log_start),
            )
        charged.report(
            Outcome(
                took,
                kind,
                message=message,
                log_path=worker.log_name,
                log_start=log_start,
                log_end=size_of(worker.log),
            )
        )

    def _give_up(self, assignments: list[Assignment], worker: WorkerProcess, status: int) -> None:
        self._failed_starts = 0
        said = last_lines(worker.log)
        for assignment in (*assignments, *self._waiting):
            assignment.report(
                Outcome(
                    0.0,
                    FailureKind.IMPORT,
                    message=f"no worker process could start ({how_it_ended(status)}):\n{said}",
                )
            )
        self._waiting.clear()

    def _stop_in(self, worker: WorkerProcess, token: int, assignment: Assignment) -> None:
        current, _ = self._take_back(worker)
        if token not in worker.in_flight:
            self._waiting.remove(assignment)
            self._loop.post(lambda: assignment.report(_stopped()))
            return
        if worker.ending is not None or token != current:
            return
        worker.ending = (assignment, FailureKind.STOPPED, "stopped on request")
        worker.interrupt(signal.SIGINT)
        self._loop.call_later(_KILL_AFTER_SECONDS, lambda: self._kill_if_in(worker, token))

    def _kill_if_in(self, worker: WorkerProcess, token: int) -> None:
        if worker in self._workers and token in worker.in_flight:
            worker.interrupt(signal.SIGKILL)

    def _take_back(self, worker: WorkerProcess) -> tuple[int, float]:
        """Take back what the worker has not begun; the call that it is in."""
        token, began = worker.board.take_back(worker.last_token + 1)
        behind = [other for other in worker.in_flight if other > token]
        self._wait_again([worker.in_flight.pop(other) for other in behind])
        worker.load = 0.0
        return token, began

    # watching

    def _keep_watch(self) -> None:
        """Look again when the first of what can happen without a message may have happened."""
        wait = None
        for worker in self._workers:
            flying = worker.in_flight
            if not flying:
                continue
            # This is asked whenever calls are sent: it looks at one of a worker's at most.
            if len(flying) > 1 or next(iter(flying.values())).timeout_seconds is not None:
                wait = _SLOW_SECONDS
                break
            wait = _WATCH_SECONDS
        if wait is None:
            return
        due = monotonic() + wait
        if self._watching is None or due < self._watching - 0.001:
            self._watching = due
            self._loop.call_later(wait, lambda: self._watch(due))

    def _watch(self, due: float) -> None:
        if self._watching != due:
            return  # an earlier look was arranged meanwhile
        self._watching = None
        now = monotonic()
        for worker in list(self._workers):
            if not worker.in_flight:
                continue
            if worker.has_exited():
                # Something that it started holds its end of the socket open.
                self._died(worker)
                continue
            token, began = worker.board.current()
            assignment = worker.in_flight.get(token)
            if assignment is None or worker.ending is not None:
                continue
            if assignment.wrote is not None and token == next(iter(worker.in_flight)):
                size = size_of(worker.log)
                # What was written while it was still in that call is that call's.
                if worker.board.current()[0] == token:
                    self._hand_on_output(worker, assignment, worker.log_at, size)
            if len(worker.in_flight) > 1 and now - began > _SLOW_SECONDS and self._has_place():
                self._take_back(worker)
            self._end_if_over(worker, assignment, now - began)
        self._fill()
        self._keep_watch()

    def _hand_on_output(
        self, worker: WorkerProcess, assignment: Assignment, start: int, end: int
    ) -> None:
        """Tell what the attempt, whose console begins at `start`, has written up to `end`."""
        begin = max(start, assignment.shown_to)
        if assignment.wrote is None or end <= begin:
            return
        left_out = max(0, end - begin - _SHOWN_BYTES)
        try:
            with worker.log.open("rb") as file:
                file.seek(begin + left_out)
                data = file.read(end - begin - left_out)
        except OSError:
            return
        assignment.shown_to = end
        assignment.wrote(data, left_out)

    def _has_place(self) -> bool:
        """Whether a call that is taken back would start elsewhere at once."""
        if len(self._workers) < self._most:
            return True
        return any(not worker.in_flight for worker in self._workers)

    def _end_if_over(self, worker: WorkerProcess, assignment: Assignment, took: float) -> None:
        limit = assignment.timeout_seconds
        if limit is not None and took > limit:
            message = f"{_attempt(assignment)} was ended after its timeout of {limit:g} s."
            self._kill(worker, assignment, FailureKind.TIMEOUT, message)
        elif size_of(worker.log) - worker.log_at > self._log_limit_bytes:
            message = (
                f"{_attempt(assignment)} was ended: it wrote more than {self._log_limit_bytes:,} "
                "bytes to its console. Hint: print less, or raise PIPEKIT_LOG_LIMIT_BYTES."
            )
            self._kill(worker, assignment, FailureKind.FLOODED, message)

    def _kill(
        self, worker: WorkerProcess, assignment: Assignment, kind: FailureKind, message: str
    ) -> None:
        self._take_back(worker)
        worker.ending = (assignment, kind, message)
        worker.interrupt(signal.SIGKILL)


def _written_to(message: Done | Broke) -> int:
    """Where the console of an attempt ends, without the traceback that its worker adds."""
    if isinstance(message, Done):
        return message.log_end
    return message.log_end - len(message.traceback.encode(errors="backslashreplace"))


def _stopped() -> Outcome:
    return Outcome(0.0, FailureKind.STOPPED, message="stopped before it began")


def _attempt(assignment: Assignment) -> str:
    return f"Attempt {assignment.number} of {assignment.label}"
