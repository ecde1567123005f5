"""A clock that tests move by hand, and under which pipekit's own waits pass at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipekit.clock import SystemClock, Timers
from pipekit.errors import UsageError


class FakeClock:
    """The machine's time, and ahead of it by what was waited or advanced. Thread-safe.

    A step with `retry_delay=60` that fails is tried again at once, and the clock stands a minute
    later. Several waits at the same time pass in the order in which they began. It is the time of
    pipekit's records alone: what a step asks `time.time()` or `time.sleep()` for is real, and so is
    the time that counts for `timeout=`.

    Example:
        ```python
        def test_a_step_that_fails_twice_is_tried_again(pipekit_home):
            assert flaky_pipeline() == "done"
            assert len(pipekit_home.clock.waits) == 2  # 60 and 120 seconds, and some jitter
        ```
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0.0
        self._waits: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch (UTC)."""
        return SystemClock.now() + self._ahead

    def monotonic(self) -> float:
        """Seconds on a clock that never steps backwards."""
        return SystemClock.monotonic() + self._ahead

    @property
    def waits(self) -> list[float]:
        """Seconds of each wait that passed at once, in the order in which they began."""
        with self._lock:
            return list(self._waits)

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            UsageError: `seconds` is below 0.

        Example:
            ```python
            pipekit_home.clock.advance(24 * 3600)  # what is recorded from now on is a day younger
            ```
        """
        if not seconds >= 0:
            raise UsageError(f"A clock cannot be moved by {seconds!r} seconds: it goes forwards.")
        with self._lock:
            self._ahead += seconds

    def wait(self, seconds: float, callback: Callable[[], None], timers: Timers) -> None:
        """Run `callback` soon, when the clock stands `seconds` later. pipekit calls this."""
        due = self.now() + seconds
        if seconds > 0:
            with self._lock:
                self._waits.append(seconds)

        def pass_time() -> None:
            with self._lock:
                self._ahead = max(self._ahead, due - SystemClock.now())
            callback()

        timers.post(pass_time)
