"""What of the log files belongs to which attempts, and from where on it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipekit.cli.home import Home
from pipekit.cli.log_file import find_tail
from pipekit.cli.record import is_run
from pipekit.model.records import Attempt, Task


def list_steps_below(home: Home, run: Task, prefix: str = "") -> Iterator[tuple[str, Task]]:
    """The steps of a run and of its child runs, in the order of their calls, each behind the names
    of the child runs that it lies in: `train/fit`. Child runs themselves are left out."""
    for step in home.list_steps(run):
        label = prefix + step.name
        if is_run(step):
            yield from list_steps_below(home, step, f"{label}/")
        else:
            yield label, step


def find_step(home: Home, run: Task, name: str) -> Task | None:
    """The first step of that name; one of a child run is `child/step`."""
    steps = home.list_steps(run)
    found = next((step for step in steps if step.name == name), None)
    child, slash, rest = name.partition("/")
    if found is None and slash:
        inner = next((step for step in steps if step.name == child and is_run(step)), None)
        return find_step(home, inner, rest) if inner is not None else None
    return found


def get_step(home: Home, run: Task, name: str) -> Task:
    """The same.

    Raises:
        NotFound: there is none; the message lists those that there are.
    """
    found = find_step(home, run, name)
    return found if found is not None else home.view(run)[name].record


def starts(home: Path, attempts: Sequence[Attempt], tail: int | None) -> dict[int, int]:
    """Attempt number -> where in its file to begin, so that `tail` lines are shown of all these
    together; those of which nothing is shown are left out. None: all."""
    if tail is None:
        return {attempt.number: attempt.log_start for attempt in attempts}
    found: dict[int, int] = {}
    left = tail
    for attempt in reversed(attempts):
        if not attempt.log_path:
            continue
        begin, count = find_tail(home / attempt.log_path, attempt.log_start, attempt.log_end, left)
        if count or attempt.ended_at is None:
            found[attempt.number] = begin
        left -= count
    return found
