"""SQL over what keeps the store in order: wishes to stop, heartbeats, uses, pins, leases, and
taking away what is not needed. Owns those statements; `sql` owns all others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pipekit.model.code_parts import sources_in
from pipekit.model.records import Collected, Lease
from pipekit.model.value import Digest, StoredValue
from pipekit.ports import Contents
from pipekit.stores.encoding import (
    decode_addresses,
    decode_arguments,
    decode_entry,
    decode_outputs,
    decode_value,
)
from pipekit.stores.schema import Connection

_BATCH = 256

_TAKE_LEASE = (
    "INSERT INTO leases (key, task_id, host, pid, pid_started_at, until)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET task_id = excluded.task_id,"
    " host = excluded.host, pid = excluded.pid, pid_started_at = excluded.pid_started_at,"
    " until = excluded.until"
    " WHERE leases.until <= ? OR leases.task_id = excluded.task_id OR leases.task_id = ?"
)
_BELOW = (
    "WITH RECURSIVE below (id) AS (SELECT id FROM tasks WHERE id = ?"
    " UNION SELECT t.id FROM tasks t JOIN below b ON t.parent = b.id) SELECT id FROM below"
)
_LOOSE_MEMOS = (
    " FROM memos WHERE task_id NOT IN (SELECT id FROM tasks) AND task_id NOT IN"
    " (SELECT reused_from FROM tasks WHERE reused_from IS NOT NULL)"
    " AND key NOT IN (SELECT id FROM pins)"
)
_OF_TASKS = ("attempts", "artifacts", "events", "metrics", "leases")


class SqlUpkeep(ABC):
    """The part of a `Store` that is about its upkeep."""

    @abstractmethod
    def _select(self, query: str, values: Sequence[Any]) -> list[Any]: ...

    @abstractmethod
    def _marked(self, query: str) -> str:
        """The query with the database's own placeholders."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Connection]: ...

    def request_stop(self, task_id: str, at: float) -> bool:
        text = (
            "UPDATE tasks SET stop_requested_at = COALESCE(stop_requested_at, ?)"
            " WHERE id = ? AND ended_at IS NULL"
        )
        with self._transaction() as connection:
            return connection.execute(self._marked(text), (at, task_id)).rowcount == 1

    def list_stop_requests(self, runs: Collection[str]) -> list[str]:
        query = (
            "SELECT id, parent FROM tasks WHERE stop_requested_at IS NOT NULL AND ended_at IS NULL"
        )
        wanted = set(runs)
        rows = self._select(query, ())
        return sorted(row[0] for row in rows if row[0] in wanted or row[1] in wanted)

    def renew(self, attempts: Mapping[str, int], *, at: float, until: float) -> None:
        text = (
            "UPDATE attempts SET heartbeat_at = ?, lease_until = ?"
            " WHERE task_id = ? AND number = ? AND ended_at IS NULL"
        )
        with self._transaction() as connection:
            for task_id, number in attempts.items():
                connection.execute(self._marked(text), (at, until, task_id, number))

    def count_uses(self) -> dict[str, tuple[int, float]]:
        query = (
            "SELECT reused_from, COUNT(*), MAX(ended_at) FROM tasks"
            " WHERE reused_from IS NOT NULL GROUP BY reused_from"
        )
        return {row[0]: (row[1], row[2] or 0.0) for row in self._select(query, ())}

    def count_outcomes(self) -> dict[str, tuple[int, int]]:
        query = (
            "SELECT spec, SUM(CASE WHEN reused_from IS NULL THEN 0 ELSE 1 END), COUNT(*) FROM tasks"
            " WHERE kind = 'step' AND status = 'completed' GROUP BY spec"
        )
        outcomes: dict[str, tuple[int, int]] = {}
        for spec, reused, count in self._select(query, ()):
            entry, settings = decode_entry(spec)
            if settings.get("cache") is not False:
                hits, misses = outcomes.get(entry, (0, 0))
                outcomes[entry] = (hits + reused, misses + count - reused)
        return outcomes

    def pin(self, ids: Collection[str]) -> None:
        with self._transaction() as connection:
            for one in ids:
                text = "INSERT INTO pins (id) VALUES (?) ON CONFLICT DO NOTHING"
                connection.execute(self._marked(text), (one,))

    def unpin(self, ids: Collection[str]) -> None:
        with self._transaction() as connection:
            self._delete(connection, "pins", "id", ids)

    def list_pins(self) -> set[str]:
        return {row[0] for row in self._select("SELECT id FROM pins", ())}

    def take_lease(self, lease: Lease, *, now: float, instead_of: str = "") -> bool:
        values = (
            lease.key, lease.task_id, lease.host, lease.pid, lease.pid_started_at, lease.until,
            now, instead_of,
        )  # fmt: skip
        with self._transaction() as connection:
            return connection.execute(self._marked(_TAKE_LEASE), values).rowcount == 1

    def find_lease(self, key: Digest) -> Lease | None:
        query = "SELECT key, task_id, host, pid, pid_started_at, until FROM leases WHERE key = ?"
        rows = self._select(query, (key,))
        return Lease(*rows[0]) if rows else None

    def release_leases(self, task_id: str) -> None:
        with self._transaction() as connection:
            self._delete(connection, "leases", "task_id", (task_id,))

    def remove_contents(self, digests: Collection[Digest]) -> None:
        with self._transaction() as connection:
            self._delete(connection, "contents", "blob", digests)

    def collect(
        self, runs: Collection[str], *, contents: Contents = "all", dry: bool = False
    ) -> Collected:
        try:
            with self._transaction() as connection:
                collected = self._collect(connection, runs, contents)
                if dry:
                    raise _Dry(collected)
                return collected
        except _Dry as dried:
            return dried.collected

    def _collect(
        self, connection: Connection, runs: Collection[str], contents: Contents
    ) -> Collected:
        pins = {row[0] for row in connection.execute("SELECT id FROM pins").fetchall()}
        gone = _Gone()
        for run in runs:
            if run not in pins:
                self._forget_run(connection, run, gone)
        text = f"SELECT key, outputs{_LOOSE_MEMOS}"
        memos = connection.execute(text).fetchall()
        for _, outputs in memos:
            gone.values.update(value.blob for value in decode_outputs(outputs))
        self._delete(connection, "memos", "key", [key for key, _ in memos])
        left = _left(connection, self._marked("SELECT data FROM contents WHERE blob = ?"))
        found = connection.execute("SELECT blob, LENGTH(data) FROM contents").fetchall()
        loose = {
            blob: size
            for blob, size in found
            if blob not in left.contents and (contents == "all" or blob in gone.values)
        }
        self._delete(connection, "contents", "blob", loose)
        size = sum(loose.values())
        return Collected(
            runs=gone.runs,
            tasks=gone.tasks,
            memos=len(memos),
            contents=len(loose),
            content_bytes=size,
            left_bytes=sum(size for _, size in found) - size,
            blobs=frozenset(left.blobs | left.contents),
            logs=left.logs,
        )

    def _forget_run(self, connection: Connection, run: str, gone: _Gone) -> None:
        ids = [row[0] for row in connection.execute(self._marked(_BELOW), (run,)).fetchall()]
        for some in _batches(ids):
            marks = ",".join("?" * len(some))
            text = self._marked(f"SELECT value FROM artifacts WHERE task_id IN ({marks})")
            for (value,) in connection.execute(text, some).fetchall():
                gone.values.add(decode_value(value).blob)
            text = self._marked(f"SELECT arguments FROM tasks WHERE id IN ({marks})")
            for (arguments,) in connection.execute(text, some).fetchall():
                gone.values.update(value.blob for _, value in decode_arguments(arguments))
        for table in _OF_TASKS:
            self._delete(connection, table, "task_id", ids)
        self._delete(connection, "tasks", "id", ids)
        gone.runs += bool(ids)
        gone.tasks += len(ids)

    def _delete(
        self, connection: Connection, table: str, column: str, values: Iterable[str]
    ) -> None:
        for some in _batches(values):
            marks = ",".join("?" * len(some))
            text = self._marked(f"DELETE FROM {table} WHERE {column} IN ({marks})")
            connection.execute(text, some)


