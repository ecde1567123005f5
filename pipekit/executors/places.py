"""The places of one pool of workers: which of them, or which new one, an attempt gets. Sends
nothing, and ends none but idle ones.

A step that asks for nothing takes one place, that is one worker, and counts as one CPU. One that
asks for something has a worker for itself while it runs. A worker that was started for certain GPUs
is kept for steps that get just these, and is no place for others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipekit.executors.capacity import Capacity
from pipekit.executors.memory import own_bytes
from pipekit.executors.worker_process import WorkerProcess
from pipekit.model.resources import Resources
from pipekit.ports import Assignment
from pipekit.worker.infrastructure import no_worker

_HORIZON_SECONDS = 0.005


class NoWorker(Exception):
    """No worker can be had for an attempt, and none is busy that could be waited for."""

    def __init__(self, assignment: Assignment, error: OSError) -> None:
        super().__init__(no_worker(error))
        self.assignment = assignment


class Places:
    """Where attempts can run."""

    def __init__(
        self,
        workers: list[WorkerProcess],
        capacity: Capacity,
        *,
        most: int,
        start: Callable[[tuple[str, ...]], WorkerProcess],
        retire: Callable[[WorkerProcess], None],
    ) -> None:
        """
        Args:
            workers: The pool's, as it is at any moment.
            capacity: The machine's, shared with other pools.
            most: So many attempts run at once.
            start: Starts a worker bound to these GPUs, or to none; raises OSError.
            retire: Ends an idle one.
        """
        self.most = most
        self.capacity = capacity
        self.expected: dict[int, float] = {}
        """Seconds that a call of a component takes, by the component's number."""
        self._workers = workers
        self._start = start
        self._retire = retire
        self._shared = 0
        """Workers that have a share."""

    def find(self, assignment: Assignment) -> WorkerProcess | None:
        """An idle worker, else a new one, else one whose queue is short enough, else None.

        Raises:
            NoWorker: there is none, and none can be started.
        """
        if assignment.resources is not None:
            return self._find_apart(assignment, assignment.resources)
        has_room = not self._shared or self._has_room(1000)
        least: WorkerProcess | None = None
        plain = 0
        for worker in reversed(self._workers):
            if worker.gpus:
                continue
            plain += 1
            if not worker.in_flight:
                if has_room:
                    return worker
            elif worker.share is None and (least is None or worker.load < least.load):
                least = worker
        if has_room and plain < self.most:
            started = self._start_or_wait(assignment)
            if started is not None:
                return started
        expected = self.expected.get(assignment.component.number)
        if expected is None or least is None or least.ending is not None:
            return None
        return least if least.load + expected <= _HORIZON_SECONDS else None

    def take(self, worker: WorkerProcess, asked: Resources) -> None:
        """The attempt that asked for this is in the worker that `find` gave."""
        worker.share = self.capacity.take(asked, worker.gpus)
        self._shared += 1

    def leave(self, worker: WorkerProcess) -> None:
        """Give back what the worker had for an attempt that is over, or went elsewhere.
        Idempotent."""
        share, worker.share = worker.share, None
        if share is not None:
            self._shared -= 1
            self.capacity.give_back(share)

    def settle(self) -> None:
        """Give back what idle workers have."""
        if self._shared:
            for worker in self._workers:
                if worker.share is not None and not worker.in_flight:
                    worker.leave_limit()
                    self.leave(worker)

    def has_place(self) -> bool:
        """Whether a call that asks for nothing and is taken back would start elsewhere at once."""
        if self._shared and not self._has_room(1000):
            return False
        plain = [worker for worker in self._workers if not worker.gpus]
        return len(plain) < self.most or any(not worker.in_flight for worker in plain)

    # for those that ask for something

    def _has_room(self, cpu: int) -> bool:
        """Whether there is a place, and so many thousandths of a CPU, beside what runs."""
        busy = [worker for worker in self._workers if worker.in_flight]
        taken = sum(1000 if worker.share is None else worker.share.asked.cpu for worker in busy)
        return len(busy) < self.most and taken + cpu <= 1000 * max(self.most, self.capacity.cpus)

    def _find_apart(self, assignment: Assignment, asked: Resources) -> WorkerProcess | None:
        if not (self._has_room(asked.cpu) and self.capacity.fits(asked)):
            return None
        if asked.gpu:
            return self._find_bound(assignment, asked)
        idle = [worker for worker in self._workers if not (worker.gpus or worker.in_flight)]
        if idle and not self._is_too_large(idle[-1], asked):
            return idle[-1]
        if idle:
            self._retire(idle[-1])
        return self._start_or_wait(assignment)

    def _find_bound(self, assignment: Assignment, asked: Resources) -> WorkerProcess | None:
        free = self.capacity.free_gpus
        idle = [worker for worker in self._workers if worker.gpus and not worker.in_flight]
        for worker in reversed(idle):
            is_free = len(worker.gpus) == asked.gpu and set(worker.gpus) <= set(free)
            if is_free and not self._is_too_large(worker, asked):
                return worker
        # First those that no idle worker is bound to: what it has loaded there stays.
        bound = {gpu for worker in idle for gpu in worker.gpus}
        chosen = tuple(sorted(free, key=lambda gpu: gpu in bound)[: asked.gpu])
        for worker in idle:
            if not set(chosen).isdisjoint(worker.gpus):
                self._retire(worker)
        return self._start_or_wait(assignment, chosen)

    def _is_too_large(self, worker: WorkerProcess, asked: Resources) -> bool:
        """Whether what earlier steps have left there would take half of what may be used."""
        if asked.memory is None or worker.last_token < 0:
            return False
        return 2 * own_bytes(worker.pid) > asked.memory

    def _start_or_wait(
        self, assignment: Assignment, gpus: tuple[str, ...] = ()
    ) -> WorkerProcess | None:
        """A new worker; None where none can be started, and one that is busy may be had later."""
        try:
            return self._start(gpus)
        except OSError as error:
            if not any(worker.in_flight for worker in self._workers):
                raise NoWorker(assignment, error) from error
            if not gpus:
                # No more than these can be had.
                self.most = max(1, _count_plain(self._workers))
            return None


def _count_plain(workers: Iterable[WorkerProcess]) -> int:
    return sum(1 for worker in workers if not worker.gpus)
