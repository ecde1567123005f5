"""The commands about recorded tasks of scripts, as they are typed: `execute`, `clone`, `task`. What
they do stands in modules of their own, imported when one is chosen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

Action = Callable[[], int]


def _complete_task(incomplete: str) -> list[tuple[str, str]]:
    from pipekit.cli.completion import complete_task

    return complete_task(incomplete)


TaskId = Annotated[
    str, typer.Argument(metavar="ID", help="Of a task.", autocompletion=_complete_task)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A parameter; repeatable."),
]
Name = Annotated[str, typer.Option(help="Of the new task.")]
QueueName = Annotated[str, typer.Option(metavar="NAME", help="Put it on this queue.")]

task = typer.Typer(
    help="Record a script as a task without running it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    """Have the commands be some of `app`."""
    app.command()(execute)
    app.command()(clone)
    app.add_typer(task, name="task")


def execute(task: TaskId = "") -> Action:
    """Run a recorded task here and now, in a copy of its project."""
    from pipekit.cli.execute import execute

    return partial(execute, task)


def clone(
    task: TaskId = "",
    settings: Settings = None,
    name: Name = "",
    queue: QueueName = "",
    run: Annotated[bool, typer.Option("--run", help="Run it here and now.")] = False,
    json: AsJson = False,
) -> Action:
    """Make a new task of one that is recorded, with other parameters."""
    from pipekit.cli.clone import clone

    return partial(
        clone, task, settings=tuple(settings or ()), name=name, queue=queue, run=run, as_json=json
    )


@task.command("create")
def create(
    script: Annotated[str, typer.Option(metavar="FILE", help="The script.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- ARGUMENT...]", help="Of the script, on its command line."),
    ] = None,
    settings: Settings = None,
    name: Name = "",
    project: Annotated[str, typer.Option(help="That it is listed under.")] = "",
    type_: Annotated[str, typer.Option("--type", help="What it is for, in a word.")] = "training",
    tag: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    queue: QueueName = "",
    json: AsJson = False,
) -> Action:
    """Record a script as a draft, with its project's files as they are now."""
    from pipekit.cli.create import create

    return partial(
        create, script, arguments=tuple(arguments or ()), settings=tuple(settings or ()),
        name=name, project=project, task_type=type_, tags=tuple(tag or ()), queue=queue,
        as_json=json,
    )  # fmt: skip
