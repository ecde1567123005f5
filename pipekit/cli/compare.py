"""`pipekit compare`: what differs between two runs, or between two steps."""

from __future__ import annotations

import json

from pipekit.cli.difference import (
    Difference,
    StepPair,
    TaskPair,
    compare_runs,
    compare_steps,
)
from pipekit.cli.home import open_home
from pipekit.cli.outcome import DONE, tell
from pipekit.cli.record import is_run
from pipekit.console.quantity import seconds_text
from pipekit.console.table import draw_facts, draw_table, without_empty
from pipekit.console.terminal import one_line
from pipekit.errors import UsageError, short
from pipekit.model.excerpt import excerpt

_SHOWN_CHARACTERS = 60


def compare(first: str, second: str, *, everything: bool, as_json: bool) -> int:
    """Print what differs between two tasks; the exit code.

    Args:
        first: Beginning of the id of a run, or of a step.
        second: The same, of a task of the same kind.
        everything: Print also what is alike.
        as_json: Print one JSON object, always of everything.

    Raises:
        NotFound: there is no such task.
        UsageError: one is a run and the other a step.
        StoreError: the home cannot be read.
    """
    with open_home() as home:
        a, b = home.get_task(first), home.get_task(second)
        if is_run(a) != is_run(b):
            run, step = (a, b) if is_run(a) else (b, a)
            raise UsageError(
                f"{run.name!r} ({short(run.id)}) is a run and {step.name!r} ({short(step.id)}) a "
                "step: only like and like can be compared.",
                hint=f"pipekit show {short(run.id)} lists the run's steps with their ids.",
            )
        pair = compare_runs(home, a, b) if is_run(a) else compare_steps(home, a, b)
    if as_json:
        print(json.dumps(pair.record(), allow_nan=False))
    else:
        _draw(pair, everything=everything)
    return DONE


def _draw(pair: TaskPair, *, everything: bool) -> None:
    a, b = pair.a, pair.b
    rows = [
        [name, left, right]
        for name, left, right in (
            ("id", short(a.id), short(b.id)),
            ("name", a.name, b.name),
            ("status", a.word, b.word),
            ("duration", _seconds(a.duration_seconds), _seconds(b.duration_seconds)),
            ("error", one_line(a.error or ""), one_line(b.error or "")),
        )
        if left or right
    ]
    draw_table(("", "A", "B"), [[name, _cut(left), _cut(right)] for name, left, right in rows])
    same = [
        _draw_differences("parameters", pair.parameters, everything),
        _draw_differences("inputs", pair.inputs, everything),
        _draw_differences("outputs", pair.outputs, everything),
        _draw_differences("metrics", pair.metrics, everything),
        _draw_steps(pair.steps, everything=everything),
    ]
    if pair.code_is_equal is not None:
        draw_facts([("\ncode", "the same" if pair.code_is_equal else "differs")])
    left_out = [text for text in same if text]
    if left_out:
        tell(f"Alike, and not shown: {', '.join(left_out)}. Hint: --all shows them too.")


def _draw_differences(title: str, found: list[Difference], everything: bool) -> str:
    """Draw them; how many were left out, in words."""
    shown = [item for item in found if everything or not item.is_equal]
    if shown:
        print(f"\n{title}{'' if everything else ' that differ'}")
        rows = [[item.name, _cut(item.text_a), _cut(item.text_b)] for item in shown]
        draw_table(("name", "A", "B"), rows)
    count = len(found) - len(shown)
    return f"{count} {title[:-1] if count == 1 else title}" if count else ""


def _draw_steps(steps: list[StepPair], *, everything: bool) -> str:
    shown = [pair for pair in steps if everything or not pair.is_equal]
    if shown:
        print(f"\nsteps{'' if everything else ' that differ'}")
        headers = ("step", "A", "B", "time A", "time B", "code", "inputs", "outputs", "metrics")
        rows = [_step_row(pair) for pair in shown]
        draw_table(*without_empty(headers, rows, always=3))
    count = len(steps) - len(shown)
    return f"{count} {'step' if count == 1 else 'steps'}" if count else ""


def _step_row(pair: StepPair) -> list[str]:
    a, b = pair.a, pair.b
    code = "" if pair.code_is_equal is None else "same" if pair.code_is_equal else "differs"
    return [
        pair.name,
        a.word if a is not None else "-",
        b.word if b is not None else "-",
        _seconds(a.duration_seconds) if a is not None and not a.reused else "",
        _seconds(b.duration_seconds) if b is not None and not b.reused else "",
        code,
        _differing(pair.inputs),
        _differing(pair.outputs),
        _differing(pair.metrics),
    ]


def _differing(found: list[Difference]) -> str:
    names = [item.name for item in found if not item.is_equal]
    return ", ".join(names) if names else "same" if found else ""


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else seconds_text(seconds)


def _cut(text: str) -> str:
    return excerpt(one_line(text), _SHOWN_CHARACTERS)
