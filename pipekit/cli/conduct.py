"""A recorded run (submitted, or cloned) conducted in this process, for `pipekit execute`; clones of
runs with parameters made from text, for `pipekit clone`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipekit.api.recorded_run import conduct_recorded
from pipekit.api.submit import clone_run as record_clone
from pipekit.cli.binding import cast_changes
from pipekit.cli.outcome import FAILED, UserCodeFailed, tell, user_traceback
from pipekit.cli.parameter import parameters_of
from pipekit.cli.resume import end_of, load_recorded
from pipekit.control.dead import find_open_attempt
from pipekit.control.enqueue import enqueue
from pipekit.control.execute import Ended, close_attempt, open_attempt
from pipekit.control.project_copy import enter_copy
from pipekit.control.script import LIFELINE_VARIABLE
from pipekit.control.termination import stopped_by_signals
from pipekit.errors import NotRunnable, PipekitError, StoreError, UsageError, short
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import Kind, Task
from pipekit.model.status import Transition
from pipekit.settings import read_settings

if TYPE_CHECKING:
    from pipekit.cli.home import Home


def conduct(home: Home, task: Task, number: int | None) -> int:
    """Make an attempt at a recorded run; the exit code. Whatever keeps its pipeline from being
    called is recorded as the attempt's failure.

    Args:
        home: Where it is recorded.
        task: The run.
        number: Of the attempt, where an agent has opened it, in whose log this process's console
            is; None: one is opened.

    Raises:
        UsageError: it runs, has ended, or is a part of another run; its attempt is not open.
        StoreError: its records cannot be read or kept.
        Stopped, KeyboardInterrupt: it was stopped.
    """
    _check_run(task)
    if number is None:
        number, shows_output = open_attempt(home.archive, task, log_path=""), True
    else:
        _end_with_the_agent()
        attempt, shows_output = find_open_attempt(home.store, task.id), False
        if attempt is None or attempt.number != number:
            raise UsageError(f"Attempt {number} at {task.name!r} ({short(task.id)}) is not open.")
    with stopped_by_signals():
        return _conduct(home, task, number, shows_output=shows_output)


def _conduct(home: Home, task: Task, number: int, *, shows_output: bool) -> int:
    try:
        placed = enter_copy(home.archive, task, number)
        pipeline = load_recorded(placed)
        settings = read_settings(pipeline.folder)
        conducted = conduct_recorded(pipeline, settings, placed, number, shows_output=shows_output)
    except StoreError:
        raise
    except KeyboardInterrupt as interrupt:
        by = str(interrupt) or "Ctrl-C"
        _close(home, task, number, Failure(FailureKind.STOPPED, f"stopped by {by}"))
        raise
    except UserCodeFailed as failed:
        error, trace = failed.error, user_traceback(failed.error)
        name = type(error).__name__
        message = f"{name}: {error}".removesuffix(": ")
        _close(home, task, number, Failure(FailureKind.IMPORT, message, trace, name))
        tell(trace)
        return FAILED
    except (PipekitError, OSError) as error:
        _close(home, task, number, Failure(FailureKind.IMPORT, str(error)))
        tell(f"Error: {error}")
        return FAILED
    return end_of(conducted)


def _close(home: Home, task: Task, number: int, failure: Failure) -> None:
    """Nothing, where the run has begun: then its end is recorded."""
    stopped = failure.kind is FailureKind.STOPPED
    ended = Ended(Transition.STOPPED if stopped else Transition.FAILED, failure)
    close_attempt(home.archive, task.id, number, ended)


def _check_run(task: Task) -> None:
    if task.kind is not Kind.PIPELINE or task.parent is not None:
        raise NotRunnable(
            f"{task.name!r} ({short(task.id)}) is a part of a run, and cannot be run by itself."
        )


def _end_with_the_agent() -> None:
    """An agent that is gone leaves nothing running; what this process has started ends with it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as it may be ignored in the agent
    lifeline, _, parent = os.environ.pop(LIFELINE_VARIABLE, "").partition(":")
    if parent != str(os.getppid()):
        return
    fd = int(lifeline)
    os.set_inheritable(fd, False)
    threading.Thread(target=_wait_for_its_end, args=(fd,), daemon=True).start()


def _wait_for_its_end(fd: int) -> None:
    try:
        os.read(fd, 1)
    except OSError:
        return
    os.killpg(0, signal.SIGKILL)


# clones


def clone_run(
    home: Home, source: Task, texts: Mapping[str, str], *, name: str, queue: str, run: bool = False
) -> Task:
    """Record a draft that is a run with other parameters, each made a value as its annotation says;
    put it on a queue, where one is given.

    Raises:
        UsageError: the pipeline has no such parameter, or a text does not fit; nothing is recorded.
        NotRunnable: it is a part of a run, or an argument of it could not be stored.
        NotResumable: its pipeline is not found.
        UserCodeFailed: the module of its pipeline cannot be imported.
    """
    _check_run(source)
    pipeline = load_recorded(enter_copy(home.archive, source, 0))
    what = f"Run {source.name!r} ({short(source.id)}) was not cloned"
    values = cast_changes(parameters_of(pipeline.function), texts, what=what)
    made = record_clone(home.archive, source, pipeline, values, name=name, travels=bool(queue))
    of = f"cloned from {short(source.id)}"
    if run:
        tell(f"{made.name!r} ({short(made.id)}) is {of}.")
        return made
    if queue:
        enqueue(home.archive, made, queue)
        tell(f"{made.name!r} ({short(made.id)}) waits on queue {queue!r}, {of}.")
    else:
        tell(f"{made.name!r} ({short(made.id)}) is a draft, {of}.")
        tell(f"Run it here: pipekit execute {short(made.id)}")
    return made
