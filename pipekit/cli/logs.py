"""`pipekit logs`: what steps wrote to their console, as far as it is written now."""

from __future__ import annotations

from collections.abc import Sequence

from pipekit.cli.follow import Follower
from pipekit.cli.home import Home, open_home
from pipekit.cli.log_file import LogFile
from pipekit.cli.log_parts import find_step, get_step, list_steps_below, starts
from pipekit.cli.log_printer import JsonPrinter, LinePrinter, PlainPrinter, Printer, Source
from pipekit.cli.outcome import DONE, tell
from pipekit.cli.record import is_run
from pipekit.errors import NotFound, UsageError, short
from pipekit.model.records import Attempt, Kind, Task
from pipekit.model.status import Status

_BEFORE_ITS_START = (Status.DRAFT, Status.PENDING, Status.QUEUED, Status.SKIPPED)


def print_logs(
    typed: str, step: str, *, attempt: int, tail: int | None, follow: bool, as_json: bool
) -> int:
    """Print the console of a step, or of all steps of a run; the exit code.

    Args:
        typed: Beginning of an id; empty: the newest run.
        step: Name of a step of that run, or `child/step`; empty: all of them.
        attempt: Its number; 0: all.
        tail: How many lines to begin with, of each step; None: all.
        follow: Go on until the run, or the step, has ended.
        as_json: Print one JSON object a line.

    Raises:
        NotFound: there is no such task, step or attempt.
        UsageError: an attempt of a whole run was asked for.
        StoreError: the home cannot be read.
    """
    with open_home() as home:
        task = home.get_task(typed)
        if attempt and not step and is_run(task):
            raise UsageError(
                f"{task.name!r} ({short(task.id)}) is a run; attempts are those of a step.",
                hint=f"pipekit logs {short(task.id)} STEP --attempt {attempt}",
            )
        if follow:
            found = find_step(home, task, step) if step else None
            if found is not None:
                task, step = found, ""
            Follower(home, task, step, attempt=attempt, tail=tail, as_json=as_json).follow()
            return DONE
        if step:
            task = get_step(home, task, step)
        if is_run(task):
            _print_run(home, task, tail, as_json=as_json)
        else:
            _print_step(home, task, step or task.name, attempt, tail, as_json=as_json)
    return DONE


def _print_step(
    home: Home, step: Task, label: str, number: int, tail: int | None, *, as_json: bool
) -> None:
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
            raise NotFound(f"{_who(step)} has no attempt {number}.")
    printer: Printer = JsonPrinter() if as_json else PlainPrinter(with_rules=len(attempts) > 1)
    if not _print_attempts(home, step, label, attempts, tail, printer) and tail != 0:
        tell(_why_empty(step, attempts))


def _print_attempts(
    home: Home, step: Task, label: str, attempts: Sequence[Attempt], tail: int | None,
    printer: Printer,
) -> bool:  # fmt: skip
    """Whether there was anything."""
    folder = home.archive.settings.home
    begins = starts(folder, attempts, tail)
    wrote = False
    for attempt in attempts:
        if attempt.number not in begins or not attempt.log_path:
            continue
        source = Source(step.id, label, attempt.number)
        printer.begin(source)
        file = LogFile(folder / attempt.log_path, begins[attempt.number])
        for data in file.read(attempt.log_end):
            wrote = True
            printer.take(source, data)
        printer.end(source)
    return wrote


def _who(task: Task) -> str:
    kind = "Task" if task.kind is Kind.SCRIPT else "Step"
    return f"{kind} {task.name!r} ({short(task.id)})"


def _why_empty(step: Task, attempts: Sequence[Attempt]) -> str:
    who = _who(step)
    if step.status in _BEFORE_ITS_START:
        return f"{who} has not run: it is {step.status.value}."
    if attempts and not attempts[-1].log_path:
        return f"{who} ran inline: what it printed went to that process's own console."
    if attempts and attempts[-1].ended_at is None:
        return f"{who} is running and has printed nothing so far."
    return f"{who} printed nothing."


def _print_run(home: Home, run: Task, tail: int | None, *, as_json: bool) -> None:
    steps = list(list_steps_below(home, run))
    own = [one for one in home.store.list_attempts(run.id) if one.log_path]
    printer = JsonPrinter() if as_json else LinePrinter()
    labels = [label for label, step in steps if step.reused_from is None]
    printer.expect([run.name, *labels] if own else labels)
    reused = inline = 0
    _print_attempts(home, run, run.name, own, tail, printer)
    for label, step in steps:
        if step.reused_from is not None:
            reused += 1
            continue
        attempts = home.store.list_attempts(step.id)
        inline += any(not attempt.log_path for attempt in attempts)
        _print_attempts(home, step, label, attempts, tail, printer)
    if reused:
        many = f"{reused} steps were reused and" if reused > 1 else "1 step was reused and"
        tell(f"{many} printed nothing in this run: pipekit logs {short(run.id)} STEP")
    if inline:
        tell("What steps print that run inline goes to the console of the run's own process.")
