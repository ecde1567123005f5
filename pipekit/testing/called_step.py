"""The steps of a run as a test names them, and what became of each. Asserts nothing."""

from __future__ import annotations

from functools import cached_property

from pipekit.api.task import Task
from pipekit.console.terminal import one_line
from pipekit.control.archive import Archive
from pipekit.control.run_text import RunTexts
from pipekit.errors import short
from pipekit.model.excerpt import excerpt
from pipekit.model.graph import components_of
from pipekit.model.records import Kind

_ERROR_CHARACTERS = 120


class CalledStep:
    """A step of a run; of one that was called in it too."""

    def __init__(self, task: Task, path: str, names: frozenset[str]) -> None:
        self.task = task
        self.path = path
        """Display name; below a child run `child/fit`."""
        self.names = names
        """All by which it may be meant: its own, its component's, those of the runs that it is
        in."""

    @property
    def reused(self) -> bool:
        return self.task.reused

    @cached_property
    def attempts(self) -> int:
        return len(self.task.attempts)

    @property
    def ran(self) -> bool:
        """Whether it was begun at least once, and its outcome, if there is one, is its own."""
        return not self.reused and self.attempts > 0

    def describe(self) -> str:
        """`ran in 2 attempts`, `reused from fit of train 01j9zk7…`, and why it failed."""
        if self.reused:
            return f"reused from {self._source()}"
        text = "did not run"
        if self.attempts:
            text = "ran" if self.attempts == 1 else f"ran in {self.attempts} attempts"
        error = self.task.error
        return f"{text}: {excerpt(one_line(error), _ERROR_CHARACTERS)}" if error else text

    def _source(self) -> str:
        archive = archive_of(self.task)
        record = archive.store.find_task(self.task.reused_from or "")
        if record is None:
            return f"{short(self.task.reused_from or '')}, which is gone"
        if record.parent == self.task.parent:
            return f"{record.name} of this run"
        return f"{record.name} of {RunTexts(archive.store).of(record.id)}"


def list_called(task: Task) -> list[CalledStep]:
    """The steps of a run in the order of their calls, with those of a child run in its place; of a
    step itself alone."""
    if task.kind is Kind.STEP:
        record = task.record
        siblings = archive_of(task).store.list_tasks(parent=record.parent)
        component = components_of([*siblings, record])[record.id]
        return [CalledStep(task, task.name, frozenset({task.name, component}))]
    return _below(task, "", frozenset())


def _below(run: Task, prefix: str, names: frozenset[str]) -> list[CalledStep]:
    steps = run.steps
    components = components_of([step.record for step in steps])
    found: list[CalledStep] = []
    for step in steps:
        path = prefix + step.name
        own = names | {path, prefix + components[step.id]}
        inner = _below(step, f"{path}/", own) if step.kind is Kind.PIPELINE else []
        found += inner or [CalledStep(step, path, own)]
    return found


def archive_of(task: Task) -> Archive:
    """Where a task is kept."""
    return task._archive
