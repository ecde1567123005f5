"""Says in the store that the runs of this process go on, so that another host can tell a run that
lasts from one whose process is gone. In the loop's thread."""

from __future__ import annotations

from collections.abc import Collection

from pipekit.clock import Clock
from pipekit.control.run import Run
from pipekit.errors import StoreUnavailable
from pipekit.ports import Loop, Store

LEASE_SECONDS = 30.0
_EVERY_SECONDS = 10.0


class Heartbeat:
    """Renews the leases of the runs of a session. A run that is over before the first beat has
    what was recorded at its beginning. After the machine has slept, a lease that nobody has closed
    meanwhile is renewed as any other."""

    def __init__(self, loop: Loop, store: Store, clock: Clock, runs: Collection[Run]) -> None:
        """`runs` are those that go on."""
        self._loop = loop
        self._store = store
        self._clock = clock
        self._runs = runs
        self._beats = False

    def beat_later(self) -> None:
        """Renew in a while, and again as long as there are runs."""
        if not self._beats:
            self._beats = True
            self._loop.call_later(_EVERY_SECONDS, self.beat)

    def beat(self) -> None:
        """Renew now."""
        self._beats = False
        ids = [run.task_id for run in list(self._runs) if run.parent is None]
        if not ids:
            return
        self.beat_later()
        now = self._clock.now()
        try:
            self._store.renew(ids, at=now, until=now + LEASE_SECONDS)
        except StoreUnavailable:
            pass  # the next commit says what is wrong
