"""Takes a run that has ended for a further attempt: whether that may be, and who does. Runs
nothing."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pipekit import crash
from pipekit.control.dead import close_if_dead, find_open_attempt
from pipekit.control.heartbeat import LEASE_SECONDS
from pipekit.control.recorded import Again, names_below
from pipekit.errors import NotFound, NotResumable, UsageError, listed, nearest, short
from pipekit.liveness import host_name, started_at
from pipekit.model.failure import FailureKind
from pipekit.model.records import Attempt, Change, Edit, Event, Kind, Move, Task, TaskSpec
from pipekit.model.status import Status, Transition, sources_of

if TYPE_CHECKING:
    from pipekit.control.archive import Archive
    from pipekit.ports import Store

_BEAT_SECONDS = 10.0
"""How much longer than was last heard of it a run that is lost may have gone on."""


class Claim(NamedTuple):
    """A run that this process is to go on with."""

    task: Task
    """As it was."""
    attempt: int
    again: Again
    until: float
    """When the attempt before ended, as well as that is known."""


def get_resumable(archive: Archive, task: Task, again: Collection[str] = ()) -> Task | None:
    """The run as it is recorded, its end too where its process is gone; None where it completed and
    none of its steps is to run again.

    Raises:
        NotResumable: it goes on, has not begun, or is a part of another run.
        NotFound: it has no step of a name in `again`.
    """
    if task.parent is not None or task.kind is not Kind.PIPELINE:
        raise _is_no_run(archive, task)
    close_if_dead(archive, task)
    found = archive.store.find_task(task.id) or task
    if found.status is Status.RUNNING:
        raise _goes_on(archive, found)
    if found.status in (Status.DRAFT, Status.QUEUED):
        raise NotResumable(
            f"Run {found.name!r} ({short(found.id)}) has not begun: it is {found.status.value}."
        )
    _check_names(archive.store, found, again)
    return None if found.status is Status.COMPLETED and not again else found


def claim(archive: Archive, task: Task, spec: TaskSpec, again: Collection[str]) -> Claim:
    """Record that this process makes the next attempt at a run that has ended. `spec` takes the
    place of the recorded one.

    Raises:
        NotResumable: another process was first.
    """
    store, now = archive.store, archive.clock.now()
    attempts = store.list_attempts(task.id)
    number = attempts[-1].number + 1 if attempts else 1
    resumed = Change(
        task.id,
        move=Move(sources_of(Transition.RESUMED), Status.PENDING, now),
        edit=Edit(spec=spec),
        events=(Event(task.id, now, Transition.RESUMED, number, ", ".join(again)),),
    )
    landed = store.commit([resumed, _start(task, number, now)], if_first=True)
    if not landed[0]:
        raise _goes_on(archive, store.find_task(task.id) or task)
    while not landed[-1]:
        # Others have made an attempt, and ended it, since the attempts were read.
        number += 1
        landed = store.commit([_start(task, number, now)])
    if crash.armed:
        crash.at("controller.resumed")
    return Claim(task, number, Again(frozenset(again)), ended_at(attempts))


def _start(task: Task, number: int, now: float) -> Change:
    pid = os.getpid()
    attempt = Attempt(
        task.id, number, now, host_name(), pid, started_at(pid) or 0.0,
        lease_until=now + LEASE_SECONDS, heartbeat_at=now,
    )  # fmt: skip
    return Change(
        task.id,
        open=attempt,
        move=Move(frozenset({Status.PENDING}), Status.RUNNING, now),
        events=(Event(task.id, now, Transition.STARTED, number),),
    )


def ended_at(attempts: list[Attempt]) -> float:
    """When the last of these attempts ended, as well as that is known; 0 where there is none."""
    if not attempts:
        return 0.0
    last = attempts[-1]
    ended = last.ended_at or last.started_at
    if last.exit != FailureKind.LOST.value:
        return ended
    return min(ended, (last.heartbeat_at or last.started_at) + _BEAT_SECONDS)


def spec_for(task: Task, *, settings: dict[str, object], file: str, source: str) -> TaskSpec:
    """What a further attempt at a run says of itself."""
    return replace(task.spec, settings=settings, file=file, source=source)


def _is_no_run(archive: Archive, task: Task) -> NotResumable:
    root = archive.root_of(task)
    if root.id == task.id:
        return NotResumable(f"{task.name!r} ({short(task.id)}) is a {task.kind.value}, no run.")
    path, one = task.name, task
    while one.parent is not None and one.parent != root.id:
        one = archive.store.find_task(one.parent) or root
        path = f"{one.name}/{path}"
    return NotResumable(
        f"{task.name!r} ({short(task.id)}) is a step of run {root.name!r} ({short(root.id)}); the "
        "run is what can be resumed.",
        hint=f"pipekit resume {short(root.id)}, or, to have this step run again in any case: "
        f"pipekit resume {short(root.id)} --from {path}",
    )


def _goes_on(archive: Archive, task: Task) -> NotResumable:
    who = f"Run {task.name!r} ({short(task.id)})"
    attempt = find_open_attempt(archive.store, task.id)
    if attempt is None:
        return NotResumable(f"{who} is {task.status.value}: another process has just taken it.")
    where = f"process {attempt.pid} on {attempt.host}"
    stop = f"stop it: pipekit stop {short(task.id)}"
    if attempt.host == host_name():
        return NotResumable(f"{who} goes on in {where}.", hint=stop)
    left = (attempt.lease_until or 0.0) - archive.clock.now()
    return NotResumable(
        f"{who} goes on in {where}, as far as is known: it was heard of less than "
        f"{LEASE_SECONDS:.0f} s ago.",
        hint=f"where that process is gone, try again in {max(1.0, left):.0f} s; else {stop}",
    )


def _check_names(store: Store, run: Task, again: Collection[str]) -> None:
    if not again:
        return
    known = list(names_below(store, run.id))
    for name in again:
        if name not in known:
            has = f"It has: {listed(known)}." if known else "It has none."
            raise NotFound(
                f"Run {run.name!r} ({short(run.id)}) has no step {name!r}. {has}",
                hint=nearest(name, known),
            )


def check_again(names: object) -> tuple[str, ...]:
    """Names of steps as a user gives them: one, several or none.

    Raises:
        UsageError: these are none.
    """
    given = (names,) if isinstance(names, str) else tuple(names or ())  # type: ignore[arg-type]
    for name in given:
        if not isinstance(name, str) or not name:
            raise UsageError(
                f"from_={names!r} is to be the name of a step.", hint="write from_='fit'."
            )
    return given
