"""The commands as they are typed. What a command does stands in a module of its own, imported when
it is chosen: `pipekit --help` imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, cast

import typer

from pipekit.cli.outcome import WRONG_USE

Action = Callable[[], int]

app = typer.Typer(
    name="pipekit",
    help="Run pipelines, and look at what they did.",
    epilog="Exit codes: 0 done, 1 the pipeline failed, 2 wrong use, 3 the store is out of reach, "
    "130 stopped.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs 30 ms, and help needs none
    context_settings={"help_option_names": ["-h", "--help"]},
)

AnyTaskId = Annotated[
    str, typer.Argument(metavar="[ID]", help="Of a run or a step; default: the newest run.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def choose() -> Action | int:
    """What the command that `sys.argv` names does, or the exit code where all is said already."""
    try:
        chosen: Any = app(standalone_mode=False, prog_name="pipekit")
    except Exception as error:
        show = getattr(error, "show", None)  # typer's own errors, whose classes have moved before
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", WRONG_USE))
    return cast(Action, chosen) if callable(chosen) else int(chosen or 0)


def _print_version(wanted: bool) -> None:
    if wanted:
        from pipekit import __version__

        print(f"pipekit {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Run pipelines, and look at what they did."""


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
    help="Run a pipeline.",
    options_metavar="TARGET [--param VALUE]...",
)
def run(context: typer.Context) -> Action:
    from pipekit.cli.run import run

    return partial(run, list(context.args))


@app.command("ls")
def list_runs(
    json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    steps: Annotated[bool, typer.Option("--steps", help="The steps below each run too.")] = False,
) -> Action:
    """List runs, newest first."""
    from pipekit.cli.listing import list_runs

    return partial(list_runs, as_json=json, limit=limit, with_steps=steps)


@app.command()
def show(task: AnyTaskId = "", json: AsJson = False) -> Action:
    """Show a run or a step: status, parameters, steps, artifacts, why it failed."""
    from pipekit.cli.show import show

    return partial(show, task, as_json=json)


@app.command()
def logs(
    task: AnyTaskId = "",
    step: Annotated[str, typer.Argument(metavar="[STEP]", help="Name of a step of it.")] = "",
    attempt: Annotated[int, typer.Option(min=0, help="Its number; default: all.")] = 0,
) -> Action:
    """Print what a step, or all steps of a run, wrote to the console."""
    from pipekit.cli.logs import print_logs

    return partial(print_logs, task, step, attempt=attempt)


@app.command()
def get(
    task: AnyTaskId = "",
    artifact: Annotated[str, typer.Argument(metavar="[ARTIFACT]", help="Default: all.")] = "",
    json: AsJson = False,
) -> Action:
    """Print a stored value: what a run or a step returned."""
    from pipekit.cli.get import print_value

    return partial(print_value, task, artifact, as_json=json)


@app.command()
def doctor(json: AsJson = False) -> Action:
    """Say what is set, where it came from, and whether it works."""
    from pipekit.cli.doctor import doctor

    return partial(doctor, as_json=json)
