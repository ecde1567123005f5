"""Keeps a few lines at the bottom of a terminal, below everything else that is written there.

Theory of operation. The terminal is told to scroll all but its last rows (DECSTBM), and these rows
are drawn between saving and restoring the cursor (DECSC, DECRC), each time in one write. So nothing
that others write has to be caught: `print`, a stream kept from before, another thread, C code,
`input()`, a debugger's prompt and a progress bar go on above, where their cursor is. The lines are
given back by `hide`; that, and nothing else, must happen before the process ends.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Sequence
from time import monotonic
from typing import TextIO

from pipekit.console.terminal import is_dumb, is_terminal

_SAVE, _RESTORE = "\x1b7", "\x1b8"
_WHOLE = "\x1b[r"
_MARGIN_ROWS = 3
"""That scroll, at the least."""
_LEAST_COLUMNS = 20
_STOPPED_SECONDS = 1.5
"""Without a frame: the process was stopped meanwhile, and its terminal used by others."""


class Screen:
    """The terminal behind a stream. One thread draws; any may `hide`."""

    def __init__(self, fd: int) -> None:
        """`fd` is a descriptor of its own for the terminal, and becomes the screen's."""
        self._fd = fd
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._size = os.terminal_size((0, 0))
        self._rows = 0
        """Of the terminal's last rows, so many are kept."""
        self._drawn_at = 0.0
        atexit.register(self.close)

    @classmethod
    def open(cls, stream: TextIO | None) -> Screen | None:
        """The screen of the stream's terminal; None where it is none, cannot do this, or where
        another process draws there already."""
        if stream is None or not is_terminal(stream) or is_dumb():
            return None
        try:
            fd = _own_descriptor(stream.fileno())
        except (OSError, ValueError):
            return None
        if fd is None:
            return None
        return cls(fd)

    @property
    def size(self) -> os.terminal_size:
        """Columns and rows at this moment, zeros where that is unknown."""
        try:
            return os.get_terminal_size(self._fd)
        except (OSError, ValueError):
            return os.terminal_size((0, 0))

    @property
    def most_rows(self) -> int:
        """How many lines may be shown: at most half of the rows, none on a tiny terminal."""
        size = self.size
        if size.columns < _LEAST_COLUMNS or size.lines <= 2 * _MARGIN_ROWS:
            return 0
        return size.lines // 2

    @property
    def is_ours(self) -> bool:
        """Whether this process is in front: not stopped and continued in the background, and not a
        child that was forked."""
        if self._pid != os.getpid():
            return False
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return True  # not the controlling terminal: there is no such question

    def show(self, lines: Sequence[str]) -> None:
        """Put these lines, which fit, on the last rows; the first time, or after a resize, what is
        there moves up."""
        with self._lock:
            if self._fd < 0:
                return
            size, now = self.size, monotonic()
            if size.lines - len(lines) < _MARGIN_ROWS:
                return
            text = ""
            if size != self._size or now - self._drawn_at > _STOPPED_SECONDS:
                text = self._claim(size, len(lines), is_new=self._rows == 0)
            elif len(lines) != self._rows:
                text = self._cleared() + self._claim(size, len(lines), is_new=True)
            self._size, self._rows, self._drawn_at = size, len(lines), now
            first = size.lines - len(lines) + 1
            text += _SAVE
            for number, line in enumerate(lines):
                text += f"\x1b[{first + number};1H\x1b[0m{line}\x1b[0m\x1b[K"
            self._write(text + _RESTORE)

    def hide(self) -> None:
        """Take the lines away, and let the whole terminal scroll again. Idempotent."""
        with self._lock:
            if self._rows:
                self._write(self._cleared())
            self._rows = 0

    def close(self) -> None:
        """Hide the lines and let go of the terminal. Idempotent."""
        if self._pid != os.getpid():
            return  # a forked child, where nobody may be left to release the lock
        atexit.unregister(self.close)
        self.hide()
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def _claim(self, size: os.terminal_size, rows: int, *, is_new: bool) -> str:
        """Keep the last rows out of what scrolls. The cursor stays on its text: so many times down,
        which scrolls where there is no room below, and as many times up again."""
        text = f"{_SAVE}{_WHOLE}{_RESTORE}" + "\x1bD" * rows + f"\x1b[{rows}A"
        if not is_new:
            # Nobody knows where the old lines are by now, but below the cursor.
            text += f"{_SAVE}\r\x1b[B\x1b[J{_RESTORE}"
        return text + f"{_SAVE}\x1b[1;{size.lines - rows}r{_RESTORE}"

    def _cleared(self) -> str:
        text = _SAVE
        for row in range(self._size.lines - self._rows + 1, self._size.lines + 1):
            text += f"\x1b[{row};1H\x1b[0m\x1b[2K"
        return f"{text}{_WHOLE}{_RESTORE}"

    def _write(self, text: str) -> None:
        try:
            os.write(self._fd, text.encode(errors="replace"))
        except OSError:
            pass  # the terminal is gone


def _own_descriptor(fd: int) -> int | None:
    """The terminal, opened anew, so that nothing that the user does to theirs matters; None where
    another process has it locked, for two would draw on the same rows."""
    try:
        import fcntl

        own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return os.dup(fd)  # it has no name here, as in some containers
    try:
        fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(own)
        return None
    except OSError:
        pass  # terminals cannot be locked on this system
    return own
