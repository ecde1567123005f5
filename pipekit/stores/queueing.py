"""SQL over queues and the agents that serve them. Owns those statements; `sql` owns all others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from pipekit.model.records import Agent, Attempt, Claimer, Queue, Task, claimed_log
from pipekit.model.status import Status, Transition
from pipekit.stores.encoding import decode_attempt, decode_names, encode_names
from pipekit.stores.schema import Connection

_FIRST = (
    "SELECT t.id, (SELECT COALESCE(MAX(a.number), 0) FROM attempts a WHERE a.task_id = t.id)"
    " FROM tasks t WHERE t.status = 'queued' AND t.queue = ?"
    " AND NOT EXISTS (SELECT 1 FROM queues q WHERE q.name = t.queue AND q.paused = 1)"
    " ORDER BY t.queued_at, t.id LIMIT 1"
)
_START = (
    "UPDATE tasks SET status = ?, started_at = COALESCE(started_at, ?), failure = '' WHERE id = ?"
)
_OPEN = (
    "INSERT INTO attempts (task_id, number, started_at, host, pid, pid_started_at, agent,"
    " lease_until, heartbeat_at, exit, failure, log_path, log_start)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', ?, 0)"
)
_STARTED = "INSERT INTO events (task_id, at, name, attempt, detail) VALUES (?, ?, ?, ?, '')"
_WAITING = (
    "SELECT n.name, COALESCE(q.paused, 0), COUNT(t.id), MIN(t.queued_at)"
    " FROM (SELECT name FROM queues UNION SELECT queue FROM tasks WHERE status = 'queued') n"
    " LEFT JOIN queues q ON q.name = n.name"
    " LEFT JOIN tasks t ON t.queue = n.name AND t.status = 'queued'"
    " WHERE n.name IS NOT NULL GROUP BY n.name, q.paused ORDER BY n.name"
)
_AGENT = "id, host, pid, pid_started_at, queues, slots, started_at, heartbeat_at"
_REPORT = (
    f"INSERT INTO agents ({_AGENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
    " queues = excluded.queues, slots = excluded.slots, heartbeat_at = excluded.heartbeat_at"
)


class SqlQueues(ABC):
    """The part of a `Store` that is about queues."""

    @abstractmethod
    def find_task(self, task_id: str) -> Task | None: ...

    @abstractmethod
    def _select(self, query: str, values: Sequence[Any]) -> list[Any]: ...

    @abstractmethod
    def _marked(self, query: str) -> str: ...

    @abstractmethod
    def _lock_first(self, query: str) -> str:
        """The SELECT of a row that no other transaction is to take meanwhile."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Connection]: ...

    def claim(
        self, queues: Sequence[str], claimer: Claimer, *, now: float, until: float
    ) -> Task | None:
        if not any(self._select(self._marked(_FIRST), (queue,)) for queue in queues):
            return None  # no writer is kept waiting for nothing
        with self._transaction() as connection:
            for queue in queues:
                first = self._lock_first(self._marked(_FIRST))
                row = connection.execute(first, (queue,)).fetchone()
                if row is not None:
                    self._start(connection, row[0], row[1] + 1, claimer, now, until)
                    break
            else:
                return None
        return self.find_task(row[0])

    def _start(
        self, connection: Connection, task_id: str, number: int, claimer: Claimer, now: float,
        until: float,
    ) -> None:  # fmt: skip
        connection.execute(self._marked(_START), (Status.RUNNING.value, now, task_id))
        values = (
            task_id, number, now, claimer.host, claimer.pid, claimer.pid_started_at, claimer.agent,
            until, now, claimed_log(task_id, number),
        )  # fmt: skip
        connection.execute(self._marked(_OPEN), values)
        started = (task_id, now, Transition.STARTED.value, number)
        connection.execute(self._marked(_STARTED), started)

    def list_lost(self, now: float) -> list[Attempt]:
        query = (
            "SELECT task_id, number, started_at, host, pid, pid_started_at, agent, lease_until,"
            " heartbeat_at, ended_at, exit, failure, log_path, log_start, log_end, cpu_seconds,"
            " peak_bytes FROM attempts WHERE ended_at IS NULL AND agent <> '' AND lease_until < ?"
            " ORDER BY lease_until, task_id"
        )
        return [decode_attempt(row) for row in self._select(query, (now,))]

    def list_queues(self) -> list[Queue]:
        return [
            Queue(name, bool(paused), waiting, oldest)
            for name, paused, waiting, oldest in self._select(_WAITING, ())
        ]

    def make_queue(self, name: str, *, paused: bool = False) -> None:
        text = (
            "INSERT INTO queues (name, paused) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET paused = excluded.paused"
        )
        with self._transaction() as connection:
            connection.execute(self._marked(text), (name, int(paused)))

    def remove_queue(self, name: str) -> bool:
        waits = "SELECT 1 FROM tasks WHERE status = 'queued' AND queue = ? LIMIT 1"
        with self._transaction() as connection:
            if connection.execute(self._marked(waits), (name,)).fetchone() is not None:
                return False
            connection.execute(self._marked("DELETE FROM queues WHERE name = ?"), (name,))
        return True

    def report_agent(self, agent: Agent) -> None:
        values = (
            agent.id, agent.host, agent.pid, agent.pid_started_at, encode_names(agent.queues),
            agent.slots, agent.started_at, agent.heartbeat_at,
        )  # fmt: skip
        with self._transaction() as connection:
            connection.execute(self._marked(_REPORT), values)

    def remove_agent(self, agent_id: str) -> None:
        with self._transaction() as connection:
            connection.execute(self._marked("DELETE FROM agents WHERE id = ?"), (agent_id,))

    def list_agents(self) -> list[Agent]:
        rows = self._select(f"SELECT {_AGENT} FROM agents ORDER BY started_at, id", ())
        return [
            Agent(id_, host, pid, pid_started_at, decode_names(queues), slots, started, heartbeat)
            for id_, host, pid, pid_started_at, queues, slots, started, heartbeat in rows
        ]
