"""Where a worker's steps write: one file, whose offsets tell the attempts apart.

Holds the file on a descriptor of its own, so that a step that closes or redirects its standard
streams harms neither its report nor the steps after it.
"""

from __future__ import annotations

import fcntl
import os
import sys
from typing import Any, TextIO

_FIRST_PRIVATE_FD = 64


class Console:
    """The console of a worker process, as it was started: descriptors 1 and 2 are one file."""

    def __init__(self) -> None:
        self._streams: tuple[Any, Any] = (sys.stdout, sys.stderr)
        for stream in self._streams:
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
        try:
            self._fd = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, _FIRST_PRIVATE_FD)
        except OSError:  # few descriptors are allowed
            self._fd = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 5)

    def begin(self) -> int:
        """Put the streams in their places; where in the file the next attempt begins."""
        os.dup2(self._fd, 1)
        os.dup2(self._fd, 2)
        stdout, stderr = self._streams
        if sys.stdout is not stdout or stdout.closed:
            sys.stdout = self._fresh(stdout, 1)
        if sys.stderr is not stderr or stderr.closed:
            sys.stderr = self._fresh(stderr, 2)
        self._streams = (sys.stdout, sys.stderr)
        return self._end()

    def end(self, last_words: str) -> int:
        """Flush what the attempt wrote, and `last_words`; where in the file it ends."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # noqa: BLE001 - user code: whatever it put in the stream's place
                pass
        if last_words:
            try:
                os.write(self._fd, last_words.encode(errors="backslashreplace"))
            except OSError:
                pass  # the disk is full: the report has it too
        return self._end()

    def _fresh(self, known: Any, fd: int) -> TextIO:
        if not known.closed:
            return known  # type: ignore[no-any-return]
        return open(fd, "w", buffering=1, errors="backslashreplace", closefd=False)

    def _end(self) -> int:
        return os.lseek(self._fd, 0, os.SEEK_END)
