"""`pipekit ls`: the runs of a home, newest first."""

from __future__ import annotations

import json
from collections.abc import Collection

from pipekit.cli.home import HOW_TO_BEGIN, Home, check_folder, has_store, open_home
from pipekit.cli.outcome import DONE, tell
from pipekit.cli.record import attempt_text, duration_seconds, is_run, step_row, task_record
from pipekit.console.quantity import moment_text, seconds_text
from pipekit.console.table import draw_table
from pipekit.console.terminal import one_line
from pipekit.errors import listed, nearest, short
from pipekit.model.excerpt import excerpt
from pipekit.model.records import Task
from pipekit.model.status import Status
from pipekit.settings import Settings, read_settings

_HEADERS = ("id", "name", "project", "status", "started", "duration", "parameters")
_MOST_NAMES = 1000
_PARAMETER_CHARACTERS = 60


def list_runs(
    *,
    as_json: bool,
    limit: int,
    with_steps: bool,
    statuses: Collection[Status] = (),
    name: str | None = None,
    project: str | None = None,
) -> int:
    """Print the newest runs that match; the exit code. A home that does not exist has none, and is
    not made.

    Raises:
        SettingsError: the home is no folder.
        StoreError: the home cannot be read.
    """
    settings = read_settings()
    if not has_store(settings):
        check_folder(settings)
        if as_json:
            print("[]")
        else:
            tell(_nothing_in(settings))
        return DONE
    with open_home(settings) as home:
        runs = home.list_runs(limit, statuses=statuses, name=name, project=project)
        if as_json:
            _print_json(home, runs, with_steps=with_steps)
        elif runs:
            _draw(home, runs, with_steps=with_steps)
        elif statuses or name is not None or project is not None:
            tell(_no_match(home, name, project))
        else:
            tell(_nothing_in(settings))
    return DONE


def _nothing_in(settings: Settings) -> str:
    return f"There are no runs yet in {settings.home}. Start one: {HOW_TO_BEGIN}"


def _no_match(home: Home, name: str | None, project: str | None) -> str:
    """No run matches; where a name is to blame, the names that there are."""
    runs = home.list_runs(_MOST_NAMES)
    for what, given, known in (
        ("pipeline", name, {run.name for run in runs}),
        ("project", project, {run.project for run in runs}),
    ):
        if given is not None and given not in known and known:
            hint = nearest(given, sorted(known))
            return f"No run has the {what} {given!r}. There are: {listed(sorted(known))}." + (
                f" Hint: {hint}" if hint else ""
            )
    return "No run matches."


def status_text(home: Home, task: Task) -> str:
    """The status as people are told it."""
    if task.reused_from is not None:
        return "reused"
    gone = " (its process is gone)" if home.process_is_gone(task) else ""
    attempt = attempt_text(home, task) if task.parent is None else ""
    return task.status.value + (gone or (f" ({attempt})" if attempt else ""))


def duration_text(task: Task) -> str:
    """How long it took, or has taken so far; empty before its start."""
    seconds = duration_seconds(task)
    return "" if seconds is None or task.reused_from is not None else seconds_text(seconds)


def _print_json(home: Home, runs: list[Task], *, with_steps: bool) -> None:
    shown = []
    for run in runs:
        record = task_record(run)
        if with_steps:
            counts = home.store.count_attempts(run.id)
            record["steps"] = [
                step_row(step, counts.get(step.id, 0)) for step in home.list_steps(run)
            ]
        shown.append(record)
    print(json.dumps(shown, allow_nan=False))


def _draw(home: Home, runs: list[Task], *, with_steps: bool) -> None:
    rows = []
    for run in runs:
        rows.append(_row(home, run, ""))
        if with_steps:
            rows.extend(_rows_below(home, run, "  "))
    draw_table(_HEADERS, rows)


def _rows_below(home: Home, run: Task, indent: str) -> list[list[str]]:
    rows = []
    for step in home.list_steps(run):
        rows.append(_row(home, step, indent))
        if is_run(step):
            rows.extend(_rows_below(home, step, indent + "  "))
    return rows


def _row(home: Home, task: Task, indent: str) -> list[str]:
    parameters = ", ".join(f"{name}={value}" for name, value in task.spec.parameters.items())
    return [
        short(task.id),
        indent + task.name,
        task.project,
        status_text(home, task),
        moment_text(task.created_at),
        duration_text(task),
        excerpt(one_line(parameters), _PARAMETER_CHARACTERS),
    ]
