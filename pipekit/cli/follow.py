"""`pipekit logs --follow`: what steps write, as they write it, seen from another process.

A round looks at the records, then reads what has come since the last. Text in a worker's file
belongs to the attempt that is in the worker: where several open attempts name one file, the first
of them has it. An attempt's end is recorded a moment after it, and the next may write in that
moment: of an open attempt only that is printed which was there a round ago.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pipekit.cli.home import Home
from pipekit.cli.log_file import LogFile
from pipekit.cli.log_parts import get_step, list_steps_below, starts
from pipekit.cli.log_printer import JsonPrinter, LinePrinter, PlainPrinter, Printer, Source
from pipekit.cli.outcome import tell
from pipekit.cli.record import duration_seconds, is_run
from pipekit.console.quantity import seconds_text
from pipekit.errors import NotFound, short
from pipekit.model.records import Attempt, Task
from pipekit.model.status import TERMINAL, Status

_ROUND_SECONDS = 0.2
_MOST_OF_THE_TIME = 0.2
"""Share of the time that rounds may take: those of a run with very many steps come less often."""


class Follower:
    """Follows one run, or one step of it, until it has ended.

    Args:
        home: Where it is recorded.
        task: A run, or a step.
        step: Name of a step of the run, which need not have begun.
        attempt: Of a step: this one alone; 0: all.
        tail: How many of the lines that are there at the beginning are printed, of each step.
        as_json: Print one JSON object a line.
    """

    def __init__(
        self, home: Home, task: Task, step: str, *, attempt: int, tail: int | None, as_json: bool
    ) -> None:
        self._home = home
        self._folder = home.archive.settings.home
        self._task = task
        self._step = step
        self._attempt = attempt
        self._tail = tail
        self._is_whole_run = is_run(task) and not step
        self._printer: Printer = (
            JsonPrinter() if as_json
            else LinePrinter() if self._is_whole_run
            else PlainPrinter(with_rules=False)
        )  # fmt: skip
        self._open: dict[tuple[str, int], LogFile] = {}
        self._done: set[tuple[str, int]] = set()
        """Attempts of which all is printed."""
        self._settled: set[str] = set()
        """Steps of which all is printed."""
        self._printed_to: dict[Path, int] = {}
        """File -> the offset up to which it is printed."""
        self._sizes: dict[Path, int] = {}
        """File of an open attempt -> its size a round ago."""
        self._is_first_round = True
        self._process_is_gone = False
        self._told: set[str] = set()

    def follow(self) -> None:
        """Print until the end.

        Raises:
            NotFound: the run has ended, and there was no such step or attempt.
        """
        while True:
            began = time.monotonic()
            last = self._round()
            sys.stdout.flush()
            if last:
                break
            took = time.monotonic() - began
            time.sleep(max(_ROUND_SECONDS, took / _MOST_OF_THE_TIME))
        self._tell_end()

    def _round(self) -> bool:
        """Print what is new; whether nothing more can come."""
        # Asked before the steps are: what ended meanwhile is seen whole.
        is_over = self._is_over()
        steps = self._steps()
        self._printer.expect([label for label, _ in steps])
        for label, step in steps:
            if step.id not in self._settled:
                self._read_step(label, step, is_over=is_over)
        self._is_first_round = False
        self._sizes = {file.path: _size(file.path) for file in self._open.values()}
        if not self._is_whole_run:
            if is_over and not steps:
                get_step(self._home, self._task, self._step)  # raises: it did not come
            if steps and all(step.id in self._settled for _, step in steps):
                is_over = True
            if is_over and self._attempt and not self._done:
                name = self._step or self._task.name
                raise NotFound(f"Step {name!r} has no attempt {self._attempt}.")
        return is_over

    # what is recorded

    def _is_over(self) -> bool:
        root = self._root()
        if root.status in TERMINAL:
            return True
        if root.status is Status.RUNNING and self._home.conductor_is_gone(root):
            self._process_is_gone = True
            return True
        own = self._home.store.find_task(self._task.id)
        return own is not None and own.status in TERMINAL

    def _root(self) -> Task:
        root = self._home.archive.root_of(self._task)
        return self._home.store.find_task(root.id) or root

    def _steps(self) -> list[tuple[str, Task]]:
        """What to print, in the order of the calls."""
        if not is_run(self._task):
            found = self._home.store.find_task(self._task.id)
            return [(self._task.name, found)] if found is not None else []
        steps = list(list_steps_below(self._home, self._task))
        if not self._step:
            return [*self._own_console(), *steps]
        steps = [(label, step) for label, step in steps if label == self._step]
        if not steps:
            self._tell_once(f"Step {self._step!r} has not begun: waiting for it.")
        return steps

    def _own_console(self) -> list[tuple[str, Task]]:
        """The run itself, where an agent keeps what its process prints."""
        run = self._home.store.find_task(self._task.id) or self._task
        if run.status is Status.QUEUED:
            self._tell_once(f"It waits on queue {run.queue!r} for an agent to take it.")
        attempts = self._home.store.list_attempts(run.id)
        return [(run.name, run)] if any(one.log_path for one in attempts) else []

    # what is written

    def _read_step(self, label: str, step: Task, *, is_over: bool) -> None:
        if step.reused_from is not None:
            self._settled.add(step.id)
            if not self._is_whole_run:
                self._read_origin(label, step)
            return
        attempts = self._home.store.list_attempts(step.id)
        if self._attempt:
            attempts = [attempt for attempt in attempts if attempt.number == self._attempt]
        begins = starts(self._folder, attempts, self._tail) if self._is_first_round else {}
        for attempt in attempts:
            key = (step.id, attempt.number)
            if key in self._done:
                continue
            if self._is_first_round and attempt.number not in begins:
                self._done.add(key)  # its lines lie before those that were asked for
                continue
            self._read(label, attempt, begins.get(attempt.number, attempt.log_start), is_over)
        if step.status in TERMINAL or is_over:
            self._settled.add(step.id)

    def _read_origin(self, label: str, step: Task) -> None:
        origin = self._home.store.find_task(step.reused_from or "")
        if origin is None:
            tell(f"{step.name!r} was reused; the step that computed it is not in the store.")
            return
        tell(f"{step.name!r} was reused: this is what it printed when it was computed.")
        self._read_step(label, origin, is_over=True)

    def _read(self, label: str, attempt: Attempt, begin: int, is_over: bool) -> None:
        key = (attempt.task_id, attempt.number)
        source = Source(attempt.task_id, label, attempt.number)
        if not attempt.log_path:
            self._tell_once(
                "What steps print that run inline goes to the console of the run's own process."
            )
            self._done.add(key)
            return
        path = self._folder / attempt.log_path
        is_closed = attempt.ended_at is not None
        if not is_closed and self._is_behind_another(key, path):
            return
        file = self._open.get(key)
        if file is None:
            self._printer.begin(source)
        if file is None or file.path != path:
            start = begin if is_closed else max(begin, self._printed_to.get(path, 0))
            file = self._open[key] = LogFile(path, start)
        end = attempt.log_end if is_closed or is_over else self._sizes.get(path, 0)
        for data in file.read(end):
            self._printer.take(source, data)
        self._printed_to[path] = max(file.offset, self._printed_to.get(path, 0))
        if is_closed or is_over:
            self._printer.end(source)
            self._done.add(key)
            del self._open[key]

    def _is_behind_another(self, key: tuple[str, int], path: Path) -> bool:
        """Whether an attempt that was called before is in that worker still."""
        return any(file.path == path and other < key for other, file in self._open.items())

    # what is told

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            tell(text)

    def _tell_end(self) -> None:
        run = self._root()
        if self._process_is_gone:
            tell(
                f"The process of run {run.name!r} ({short(run.id)}) is gone, and did not record "
                "the run's end. What completed is kept: run the pipeline again."
            )
        elif self._is_whole_run:
            seconds = duration_seconds(run)
            took = f" in {seconds_text(seconds)}" if seconds is not None else ""
            tell(f"{run.name} {run.status.value}{took}")
            if run.status is Status.FAILED and run.failure is not None:
                tell(run.failure.message)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
