"""Keeps what a script prints: `sys.stdout` and `sys.stderr` go where they went, and into a file.

What does not pass through these two (a subprocess, a C library) is not kept.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from pipekit.liveness import this_pid


class Kept:
    """A stream that also writes to a file; in all else it is the stream that it stands for."""

    def __init__(self, stream: TextIO, keep: Callable[[str], None]) -> None:
        self._stream = stream
        self._keep = keep

    def write(self, text: str) -> int:
        count = self._stream.write(text)
        self._keep(text)
        return count

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)


class Console:
    """What this process prints from now on, in a file.

    Args:
        path: The file.
        limit_bytes: What it may hold; the rest is printed only.
    """

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        path.chmod(0o600)
        self._left = limit_bytes
        self._pid = this_pid()
        self._lock = threading.Lock()
        self._stood: dict[str, tuple[TextIO, Kept]] = {}
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None:
                kept = Kept(stream, self._keep)
                self._stood[name] = (stream, kept)
                setattr(sys, name, cast("TextIO", kept))

    def _keep(self, text: str) -> None:
        data = text.encode(errors="backslashreplace")
        if self._left <= 0 or this_pid() != self._pid:
            return  # what a forked child prints is its own
        try:
            with self._lock:
                self._left -= len(data)
                if self._left < 0:
                    data = b"\n[pipekit keeps no more of this console]\n"
                self._file.write(data)
        except (OSError, ValueError):
            pass  # a full disk must not end the script

    def let_go(self) -> None:
        """Keep nothing more, and put the streams back where no one else stands in for them."""
        for name, (stream, kept) in self._stood.items():
            if getattr(sys, name) is kept:
                setattr(sys, name, stream)
        with self._lock:
            self._file.close()
