"""Closes runs whose process is gone and could not record their end. Whoever looks at runs, stops or
resumes one has that done first.

On this host the process is asked for, by pid and start time; of another host the lease decides. A
run that someone has closed, ended or resumed in the meantime is left as it is, with all its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipekit import liveness
from pipekit.control.archive import Archive
from pipekit.errors import short
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import RUN_KINDS, Attempt, Change, Closing, Event, Kind, Move, Task
from pipekit.model.status import Status, Transition, sources_of
from pipekit.ports import Store

_OPEN = sources_of(Transition.STOPPED)


def close_dead(archive: Archive) -> list[Task]:
    """Close every run of a home whose process is gone; these runs as they were. What agents ran
    that are gone waits again. One query where nothing is running.

    Raises:
        StoreUnavailable: the store cannot be read or written.
    """
    running = archive.store.list_tasks(kinds=RUN_KINDS, statuses=(Status.RUNNING,))
    closed = [run for run in running if run.parent is None and _close(archive, run)]
    if len(running) > len(closed):
        from pipekit.control.lost import hand_back_lost  # which closes with the means of this file

        hand_back_lost(archive)
    return closed


def close_if_dead(archive: Archive, run: Task) -> bool:
    """The same for one run that was started by itself; whether it was closed now.

    Raises:
        StoreUnavailable: the store cannot be read or written.
    """
    return run.status is Status.RUNNING and _close(archive, run)


def find_open_attempt(store: Store, task_id: str) -> Attempt | None:
    """The attempt that someone runs, or did when they were last heard of."""
    return next((one for one in store.list_attempts(task_id) if one.ended_at is None), None)


def is_dead(attempt: Attempt, now: float) -> bool:
    """Whether nobody runs the attempt any more. That of an agent is its queue's matter."""
    if attempt.agent:
        return False
    alive = liveness.is_alive(attempt.host, attempt.pid, attempt.pid_started_at)
    if alive is None:
        return attempt.lease_until is not None and attempt.lease_until < now
    return not alive


def _close(archive: Archive, run: Task) -> bool:
    store, now = archive.store, archive.clock.now()
    attempt = find_open_attempt(store, run.id)
    if attempt is None or not is_dead(attempt, now):
        return False
    failure = Failure(FailureKind.LOST, _message(run, attempt))
    whole = Change(
        run.id,
        close=Closing(attempt.number, now, FailureKind.LOST.value, failure),
        move=Move(sources_of(Transition.FAILED), Status.FAILED, now, failure),
        events=(Event(run.id, now, Transition.FAILED, attempt.number),),
    )
    steps = list(_open_below(store, run.id))
    changes = [whole, *(_step_change(store, step, now) for step in steps)]
    copied = copied_below(store, run)
    # The first is the guard of the others: they are steps of that attempt of the run.
    if not store.commit(changes, if_first=True)[0]:
        return False
    for step in steps:
        if step.status is Status.RUNNING:
            store.release_leases(step.id)
    if run.kind is Kind.SCRIPT:
        copied.append(attempt)
    remove_copies_of(copied)
    return True


def copied_below(store: Store, run: Task) -> list[Attempt]:
    """The open attempts at scripts that the process of a run has copied their projects for. Those
    of agents are theirs."""
    scripts = (step for step in _open_below(store, run.id) if step.kind is Kind.SCRIPT)
    attempts = (find_open_attempt(store, one.id) for one in scripts)
    return [one for one in attempts if one is not None and not one.agent]


def remove_copies_of(attempts: Iterable[Attempt]) -> None:
    """Remove the copies of projects that lie on this host, of attempts that nobody runs."""
    for attempt in attempts:
        if attempt.host == liveness.host_name():
            from pipekit.control.project_copy import remove_copies  # where there may be one

            remove_copies(attempt.task_id, attempt.number)


def changes_below(store: Store, run: Task, now: float) -> list[Change]:
    """What closes the open steps of a run whose process is gone, but for those that agents run or
    are to run."""
    return [
        _step_change(store, step, now)
        for step in _open_below(store, run.id)
        if not _is_with_agents(store, step)
    ]


def _is_with_agents(store: Store, step: Task) -> bool:
    if step.status is not Status.RUNNING:
        return step.status is Status.QUEUED
    attempt = find_open_attempt(store, step.id)
    return attempt is not None and bool(attempt.agent)


def _open_below(store: Store, parent: str) -> Iterator[Task]:
    for task in store.list_tasks(parent=parent, statuses=_OPEN):
        yield task
        if task.kind is not Kind.STEP:
            yield from _open_below(store, task.id)


def _step_change(store: Store, step: Task, now: float) -> Change:
    attempt = find_open_attempt(store, step.id) if step.status is Status.RUNNING else None
    number = attempt.number if attempt is not None else 0
    return Change(
        step.id,
        close=Closing(number, now, FailureKind.LOST.value) if number else None,
        move=Move(_OPEN, Status.STOPPED, now),
        events=(Event(step.id, now, Transition.STOPPED, number),),
    )


def _message(run: Task, attempt: Attempt) -> str:
    where = f"pid {attempt.pid} on {attempt.host}"
    if attempt.host == liveness.host_name():
        text = f"Its process ({where}) ended without recording an end."
    else:
        text = f"Nothing was heard of its process ({where}) any more."
    if run.kind is Kind.SCRIPT:
        return f"{text} Hint: pipekit clone {short(run.id)} --run" if run.spec.snapshot else text
    return f"{text} What completed is kept. Hint: pipekit resume {short(run.id)}"
