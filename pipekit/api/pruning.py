"""Ends trials of a sweep that promise nothing, by what they log on the way."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

from pipekit.api.sampling import Search
from pipekit.api.trial_value import is_meant
from pipekit.worker.message import Logged
from pipekit.worker.runner import text_of


class Pruning:
    """Hears in the loop's thread what the trials of one sweep log, and asks the pruner in a thread
    of its own, for that may take its time. To be closed."""

    def __init__(self, run: Any, search: Search, objective: str) -> None:
        self._run = run
        self._search = search
        self._objective = objective
        self.pruned: set[str] = set()
        """Ids of the trials' tasks that were told to end."""
        self._lock = threading.Lock()
        self._calling: int | None = None
        """The number of the trial that is being called."""
        self._numbers: dict[str, int] = {}
        """Of trials by the ids of their tasks."""
        self._sources: dict[int, str] = {}
        """Of trials: the task whose numbers count, which is the first that logged some."""
        self._counts: dict[int, int] = {}
        self._logged: SimpleQueue[tuple[Any, Logged] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._listen, name="pruning", daemon=True)
        self._thread.start()
        run.hears = self._hear

    def calling(self, number: int) -> None:
        """The trial of this number is called; a task that is not known yet is its."""
        with self._lock:
            self._calling = number

    def called(self, number: int, task_id: str) -> None:
        """That is its task."""
        with self._lock:
            self._numbers[task_id] = number
            self._calling = None

    def close(self) -> None:
        self._run.hears = None
        self._logged.put(None)
        self._thread.join()

    def _hear(self, step: Any, logged: Logged) -> None:
        if logged.metrics:
            self._logged.put((step, logged))

    def _listen(self) -> None:
        while (heard := self._logged.get()) is not None:
            try:
                self._follow(*heard)
            except Exception as error:  # noqa: BLE001 - a border: the pruner may be the user's
                self._run.session.reporter.warned(
                    f"The pruner failed ({type(error).__name__}: {text_of(error)}): from here on "
                    "no trial is pruned."
                )
                self._run.hears = None
                return

    def _follow(self, step: Any, logged: Logged) -> None:
        path: tuple[str, ...] = ()
        trial = step
        while trial.run is not self._run:
            path = (trial.name, *path)
            trial = _step_of(trial.run)
        number = self._number_of(trial.task_id)
        if number is None or trial.task_id in self.pruned:
            return
        for metric in logged.metrics:
            if not is_meant(self._objective, path, metric.name):
                continue
            if self._sources.setdefault(number, step.task_id) != step.task_id:
                continue
            count = self._counts[number] = self._counts.get(number, -1) + 1
            at = metric.step if metric.step is not None else count
            if self._search.report(number, metric.value, at):
                self.pruned.add(trial.task_id)
                reason = (
                    f"pruned by {self._search.pruner_name} at {self._objective}={metric.value:.6g}"
                )
                self._run.session.stop_step(trial, f"{reason}, step {at}")
                return

    def _number_of(self, task_id: str) -> int | None:
        with self._lock:
            if task_id not in self._numbers and self._calling is not None:
                self._numbers[task_id] = self._calling
            return self._numbers.get(task_id)


def _step_of(run: Any) -> Any:
    """The step that a run is of the one above it."""
    return next(step for step in run.parent.steps if step.task_id == run.task_id)
