"""Puts a recorded task on a queue, or takes it off; says where nobody serves the queue. Runs
nothing."""

from __future__ import annotations

from pipekit.console.note import note
from pipekit.control.archive import Archive
from pipekit.control.execute import check_runnable
from pipekit.control.reset import reset
from pipekit.errors import UsageError, nearest, short
from pipekit.liveness import is_alive
from pipekit.model.name import check_name
from pipekit.model.records import Agent, Change, Event, Kind, Move, Task
from pipekit.model.status import TERMINAL, Status, Transition, sources_of

DEFAULT_QUEUE = "default"
_SILENT_SECONDS = 60.0
"""Of an agent of another host: it is taken to be gone that was not heard of for longer."""


def enqueue(archive: Archive, task: Task, queue: str, *, force: bool = False) -> None:
    """Have whoever serves the queue run the task. `force`: one that has ended begins anew.

    Raises:
        UsageError: it runs, or has ended; the queue's name is none.
        NotRunnable: it cannot be run from its record.
    """
    if not check_name(queue, "Queue"):
        raise UsageError("A queue is to have a name.", hint="queue_name='default'")
    if task.kind is Kind.STEP:
        raise UsageError(
            f"{task.name!r} ({short(task.id)}) is a step of a run: the run decides when it runs."
        )
    if task.kind is Kind.SCRIPT:
        check_runnable(task)
    if force and task.status in TERMINAL:
        task = reset(archive, task)
    now = archive.clock.now()
    move = Move(frozenset({Status.DRAFT, Status.PENDING}), Status.QUEUED, now, queue=queue)
    event = Event(task.id, now, Transition.ENQUEUED, detail=queue)
    if not archive.store.commit([Change(task.id, move=move, events=(event,))])[0]:
        raise _cannot_wait(archive.store.find_task(task.id) or task)
    warn_unserved(archive, queue)


def dequeue(archive: Archive, task: Task) -> None:
    """Take a task off its queue: it is a draft again.

    Raises:
        UsageError: it does not wait on one.
    """
    now = archive.clock.now()
    move = Move(sources_of(Transition.DEQUEUED), Status.DRAFT, now)
    event = Event(task.id, now, Transition.DEQUEUED)
    if not archive.store.commit([Change(task.id, move=move, events=(event,))])[0]:
        found = archive.store.find_task(task.id) or task
        raise UsageError(
            f"Task {found.name!r} ({short(found.id)}) waits on no queue: it is {found.status}.",
            hint=f"pipekit stop {short(found.id)}" if found.status is Status.RUNNING else "",
        )


def _cannot_wait(task: Task) -> UsageError:
    who = f"Task {task.name!r} ({short(task.id)})"
    if task.status is Status.QUEUED:
        return UsageError(
            f"{who} waits on queue {task.queue!r} already.", hint="Task.dequeue(…) takes it off."
        )
    hint = ""
    if task.status in TERMINAL:
        hint = f"clone it: pipekit clone {short(task.id)} --queue …; or enqueue(…, force=True)."
    return UsageError(f"{who} is {task.status}: it cannot be put on a queue.", hint=hint)


def warn_unserved(archive: Archive, queue: str) -> None:
    """Say that nobody takes tasks from the queue, where that is so."""
    agents = [one for one in archive.store.list_agents() if lives(archive, one)]
    if any(queue in one.queues for one in agents):
        paused = any(one.name == queue and one.paused for one in archive.store.list_queues())
        if paused:
            note(f"queue {queue!r} is paused. Hint: pipekit queues resume {queue}")
        return
    served = sorted({name for one in agents for name in one.queues})
    near = nearest(queue, served)
    serving = f" Served: {', '.join(served)}." if served else ""
    hint = f"{near} Or: " if near else ""
    note(f"no agent serves queue {queue!r}.{serving} Hint: {hint}pipekit agent --queue {queue}")


def lives(archive: Archive, agent: Agent) -> bool:
    """Whether an agent still runs, as far as is known."""
    alive = is_alive(agent.host, agent.pid, agent.pid_started_at)
    if alive is None:
        return archive.clock.now() - agent.heartbeat_at < _SILENT_SECONDS
    return alive
