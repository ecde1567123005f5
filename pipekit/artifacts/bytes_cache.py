"""A bounded cache of bytes under text keys, on diskcache. Never unpickles, and opens, makes or
removes no file but its database: whoever can write the database can make it forget, nothing more.

Imports diskcache: only what needs it imports this.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import MODE_RAW


class RefusedRow(Exception):
    """The database holds a row that was not written here."""


class BytesDisk(diskcache.Disk):  # type: ignore[misc]
    """Text keys and raw bytes inside the database. diskcache's own `Disk` unpickles values and keys
    that say so, and opens the file that a row names, wherever that leads."""

    def hash(self, key: Any) -> int:
        return int(super().hash(self.put(key)[0]))

    def put(self, key: Any) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError(f"keys are text, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        if not raw or type(key) is not str:
            raise RefusedRow("a key that is not text")
        return key

    def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, None, Any]:
        if read or type(value) is not bytes:
            raise TypeError(f"values are bytes, not {type(value).__name__}")
        return 0, MODE_RAW, None, sqlite3.Binary(value)

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> bytes:
        if mode != MODE_RAW or filename is not None or read or type(value) is not bytes:
            raise RefusedRow("a value that is not bytes within the database")
        return value

    def filename(self, key: Any = None, value: Any = None) -> tuple[str, str]:
        raise RefusedRow("no value is kept in a file")

    def remove(self, file_path: Any) -> None:
        """Nothing: no file was made here, so a row that names one is not ours to obey."""


def open_cache(folder: Path, *, size_limit: int) -> diskcache.Cache:
    """The cache in a folder, made with mode 0700 where it is not there.

    Raises:
        OSError: the folder cannot be made.
        sqlite3.Error: its database cannot be read.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return diskcache.Cache(
        str(folder),
        timeout=1,
        disk=BytesDisk,
        size_limit=size_limit,
        eviction_policy="least-recently-stored",
        sqlite_synchronous=0,  # what a power cut takes is computed again
    )
