"""The SQLite store: a file, its connections, and what may be wrong with it. Owns no statement.

One connection writes, under a lock; each thread that reads has one of its own. Every write begins
with BEGIN IMMEDIATE: a transaction that turns from reading to writing may fail at once, without
waiting for the lock.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pipekit import crash
from pipekit.errors import SettingsError, StoreUnavailable
from pipekit.stores.dialect import SQLITE
from pipekit.stores.mount import find_network_file_system
from pipekit.stores.schema import MIGRATIONS, READ_VERSION, Migration, check_version, migrate
from pipekit.stores.sql import SqlStore

Durability = Literal["normal", "full"]

_SYNCHRONOUS = {"normal": "NORMAL", "full": "FULL"}

_MAP_BYTES = 256 * 1024 * 1024
"""Of the file, read through the page cache without a copy."""

_CACHE_KIB = 16 * 1024

_CHECKPOINT_PAGES = 4000
"""16 MiB of log before it is folded into the file: that costs an fsync, so not every 4 MiB."""

_STATEMENTS = 256
"""Prepared statements a connection keeps."""

_RETRY_SECONDS = 0.01

_FORK_SECONDS = 5.0
_open_stores: weakref.WeakSet[SqliteStore] = weakref.WeakSet()
_held_to_fork: list[threading.Lock] = []


def _finish_writing() -> None:
    """Before a fork: no transaction is to go on. SQLite keeps in memory which locks its process
    holds; a child would have the lock of a writer that is not there, and wait for it for ever."""
    for store in list(_open_stores):
        if store.writing.acquire(timeout=_FORK_SECONDS):
            _held_to_fork.append(store.writing)


def _go_on_writing() -> None:
    while _held_to_fork:
        _held_to_fork.pop().release()


os.register_at_fork(
    before=_finish_writing, after_in_parent=_go_on_writing, after_in_child=_go_on_writing
)


class SqliteStore(SqlStore):
    """A `Store` in one file (and its write-ahead log beside it), for the processes of one machine.

    Args:
        path: The file; made, with its folder, where it is missing, readable by its owner alone.
        durability: `normal` keeps what was committed when the process dies, `full` also when the
            machine does (an fsync a commit).
        busy_seconds: How long to wait for another process that writes.

    Raises:
        SettingsError: An argument does not fit.
        StoreUnavailable: The file cannot be opened, or lies on a network file system.
        StoreVersionMismatch: It was made by a newer pipekit.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "normal",
        busy_seconds: float = 30.0,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        super().__init__(SQLITE, duplicate=sqlite3.IntegrityError)
        if durability not in _SYNCHRONOUS:
            raise SettingsError(
                f"durability={durability!r} is not known.", hint="choose 'normal' or 'full'."
            )
        self.path = Path(os.path.abspath(path))
        self._busy_seconds = busy_seconds
        self._synchronous = _SYNCHRONOUS[durability]
        self._migrations = migrations
        self.writing = threading.Lock()
        """Held by the thread that writes."""
        self._local = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._closed = False
        self._writer = self._open()
        _open_stores.add(self)

    def _open(self) -> sqlite3.Connection:
        """The writing connection of a store that is there and current."""
        network = find_network_file_system(self.path.parent)
        if network is not None:
            raise StoreUnavailable(
                f"The store {self.path} lies on a network file system ({network}), "
                "where SQLite loses data.",
                hint="set PIPEKIT_HOME to a folder on a local disk.",
            )
        try:
            _make_file(self.path)
        except OSError as error:
            raise StoreUnavailable(
                f"The store {self.path} cannot be made: {error.strerror or error}.",
                hint="set PIPEKIT_HOME to a folder that you can write to.",
            ) from error
        deadline = time.monotonic() + self._busy_seconds
        while True:
            connection = None
            try:
                connection = self._connect()
                self._prepare(connection)
                return connection
            except BaseException as error:
                if connection is not None:
                    connection.close()
                if not isinstance(error, sqlite3.Error):
                    raise
                # Turning a new file to write-ahead logging does not wait for a lock by itself.
                if not _is_busy(error) or time.monotonic() >= deadline:
                    raise self._unavailable(error) from error
            time.sleep(_RETRY_SECONDS)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        connection.execute(f"PRAGMA mmap_size = {_MAP_BYTES}")
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        where = str(self.path)
        try:
            found = int(connection.execute(READ_VERSION).fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            found = 0
        if check_version(found, where=where, migrations=self._migrations):
            return
        connection.execute("PRAGMA journal_mode = WAL")
        with _transaction(connection):
            migrate(connection, SQLITE, where=where, migrations=self._migrations)

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._reader().execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._unavailable(error) from error

    def _reader(self) -> sqlite3.Connection:
        if self._closed:
            raise self._gone()
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            reader = self._local.reader = _Reader(connection)
            with self.writing:
                self._readers.add(reader)
        return reader.connection

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self.writing:
            if self._closed:
                raise self._gone()
            try:
                with _transaction(self._writer):
                    yield self._writer
            except sqlite3.IntegrityError:
                raise
            except sqlite3.DatabaseError as error:
                raise self._unavailable(error) from error

    def close(self) -> None:
        with self.writing:
            self._closed = True
            for reader in list(self._readers):
                reader.connection.close()
            self._writer.close()

    def _gone(self) -> StoreUnavailable:
        return StoreUnavailable(f"The store {self.path} is closed.")

    def _unavailable(self, error: sqlite3.Error) -> Exception:
        """The error in words; one that speaks of a mistake in the program stays as it is."""
        if self._closed:
            return self._gone()
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return error
        words = _WRONG.get(code & 0xFF)
        if words is None:
            return error
        message, hint = words
        return StoreUnavailable(
            f"The store {self.path} {message} ({error}).".replace(
                "{seconds}", f"{self._busy_seconds:g}"
            ),
            hint=hint.replace("{path}", str(self.path)),
        )


class _Reader:
    """A thread's connection, closed when the thread has ended."""

    __slots__ = ("__weakref__", "connection")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


_LOCKED = (
    "was locked by another process for more than {seconds} s",
    "find it with 'fuser {path}', stop it, and run the pipeline again: what completed is reused.",
)
_CLOSED_TO_US = (
    "cannot be opened or written",
    "check that '{path}' and its folder are yours to write, or set PIPEKIT_HOME to another folder.",
)
_DAMAGED = (
    "is damaged",
    "rescue what is readable with 'sqlite3 {path} .recover', then move the file away; "
    "pipekit makes a new one.",
)
_WRONG = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: (
        "cannot grow: the disk is full",
        "free some space, or set PIPEKIT_HOME to another disk; then run "
        "the pipeline again: what completed is reused.",
    ),
    sqlite3.SQLITE_READONLY: _CLOSED_TO_US,
    sqlite3.SQLITE_CANTOPEN: _CLOSED_TO_US,
    sqlite3.SQLITE_PERM: _CLOSED_TO_US,
    sqlite3.SQLITE_AUTH: _CLOSED_TO_US,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk gives an error",
        "check the disk ('dmesg'), its space and its quota; then run "
        "the pipeline again: what completed is reused.",
    ),
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
}


def _is_busy(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _make_file(path: Path) -> None:
    """Make the file, empty and closed to others, where it is missing.

    An existing one is not opened: closing it again would drop the locks that SQLite holds on it
    elsewhere in this process.
    """
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute(SQLITE.begin)
    try:
        yield
        if crash.armed:
            crash.at("controller.in-commit")
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
