"""One computation for a key that two runs want at once, where the step is known to take long: who
has the lease of the key computes it, the others wait for what that gives. Looks nothing up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipekit import liveness
from pipekit.clock import Clock
from pipekit.diagnostics import debug
from pipekit.errors import StoreUnavailable
from pipekit.model.records import Lease
from pipekit.model.status import TERMINAL
from pipekit.ports import Loop, Store

if TYPE_CHECKING:
    from pipekit.control.step import Step

LONG_SECONDS = 1.0
"""Below this, to compute twice costs less than to ask who computes; the first commit wins."""
POLL_SECONDS = 0.2
LEASE_SECONDS = 30.0
_RENEW_SECONDS = 10.0


class Leases:
    """The leases of a session, and the steps that wait for those of others. In the loop's thread;
    `look_again` takes the steps whose turn may have come."""

    def __init__(self, store: Store, clock: Clock, loop: Loop) -> None:
        self._store = store
        self._clock = clock
        self._loop = loop
        self._had: dict[Step, Lease] = {}
        self._waiting: dict[Step, None] = {}
        self._durations: dict[str, float] = {}
        """Component -> seconds, as far as was asked or seen."""
        self._polls = self._renews = False
        self._ready: list[Step] = []
        self._shared: dict[str, list[Step]] = {}
        """Of runs that share what they compute: key -> the step that computes it, and those that
        wait for that one."""

    def learn(self, step: Step, seconds: float) -> None:
        """A step of this component took so long."""
        self._durations[step.use.entry] = seconds

    def must_wait(self, step: Step) -> bool:
        """Whether another run computes the step's key now. If not, the key is this step's, where it
        is worth that."""
        if step.run.wishes.objection(step):
            return False
        if step.run.shares:
            beside = self._shared.setdefault(step.memo_key, [step])
            if beside[0] is not step:
                if beside[0].run is step.run:
                    return False  # the planner lets it follow
                beside.append(step)
                return True
        if not self._takes_long(step):
            return False
        if any(had.key == step.memo_key and one.run is step.run for one, had in self._had.items()):
            return False  # the planner lets it follow
        if self._take(step):
            self._renew_later()
            return False
        if step not in self._waiting:
            debug("cache", "%s waits for another run that computes the same", step.label)
            step.run.session.reporter.warned(
                f"Step {step.label} waits for another run that computes the same now."
            )
        self._waiting[step] = None
        self._poll_later()
        return True

    def _takes_long(self, step: Step) -> bool:
        entry = step.use.entry
        seconds = self._durations.get(entry)
        if seconds is None:
            seconds = self._durations[entry] = self._store.find_duration(entry) or 0.0
        return seconds >= LONG_SECONDS

    def _take(self, step: Step) -> bool:
        lease = self._lease_of(step)
        if not self._store.take_lease(lease, now=self._clock.now()):
            holder = self._store.find_lease(step.memo_key)
            if holder is not None and not _is_gone(holder):
                return False
            instead_of = holder.task_id if holder is not None else ""
            if not self._store.take_lease(lease, now=self._clock.now(), instead_of=instead_of):
                return False
        self._had[step] = lease
        self._waiting.pop(step, None)
        return True

    def _lease_of(self, step: Step) -> Lease:
        pid = os.getpid()
        until = self._clock.now() + LEASE_SECONDS
        began = liveness.started_at(pid) or 0.0
        return Lease(step.memo_key, step.task_id, liveness.host_name(), pid, began, until)

    def release(self, steps: Sequence[Step]) -> None:
        """These have ended, and their ends are recorded."""
        if self._shared:
            self._release_shared(steps)
        if not self._had and not self._waiting:
            return
        for step in steps:
            self._waiting.pop(step, None)
            if self._had.pop(step, None) is not None:
                self._store.release_leases(step.task_id)

    def _release_shared(self, steps: Sequence[Step]) -> None:
        for step in steps:
            beside = self._shared.get(step.memo_key)
            if beside is None or beside[0] is not step:
                continue
            del self._shared[step.memo_key]
            waiting = [one for one in beside[1:] if one.status not in TERMINAL]
            if waiting:
                self._ready += waiting
                self._loop.post(lambda: None)  # for another turn, in which they are looked up

    def forget(self) -> None:
        """The runs have been given up: what they have is over when its time is."""
        self._shared.clear()
        self._had.clear()
        self._waiting.clear()
        self._ready.clear()

    def look_again(self) -> list[Step]:
        """The steps that waited long enough to be looked up once more."""
        ready, self._ready = self._ready, []
        return ready

    def _poll_later(self) -> None:
        if not self._polls:
            self._polls = True
            self._loop.call_later(POLL_SECONDS, self._poll)

    def _poll(self) -> None:
        self._polls = False
        for step in list(self._waiting):
            if step.status in TERMINAL or step.run.fatal is not None:
                del self._waiting[step]
        self._ready += self._waiting

    def _renew_later(self) -> None:
        if not self._renews:
            self._renews = True
            self._loop.call_later(_RENEW_SECONDS, self._renew)

    def _renew(self) -> None:
        self._renews = False
        for step in list(self._had):
            lease = self._lease_of(step)
            try:
                renewed = self._store.take_lease(lease, now=self._clock.now())
            except StoreUnavailable:
                renewed = True  # the end of a step is recorded too, and says what is wrong
            if renewed:
                self._had[step] = lease
            else:
                # This machine slept, and another run has taken it: the first commit wins.
                del self._had[step]
        if self._had:
            self._renew_later()


def _is_gone(holder: Lease) -> bool:
    alive = liveness.is_alive(holder.host, holder.pid, holder.pid_started_at)
    return alive is False
