"""The commands about queues and agents, as they are typed: `agent`, `agents`, `queues`. What they
do stands in modules of their own, imported when one is chosen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

Action = Callable[[], int]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Have the commands be some of `app`."""
    app.command()(agent)
    app.command()(agents)
    app.add_typer(queues, name="queues")


def agent(
    queue: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Take tasks from this queue; repeatable, the first one first. Default: services, "
            "then default.",
        ),
    ] = None,
    slots: Annotated[int, typer.Option(min=1, help="How many tasks to run at once.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End after one task.")] = False,
    drain: Annotated[bool, typer.Option("--drain", help="End when nothing waits.")] = False,
) -> Action:
    """Take tasks from queues, and run them. Ctrl-C ends it when what it runs has ended; a second
    one stops that, and hands it back."""
    from pipekit.cli.agent import serve

    return partial(serve, tuple(queue or ()), slots=slots, once=once, drain=drain)


def agents(json: AsJson = False) -> Action:
    """List the agents that are running, and what they run."""
    from pipekit.cli.queues import list_agents

    return partial(list_agents, as_json=json)


queues = typer.Typer(
    help="List the queues: what waits there, and who serves them.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
QueueName = Annotated[str, typer.Argument(metavar="NAME", help="Of a queue.")]


@queues.callback(invoke_without_command=True)
def list_queues(context: typer.Context, json: AsJson = False) -> Action | None:
    """List the queues: what waits there, and who serves them."""
    if context.invoked_subcommand is not None:
        return None
    from pipekit.cli.queues import list_queues

    return partial(list_queues, as_json=json)


@queues.command("pause")
def pause_queue(name: QueueName) -> Action:
    """Have nothing taken from a queue for a while."""
    from pipekit.cli.queues import change_queue

    return partial(change_queue, "pause", name)


@queues.command("resume")
def resume_queue(name: QueueName) -> Action:
    """Let a paused queue go on."""
    from pipekit.cli.queues import change_queue

    return partial(change_queue, "resume", name)


@queues.command("remove")
def remove_queue(name: QueueName) -> Action:
    """Forget a queue on which nothing waits."""
    from pipekit.cli.queues import change_queue

    return partial(change_queue, "remove", name)
