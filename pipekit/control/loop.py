"""The loop: one thread that waits for descriptors, timers and posted calls. Knows nothing of steps.

asyncio would do; its import alone costs more than a small pipeline.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

Callback = Callable[[], None]

_LONGEST_SECONDS = 3600.0
"""In one go: the system takes no wait of weeks."""


class SelectorLoop:
    """The `Loop` port over `selectors`.

    `turn_ended` runs after each round of callbacks: whoever batches work does it there.
    """

    def __init__(self, turn_ended: Callback, failed: Callable[[BaseException], None]) -> None:
        self._turn_ended = turn_ended
        self._failed = failed
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, tuple[int, Callback]] = {}
        """By descriptor: what is waited for, and who is told."""
        self._posted: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._sleeps = itertools.count(1)
        self._sleep = 0
        """Which sleep the thread is in or about to begin; 0: it is awake, and looks again."""
        self._woken_from = 0
        self._closing = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self.watch(self._wake_read, self._drain_wake)
        self._thread = threading.Thread(target=self._run, name="pipekit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, callback: Callback) -> None:
        self._posted.append(callback)
        sleep = self._sleep
        if sleep and sleep != self._woken_from:
            self._wake()
            # Not before: an interrupt between the two may cost a wake-up more, but never the one.
            self._woken_from = sleep

    def call_later(self, seconds: float, callback: Callback) -> None:
        heapq.heappush(self._timers, (monotonic() + seconds, next(self._order), callback))

    def watch(self, fd: int, callback: Callback, *, write: bool = False) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        known = self._watched.get(fd)
        if known is None:
            self._selector.register(fd, events)
        elif known[0] != events:
            self._selector.modify(fd, events)
        self._watched[fd] = events, callback

    def unwatch(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def close(self) -> None:
        """Let the thread end after what was posted before, and wait for it."""
        self._closing = True
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()
            self._selector.close()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"w")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already
        except OSError:
            pass  # closed meanwhile

    def _drain_wake(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            pass

    def _run(self) -> None:
        try:
            while not (self._closing and not self._posted):
                self._turn()
        except BaseException as error:  # noqa: BLE001 - whoever waits must be told
            self._failed(error)

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._seconds_to_wait()):
            watched = self._watched.get(key.fd)
            if watched is not None:  # else one before it in this round has ended that
                watched[1]()
        self._sleep = 0
        for _ in range(len(self._posted)):
            self._posted.popleft()()
        now = monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        self._turn_ended()

    def _seconds_to_wait(self) -> float | None:
        # First say that it sleeps, then look: a post between the two wakes it.
        self._sleep = next(self._sleeps)
        if self._posted or self._closing:
            return 0
        if self._timers:
            return min(max(0.0, self._timers[0][0] - monotonic()), _LONGEST_SECONDS)
        return None
