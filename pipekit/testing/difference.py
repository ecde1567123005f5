"""What differs between a step that ran and the same step of an earlier run, as far as the records
tell. Reads; asserts nothing."""

from __future__ import annotations

from pipekit.api.task import Task
from pipekit.errors import short
from pipekit.model.records import Kind
from pipekit.model.records import Task as Record
from pipekit.model.status import Status
from pipekit.testing.called_step import CalledStep, archive_of, list_called

_EARLIER_RUNS = 10
"""So many of the earlier runs are looked through for the same step."""


class EarlierRuns:
    """The runs of a pipeline before one of them.

    Attributes:
        run: The run; where a step or a child run was given, the outermost that it is in.
        runs: Those before it, newest first, as many as are looked through.
    """

    def __init__(self, task: Task) -> None:
        self._archive = archive_of(task)
        self.run = self._outermost(task.record)
        own = (self.run.created_at, self.run.id)
        found = self._archive.store.list_tasks(
            kinds=(Kind.PIPELINE,), name=self.run.name, project=self.run.project
        )
        before = [run for run in found if run.parent is None and (run.created_at, run.id) < own]
        self.runs = before[:_EARLIER_RUNS]
        self._steps: dict[str, list[CalledStep]] = {}

    def describe_difference(self, step: CalledStep) -> list[str]:
        """Lines about why a step that ran was not reused; none where there is no earlier run."""
        record = step.task.record
        if record.spec.settings.get("cache") is False:
            return ["it has cache=False: it runs each time"]
        if not self.runs:
            return []
        found = self._find_same(step)
        if found is None:
            return [f"no earlier run of {self.run.name!r} has this step"]
        same, run = found
        lines = _differences(record, same.task.record)
        lines = lines or [self._without_difference(record, same)]
        where = f"{same.path} of {run.name} {short(run.id)}"
        return [f"compared with {where}: {lines[0]}", *lines[1:]]

    def _outermost(self, record: Record) -> Record:
        while record.parent is not None:
            parent = self._archive.store.find_task(record.parent)
            if parent is None:
                break
            record = parent
        return record

    def _find_same(self, step: CalledStep) -> tuple[CalledStep, Record] | None:
        """The same step of the newest run that has it: the one of the same arguments, else of the
        same name."""
        for run in self.runs:
            if run.id not in self._steps:
                self._steps[run.id] = list_called(Task(self._archive, run.id))
            others = self._steps[run.id]
            same = [other for other in others if other.task.key == step.task.key]
            same = same or [other for other in others if other.path == step.path]
            if same:
                return same[0], run
        return None

    def _without_difference(self, record: Record, same: CalledStep) -> str:
        before = same.task.record
        if before.status is not Status.COMPLETED:
            return f"it was {before.status.value} there; only what completed is remembered"
        artifacts = self._archive.store.list_artifacts(before.id)
        if [artifact.value.type for artifact in artifacts] == ["NoneType"]:
            return "it returned only None there, which is reused where cache=True is written"
        uncounted = [name for name in record.spec.parameters if name not in record.inputs]
        if uncounted:
            return f"perhaps what {' or '.join(map(repr, uncounted))} leads to or holds changed"
        return "nothing that is recorded differs"


def _differences(now: Record, before: Record) -> list[str]:
    lines = []
    if now.spec.entry != before.spec.entry:
        lines.append(f"it is another function: {now.spec.entry}, was {before.spec.entry}")
    elif now.spec.code != before.spec.code:
        lines.append("its code changed, or code, a global or a package that it uses")
    if now.version != before.version:
        lines.append(f"its version= is {now.version!r}, was {before.version!r}")
    if now.spec.outputs != before.spec.outputs:
        lines.append(f"its outputs are {', '.join(now.spec.outputs)}, were "
                     f"{', '.join(before.spec.outputs)}")  # fmt: skip
    for name in dict.fromkeys((*now.spec.parameters, *before.spec.parameters)):
        text = _input_difference(name, now, before)
        if text:
            lines.append(text)
    return lines


def _input_difference(name: str, now: Record, before: Record) -> str:
    given, was = now.inputs.get(name), before.inputs.get(name)
    if given is not None and was is not None:
        if given[2] == was[2]:
            return ""
        if given[:2] != was[:2]:
            return f"input {name!r} is {given[1]}, was {was[1]}"
        return f"input {name!r} ({given[0]}) has other content"
    # What is counted when the key is made (a path, a list with futures in it) has no digest here.
    texts = now.spec.parameters.get(name), before.spec.parameters.get(name)
    return "" if texts[0] == texts[1] else f"input {name!r} is {texts[0]}, was {texts[1]}"
