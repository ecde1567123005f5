"""Writes whole lines to a stream for people, beside whatever else writes there. Owns how they get
there; knows nothing of what they say.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from typing import TextIO

from pipekit.console.terminal import is_dumb, is_terminal, width_of

_MOST_AT_ONCE = 4096
"""What other processes write to the same pipe does not come between bytes of one such write."""
_PATIENCE_SECONDS = 5.0


class LineStream:
    """Whole lines to one stream. A stream that is closed or cannot be written takes nothing, and
    nobody is told; not thread-safe.

    The lines go straight to the file descriptor, so that a line that others have begun in the
    stream's buffer is not joined with them.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream` None: what `sys.stderr` is at that moment."""
        self._stream = stream

    @property
    def target(self) -> TextIO | None:
        """The stream as it is now."""
        return self._stream if self._stream is not None else sys.stderr

    def write(self, lines: Sequence[str]) -> None:
        """Write the lines; none of them ends with a line's end."""
        target = self.target
        if not lines or target is None:
            return
        try:
            if type(target) is TextIOWrapper:  # what stands in for one may mean another place
                self._write_bytes(target, lines)
            else:
                target.write("\n".join(lines) + "\n")
                target.flush()
        except (OSError, ValueError):
            pass  # closed, full, or it takes no such character: a run does not fail for that

    def _write_bytes(self, target: TextIOWrapper, lines: Sequence[str]) -> None:
        fd = target.fileno()
        if not target.line_buffering:
            target.flush()
        before = _fresh_line(target)
        for part in _parts(lines, target.encoding or "utf-8"):
            _write_all(fd, before + part)
            before = b""


def _fresh_line(target: TextIO) -> bytes:
    """Moves a terminal's cursor to the beginning of a line, and to the next one where something
    stands on this one already (a prompt, a progress bar): blanks up to the last column go on
    below unless they began in the first."""
    if not is_terminal(target) or is_dumb():
        return b""
    columns = width_of(target)
    return b" " * (columns - 1) + b"\r\x1b[K" if columns else b""


def _parts(lines: Sequence[str], encoding: str) -> Iterator[bytes]:
    part = b""
    for line in lines:
        data = line.encode(encoding, "backslashreplace") + b"\n"
        if part and len(part) + len(data) > _MOST_AT_ONCE:
            yield part
            part = b""
        part += data
    yield part


def _write_all(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # someone has made it non-blocking
            if not select.select([], [fd], [], _PATIENCE_SECONDS)[1]:
                return
