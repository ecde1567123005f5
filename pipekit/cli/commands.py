"""The commands as they are typed. What a command does stands in a module of its own, imported when
it is chosen: `pipekit --help` imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand

from pipekit.cli import queue_commands, task_commands
from pipekit.cli.outcome import WRONG_USE
from pipekit.model.status import Status

Action = Callable[[], int]

app = typer.Typer(
    name="pipekit",
    help="Run pipelines, and look at what they did.",
    epilog="Exit codes: 0 done, 1 the pipeline failed, 2 wrong use, 3 the store is out of reach, "
    "130 stopped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs 30 ms, and help needs none
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _complete_task(incomplete: str) -> list[tuple[str, str]]:
    from pipekit.cli.completion import complete_task

    return complete_task(incomplete)


def _complete_step(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from pipekit.cli.completion import complete_step

    return complete_step(ctx.params.get("task") or "", incomplete)


def _complete_step_of_run(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from pipekit.cli.completion import complete_step

    return complete_step(ctx.params.get("run") or "", incomplete)


def _complete_artifact(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from pipekit.cli.completion import complete_artifact

    return complete_artifact(ctx.params.get("task") or "", incomplete)


def _complete_run_name(incomplete: str) -> list[str]:
    from pipekit.cli.completion import complete_run_name

    return complete_run_name(incomplete)


class TargetCommand(TyperCommand):
    """A command whose options are those of the pipeline that its TARGET names."""

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        from pipekit.cli.completion import complete_target_words

        return complete_target_words(ctx.args, incomplete)


AnyTaskId = Annotated[
    str,
    typer.Argument(
        metavar="[ID]",
        help="Of a run or a step; default: the newest run.",
        autocompletion=_complete_task,
    ),
]
StepName = Annotated[
    str,
    typer.Argument(
        metavar="[STEP]", help="Name of a step of that run.", autocompletion=_complete_step
    ),
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
    cls=TargetCommand,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
    help="Run a pipeline.",
    options_metavar="TARGET [--param VALUE]...",
)
def run(context: typer.Context) -> Action:
    from pipekit.cli.run import run

    return partial(run, list(context.args))


@app.command(
    cls=TargetCommand,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
    help="Say what a run would do: what must run, what may, what is cached.",
    options_metavar="TARGET [--param VALUE]...",
)
def plan(context: typer.Context) -> Action:
    from pipekit.cli.plan import plan

    return partial(plan, list(context.args))


@app.command(
    cls=TargetCommand,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
    help="Look for the best values of a pipeline's parameters.",
    options_metavar="TARGET --space NAME=VALUES... [--param VALUE]...",
)
def tune(context: typer.Context) -> Action:
    from pipekit.cli.tune import tune_target

    return partial(tune_target, list(context.args))


@app.command(
    cls=TargetCommand,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
    help="Put a run on a queue, for an agent to run.",
    options_metavar="TARGET [--queue NAME] [--param VALUE]...",
)
def submit(context: typer.Context) -> Action:
    from pipekit.cli.submit import submit

    return partial(submit, list(context.args))


@app.command("ls")
def list_runs(
    json: AsJson = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    steps: Annotated[bool, typer.Option("--steps", help="The steps below each run too.")] = False,
    status: Annotated[list[Status] | None, typer.Option(help="Only these; repeatable.")] = None,
    pipeline: Annotated[
        str | None, typer.Option(help="Only runs of this name.", autocompletion=_complete_run_name)
    ] = None,
    project: Annotated[str | None, typer.Option(help="Only runs of this project.")] = None,
) -> Action:
    """List runs, newest first."""
    from pipekit.cli.listing import list_runs

    return partial(
        list_runs, as_json=json, limit=limit, with_steps=steps, statuses=tuple(status or ()),
        name=pipeline, project=project,
    )  # fmt: skip


@app.command()
def show(task: AnyTaskId = "", step: StepName = "", json: AsJson = False) -> Action:
    """Show a run or a step: parameters, steps, values, console, code, why it failed."""
    from pipekit.cli.show import show

    return partial(show, task, step, as_json=json)


@app.command()
def logs(
    task: AnyTaskId = "",
    step: StepName = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the run ends.")] = False,
    attempt: Annotated[int, typer.Option(min=0, help="Its number; default: all.")] = 0,
    tail: Annotated[
        int | None, typer.Option(min=0, help="The last lines of each step; default: all.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
) -> Action:
    """Print what a step, or all steps of a run, wrote to the console."""
    from pipekit.cli.logs import print_logs

    return partial(print_logs, task, step, attempt=attempt, tail=tail, follow=follow, as_json=json)


class GraphForm(StrEnum):
    """What `pipekit graph` prints."""

    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"


@app.command()
def graph(
    task: AnyTaskId = "",
    form: Annotated[
        GraphForm | None, typer.Option("--format", help="What to print; default: text.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the picture to a file.")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="2 draws the steps of child runs too.")] = 1,
    everything: Annotated[
        bool, typer.Option("--all", help="Each step, also where many are alike.")
    ] = False,
    json: AsJson = False,
) -> Action:
    """Draw the steps of a run, and what each took from which."""
    from pipekit.cli.graph import draw_graph

    return partial(
        draw_graph, task, form=form.value if form else "", svg=svg, depth=depth,
        everything=everything, as_json=json,
    )  # fmt: skip


@app.command()
def get(
    task: AnyTaskId = "",
    artifact: Annotated[
        str,
        typer.Argument(
            metavar="[ARTIFACT]", help="Default: all.", autocompletion=_complete_artifact
        ),
    ] = "",
    json: AsJson = False,
) -> Action:
    """Print a stored value: what a run or a step returned."""
    from pipekit.cli.get import print_value

    return partial(print_value, task, artifact, as_json=json)


@app.command()
def stop(
    task: Annotated[
        str,
        typer.Argument(metavar="ID", help="Of a run or a step.", autocompletion=_complete_task),
    ] = "",
    step: StepName = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it has ended.")] = True,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Wait at most so long.")
    ] = None,
) -> Action:
    """Stop a run, or one step of it, wherever it goes on."""
    from pipekit.cli.stop import stop

    return partial(stop, task, step, wait=wait, timeout_seconds=timeout)


@app.command()
def resume(
    run: Annotated[
        str,
        typer.Argument(metavar="ID", help="Of a run.", autocompletion=_complete_task),
    ] = "",
    again: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="STEP",
            help="Run this step again, and what depends on it; repeatable.",
            autocompletion=_complete_step_of_run,
        ),
    ] = None,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Keep what was computed by code that has changed."),
    ] = False,
    executor: Annotated[
        str, typer.Option(metavar="MODE", help="Where its steps run; default: where they did.")
    ] = "",
) -> Action:
    """Go on with a run that failed, was stopped or was killed: what completed is kept."""
    from pipekit.cli.resume import resume

    return partial(resume, run, again=tuple(again or ()), accepts=accept_changes, executor=executor)


@app.command()
def doctor(json: AsJson = False) -> Action:
    """Say what is set, where it came from, and whether it works."""
    from pipekit.cli.doctor import doctor

    return partial(doctor, as_json=json)


@app.command()
def why(task: AnyTaskId = "", step: StepName = "", json: AsJson = False) -> Action:
    """Say why a step ran or was reused: what differs from which earlier one, with the code."""
    from pipekit.cli.why import tell_why

    return partial(tell_why, task, step, as_json=json)


@app.command()
def compare(
    a: Annotated[
        str,
        typer.Argument(metavar="A", help="Id of a run or a step.", autocompletion=_complete_task),
    ],
    b: Annotated[
        str, typer.Argument(metavar="B", help="Id of another.", autocompletion=_complete_task)
    ],
    everything: Annotated[bool, typer.Option("--all", help="What is alike too.")] = False,
    json: AsJson = False,
) -> Action:
    """Show what differs between two runs or two steps."""
    from pipekit.cli.compare import compare

    return partial(compare, a, b, everything=everything, as_json=json)


@app.command()
def config(json: AsJson = False) -> Action:
    """List the settings, their values, and where each came from."""
    from pipekit.cli.config import config

    return partial(config, as_json=json)


cache = typer.Typer(
    help="List what is remembered of steps, forget some of it, or keep it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(cache, name="cache")

EntryNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[COMPONENT]...",
        help="Components (fit, flow:fit), or the beginning of a key, or of a step's id.",
    ),
]
OfRun = Annotated[
    str,
    typer.Option(
        "--run", metavar="ID", help="Only what this run computed.", autocompletion=_complete_task
    ),
]
OlderThan = Annotated[
    str, typer.Option(metavar="AGE", help="Only what was computed longer ago, such as 30d.")
]
EveryEntry = Annotated[bool, typer.Option("--all", help="All entries.")]


def _selection(names: list[str] | None, run: str, older_than: str, everything: bool) -> Any:
    from pipekit.cli.amount import parse_seconds
    from pipekit.cli.cache import Selection

    seconds = parse_seconds("--older-than", older_than) if older_than else None
    return Selection(tuple(names or ()), run, seconds, everything)


@cache.command("ls")
def list_entries(
    names: EntryNames = None,
    run: OfRun = "",
    older_than: OlderThan = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    json: AsJson = False,
) -> Action:
    """List the entries of the cache, those used last first."""
    from pipekit.cli.cache import list_entries

    return lambda: list_entries(
        _selection(names, run, older_than, False), limit=limit, as_json=json
    )


@cache.command("rm")
def remove_entries(
    names: EntryNames = None,
    run: OfRun = "",
    older_than: OlderThan = "",
    everything: EveryEntry = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> Action:
    """Forget entries: their steps run again."""
    from pipekit.cli.cache import remove_entries

    return lambda: remove_entries(
        _selection(names, run, older_than, everything), without_asking=yes
    )


@cache.command("pin")
def pin_entries(
    names: EntryNames = None,
    run: Annotated[
        str,
        typer.Option(
            "--run",
            metavar="ID",
            help="This run, and what it computed.",
            autocompletion=_complete_task,
        ),
    ] = "",
    older_than: OlderThan = "",
    everything: EveryEntry = False,
    off: Annotated[bool, typer.Option("--off", help="Take the pins away.")] = False,
) -> Action:
    """Keep entries, or a run, from 'pipekit gc'."""
    from pipekit.cli.cache import pin_entries

    return lambda: pin_entries(_selection(names, run, older_than, everything), off=off)


@cache.command("stats")
def stats(json: AsJson = False) -> Action:
    """Say how much is remembered, and how often it was of use."""
    from pipekit.cli.cache import print_stats

    return partial(print_stats, as_json=json)


@app.command()
def gc(
    size: Annotated[
        str,
        typer.Option(
            metavar="SIZE", help="The oldest runs go until the values left need no more: 10GB."
        ),
    ] = "",
    runs_older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Runs that ended longer ago go, such as 30d.")
    ] = "",
    grace: Annotated[
        str, typer.Option(metavar="TIME", help="What was stored since stays in any case.")
    ] = "1h",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, delete nothing.")
    ] = False,
    json: AsJson = False,
) -> Action:
    """Delete old runs, and values, logs and files that nothing refers to."""
    from pipekit.cli.gc import collect

    return partial(
        collect, size=size, runs_older_than=runs_older_than, grace=grace, dry=dry_run, as_json=json
    )


task_commands.add_to(app)
queue_commands.add_to(app)
