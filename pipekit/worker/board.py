"""A page of memory that a controller and one worker share: which call the worker is in.

The worker writes the number of a call before it starts it; the controller reads it when the worker
has died (that call alone is charged) or is slow (the calls behind it are taken back). Both need no
answer from the other, so they work while user code holds the interpreter or the process is gone.
A record lock of the operating system makes *start* and *take back* exclude each other; it is
released by the kernel where its holder dies.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

_STATE = struct.Struct("<qd")
_TOKEN = struct.Struct("<q")
_TAKEN_BACK = struct.Struct("<qq")
_SIZE = _STATE.size + _TAKEN_BACK.size
NO_CALL = -1


class Board:
    """The shared page. Call tokens of one worker only ever grow."""

    __slots__ = ("_map", "fd")

    def __init__(self, fd: int, *, new: bool = False) -> None:
        """Map the file `fd`; `new` also sizes and clears it."""
        self.fd = fd
        if new:
            os.pwrite(fd, bytes(_SIZE), 0)  # a full disk says so here, not by a signal later
        self._map = mmap.mmap(fd, _SIZE)
        if new:
            _STATE.pack_into(self._map, 0, NO_CALL, 0.0)
            _TAKEN_BACK.pack_into(self._map, _STATE.size, 0, 0)

    def begin(self, token: int, at: float) -> bool:
        """The worker is about to start call `token`; False where it was taken back."""
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            first, end = _TAKEN_BACK.unpack_from(self._map, _STATE.size)
            if first <= token < end:
                return False
            _STATE.pack_into(self._map, 0, token, at)
            return True
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def restart(self, token: int, at: float) -> None:
        """The time of the call that has begun counts from `at`."""
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            _STATE.pack_into(self._map, 0, token, at)
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def seems_in(self, token: int) -> bool:
        """Whether the worker is in call `token`, at a glance: without the lock, so that now and
        then the answer is wrong. For a look at many calls, of which `current` confirms one."""
        return bool(_TOKEN.unpack_from(self._map, 0)[0] == token)

    def current(self) -> tuple[int, float]:
        """The call begun last, and when (monotonic seconds); `NO_CALL` before the first."""
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            return _STATE.unpack_from(self._map, 0)
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def take_back(self, end: int) -> tuple[int, float]:
        """Take back every call below `end` that has not begun; what `current` gives then holds."""
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            token, at = _STATE.unpack_from(self._map, 0)
            _TAKEN_BACK.pack_into(self._map, _STATE.size, token + 1, end)
            return token, at
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        self._map.close()
        os.close(self.fd)
