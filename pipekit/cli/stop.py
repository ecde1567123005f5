"""`pipekit stop`: has a run or a step stopped by the process that runs it, and says what was."""

from __future__ import annotations

from pipekit.cli.home import Home, open_home
from pipekit.cli.log_parts import get_step, list_steps_below
from pipekit.cli.outcome import DONE, FAILED, tell
from pipekit.cli.record import is_run
from pipekit.console.quantity import seconds_text
from pipekit.control.dead import find_open_attempt
from pipekit.control.stop_wish import StopWish
from pipekit.errors import UsageError, listed, short
from pipekit.model.failure import FailureKind
from pipekit.model.records import Kind, Task
from pipekit.model.status import TERMINAL, Status


def stop(typed: str, step: str, *, wait: bool, timeout_seconds: float | None) -> int:
    """Stop what was typed; the exit code: 1 where it has not ended in time.

    Args:
        typed: Beginning of the id of a run or a step.
        step: Name of a step of that run, or `child/step`; empty: the task itself.
        wait: Until it has ended.
        timeout_seconds: How long to wait at most; None: as long as it takes.

    Raises:
        UsageError: nothing was typed.
        NotFound: there is no such task, or no such step.
        StoreError: the home cannot be read or written.
    """
    with open_home() as home:
        if not typed:
            raise _nothing_typed(home)
        task = home.get_task(typed)
        if step:
            task = get_step(home, task, step)
        if task.status in TERMINAL:
            tell(_had_ended(task))
            return DONE
        wish = StopWish(home.archive, task.id)
        now = wish.send()
        if now.status is Status.DRAFT:
            tell(f"{_what(task)} is a draft: nobody runs it.")
            return DONE
        if now.status not in TERMINAL and wait:
            now = wish.wait(timeout_seconds)
        if now.status not in TERMINAL:
            return _tell_not_yet(home, now, wait=wait, timeout_seconds=timeout_seconds)
        _tell_end(home, now)
    return DONE


def _nothing_typed(home: Home) -> UsageError:
    running = home.list_runs(4, statuses=(Status.RUNNING,))
    names = ", ".join(f"{short(run.id)} ({run.name})" for run in running)
    going = f"Running: {names}." if names else "Nothing is running."
    hint = f"pipekit stop {short(running[0].id)}" if running else ""
    return UsageError(f"'pipekit stop' needs the id of a run or a step. {going}", hint=hint)


def _what(task: Task) -> str:
    kind = "Run" if task.parent is None else "Step"
    if task.kind is Kind.SCRIPT:
        kind = "Task"
    return f"{kind} {task.name!r} ({short(task.id)})"


def _had_ended(task: Task) -> str:
    if task.failure is not None and task.failure.kind is FailureKind.LOST:
        return f"{_what(task)} had ended: {task.failure.message}"
    return f"{_what(task)} had ended already: {task.status.value}."


def _tell_not_yet(home: Home, task: Task, *, wait: bool, timeout_seconds: float | None) -> int:
    root = home.archive.root_of(task)
    attempt = find_open_attempt(home.store, root.id)
    by = f" Its process is pid {attempt.pid} on {attempt.host}." if attempt is not None else ""
    if not wait:
        tell(f"{_what(task)} was asked to stop.{by}")
        return DONE
    waited = seconds_text(timeout_seconds or 0.0)
    tell(f"{_what(task)} was asked to stop, and has not ended within {waited}.{by}")
    return FAILED


def _tell_end(home: Home, task: Task) -> None:
    if task.status is not Status.STOPPED:
        if task.failure is not None and task.failure.kind is FailureKind.LOST:
            tell(_had_ended(task))
        else:
            tell(f"{_what(task)} came to its own end first: {task.status.value}.")
        return
    tell(f"{_what(task)} was stopped.")
    if is_run(task):
        steps = list(list_steps_below(home, task))
        _tell_names("Stopped with it", [n for n, s in steps if s.status is Status.STOPPED])
    if task.parent is not None:
        siblings = home.store.list_tasks(parent=task.parent, statuses=(Status.SKIPPED,))[::-1]
        skipped = [
            one.name
            for one in siblings
            if one.failure is not None and one.failure.step == task.name
        ]
        _tell_names("Skipped for it", skipped)


def _tell_names(what: str, names: list[str]) -> None:
    if names:
        tell(f"{what}: {listed(names)}.")
