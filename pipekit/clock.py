"""The one source of time: wall time for records, monotonic time for waiting, and sortable ids.

Records hold times as seconds since the epoch (UTC, `float`); the public API turns them into
aware datetimes. Nothing else in pipekit calls `time.time`.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock  # `threading` costs a light start more
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no i, l, o, u, so an id survives being read aloud."""

LOOK_UP_SECONDS = 0.5
"""No thread that may be the main one blocks for longer at once: a signal does not wake it where it
comes in the moment before it blocks, or where the system gives it to another thread."""


class Timers(Protocol):
    """What a clock needs of a loop (see `pipekit.ports.Loop`)."""

    def post(self, callback: Callable[[], None]) -> None:
        """Run `callback` in the loop's thread soon."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Run `callback` when `seconds` have really passed."""


class Clock(Protocol):
    """Where times come from, so that tests can move time by hand. Thread-safe."""

    def now(self) -> float:
        """Wall time, seconds since the epoch (UTC). May step backwards."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps backwards; differences alone mean something."""

    def wait(self, seconds: float, callback: Callable[[], None], timers: Timers) -> None:
        """Have `timers` run `callback` when `seconds` of this clock have passed. For waits that are
        nothing but time (before a retry); what watches over processes takes real time."""


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def wait(seconds: float, callback: Callable[[], None], timers: Timers) -> None:
        timers.call_later(seconds, callback)


def to_datetime(seconds: float) -> datetime:
    """The aware UTC datetime of a record's time."""
    return datetime.fromtimestamp(seconds, UTC)


class IdMaker:
    """Makes ids that sort by the time at which they were made.

    26 characters: 10 of milliseconds, 3 of a counter within the millisecond, 13 that are random
    for this maker. Ids of one process sort in the order in which they were made, already their
    first 13 characters differ, and those of two processes do not meet. Thread-safe: runs that go on
    beside one another have one maker.
    """

    __slots__ = ("_clock", "_counter", "_last_ms", "_lock", "_prefix", "_suffix")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = allocate_lock()
        self._last_ms = -1
        self._prefix = ""
        self._counter = 0
        self._suffix = _encode(int.from_bytes(os.urandom(9)), 13)

    def __call__(self) -> str:
        with self._lock:
            return self._next()

    def _next(self) -> str:
        seconds = self._clock.now()
        ms = int(seconds * 1000)
        if ms > self._last_ms:
            self._last_ms = ms
            self._prefix = _encode(ms, 10)
            # The microseconds, not zero: short ids of two processes then rarely meet.
            self._counter = int(seconds * 1e6) % 1000 * 8
        else:
            self._counter += 1
            if self._counter >= 1 << 15:
                self._last_ms += 1
                self._prefix = _encode(self._last_ms, 10)
                self._counter = 0
        return self._prefix + _encode(self._counter, 3) + self._suffix


def _encode(number: int, length: int) -> str:
    out = [""] * length
    for i in range(length - 1, -1, -1):
        out[i] = _ALPHABET[number & 31]
        number >>= 5
    return "".join(out)
