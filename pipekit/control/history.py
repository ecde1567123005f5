"""What the earlier runs of a pipeline tell of its steps: how long each took, and how it was called.
Reads records of the newest runs, once, when it is first asked."""

from __future__ import annotations

from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

from pipekit.control.recorder import task_record
from pipekit.model.reason import NO_EARLIER, reason, reason_alone, with_note
from pipekit.model.records import Kind, Task
from pipekit.model.status import Status

if TYPE_CHECKING:
    from pipekit.control.step import Step
    from pipekit.ports import Store

_RUNS = 20
_STEPS = 5000
"""After so many steps no older run is read."""


class History:
    """The newest runs of one pipeline."""

    def __init__(self, store: Store, *, name: str, project: str) -> None:
        self._store = store
        self._name = name
        self._project = project

    def seconds(self, step: Step) -> float | None:
        """The median of what the same call took, else of what the same component took; None where
        neither has run."""
        _, by_key, by_entry = self._read
        found = by_key.get(step.key) or by_entry.get(step.use.entry)
        return median(found) if found else None

    def why(self, step: Step, name: str) -> str:
        """What differs from the same step of the newest run that has it, in a few words.

        Args:
            step: One that is called, and would run.
            name: Its name within the whole run: `child/fit`.
        """
        record = task_record(step, Status.RUNNING)
        alone = reason_alone(record)
        if alone is not None:
            return alone.short
        records, _, _ = self._read
        earlier = records.get(step.key) or records.get(name)
        if earlier is None:
            return with_note(NO_EARLIER, step.note).short
        artifacts = self._store.list_artifacts(earlier.id)
        returned_none = [artifact.value.type for artifact in artifacts] == ["NoneType"]
        found = reason(record, earlier, returned_none=returned_none)
        return with_note(found, step.note).short

    @cached_property
    def _read(self) -> tuple[dict[str, Task], dict[str, list[float]], dict[str, list[float]]]:
        """The newest record of each step, by step key and by name; the seconds of completed ones
        by step key, and by component."""
        records: dict[str, Task] = {}
        by_key: dict[str, list[float]] = {}
        by_entry: dict[str, list[float]] = {}
        for step, name in self._steps():
            records.setdefault(step.step_key or name, step)
            records.setdefault(name, step)
            seconds = step.seconds(None) if step.status is Status.COMPLETED else None
            if seconds is not None:
                by_key.setdefault(step.step_key or name, []).append(seconds)
                by_entry.setdefault(step.spec.entry, []).append(seconds)
        return records, by_key, by_entry

    def _steps(self) -> list[tuple[Task, str]]:
        """The steps of the newest runs with their names, those of the newest run first."""
        found: list[tuple[Task, str]] = []
        runs = self._store.list_tasks(
            kinds=(Kind.PIPELINE,), name=self._name, project=self._project, limit=_RUNS
        )
        for run in runs:
            if len(found) >= _STEPS:
                break
            self._add(run, "", found)
        return found

    def _add(self, run: Task, path: str, found: list[tuple[Task, str]]) -> None:
        for step in reversed(self._store.list_tasks(parent=run.id)):
            found.append((step, f"{path}{step.name}"))
            if step.kind is Kind.PIPELINE:
                self._add(step, f"{path}{step.name}/", found)
