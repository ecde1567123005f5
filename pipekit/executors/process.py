"""The `process` executor: warm worker processes on this machine, started as they are needed.

Short calls are sent ahead, so that a worker need not wait for its controller between two of them:
as many as are expected to take a few milliseconds together, by what calls of the same component
took before. A call that turns out slow gives those behind it back. A worker that dies costs the
call that it was in one attempt; what it had not begun goes to another.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, time

from pipekit.diagnostics import debug
from pipekit.errors import PipekitError
from pipekit.executors.capacity import Capacity, Line
from pipekit.executors.escalation import escalate
from pipekit.executors.limit import Limits
from pipekit.executors.obituary import how_it_ended, last_lines, size_of
from pipekit.executors.places import NoWorker, Places
from pipekit.executors.shown_output import hand_on_output, written_to
from pipekit.executors.worker_process import WorkerProcess
from pipekit.liveness import host_name
from pipekit.model.failure import FailureKind
from pipekit.ports import Assignment, Loop, Outcome
from pipekit.worker.board import NO_CALL
from pipekit.worker.infrastructure import kind_of
from pipekit.worker.message import Broke, Done, Logged, Ready, Setup, Stale

_SLOW_SECONDS = 0.05
_WATCH_SECONDS = 0.2
_WATCH_MEMORY_SECONDS = 0.1
_STARTS_BEFORE_GIVING_UP = 3
_WAY_OUT = "let it ask for less, or run it on a machine that has so much."


class ProcessExecutor:
    """The `Executor` port over a pool of `WorkerProcess`."""

    def __init__(
        self,
        loop: Loop,
        setup: Setup,
        *,
        workers: int,
        capacity: Capacity,
        folder: Path,
        log_limit_bytes: int,
        now: Callable[[], float],
    ) -> None:
        """At most so many `workers` run attempts at once. `capacity` is the machine's. `folder` is
        the home; logs go to `<home>/logs`. `now` gives the wall time of records."""
        self._now = now
        self._loop = loop
        self._setup = setup
        self._folder = folder
        self._workers: list[WorkerProcess] = []
        self._capacity = capacity
        self._limits = Limits(capacity, log_limit_bytes=log_limit_bytes)
        self._line: Line[Assignment] = Line()
        self._places = Places(
            self._workers, capacity, most=workers, start=self._start_worker, retire=self._retire
        )
        self._failed_starts = 0
        self._watching: float | None = None
        self.workers_started = 0

    # the port

    def start(self, assignments: Sequence[Assignment]) -> None:
        self._line.add(assignments)
        for assignment in assignments:
            if assignment.resources is not None:
                self._refuse_what_never_fits(assignment)
        self._fill()

    def stop(self, assignment: Assignment) -> None:
        if self._line.remove(assignment):
            self._loop.post(lambda: assignment.report(_stopped()))
            return
        for worker in self._workers:
            for token, other in worker.in_flight.items():
                if other is assignment:
                    self._stop_in(worker, token, assignment)
                    return

    def kill(self, assignment: Assignment) -> bool:
        for worker in list(self._workers):
            if assignment in worker.in_flight.values():
                self._readable(worker)  # it may have come to its end
        self.stop(assignment)
        for worker in list(self._workers):
            if worker.ending is not None and worker.ending[0] is assignment:
                self._died(worker)
        return True

    def close(self) -> None:
        for worker in self._workers:
            self._loop.unwatch(worker.fd)
            worker.end(offspring=worker.is_spent)
            self._places.leave(worker)
        self._workers.clear()
        self._line.clear()
        self._capacity.waiting.pop(self, None)

    # sending

    def _fill(self) -> None:
        touched: dict[WorkerProcess, None] = {}
        self._places.settle()
        while True:
            try:
                chosen = self._line.choose(self._places.find)
            except NoWorker as error:
                self._line.remove(error.assignment)
                self._refuse(error.assignment, FailureKind.INFRASTRUCTURE, str(error))
                continue
            if chosen is None:
                break
            assignment, worker = chosen
            try:
                token = worker.assign(assignment)
            except PipekitError as error:
                self._refuse(assignment, kind_of(error, FailureKind.INPUTS), str(error))
                continue
            if assignment.resources is not None:
                self._places.take(worker, assignment.resources)
                if assignment.resources.memory is not None:
                    self._limits.hold(worker, assignment.resources.memory)
            worker.load += self._places.expected.get(assignment.component.number, 0.0)
            assignment.started_at = self._now()
            assignment.refresh = partial(self._refresh, assignment, worker, token)
            self._identify(assignment, worker)
            assignment.began()
            touched[worker] = None
        for worker in touched:
            self._flush(worker)
        if self._line.has_asking:
            self._capacity.waiting[self] = lambda: self._loop.post(self._fill)
        elif self._capacity.waiting:
            self._capacity.waiting.pop(self, None)
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

    def _refuse_what_never_fits(self, assignment: Assignment) -> None:
        assert assignment.resources is not None
        missing = self._capacity.refusal(assignment.resources, self._places.most)
        if missing and self._line.remove(assignment):
            message = f"it asks for {missing} that this machine has. Hint: {_WAY_OUT}"
            self._refuse(assignment, FailureKind.RESOURCES, message)

    def _start_worker(self, gpus: tuple[str, ...]) -> WorkerProcess:
        self._limits.begin()
        name = f"logs/{int(time() * 1000):x}-{os.getpid()}-{self.workers_started + 1}.log"
        worker = WorkerProcess(
            self._setup,
            log=self._folder / name,
            log_name=name,
            folder=self._folder / "tmp",
            gpus=gpus,
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
            elif type(message) is Ready:  # no proof: it has started when it has answered a call
                worker.reported_cpu_seconds += message.cpu_seconds
        if outdated or spoiled or (worker.is_spent and worker.ending is None):
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
            worker.ending = None  # it ended by itself
        if assignment.wrote is not None and message.log_end > message.log_start:
            hand_on_output(worker, assignment, message.log_start, written_to(message))
        worker.log_at = message.log_end
        following = next(iter(worker.in_flight.values()), None)
        if following is not None:  # the one that it is in now
            following.log_start = worker.log_at
        worker.reported_cpu_seconds += message.cpu_seconds or 0.0
        expected = self._places.expected.get(assignment.component.number)
        took = message.duration_seconds
        if expected is None:
            self._places.expected[assignment.component.number] = took
        else:
            self._places.expected[assignment.component.number] = 0.75 * expected + 0.25 * took
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
                    cpu_seconds=message.cpu_seconds,
                    peak_bytes=worker.peak_of(message.peak_bytes),
                )
            )

    def _broke(self, worker: WorkerProcess, message: Broke) -> bool:
        """Report it; True where the worker is to be replaced instead, for its code is older."""
        ending = worker.ending
        assignment = self._take(worker, message)
        if assignment is None:
            return False
        kind = message.kind
        was_asked = ending is not None and ending[0] is assignment
        if kind is FailureKind.STOPPED and not was_asked:
            kind = FailureKind.ERROR  # the step's own KeyboardInterrupt is an error like others
        if kind is FailureKind.CODE_CHANGED and not (assignment.asked_afresh or was_asked):
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
                cpu_seconds=message.cpu_seconds,
                peak_bytes=worker.peak_of(message.peak_bytes),
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
        self._line.put_back(assignments)

    def _remove(self, worker: WorkerProcess) -> int:
        self._workers.remove(worker)
        self._loop.unwatch(worker.fd)
        status = worker.end(offspring=worker.is_spent)
        self._places.leave(worker)
        return status

    def _died(self, worker: WorkerProcess) -> None:
        token, began = worker.board.current()
        charged = worker.in_flight.pop(token, None)
        ending = worker.ending
        log_start = worker.log_at
        others = list(worker.in_flight.values())
        worker.is_spent = worker.is_spent or charged is not None
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
        hand_on_output(worker, charged, log_start, size_of(worker.log))
        if ending is not None and ending[0] is charged:
            kind, message = ending[1], ending[2]
        else:
            kind, message = self._limits.judge(worker, charged, status, took)
        cpu_seconds, peak_bytes = worker.used()
        charged.report(
            Outcome(
                took,
                kind,
                message=message,
                log_path=worker.log_name,
                log_start=log_start,
                log_end=size_of(worker.log),
                cpu_seconds=cpu_seconds,
                peak_bytes=peak_bytes,
                next_memory=self._limits.next_memory(charged) if kind is FailureKind.MEMORY else 0,
            )
        )

    def _give_up(self, assignments: list[Assignment], worker: WorkerProcess, status: int) -> None:
        self._failed_starts = 0
        said = last_lines(worker.log)
        # One that ends by itself would do so again; one that is killed may find more room later.
        killed = os.WIFSIGNALED(status)
        for assignment in (*assignments, *self._line):
            assignment.report(
                Outcome(
                    0.0,
                    FailureKind.INFRASTRUCTURE if killed else FailureKind.IMPORT,
                    message=f"no worker process could start ({how_it_ended(status)}):\n{said}",
                )
            )
        self._line.clear()

    def _stop_in(self, worker: WorkerProcess, token: int, assignment: Assignment) -> None:
        current, _ = self._take_back(worker)
        if token not in worker.in_flight:
            self._line.remove(assignment)
            self._loop.post(lambda: assignment.report(_stopped()))
            self._loop.post(self._fill)
            return
        if worker.ending is not None or token != current:
            return
        worker.ending = (assignment, FailureKind.STOPPED, "stopped on request")
        worker.is_spent = True
        is_in = lambda: worker in self._workers and token in worker.in_flight  # noqa: E731
        stop_seconds = self._setup.settings.stop_seconds
        escalate(worker, is_in, stop_seconds=stop_seconds, loop=self._loop)
        self._loop.post(self._fill)  # what was behind it may find another place

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
            if worker.watch is not None:
                wait = _WATCH_MEMORY_SECONDS
            # This is asked whenever calls are sent: it looks at one of a worker's at most.
            if len(flying) > 1 or next(iter(flying.values())).timeout_seconds is not None:
                wait = _SLOW_SECONDS
                break
            wait = wait or _WATCH_SECONDS
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
        self._limits.look_around()
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
                    hand_on_output(worker, assignment, worker.log_at, size)
            if (
                len(worker.in_flight) > 1
                and now - began > _SLOW_SECONDS
                and self._places.has_place()
            ):
                self._take_back(worker)
            excess = self._limits.find_excess(worker, assignment, now - began)
            if excess is not None:
                self._kill(worker, assignment, *excess)
        self._fill()
        self._keep_watch()

    def _kill(
        self, worker: WorkerProcess, assignment: Assignment, kind: FailureKind, message: str
    ) -> None:
        self._take_back(worker)
        worker.ending = (assignment, kind, message)
        worker.is_spent = True
        worker.interrupt(signal.SIGKILL)


def _stopped() -> Outcome:
    return Outcome(0.0, FailureKind.STOPPED, message="stopped before it began")
