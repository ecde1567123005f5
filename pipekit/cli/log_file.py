"""The part of a log file that belongs to one attempt: read in pieces, forward or from its end.
Knows nothing of records; never holds more than a piece in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

PIECE_BYTES = 1 << 18


class LogFile:
    """What lies in a file from an offset on, while it may still grow.

    A file that is not there (yet, or any more) has nothing to give.
    """

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.offset = start
        """Where the next piece begins."""

    def read(self, end: int | None = None) -> Iterator[bytes]:
        """The pieces between `offset` and `end` (default: the end of the file as it is now)."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self.offset)
            while True:
                wanted = PIECE_BYTES if end is None else min(PIECE_BYTES, end - self.offset)
                data = file.read(wanted) if wanted > 0 else b""
                if not data:
                    return
                self.offset += len(data)
                yield data


def find_tail(path: Path, start: int, end: int | None, lines: int) -> tuple[int, int]:
    """Where the last lines of a part of a file begin, and how many there are (`lines` at most).

    Reads backwards from the end. A last line counts also where it does not end with a newline.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return start, 0
    with file:
        size = file.seek(0, 2)
        end = size if end is None else min(end, size)
        if end <= start or lines <= 0:
            return max(start, end), 0
        return _find_tail(file, start, end, lines)


def _find_tail(file: IO[bytes], start: int, end: int, lines: int) -> tuple[int, int]:
    found = 0
    at = end - 1  # the newline that ends the last line separates nothing
    while at > start:
        begin = max(start, at - PIECE_BYTES)
        file.seek(begin)
        data = file.read(at - begin)
        place = len(data)
        while (place := data.rfind(b"\n", 0, place)) >= 0:
            found += 1
            if found == lines:
                return begin + place + 1, lines
        at = begin
    return start, found + 1
