"""Says in the store that the runs of this process go on, so that another host can tell a run that
lasts from one whose process is gone. In the loop's thread."""

from __future__ import annotations

from collections.abc import Callable, Collection

from pipekit.clock import Clock
from pipekit.control.run import Run
from pipekit.errors import PipekitError, StoreUnavailable, short
from pipekit.ports import Loop, Store

LEASE_SECONDS = 30.0
_EVERY_SECONDS = 10.0


class Heartbeat:
    """Renews the leases of the runs of a session. A run that is over before the first beat has
    what was recorded at its beginning. After the machine has slept, a lease that nobody has closed
    meanwhile is renewed as any other; a run that someone has closed, or taken, is lost."""

    def __init__(
        self, loop: Loop, store: Store, clock: Clock, runs: Collection[Run],
        lost: Callable[[PipekitError], None],
    ) -> None:  # fmt: skip
        """`runs` are those that go on. `lost` is told why they cannot."""
        self._loop = loop
        self._store = store
        self._clock = clock
        self._runs = runs
        self._lost = lost
        self._beats = False
        self._held_until = 0.0
        """Until when nobody can have taken a run."""

    def beat_later(self) -> None:
        """Renew in a while, and again as long as there are runs."""
        if not self._beats:
            self._beats = True
            self._held_until = self._clock.now() + LEASE_SECONDS
            self._loop.call_later(_EVERY_SECONDS, self.beat)

    def beat_if_late(self) -> None:
        """Before anything is recorded: this process may have slept for longer than its leases."""
        if self._beats and self._clock.now() > self._held_until:
            self._renew([run for run in list(self._runs) if run.parent is None])

    def beat(self) -> None:
        """Renew now."""
        self._beats = False
        runs = [run for run in list(self._runs) if run.parent is None]
        if runs:
            self.beat_later()
            self._renew(runs)

    def _renew(self, runs: Collection[Run]) -> None:
        now = self._clock.now()
        self._held_until = now + LEASE_SECONDS
        try:
            taken = next(filter(self._is_taken, runs), None)
            if taken is None:
                attempts = {run.task_id: run.attempt for run in runs}
                self._store.renew(attempts, at=now, until=now + LEASE_SECONDS)
        except StoreUnavailable:
            return  # the next commit says what is wrong
        if taken is not None:
            self._lost(
                StoreUnavailable(
                    f"Run {taken.name!r} ({short(taken.task_id)}) was ended or taken over by "
                    "another process, which had not heard of this one.",
                    hint=f"see 'pipekit show {short(taken.task_id)}'.",
                )
            )

    def _is_taken(self, run: Run) -> bool:
        """Whether its attempt here is closed, or was followed; not where none is recorded yet."""
        attempts = self._store.list_attempts(run.task_id)
        if not attempts or attempts[-1].number < run.attempt:
            return False
        return attempts[-1].number > run.attempt or attempts[-1].ended_at is not None
