"""Versions of the schema, and how a store gets from one to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from pipekit.errors import StoreVersionMismatch
from pipekit.stores.dialect import SQLITE
from pipekit.stores.schema import MIGRATIONS, READ_VERSION, Migration, check_version, migrate

FIRST: tuple[Migration, ...] = ((1, ("CREATE TABLE notes (id {key} PRIMARY KEY)",)),)
SECOND: tuple[Migration, ...] = (
    *FIRST,
    (2, ("ALTER TABLE notes ADD COLUMN text TEXT NOT NULL DEFAULT ''",)),
)
BROKEN: tuple[Migration, ...] = (
    *SECOND,
    (3, ("CREATE TABLE more (id {sequence})", "CREATE TABLE more (id {sequence})")),
)


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def bring(database: sqlite3.Connection, migrations: tuple[Migration, ...]) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        migrate(database, SQLITE, where="here", migrations=migrations)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def version(database: sqlite3.Connection) -> int:
    return int(database.execute(READ_VERSION).fetchone()[0])


def test_a_new_store_gets_every_migration(database: sqlite3.Connection) -> None:
    bring(database, SECOND)
    assert version(database) == 2
    assert database.execute("SELECT id, text FROM notes").fetchall() == []


def test_an_older_store_gets_what_is_missing_and_keeps_its_rows(
    database: sqlite3.Connection,
) -> None:
    bring(database, FIRST)
    database.execute("INSERT INTO notes VALUES ('a')")
    bring(database, SECOND)
    assert version(database) == 2
    assert database.execute("SELECT id, text FROM notes").fetchall() == [("a", "")]


def test_migrating_again_changes_nothing(database: sqlite3.Connection) -> None:
    bring(database, SECOND)
    bring(database, SECOND)
    assert version(database) == 2


def test_a_migration_that_fails_leaves_the_older_version_whole(
    database: sqlite3.Connection,
) -> None:
    bring(database, SECOND)
    with pytest.raises(sqlite3.OperationalError):
        bring(database, BROKEN)
    assert version(database) == 2
    assert "more" not in [row[0] for row in database.execute("SELECT name FROM sqlite_master")]


def test_a_newer_store_is_refused_with_both_versions(database: sqlite3.Connection) -> None:
    bring(database, SECOND)
    with pytest.raises(StoreVersionMismatch, match=r"version 2.*up to 1") as refused:
        bring(database, FIRST)
    assert (refused.value.found, refused.value.known) == (2, 1)


def test_a_store_older_than_the_first_migration_is_refused() -> None:
    late: tuple[Migration, ...] = ((5, ()), (6, ()))
    assert not check_version(0, where="here", migrations=late)
    assert not check_version(4, where="here", migrations=late)
    with pytest.raises(StoreVersionMismatch, match="too old"):
        check_version(3, where="here", migrations=late)


def test_versions_count_up_by_one() -> None:
    assert [number for number, _ in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM tasks WHERE id = ?",
        "SELECT * FROM tasks WHERE parent = ?",
        "SELECT * FROM tasks WHERE kind IN (?) AND kind <> 'step'"
        " ORDER BY created_at DESC, id DESC",
        "SELECT * FROM attempts WHERE task_id = ? ORDER BY number",
        "SELECT * FROM artifacts WHERE task_id = ? ORDER BY seq",
        "SELECT * FROM events WHERE task_id = ? ORDER BY seq",
        "SELECT * FROM memos WHERE key IN (?)",
        "SELECT * FROM memos WHERE task_id = ?",
        "SELECT * FROM contents WHERE blob IN (?)",
    ],
)
def test_every_frequent_read_goes_by_an_index_and_sorts_nothing(
    database: sqlite3.Connection, query: str
) -> None:
    bring(database, MIGRATIONS)
    plan = " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}", ("x",)))
    assert "INDEX" in plan or "PRIMARY KEY" in plan
    assert "TEMP B-TREE" not in plan


def test_the_schema_itself_refuses_a_second_open_attempt(database: sqlite3.Connection) -> None:
    bring(database, MIGRATIONS)
    insert = (
        "INSERT INTO attempts (task_id, number, started_at, host, pid, pid_started_at, agent,"
        " ended_at, exit, failure, log_path, log_start)"
        " VALUES ('t', ?, 1, 'h', 1, 1, '', ?, '', '', '', 0)"
    )
    database.execute(insert, (1, 2.0))
    database.execute(insert, (2, None))
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(insert, (3, None))
