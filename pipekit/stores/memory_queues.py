"""Queues and agents of the store in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pipekit.model.records import (
    Agent,
    Attempt,
    Change,
    Claimer,
    Event,
    Move,
    Queue,
    Task,
    claimed_log,
)
from pipekit.model.status import Status, Transition, sources_of


class MemoryQueues:
    """The part of `MemoryStore` that is about queues."""

    _lock: threading.Lock
    _tasks: dict[str, Task]
    _attempts: dict[str, list[Attempt]]
    _queues: dict[str, bool]
    """By name, whether it is paused."""
    _agents: dict[str, Agent]

    def _check_open(self) -> None:
        raise NotImplementedError

    def _make(self, change: Change) -> bool:
        raise NotImplementedError

    def _waiting(self, queue: str) -> list[Task]:
        found = [
            task
            for task in self._tasks.values()
            if task.status is Status.QUEUED and task.queue == queue
        ]
        return sorted(found, key=lambda task: (task.queued_at or 0.0, task.id))

    def claim(
        self, queues: Sequence[str], claimer: Claimer, *, now: float, until: float
    ) -> Task | None:
        with self._lock:
            self._check_open()
            for queue in queues:
                waiting = [] if self._queues.get(queue) else self._waiting(queue)
                if waiting:
                    return self._start(waiting[0], claimer, now, until)
            return None

    def _start(self, task: Task, claimer: Claimer, now: float, until: float) -> Task:
        number = len(self._attempts.get(task.id, ())) + 1
        attempt = Attempt(
            task.id, number, now, claimer.host, claimer.pid, claimer.pid_started_at, claimer.agent,
            until, now, log_path=claimed_log(task.id, number),
        )  # fmt: skip
        move = Move(sources_of(Transition.STARTED), Status.RUNNING, now)
        started = Event(task.id, now, Transition.STARTED, number)
        self._make(Change(task.id, open=attempt, move=move, events=(started,)))
        return self._tasks[task.id]

    def list_lost(self, now: float) -> list[Attempt]:
        with self._lock:
            self._check_open()
            found = [
                attempts[-1]
                for attempts in self._attempts.values()
                if attempts and attempts[-1].ended_at is None and attempts[-1].agent
            ]
        over = [(a.lease_until, a.task_id, a) for a in found if a.lease_until is not None]
        return [attempt for until, _, attempt in sorted(over, key=lambda o: o[:2]) if until < now]

    def list_queues(self) -> list[Queue]:
        with self._lock:
            self._check_open()
            names = {task.queue for task in self._tasks.values() if task.status is Status.QUEUED}
            queues = []
            for name in sorted({*self._queues, *(name for name in names if name)}):
                waiting = self._waiting(name)
                oldest = waiting[0].queued_at if waiting else None
                queues.append(Queue(name, self._queues.get(name, False), len(waiting), oldest))
            return queues

    def make_queue(self, name: str, *, paused: bool = False) -> None:
        with self._lock:
            self._check_open()
            self._queues[name] = paused

    def remove_queue(self, name: str) -> bool:
        with self._lock:
            self._check_open()
            if self._waiting(name):
                return False
            self._queues.pop(name, None)
            return True

    def report_agent(self, agent: Agent) -> None:
        with self._lock:
            self._check_open()
            self._agents[agent.id] = agent

    def remove_agent(self, agent_id: str) -> None:
        with self._lock:
            self._check_open()
            self._agents.pop(agent_id, None)

    def list_agents(self) -> list[Agent]:
        with self._lock:
            self._check_open()
            return sorted(self._agents.values(), key=lambda agent: (agent.started_at, agent.id))
