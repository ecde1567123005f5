"""All SQL over the records, once for every database. Owns statements; an adapter owns connections.

How a batch is written. Every `sqlite3_step` lets go of Python's global lock and may wait 5 ms to
get it back while other threads compute, so the count of statements decides, not that of rows. A
batch is therefore judged as a whole (`draft`) and then written with a few statements of many rows,
of fixed sizes, so that each is prepared once.

Tasks that the batch creates are taken to be new without asking. Where that is wrong, the primary
key says so; the transaction is rolled back and made again with all standings read first. Standings
are read inside the writing transaction, which keeps other writers out (or locks those rows): the
read is the compare, the write the set.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pipekit.errors import DamagedMemo, StoreUnavailable
from pipekit.model.records import Artifact, Attempt, Change, Event, Kind, Memo, Metric, Task
from pipekit.model.status import Status
from pipekit.model.value import Digest
from pipekit.stores.dialect import Dialect
from pipekit.stores.draft import Draft, Rows
from pipekit.stores.encoding import (
    decode_artifact,
    decode_attempt,
    decode_event,
    decode_failure,
    decode_memo,
    decode_metric,
    decode_task,
    status_of,
)
from pipekit.stores.guard import Standing
from pipekit.stores.queueing import SqlQueues
from pipekit.stores.schema import Connection
from pipekit.stores.upkeep import SqlUpkeep

_SIZES = (64, 16, 4, 1)
"""Rows of one INSERT or UPDATE. The widest has 24 values a row; SQLite takes 32766 in all."""

_LOOKUPS = (256, 64, 16, 4, 1)
"""Values of one IN."""

_LAST_CHARACTER = "\U0010ffff"

_KNOWN_IS_KEPT = " ON CONFLICT DO NOTHING"

_TASK = (
    "id, kind, name, project, created_at, type, version, tags, parent, step_key, queue,"
    " cloned_from, spec, inputs, status, reused_from, started_at, ended_at, stop_requested_at,"
    " failure, needs, arguments, comment, queued_at"
)
_ATTEMPT = (
    "task_id, number, started_at, host, pid, pid_started_at, agent, lease_until, heartbeat_at,"
    " ended_at, exit, failure, log_path, log_start, log_end, cpu_seconds, peak_bytes"
)
_ARTIFACT = "task_id, attempt, name, created_at, value"
_MEMO = "key, task_id, run, created_at, duration_seconds, outputs, reads, component"
_EVENT = "task_id, at, name, attempt, detail"
_METRIC = "task_id, attempt, name, value, at, step"

_STANDING = (
    "SELECT t.id, t.status, t.reused_from, t.started_at, t.ended_at, t.stop_requested_at,"
    " t.failure, t.queue, t.queued_at, a.number, a.ended_at FROM tasks t"
    " LEFT JOIN attempts a ON a.task_id = t.id AND a.number ="
    " (SELECT MAX(b.number) FROM attempts b WHERE b.task_id = t.id)"
    " WHERE t.id IN ({rows})"
)

# The casts are for a database that would take a column of bound NULLs for text.
_MOVE = (
    "WITH v (id, status, reused_from, started_at, ended_at, stop_requested_at, failure, inputs,"
    " queue, queued_at) AS (VALUES {rows}) UPDATE tasks SET status = v.status,"
    " reused_from = v.reused_from,"
    " started_at = CAST(v.started_at AS DOUBLE PRECISION),"
    " ended_at = CAST(v.ended_at AS DOUBLE PRECISION),"
    " stop_requested_at = CAST(v.stop_requested_at AS DOUBLE PRECISION), failure = v.failure,"
    " inputs = COALESCE(v.inputs, tasks.inputs), queue = v.queue,"
    " queued_at = CAST(v.queued_at AS DOUBLE PRECISION)"
    " FROM v WHERE tasks.id = v.id"
)
_EDIT = (
    "WITH v (id, spec, name, project, type, version, tags, comment) AS (VALUES {rows})"
    " UPDATE tasks SET spec = COALESCE(v.spec, tasks.spec), name = COALESCE(v.name, tasks.name),"
    " project = COALESCE(v.project, tasks.project), type = COALESCE(v.type, tasks.type),"
    " version = COALESCE(v.version, tasks.version), tags = COALESCE(v.tags, tasks.tags),"
    " comment = COALESCE(v.comment, tasks.comment) FROM v WHERE tasks.id = v.id"
)
# A closing that names no log leaves the one that the attempt was opened with.
_CLOSE = (
    "WITH v (task_id, number, ended_at, exit, failure, log_path, log_start, log_end, cpu_seconds,"
    " peak_bytes)"
    " AS (VALUES {rows}) UPDATE attempts SET ended_at = v.ended_at, exit = v.exit,"
    " failure = v.failure,"
    " log_path = CASE v.log_path WHEN '' THEN attempts.log_path ELSE v.log_path END,"
    " log_start = CASE v.log_path WHEN '' THEN attempts.log_start ELSE v.log_start END,"
    " log_end = COALESCE(CAST(v.log_end AS BIGINT), attempts.log_end),"
    " cpu_seconds = CAST(v.cpu_seconds AS DOUBLE PRECISION),"
    " peak_bytes = CAST(v.peak_bytes AS BIGINT)"
    " FROM v WHERE attempts.task_id = v.task_id AND attempts.number = v.number"
)


def _insertion(table: str, columns: str, tail: str = "") -> tuple[str, int]:
    return f"INSERT INTO {table} ({columns}) VALUES {{rows}}{tail}", columns.count(",") + 1


# Each: a statement with a place for its rows, and the values of one row.
_INSERT_TASKS = _insertion("tasks", _TASK)
_INSERT_ATTEMPTS = _insertion("attempts", _ATTEMPT)
_INSERT_ARTIFACTS = _insertion("artifacts", _ARTIFACT)
_INSERT_CONTENTS = _insertion("contents", "blob, data", _KNOWN_IS_KEPT)
_RENEW_MEMOS = ("DELETE FROM memos WHERE key IN ({rows})", 1)
_INSERT_MEMOS = _insertion("memos", _MEMO, _KNOWN_IS_KEPT)
_INSERT_EVENTS = _insertion("events", _EVENT)
_INSERT_METRICS = _insertion("metrics", _METRIC)
_UPDATE_TASKS = (_MOVE, 10)
_EDIT_TASKS = (_EDIT, 8)
_UPDATE_ATTEMPTS = (_CLOSE, 10)

_WRITING = (
    _INSERT_TASKS,
    _UPDATE_TASKS,
    _EDIT_TASKS,
    # The old attempt is closed before the next is opened: one at most is open.
    _UPDATE_ATTEMPTS,
    _INSERT_ATTEMPTS,
    _INSERT_ARTIFACTS,
    _INSERT_CONTENTS,
    _RENEW_MEMOS,
    _INSERT_MEMOS,
    _INSERT_EVENTS,
    _INSERT_METRICS,
)
"""In the order of `Draft.rows`."""


class SqlStore(SqlUpkeep, SqlQueues):
    """A `Store` over any database that the dialect speaks of; an adapter gives it connections.

    Args:
        dialect: The words of the database.
        duplicate: What its driver raises where a key is known already.
    """

    def __init__(self, dialect: Dialect, *, duplicate: type[Exception]) -> None:
        self._dialect = dialect
        self._duplicate = duplicate
        self._texts: dict[tuple[str, int], str] = {}

    @abstractmethod
    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a SELECT. Raises `StoreUnavailable`."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Connection]:
        """A writing transaction, alone in this process; rolled back where its body raises.

        Raises `StoreUnavailable` instead of the driver's errors, but for `duplicate`.
        """

    @abstractmethod
    def close(self) -> None: ...

    def commit(self, changes: Sequence[Change], *, if_first: bool = False) -> list[bool]:
        if not changes:
            return []
        asked = _ids_to_ask(changes)
        trusting, escape = True, False
        for _ in range(3):
            try:
                return self._commit(
                    changes, asked, trusting=trusting, escape=escape, if_first=if_first
                )
            except (self._duplicate, _InDoubt):
                # A task that was taken to be new is known, or may be.
                asked = list(dict.fromkeys([change.task_id for change in changes]))
                trusting = False
            except UnicodeEncodeError:
                # A lone surrogate (a path that is not UTF-8) is kept as its escape.
                escape = True
        raise StoreUnavailable(
            "The store refuses the records of a task: they contradict what it holds.",
            hint="'pipekit doctor' checks the store.",
        )

    def _commit(
        self, changes: Sequence[Change], asked: list[str], *, trusting: bool, escape: bool,
        if_first: bool,
    ) -> list[bool]:  # fmt: skip
        # Where nothing is asked, all is encoded before other writers have to wait.
        landed: list[bool] = []
        rows: tuple[Rows, ...] | None = None
        if not asked:
            landed, rows = _judged(changes, {}, trusting=trusting)
        with self._transaction() as connection:
            if rows is None:
                standings = self._standings(connection, asked)
                landed, rows = _judged(changes, standings, trusting=trusting)
            if if_first and not landed[0]:
                return [False] * len(changes)
            for statement, values in zip(_WRITING, rows, strict=True):
                if values:
                    self._write(connection, statement, _escaped(values) if escape else values)
        return landed

    def _write(self, connection: Connection, statement: tuple[str, int], values: Rows) -> None:
        text, width = statement
        start, end = 0, len(values)
        for size in _SIZES:
            step = size * width
            while end - start >= step:
                connection.execute(self._worded(text, size, width), values[start : start + step])
                start += step

    def _standings(self, connection: Connection, ids: list[str]) -> dict[str, Standing]:
        standings = {}
        for padded in _padded(ids):
            text = self._worded(_STANDING, len(padded), 0) + self._dialect.lock_rows
            for row in connection.execute(text, padded).fetchall():
                standings[row[0]] = decode_standing(row)
        return standings

    def _worded(self, text: str, size: int, width: int) -> str:
        """The statement for so many rows of so many values; for a bare list of values, width 0."""
        key = (text, size)
        worded = self._texts.get(key)
        if worded is None:
            mark = self._dialect.placeholder
            row = f"({','.join([mark] * width)})" if width else mark
            worded = self._texts[key] = text.format(rows=",".join([row] * size))
        return worded

    def find_task(self, task_id: str) -> Task | None:
        rows = self._select(f"SELECT {_TASK} FROM tasks WHERE id = ?", (task_id,))
        return decode_task(rows[0]) if rows else None

    def find_ids(self, prefix: str, *, limit: int = 10) -> list[str]:
        rows = self._select(
            "SELECT id FROM tasks WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (prefix, prefix + _LAST_CHARACTER, limit),
        )
        return [row[0] for row in rows]

    def list_tasks(
        self,
        *,
        kinds: Collection[Kind] = (),
        parent: str | None = None,
        statuses: Collection[Status] = (),
        project: str | None = None,
        name: str | None = None,
        step_key: Digest | None = None,
        limit: int | None = None,
    ) -> list[Task]:
        where: list[str] = []
        values: list[Any] = []
        for column, wanted in (("kind", kinds), ("status", statuses)):
            if wanted:
                where.append(f"{column} IN ({','.join('?' * len(wanted))})")
                values += [item.value for item in wanted]
        for column, text in (
            ("parent", parent),
            ("project", project),
            ("name", name),
            ("step_key", step_key),
        ):
            if text is not None:
                where.append(f"{column} = ?")
                values.append(text)
        if kinds and Kind.STEP not in kinds:
            # Implied by the kinds; said so that the partial index is known to serve.
            where.append("kind <> 'step'")
        query = f"SELECT {_TASK} FROM tasks"
        query += f" WHERE {' AND '.join(where)}" if where else ""
        query += " ORDER BY created_at DESC, id DESC"
        if limit is not None:
            query += " LIMIT ?"
            values.append(limit)
        return [decode_task(row) for row in self._select(query, values)]

    def list_attempts(self, task_id: str) -> list[Attempt]:
        rows = self._select(
            f"SELECT {_ATTEMPT} FROM attempts WHERE task_id = ? ORDER BY number", (task_id,)
        )
        return [decode_attempt(row) for row in rows]

    def list_artifacts(self, task_id: str) -> list[Artifact]:
        rows = self._select(
            f"SELECT {_ARTIFACT} FROM artifacts WHERE task_id = ? ORDER BY seq", (task_id,)
        )
        return [decode_artifact(row) for row in rows]

    def list_events(self, task_id: str) -> list[Event]:
        rows = self._select(
            f"SELECT {_EVENT} FROM events WHERE task_id = ? ORDER BY seq", (task_id,)
        )
        return [decode_event(row) for row in rows]

    def list_metrics(self, task_id: str) -> list[Metric]:
        rows = self._select(
            f"SELECT {_METRIC} FROM metrics WHERE task_id = ? ORDER BY seq", (task_id,)
        )
        return [decode_metric(row) for row in rows]

    def count_attempts(self, parent: str) -> dict[str, int]:
        rows = self._select(
            "SELECT a.task_id, COUNT(*) FROM tasks t JOIN attempts a ON a.task_id = t.id"
            " WHERE t.parent = ? GROUP BY a.task_id",
            (parent,),
        )
        return {row[0]: row[1] for row in rows}

    def list_artifact_sets(self, parent: str) -> dict[str, list[Artifact]]:
        rows = self._select(
            "SELECT t.id, a.attempt, a.name, a.created_at, a.value FROM tasks t"
            " LEFT JOIN artifacts a ON a.task_id = t.id WHERE t.parent = ? ORDER BY t.id, a.seq",
            (parent,),
        )
        sets: dict[str, list[Artifact]] = {}
        for row in rows:
            found = sets.setdefault(row[0], [])
            if row[4] is not None:
                found.append(decode_artifact(row))
        return sets

    def find_memos(self, keys: Collection[Digest]) -> dict[Digest, Memo]:
        query = f"SELECT {_MEMO} FROM memos WHERE key IN ({{rows}})"
        return {memo.key: memo for memo in self._intact(self._select_each(query, keys))}

    def _intact(self, rows: Iterable[Sequence[Any]]) -> list[Memo]:
        """The memos in these rows. One that is damaged is forgotten, and can be made anew."""
        found: list[Memo] = []
        damaged: list[Digest] = []
        for row in rows:
            try:
                found.append(decode_memo(row))
            except (ValueError, TypeError, LookupError):
                damaged.append(row[0])
        for key in damaged:
            if self.remove_memo(key):
                warnings.warn(DamagedMemo(key=str(key)), stacklevel=3)
        return found

    def find_memo_of(self, task_id: str) -> Memo | None:
        query = f"SELECT {_MEMO} FROM memos WHERE task_id = ?"
        found = self._intact(self._select(query, (task_id,)))
        return found[0] if found else None

    def find_duration(self, component: str) -> float | None:
        query = "SELECT duration_seconds FROM memos WHERE component = ? ORDER BY created_at DESC"
        rows = self._select(query + " LIMIT 1", (component,))
        return rows[0][0] if rows else None

    def list_memos(self) -> list[Memo]:
        query = f"SELECT {_MEMO} FROM memos ORDER BY created_at, key"
        return self._intact(self._select(query, ()))

    def remove_memo(self, key: Digest) -> bool:
        with self._transaction() as connection:
            text = self._worded("DELETE FROM memos WHERE key = {rows}", 1, 0)
            return connection.execute(text, (key,)).rowcount == 1

    def read_contents(self, digests: Collection[Digest]) -> dict[Digest, bytes]:
        query = "SELECT blob, data FROM contents WHERE blob IN ({rows})"
        # SQLite gives text where someone has put text: it is for the digest to say what is wrong.
        return {
            row[0]: row[1].encode() if isinstance(row[1], str) else bytes(row[1])
            for row in self._select_each(query, digests)
        }

    def _select(self, query: str, values: Sequence[Any]) -> list[Any]:
        return self._read(self._marked(query), values)

    def _marked(self, query: str) -> str:
        mark = self._dialect.placeholder
        return query if mark == "?" else query.replace("?", mark)

    def _lock_first(self, query: str) -> str:
        return f"{query}{self._dialect.lock_first}"

    def _select_each(self, query: str, values: Collection[str]) -> Iterator[Any]:
        for padded in _padded(list(values)):
            yield from self._read(self._worded(query, len(padded), 0), padded)


def decode_standing(row: Sequence[Any]) -> Standing:
    (
        _, status, reused_from, started_at, ended_at, stop_requested_at, failure, queue, queued_at,
        number, attempt_ended_at,
    ) = row  # fmt: skip
    return Standing(
        status_of(status),
        reused_from,
        started_at,
        ended_at,
        stop_requested_at,
        decode_failure(failure),
        number or 0,
        number is not None and attempt_ended_at is None,
        None,
        queue,
        queued_at,
    )


class _InDoubt(Exception):
    """A creation was refused, perhaps not for its id: whether that is known was not asked."""


def _judged(
    changes: Sequence[Change], standings: dict[str, Standing], *, trusting: bool
) -> tuple[list[bool], tuple[Rows, ...]]:
    draft = Draft(standings)
    landed = [draft.add(change) for change in changes]
    if trusting and False in landed:
        refused = zip(changes, landed, strict=True)
        if any(change.create is not None for change, lands in refused if not lands):
            # Later changes of that task were judged as of an unknown one.
            raise _InDoubt
    return landed, draft.rows()


def _ids_to_ask(changes: Sequence[Change]) -> list[str]:
    """The tasks that the batch does not itself create before it speaks of them otherwise."""
    seen: set[str] = set()
    asked: dict[str, None] = {}
    for change in changes:
        task_id = change.task_id
        if task_id not in seen:
            seen.add(task_id)
            if change.create is None:
                asked[task_id] = None
    return list(asked)


def _padded(values: list[str]) -> Iterator[list[str]]:
    """The values in lists of few fixed lengths, the last filled up with its last value."""
    start, count = 0, len(values)
    while start < count:
        left = count - start
        size = next((size for size in reversed(_LOOKUPS) if size >= left), _LOOKUPS[0])
        some = values[start : start + size]
        start += size
        yield some + some[-1:] * (size - len(some))


def _escaped(values: Rows) -> Rows:
    return [
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for value in values
    ]
