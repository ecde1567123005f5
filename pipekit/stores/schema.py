"""The tables, and how a store of an older version becomes one of this. Owns DDL; knows no records.

The version is one row of the table `schema_version`. A migration is a version and the statements
that lead to it from the version before; a released one is never edited. All that are missing are
made in one transaction under a lock, so two processes that open a new store at once agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pipekit import crash
from pipekit.errors import StoreVersionMismatch
from pipekit.stores.dialect import Dialect


class Cursor(Protocol):
    """What sqlite3 and psycopg 3 both return from `execute`."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    @property
    def rowcount(self) -> int: ...


class Connection(Protocol):
    """What sqlite3 and psycopg 3 both offer."""

    def execute(self, query: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...


Migration = tuple[int, tuple[str, ...]]
"""A version, and the statements that lead to it. `{key}` and the like are words of the dialect."""

_STATUSES = "'draft', 'pending', 'queued', 'running', 'completed', 'failed', 'stopped', 'skipped'"

MIGRATIONS: tuple[Migration, ...] = (
    (
        1,
        (
            # Written once, but for the last six columns. A list of runs must not read the steps,
            # of which there are thousands a run: hence the partial index.
            f"""CREATE TABLE tasks (
                id {{key}} NOT NULL PRIMARY KEY,
                kind TEXT NOT NULL,
                name TEXT NOT NULL,
                project TEXT NOT NULL,
                created_at DOUBLE PRECISION NOT NULL,
                type TEXT NOT NULL,
                version TEXT NOT NULL,
                tags TEXT NOT NULL,
                parent {{key}},
                step_key TEXT,
                queue TEXT,
                cloned_from TEXT,
                spec TEXT NOT NULL,
                inputs TEXT NOT NULL,
                status TEXT NOT NULL CHECK (status IN ({_STATUSES})),
                reused_from TEXT,
                started_at DOUBLE PRECISION,
                ended_at DOUBLE PRECISION,
                stop_requested_at DOUBLE PRECISION,
                failure TEXT NOT NULL)""",
            "CREATE INDEX tasks_of_parent ON tasks (parent) WHERE parent IS NOT NULL",
            "CREATE INDEX tasks_but_steps ON tasks (created_at, id) WHERE kind <> 'step'",
            """CREATE TABLE attempts (
                task_id {key} NOT NULL,
                number INTEGER NOT NULL CHECK (number > 0),
                started_at DOUBLE PRECISION NOT NULL,
                host TEXT NOT NULL,
                pid BIGINT NOT NULL,
                pid_started_at DOUBLE PRECISION NOT NULL,
                agent TEXT NOT NULL,
                lease_until DOUBLE PRECISION,
                heartbeat_at DOUBLE PRECISION,
                ended_at DOUBLE PRECISION,
                exit TEXT NOT NULL,
                failure TEXT NOT NULL,
                log_path TEXT NOT NULL,
                log_start BIGINT NOT NULL,
                log_end BIGINT,
                PRIMARY KEY (task_id, number)){clustered}""",
            # At most one open attempt a task, whatever a program does.
            "CREATE UNIQUE INDEX attempts_open ON attempts (task_id) WHERE ended_at IS NULL",
            """CREATE TABLE artifacts (
                seq {sequence},
                task_id {key} NOT NULL,
                attempt INTEGER NOT NULL,
                name TEXT NOT NULL,
                created_at DOUBLE PRECISION NOT NULL,
                value TEXT NOT NULL)""",
            "CREATE INDEX artifacts_of_task ON artifacts (task_id)",
            """CREATE TABLE contents (
                blob {key} NOT NULL PRIMARY KEY,
                data {binary} NOT NULL)""",
            """CREATE TABLE memos (
                key {key} NOT NULL PRIMARY KEY,
                task_id TEXT NOT NULL,
                run TEXT NOT NULL,
                created_at DOUBLE PRECISION NOT NULL,
                duration_seconds DOUBLE PRECISION NOT NULL,
                outputs TEXT NOT NULL)""",
            """CREATE TABLE events (
                seq {sequence},
                task_id {key} NOT NULL,
                at DOUBLE PRECISION NOT NULL,
                name TEXT NOT NULL,
                attempt INTEGER NOT NULL,
                detail TEXT NOT NULL)""",
            "CREATE INDEX events_of_task ON events (task_id)",
        ),
    ),
    (
        2,
        (
            "ALTER TABLE tasks ADD COLUMN needs TEXT NOT NULL DEFAULT ''",
            # A value that is not a number is NULL: SQLite knows no other.
            """CREATE TABLE metrics (
                seq {sequence},
                task_id {key} NOT NULL,
                attempt INTEGER NOT NULL,
                name TEXT NOT NULL,
                value DOUBLE PRECISION,
                at DOUBLE PRECISION NOT NULL,
                step BIGINT)""",
            "CREATE INDEX metrics_of_task ON metrics (task_id)",
        ),
    ),
    (
        3,
        (
            "ALTER TABLE memos ADD COLUMN reads TEXT NOT NULL DEFAULT ''",
            # By which it is shown what a step has read.
            "CREATE INDEX memos_of_task ON memos (task_id)",
            "ALTER TABLE memos ADD COLUMN component TEXT NOT NULL DEFAULT ''",
            "CREATE INDEX memos_of_component ON memos (component, created_at)",
            # Keys of memos and ids of tasks, which no collection takes away.
            "CREATE TABLE pins (id {key} NOT NULL PRIMARY KEY)",
            """CREATE TABLE leases (
                key {key} NOT NULL PRIMARY KEY,
                task_id TEXT NOT NULL,
                host TEXT NOT NULL,
                pid BIGINT NOT NULL,
                pid_started_at DOUBLE PRECISION NOT NULL,
                until DOUBLE PRECISION NOT NULL)""",
        ),
    ),
    (
        4,
        (
            "ALTER TABLE tasks ADD COLUMN arguments TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE attempts ADD COLUMN cpu_seconds DOUBLE PRECISION",
            "ALTER TABLE attempts ADD COLUMN peak_bytes BIGINT",
            # Looked at again and again while runs go on; mostly empty.
            "CREATE INDEX tasks_to_stop ON tasks (id)"
            " WHERE stop_requested_at IS NOT NULL AND ended_at IS NULL",
        ),
    ),
    (
        5,
        (
            "ALTER TABLE tasks ADD COLUMN comment TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE tasks ADD COLUMN queued_at DOUBLE PRECISION",
            "CREATE INDEX tasks_queued ON tasks (queue, queued_at, id) WHERE status = 'queued'",
            """CREATE TABLE queues (
                name {key} NOT NULL PRIMARY KEY,
                paused INTEGER NOT NULL)""",
            """CREATE TABLE agents (
                id {key} NOT NULL PRIMARY KEY,
                host TEXT NOT NULL,
                pid BIGINT NOT NULL,
                pid_started_at DOUBLE PRECISION NOT NULL,
                queues TEXT NOT NULL,
                slots INTEGER NOT NULL,
                started_at DOUBLE PRECISION NOT NULL,
                heartbeat_at DOUBLE PRECISION NOT NULL)""",
        ),
    ),
)

READ_VERSION = "SELECT version FROM schema_version"
"""Fails where the store is new, which costs an existing one nothing."""


def check_version(found: int, *, where: str, migrations: Sequence[Migration] = MIGRATIONS) -> bool:
    """Whether a store of version `found` is current; False where it is to be migrated.

    Raises:
        StoreVersionMismatch: It is newer than the last migration, or older than the first.
    """
    oldest, newest = migrations[0][0], migrations[-1][0]
    if found > newest or 0 < found < oldest - 1:
        raise StoreVersionMismatch(where=where, found=found, known=newest)
    return found == newest


def migrate(
    connection: Connection,
    dialect: Dialect,
    *,
    where: str,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Bring the store to the newest version. The caller has begun a transaction and will end it.

    Idempotent: what another process has done meanwhile is not done again.

    Raises:
        StoreVersionMismatch: The store is newer than the last migration, or too old for the first.
    """
    if dialect.lock_schema:
        connection.execute(dialect.lock_schema)
    found = _read_version(connection, dialect)
    if check_version(found, where=where, migrations=migrations):
        return
    for version, statements in migrations:
        if version > found:
            for statement in statements:
                connection.execute(_worded(statement, dialect))
                if crash.armed:
                    crash.at("controller.in-migration")
    connection.execute(f"UPDATE schema_version SET version = {migrations[-1][0]:d}")


def _read_version(connection: Connection, dialect: Dialect) -> int:
    if connection.execute(dialect.has_table, ("schema_version",)).fetchone() is None:
        connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (0)")
    return int(connection.execute(READ_VERSION).fetchone()[0])


def _worded(statement: str, dialect: Dialect) -> str:
    return statement.format(
        sequence=dialect.sequence,
        binary=dialect.binary,
        key=dialect.key,
        clustered=dialect.clustered,
    )
