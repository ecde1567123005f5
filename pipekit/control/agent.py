"""An agent: takes tasks from queues, runs each in a process of its own, and sees to it that none
is lost.

One thread takes tasks and waits for the ends of their processes; another says each second that the
agent lives: it renews leases, hands back what other agents have left behind, and ends what does not
obey a wish to stop. How a task ended is recorded by the task's own process. Where that ends without
a record, the task waits again, in this agent or in another. A process whose attempt someone else
has closed meanwhile is killed: what it still writes would be refused.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from types import FrameType

from pipekit.console.quantity import seconds_text, time_text
from pipekit.control.archive import Archive
from pipekit.control.claimed import ClaimedProcess
from pipekit.control.lost import (
    HandedBack,
    find_claimed,
    forget_dead_agents,
    hand_back,
    hand_back_lost,
    take_back,
)
from pipekit.errors import PipekitError, StoreUnavailable, short
from pipekit.liveness import host_name, started_at
from pipekit.model.records import Agent as AgentRecord
from pipekit.model.records import Claimer, Kind, Task
from pipekit.model.status import Status

LEASE_SECONDS = 30.0
_BEAT_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.01
_PAUSE_SECONDS = 0.2
"""Between two looks at a queue where nothing waits."""
_SILENT_PAUSE_SECONDS = 2.0
"""The same where the store is out of reach."""
_SWEEP_SECONDS = 5.0
_FOREVER = float("inf")
_GRACE_SECONDS = 15.0
"""How much longer than its steps a run may take to stop."""


class Agent:
    """Takes tasks until it is told to end.

    Args:
        archive: Of the home that it serves.
        queues: Those before others are served first.
        slots: How many tasks it runs at once.
        once: Whether it ends after one task.
        drain: Whether it ends when nothing waits.
        tell: Takes a line about what it does.
    """

    def __init__(
        self, archive: Archive, *, queues: Sequence[str], slots: int = 1, once: bool = False,
        drain: bool = False, tell: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        self._archive = archive
        self._store = archive.store
        self._queues = tuple(queues)
        self._slots = 1 if once else slots
        self._once = once
        self._drain = drain
        self._tell = tell
        pid = os.getpid()
        self.id = f"{host_name()}-{pid}-{os.urandom(3).hex()}"
        self._claimer = Claimer(self.id, host_name(), pid, started_at(pid) or 0.0)
        self._began_at = archive.clock.now()
        self._running: dict[str, ClaimedProcess] = {}
        self._lock = threading.Lock()
        """Over `_running`, and over the ends of what is in it."""
        self._over = threading.Event()
        self._asked = 0
        """How often it was told to end."""
        self._obeyed = 0
        self._taken = 0
        self._pause = _FIRST_PAUSE_SECONDS
        self._found_nothing = False
        self._is_silent = False
        self._sweep_at = 0.0

    def run(self) -> None:
        """Serve the queues to the end.

        Raises:
            StoreUnavailable: the store is out of reach at the beginning.
            PipekitError: it cannot renew its leases any more.
        """
        forget_dead_agents(self._archive)
        self._report()
        self._tell_handed_back(hand_back_lost(self._archive))
        beat = threading.Thread(target=self._beat, name="pipekit heartbeat", daemon=True)
        with self._woken_by_signals() as wakes:
            beat.start()
            try:
                while not self._is_over():
                    if not beat.is_alive():  # others would be given what runs here
                        raise PipekitError(
                            "The heartbeat of this agent has failed: it ends, and what it runs "
                            "waits again. What has happened is told above."
                        )
                    self._sweep()
                    self._take()
                    self._wait(wakes)
                    self._obey()
                    self._reap()
            finally:
                self._end()
                beat.join()
                with contextlib.suppress(StoreUnavailable):
                    self._store.remove_agent(self.id)

    # what is taken

    def _is_over(self) -> bool:
        if self._running:
            return False
        done = (self._once and self._taken > 0) or (self._drain and self._found_nothing)
        return done or self._asked > 0

    def _takes_more(self) -> bool:
        """Whether there is a place, or may be one: see `_open_queues`."""
        if self._asked or (self._once and self._taken):
            return False
        conducting = sum(one.task.kind is Kind.PIPELINE for one in self._running.values())
        return len(self._running) - conducting < self._slots

    def _open_queues(self) -> Sequence[str]:
        """Where the next task may come from. A run whose own tasks wait on queues gives up its
        place to one of them: with each place taken by such a run, all would wait for ever.

        Raises:
            StoreUnavailable: the store is out of reach.
        """
        if len(self._running) < self._slots:
            return self._queues
        waiting = {
            task.queue
            for one in self._running.values()
            if one.task.kind is Kind.PIPELINE
            for task in self._store.list_tasks(parent=one.task.id, statuses=(Status.QUEUED,))
        }
        return tuple(queue for queue in self._queues if queue in waiting)

    def _take(self) -> None:
        """Claim as long as there is a place and something waits."""
        while self._takes_more():
            now = self._archive.clock.now()
            try:
                queues = self._open_queues()
                task = queues and self._store.claim(
                    queues, self._claimer, now=now, until=now + LEASE_SECONDS
                )
            except StoreUnavailable as error:
                self._tell_silence(error)
                return
            self._is_silent = False
            self._found_nothing = not task
            if not task:
                return
            self._pause = _FIRST_PAUSE_SECONDS
            self._taken += 1
            self._start(task)

    def _start(self, task: Task) -> None:
        try:
            attempt = find_claimed(self._archive, task.id, self.id)
        except StoreUnavailable as error:
            self._tell_silence(error)
            return
        if attempt is None:
            return  # taken away within this moment
        try:
            process = ClaimedProcess(self._archive.settings, task, attempt.number)
        except OSError as error:
            self._say(f"{_named(task)} could not be started: {error.strerror or error}")
            why = f"No process could be started for it ({error.strerror or error})."
            with contextlib.suppress(StoreUnavailable):  # it is handed back later
                hand_back(self._archive, attempt, why)
            return
        with self._lock:
            self._running[task.id] = process
        again = f", attempt {attempt.number}" if attempt.number > 1 else ""
        self._say(f"took {_named(task)} from {task.queue}{again}")

    def _tell_silence(self, error: StoreUnavailable) -> None:
        self._pause = _SILENT_PAUSE_SECONDS
        if not self._is_silent:
            self._is_silent = True
            self._say(f"cannot take tasks: {error}")

    # what becomes of it

    def _wait(self, wakes: socket.socket) -> None:
        """Until a process has ended, a signal has come, or it is time for another look."""
        if self._is_over():
            return
        seconds = _LOOK_SECONDS
        if self._takes_more():
            seconds = self._pause
            self._pause = max(self._pause, min(_PAUSE_SECONDS, self._pause * 1.5))
        if select.select([wakes], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                wakes.recv(4096)

    def _reap(self) -> None:
        with self._lock:
            ended = [process for process in self._running.values() if process.has_ended()]
            for process in ended:
                del self._running[process.task.id]
        if ended:
            self._found_nothing = False  # that was before: it may have enqueued something since
        for process in ended:
            how = process.close()
            try:
                self._settle(process, how)
            except StoreUnavailable as error:
                # Where its attempt is open still, it is handed back later.
                self._say(f"cannot see how {_named(process.task)} ended: {error}")

    def _settle(self, process: ClaimedProcess, how: str) -> None:
        """Say how a task ended; where its process did not record that, hand it back."""
        attempt = find_claimed(self._archive, process.task.id, self.id)
        if attempt is not None and attempt.number == process.number:
            why = "Its agent ended." if process.is_asked else how
            handed = hand_back(self._archive, attempt, why, counts=not process.is_asked)
            if handed is not None:
                self._tell_end(process, f"{handed.status}: {why}" if not process.is_asked else "")
            return
        if process.is_asked and take_back(self._archive, process.task.id, process.number):
            self._tell_end(process, "")
            return
        found = self._store.find_task(process.task.id) or process.task
        text = f"{found.status} in {seconds_text(process.seconds)}"
        if found.failure is not None and found.status is not Status.COMPLETED:
            text += f": {found.failure.message.partition(chr(10))[0]}"
        self._tell_end(process, text)

    def _tell_end(self, process: ClaimedProcess, text: str) -> None:
        task = process.task
        self._say(f"{_named(task)} {text or f'was stopped, and waits on {task.queue} again'}")

    def _sweep(self) -> None:
        """Hand back what is this agent's by the records and not in its hands: the store was out of
        reach when it was taken, or when it ended."""
        if monotonic() < self._sweep_at:
            return
        self._sweep_at = monotonic() + _SWEEP_SECONDS
        try:
            for attempt in self._store.list_lost(_FOREVER):
                if attempt.agent == self.id and attempt.task_id not in self._running:
                    hand_back(self._archive, attempt, "Its agent lost sight of it.")
        except StoreUnavailable:
            pass  # at the next look

    def _end(self) -> None:
        """Nothing that was started lives on."""
        for process in list(self._running.values()):
            process.is_asked = True
            process.kill()
            while not process.has_ended():
                process.kill()
        self._reap()
        self._over.set()

    # meanwhile

    def _beat(self) -> None:
        beaten_at = monotonic()
        while not self._over.wait(_LOOK_SECONDS):
            try:
                self._look_at_stops()
                self._tell_handed_back(hand_back_lost(self._archive))
                if monotonic() - beaten_at >= _BEAT_SECONDS:
                    self._renew()
                    self._report()
                    beaten_at = monotonic()
            except StoreUnavailable:
                pass  # the next look may find it again; who takes tasks says so

    def _renew(self) -> None:
        with self._lock:
            running = list(self._running.values())
        mine = {}
        for process in running:
            attempt = find_claimed(self._archive, process.task.id, self.id)
            if attempt is not None and attempt.number == process.number:
                mine[process.task.id] = process.number
            elif process.is_doubtful and not process.has_ended():
                self._say(f"{_named(process.task)} was taken away: its process is ended")
                process.kill()
            process.is_doubtful = process.task.id not in mine
        if mine:
            now = self._archive.clock.now()
            self._store.renew(mine, at=now, until=now + LEASE_SECONDS)

    def _look_at_stops(self) -> None:
        """A process that is to stop its task does so by itself; not for ever."""
        with self._lock:
            running = dict(self._running)
        if not running:
            return
        patience = 1.5 * self._archive.settings.stop_seconds + _GRACE_SECONDS
        for task_id in self._store.list_stop_requests(list(running)):
            process = running.get(task_id)
            if process is None:
                continue
            if process.stop_seen_at is None:
                process.stop_seen_at = monotonic()
            elif monotonic() - process.stop_seen_at > patience:
                process.kill()

    def _report(self) -> None:
        self._store.report_agent(
            AgentRecord(
                self.id, self._claimer.host, self._claimer.pid, self._claimer.pid_started_at,
                self._queues, self._slots, self._began_at, self._archive.clock.now(),
            )
        )  # fmt: skip

    def _tell_handed_back(self, found: Sequence[HandedBack]) -> None:
        for task, attempt, status in found:
            where = f"waits on {task.queue} again" if status is Status.QUEUED else f"is {status}"
            self._say(
                f"{_named(task)} {where}: the agent that ran it (pid {attempt.pid} on "
                f"{attempt.host}) is gone"
            )

    def _say(self, text: str) -> None:
        self._tell(f"{time_text(self._archive.clock.now())} {text}")

    # signals

    @contextlib.contextmanager
    def _woken_by_signals(self) -> Iterator[socket.socket]:
        """SIGINT and SIGTERM tell the agent to end, and the end of a process wakes it."""
        wakes, waker = socket.socketpair()
        wakes.setblocking(False)
        waker.setblocking(False)
        asking = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        taken = {
            one: signal.signal(one, self._asked_to_end)
            for one in asking
            if one != signal.SIGHUP or signal.getsignal(one) is signal.SIG_DFL  # as under nohup
        }
        taken[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        before = signal.set_wakeup_fd(waker.fileno())
        try:
            yield wakes
        finally:
            signal.set_wakeup_fd(before)
            for one, handler in taken.items():
                signal.signal(one, handler)
            wakes.close()
            waker.close()

    def _asked_to_end(self, number: int, _: FrameType | None) -> None:
        self._asked += 1  # and no more: it may have come in the middle of anything

    def _obey(self) -> None:
        """Do what the signals that have come since ask for."""
        while self._obeyed < self._asked:
            self._obeyed += 1
            running = list(self._running.values())
            if running:
                self._obey_next(running)

    def _obey_next(self, running: Sequence[ClaimedProcess]) -> None:
        many = "what it runs" if len(running) > 1 else _named(running[0].task)
        if self._obeyed == 1:
            self._say(f"ends when {many} has ended; once more: stop that, and hand it back")
        elif self._obeyed == 2:
            self._say(f"stops {many}; once more: kill it")
            for process in running:
                process.ask()
        else:
            for process in running:
                process.is_asked = True
                process.kill()


def _named(task: Task) -> str:
    return f"{task.name} ({short(task.id)})"