class _Gone:
    """What a collection has taken away so far."""

    def __init__(self) -> None:
        self.runs = 0
        self.tasks = 0
        self.values: set[Digest] = set()


class _Left:
    """What is referred to by what is left."""

    def __init__(self, logs: frozenset[str]) -> None:
        self.blobs: set[Digest] = set()
        self.contents: set[Digest] = set()
        self.logs = logs

    def add(self, value: StoredValue) -> None:
        (self.contents if value.inline else self.blobs).add(value.blob)


class _Dry(Exception):
    """Leaves the transaction, so that it is taken back."""

    def __init__(self, collected: Collected) -> None:
        super().__init__()
        self.collected = collected


def _left(connection: Connection, content_of: str) -> _Left:
    text = "SELECT DISTINCT log_path FROM attempts WHERE log_path <> ''"
    left = _Left(frozenset(row[0] for row in connection.execute(text).fetchall()))
    for values, decode in (
        ("SELECT value FROM artifacts", _one),
        ("SELECT outputs FROM memos", decode_outputs),
        ("SELECT arguments FROM tasks WHERE arguments <> ''", _values),
    ):
        cursor = connection.execute(values)
        for (row,) in cursor.fetchall():
            for value in decode(row):
                left.add(value)
    codes: set[Digest] = set()
    for (spec,) in connection.execute("SELECT DISTINCT spec FROM tasks").fetchall():
        source, parts, snapshot = decode_addresses(spec)
        left.contents |= {source, parts}
        left.blobs.add(snapshot)
        codes.add(parts)
    # The record of a code's parts refers to the sources of its functions.
    for address in codes - {""}:
        row = connection.execute(content_of, (address,)).fetchone()
        if row is not None:
            left.contents |= sources_in(bytes(row[0]))
    left.blobs.discard("")
    left.contents.discard("")
    return left


def _values(arguments: str) -> list[StoredValue]:
    return [value for _, value in decode_arguments(arguments)]


def _one(text: str) -> tuple[StoredValue]:
    return (decode_value(text),)


def _batches(values: Iterable[str]) -> Iterable[list[str]]:
    listed = list(values)
    for start in range(0, len(listed), _BATCH):
        yield listed[start : start + _BATCH]
