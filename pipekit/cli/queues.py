"""`pipekit agents` and `pipekit queues`: who takes tasks, what waits for them; pauses queues, lets
them go on, forgets them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pipekit.cli.home import Home, open_home
from pipekit.cli.outcome import DONE, tell
from pipekit.clock import to_datetime
from pipekit.console.quantity import moment_text, seconds_text
from pipekit.console.table import draw_table
from pipekit.control.enqueue import lives
from pipekit.errors import NotFound, UsageError, listed, nearest, short
from pipekit.model.name import check_name
from pipekit.model.records import RUN_KINDS, Agent, Queue, Task
from pipekit.model.status import Status


def list_agents(*, as_json: bool) -> int:
    """Print the agents that live, and what they run; the exit code.

    Raises:
        NotFound: there is no home.
        StoreError: the home cannot be read.
    """
    with open_home() as home:
        agents = _live_agents(home)
        runs = _running_by_agent(home)
        if as_json:
            print(json.dumps([_agent_record(agent, runs.get(agent.id, ())) for agent in agents]))
            return DONE
        if not agents:
            tell("No agent is running. Hint: pipekit agent")
        rows = [
            (
                agent.id,
                ", ".join(agent.queues),
                f"{len(runs.get(agent.id, ()))} of {agent.slots}",
                ", ".join(f"{task.name} ({short(task.id)})" for task in runs.get(agent.id, ())),
                moment_text(agent.started_at),
            )
            for agent in agents
        ]
        draw_table(("agent", "queues", "busy", "runs", "since"), rows)
    return DONE


def list_queues(*, as_json: bool) -> int:
    """Print the queues, what waits there, and who serves them; the exit code.

    Raises:
        NotFound: there is no home.
        StoreError: the home cannot be read.
    """
    with open_home() as home:
        queues, agents = _known_queues(home), _live_agents(home)
        now = home.archive.clock.now()
        served = {queue.name: _serving(queue.name, agents) for queue in queues}
        if as_json:
            print(json.dumps([_queue_record(queue, served[queue.name]) for queue in queues]))
            return DONE
        if not queues:
            tell("There are no queues. Hint: pipekit submit path/file.py:function")
        rows = [
            (
                queue.name,
                "paused" if queue.paused else "",
                str(queue.waiting),
                "" if queue.oldest_at is None else seconds_text(max(0.0, now - queue.oldest_at)),
                ", ".join(served[queue.name]) or "nobody",
            )
            for queue in queues
        ]
        draw_table(("queue", "state", "waiting", "oldest waits", "agents"), rows)
        for queue in queues:
            if queue.waiting and not served[queue.name]:
                tell(f"Nobody serves {queue.name}. Hint: pipekit agent --queue {queue.name}")
    return DONE


def change_queue(verb: str, name: str) -> int:
    """Pause a queue, let it go on, or forget it; the exit code.

    Raises:
        NotFound: there is no such queue.
        UsageError: something waits there.
        StoreError: the home cannot be read or written.
    """
    with open_home() as home:
        known = {queue.name: queue for queue in _known_queues(home)}
        if verb == "pause":
            check_name(name, "Queue")
            home.store.make_queue(name, paused=True)
            tell(f"Queue {name!r} is paused: nothing is taken from it. What runs goes on.")
            return DONE
        if name not in known:
            has = f"There are: {listed(sorted(known))}." if known else "There are none."
            raise NotFound(f"There is no queue {name!r}. {has}", hint=nearest(name, list(known)))
        if verb == "resume":
            home.store.make_queue(name)
            tell(f"Queue {name!r} goes on.")
            return DONE
        if not home.store.remove_queue(name):
            waiting = known[name].waiting
            wait = "1 task waits" if waiting == 1 else f"{waiting} tasks wait"
            raise UsageError(
                f"Queue {name!r} is not empty: {wait} there.",
                hint="pipekit ls --status queued lists them; pipekit stop ID takes one off.",
            )
        tell(f"Queue {name!r} is forgotten.")
    return DONE


def _known_queues(home: Home) -> list[Queue]:
    """Those that are recorded, and those that agents serve, by name."""
    known = {queue.name: queue for queue in home.store.list_queues()}
    for agent in _live_agents(home):
        for name in agent.queues:
            known.setdefault(name, Queue(name))
    return [known[name] for name in sorted(known)]


def _live_agents(home: Home) -> list[Agent]:
    return [agent for agent in home.store.list_agents() if lives(home.archive, agent)]


def _serving(queue: str, agents: Sequence[Agent]) -> list[str]:
    return [agent.id for agent in agents if queue in agent.queues]


def _running_by_agent(home: Home) -> dict[str, list[Task]]:
    found: dict[str, list[Task]] = {}
    running = home.store.list_tasks(kinds=RUN_KINDS, statuses=(Status.RUNNING,))
    by_id = {task.id: task for task in running}
    for attempt in home.store.list_lost(float("inf")):  # all that agents have open
        task = by_id.get(attempt.task_id)
        if task is not None:
            found.setdefault(attempt.agent, []).append(task)
    return found


def _agent_record(agent: Agent, runs: Sequence[Task]) -> dict[str, object]:
    return {
        "id": agent.id,
        "host": agent.host,
        "pid": agent.pid,
        "queues": list(agent.queues),
        "slots": agent.slots,
        "running": [task.id for task in runs],
        "started_at": to_datetime(agent.started_at).isoformat(),
        "heartbeat_at": to_datetime(agent.heartbeat_at).isoformat(),
    }


def _queue_record(queue: Queue, agents: Sequence[str]) -> dict[str, object]:
    oldest = queue.oldest_at
    return {
        "name": queue.name,
        "paused": queue.paused,
        "waiting": queue.waiting,
        "oldest_at": None if oldest is None else to_datetime(oldest).isoformat(),
        "agents": list(agents),
    }
