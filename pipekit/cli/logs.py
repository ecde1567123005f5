"""`pipekit logs`: what steps wrote to their console."""

from __future__ import annotations

import sys

from pipekit.cli.home import Home, open_home
from pipekit.cli.outcome import DONE, tell
from pipekit.cli.record import is_run
from pipekit.console.terminal import showable
from pipekit.errors import NotFound, UsageError, short
from pipekit.model.records import Attempt, Task
from pipekit.model.status import Status


def print_logs(typed: str, step: str, *, attempt: int) -> int:
    """Print the console of a step, or of all steps of a run; the exit code.

    Raises:
        NotFound: there is no such task, step or attempt.
        UsageError: an attempt of a whole run was asked for.
        StoreError: the home cannot be read.
    """
    with open_home() as home:
        task = home.get_task(typed)
        if step:
            task = home.view(task)[step].record
        if not is_run(task):
            _print_step(home, task, attempt)
        elif attempt:
            raise UsageError(
                f"{task.name!r} ({short(task.id)}) is a run; attempts are those of a step.",
                hint=f"pipekit logs {short(task.id)} STEP --attempt {attempt}",
            )
        else:
            _print_run(home, task)
    return DONE


def _print_step(home: Home, step: Task, number: int) -> None:
    if step.reused_from is not None:
        origin = home.store.find_task(step.reused_from)
        if origin is None:
            tell(f"{step.name!r} was reused; the step that computed it is not in the store.")
            return
        tell(f"{step.name!r} was reused: this is what it printed when it was computed.")
        step = origin
    attempts = home.store.list_attempts(step.id)
    if number:
        attempts = [attempt for attempt in attempts if attempt.number == number]
        if not attempts:
            raise NotFound(f"Step {step.name!r} ({short(step.id)}) has no attempt {number}.")
    texts = [_read(home, step, attempt) for attempt in attempts]
    for attempt, text in zip(attempts, texts, strict=True):
        if len(attempts) > 1:
            tell(f"attempt {attempt.number}:")
        sys.stdout.write(showable(text, sys.stdout))
        if text and not text.endswith("\n") and sys.stdout.isatty():
            sys.stdout.write("\n")
    if not any(texts):
        tell(_why_empty(step, attempts))


def _read(home: Home, step: Task, attempt: Attempt) -> str:
    return home.view(step).read_log(attempt)


def _why_empty(step: Task, attempts: list[Attempt]) -> str:
    who = f"Step {step.name!r} ({short(step.id)})"
    if step.status in (Status.PENDING, Status.QUEUED, Status.SKIPPED):
        return f"{who} has not run: it is {step.status.value}."
    if attempts and attempts[-1].ended_at is None:
        return f"{who} is running; its console is shown when the attempt has ended."
    if attempts and not attempts[-1].log_path:
        return f"{who} ran inline: what it printed went to that process's own console."
    return f"{who} printed nothing."


def _print_run(home: Home, run: Task) -> None:
    reused = _print_steps(home, run, "")
    if reused:
        many = f"{reused} steps were reused and" if reused > 1 else "1 step was reused and"
        tell(f"{many} printed nothing in this run: pipekit logs {short(run.id)} STEP")


def _print_steps(home: Home, run: Task, prefix: str) -> int:
    """How many of the steps were reused."""
    reused = 0
    for step in home.list_steps(run):
        name = prefix + step.name
        if step.reused_from is not None:
            reused += 1
        elif is_run(step):
            reused += _print_steps(home, step, f"{name}/")
        else:
            for attempt in home.store.list_attempts(step.id):
                for line in _read(home, step, attempt).splitlines():
                    print(showable(f"[{name}] {line}", sys.stdout))
    return reused
