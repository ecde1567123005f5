"""Keeps a collection out while a step takes what is remembered, and the other way round: a lock on
a file of the home, shared by those who take, alone for the one who collects."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Gate:
    """The lock of one home in this process. One thread at a time holds it, which is the loop's, or
    that of a command. The file is opened at first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, *, alone: bool = False) -> Iterator[None]:
        """Wait for the lock and hold it. It goes with the process, however that ends."""
        with self._lock:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
