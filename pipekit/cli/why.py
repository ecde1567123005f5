"""`pipekit why`: why a step ran or was reused, compared with the same step before."""

from __future__ import annotations

import json

from pipekit.cli.home import Home, open_home
from pipekit.cli.log_parts import get_step
from pipekit.cli.outcome import DONE
from pipekit.cli.record import is_run
from pipekit.console.table import draw_table
from pipekit.console.terminal import clean, one_line
from pipekit.control.why import Why, why
from pipekit.errors import UsageError, short
from pipekit.model.excerpt import excerpt
from pipekit.model.records import Kind, Task

_SHOWN_CHARACTERS = 80


def tell_why(typed: str, step: str, *, as_json: bool) -> int:
    """Print why a step ran, or of a run why each of its steps did; the exit code.

    Args:
        typed: Beginning of an id; empty: the newest run.
        step: Name of a step of that run, or `child/step`; empty: the task itself.
        as_json: Print one JSON object.

    Raises:
        NotFound: there is no such task, or no such step.
        StoreError: the home cannot be read.
    """
    with open_home() as home:
        task = home.get_task(typed)
        if step:
            task = get_step(home, task, step)
        if task.kind is Kind.SCRIPT:
            raise UsageError(
                f"{task.name!r} ({short(task.id)}) is a script's task: it runs when it is started.",
                hint="'pipekit why' is about the steps of a pipeline.",
            )
        if is_run(task):
            _tell_steps(home, task, as_json=as_json)
            return DONE
        found = why(home.archive, task)
        if as_json:
            print(json.dumps(_record(task, found), allow_nan=False))
        else:
            _tell(task, found)
    return DONE


def _record(task: Task, found: Why) -> dict[str, object]:
    return {"id": task.id, "name": task.name, "status": task.status.value, **found.record()}


def _tell_steps(home: Home, run: Task, *, as_json: bool) -> None:
    steps = [(step, why(home.archive, step)) for step in home.list_steps(run)]
    if as_json:
        print(json.dumps({"id": run.id, "steps": [_record(*pair) for pair in steps]}))
        return
    rows = [
        [
            step.name,
            short(step.id),
            "reused" if step.reused_from is not None else step.status.value,
            excerpt(one_line(found.reason), _SHOWN_CHARACTERS),
        ]
        for step, found in steps
    ]
    draw_table(("step", "id", "status", "why"), rows)


def _tell(task: Task, found: Why) -> None:
    word = "reused" if task.reused_from is not None else task.status.value
    _line(f"{task.name} ({short(task.id)}), {word}: {found.reason}")
    if found.compared_text:
        _line(f"compared with {found.compared_text} ({short(found.compared_with or '')})")
    if not found.changes:
        for text in found.lines:
            if text != found.reason:
                _line(f"  {text}")
    for change in found.changes:
        _line(f"  {change.text}")
        for text in change.diff.split("\n") if change.diff else ():
            print(f"      {clean(text, keep_colours=False)}")


def _line(text: str) -> None:
    print(clean(text, keep_colours=False))
