"""`pipekit execute`: runs a recorded task here and now, in a copy of its project. An agent runs
what it has taken so."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from pipekit.cli.home import Home, open_home
from pipekit.cli.outcome import DONE, FAILED, STOPPED, tell
from pipekit.control.execute import check_runnable, execute_script, open_attempt
from pipekit.control.script import LIFELINE_VARIABLE
from pipekit.control.termination import stopped_by_signals
from pipekit.errors import UsageError, short
from pipekit.model.records import Kind, Task, claimed_log
from pipekit.model.status import Status


class _Abandoned(BaseException):
    """Whoever has started this process is gone, and another may have the task."""


def execute(typed: str) -> int:
    """Run the task that was typed; the exit code.

    Args:
        typed: Beginning of its id; or `<id>:<number>`, where that attempt is open already, and
            whoever has opened it keeps what is printed.

    Raises:
        UsageError: nothing was typed; it runs, or has ended.
        NotRunnable: it cannot be run from its record.
        NotFound: there is no such task.
        KeyboardInterrupt: it was stopped.
        StoreError: its records cannot be read or kept.
    """
    if not typed:
        raise UsageError(
            "'pipekit execute' needs the id of a task.", hint="pipekit ls --status draft"
        )
    prefix, _, number = typed.partition(":")
    with open_home() as home:
        task = home.get_task(prefix)
        if task.kind is not Kind.SCRIPT:
            from pipekit.cli.conduct import conduct

            return conduct(home, task, int(number) if number else None)
        with stopped_by_signals():
            return _execute_script(home, task, number)


def _execute_script(home: Home, task: Task, claimed: str) -> int:
    archive = home.archive
    if claimed:
        number = int(claimed)
    else:
        check_runnable(task)
        number = len(archive.store.list_attempts(task.id)) + 1
        log_path = claimed_log(task.id, number)
        number = open_attempt(archive, task, log_path=log_path)
    log = archive.settings.home / claimed_log(task.id, number)
    printer = None if claimed else _Printer(log)
    watch = _Watch()

    def look() -> None:
        watch.check()
        if printer is not None:
            printer.print_more()

    try:
        ended = execute_script(archive, task, number, log=log, look=look)
    except _Abandoned:
        return STOPPED
    failure = ended.failure
    status = Status(ended.transition.value)
    who = f"task {task.name!r} ({short(task.id)})"
    why = f": {failure.message.splitlines()[0]}" if failure is not None else ""
    if not claimed:
        tell(f"{who} {status.value}{why}")
    if status is Status.STOPPED:
        return STOPPED
    return DONE if status is Status.COMPLETED else FAILED


class _Printer:
    """Passes on to stdout what is written to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0

    def print_more(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except FileNotFoundError:
            return
        self._at += len(data)
        if not data:
            return
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Nobody reads on, as behind `head`; what is printed from here on goes nowhere.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            raise KeyboardInterrupt("the end of what read its output") from None


class _Watch:
    """Hears of the death of the process that has started this one, where it asks for that."""

    def __init__(self) -> None:
        self._is_gone = False
        lifeline, _, parent = os.environ.pop(LIFELINE_VARIABLE, "").partition(":")
        if parent == str(os.getppid()):
            threading.Thread(target=self._listen, args=(int(lifeline),), daemon=True).start()

    def check(self) -> None:
        """
        Raises:
            _Abandoned: it is gone.
        """
        if self._is_gone:
            raise _Abandoned

    def _listen(self, lifeline: int) -> None:
        os.set_inheritable(lifeline, False)
        try:
            os.read(lifeline, 1)
        except OSError:
            return
        self._is_gone = True
