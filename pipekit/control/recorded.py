"""The steps of a run as its earlier attempts left them, and whether what one of them gave still
counts. Reads; what follows from that is `keeping`'s."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipekit.control.code_record import changed_parts
from pipekit.control.inputs import expect_codes, path_digest, stored_of
from pipekit.control.step import ASKED_FOR, Argument
from pipekit.model.records import Kind, Task
from pipekit.model.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipekit.control.archive import Archive
    from pipekit.control.step import Step
    from pipekit.model.value import Digest, StoredValue
    from pipekit.ports import Store


class Again(NamedTuple):
    """Which steps of a run are to run again although they completed: those of these names, and what
    depends on them. `child/fit` is a step of a run that is a step itself."""

    names: frozenset[str] = frozenset()
    everything: bool = False

    def has(self, name: str) -> bool:
        """Whether the step of this name runs again, as a whole."""
        return self.everything or name in self.names

    def below(self, name: str) -> Again | None:
        """What this means for the steps of a child run; None: nothing."""
        if self.has(name):
            return Again(everything=True)
        inner = [one.removeprefix(f"{name}/") for one in self.names if one.startswith(f"{name}/")]
        return Again(frozenset(inner)) if inner else None


class RecordedStep:
    """One step, as it is recorded."""

    __slots__ = ("attempts", "outputs", "task")

    def __init__(self, task: Task, outputs: dict[str, StoredValue], attempts: int) -> None:
        self.task = task
        self.outputs = outputs
        """Of the attempt that completed."""
        self.attempts = attempts

    @property
    def completed(self) -> bool:
        """Whether it has an outcome."""
        return self.task.status is Status.COMPLETED

    @property
    def goes_on(self) -> bool:
        """Whether an agent has it, or is to have it, though the process is gone that asked for
        it."""
        return self.task.status in (Status.QUEUED, Status.RUNNING)


class RecordedSteps:
    """The steps of one run. Used by the threads of its pipeline function, under the run's lock, and
    (`objection`) by the loop's."""

    def __init__(
        self, store: Store, run_id: str, *, again: Again, accepts: bool, until: float
    ) -> None:
        """`accepts`: an outcome counts also where the code has changed since. `until`: when the
        attempt before this one ended: what the run did to files until then is its own doing."""
        self._store = store
        self._run_id = run_id
        self.again = again
        self.accepts = accepts
        self.until = until
        self._steps: dict[Digest, RecordedStep] = {}
        self._unreached: dict[Digest, None] = {}
        self._words: dict[tuple[Digest, Digest], str] = {}
        """Two codes -> what differs between them."""
        self._read()

    def _read(self) -> None:
        tasks = self._store.list_tasks(parent=self._run_id)[::-1]
        artifacts = self._store.list_artifact_sets(self._run_id) if tasks else {}
        counts = self._store.count_attempts(self._run_id) if tasks else {}
        for task in tasks:
            # Of two attempts that gave the same output the later one counts.
            values = {one.name: one.value for one in artifacts.get(task.id, ())}
            # What a script stores is known when it has ended.
            names = values if task.kind is Kind.SCRIPT else task.spec.outputs
            outputs = {name: values[name] for name in names if name in values}
            if task.step_key:
                self._steps[task.step_key] = RecordedStep(task, outputs, counts.get(task.id, 0))
        self._unreached = dict.fromkeys(self._steps)
        self._names = {task.name for task in tasks}
        self._numbers: dict[str, int] = {}
        """Of names that were free: the last number."""

    def below(self, step: Step) -> RecordedSteps | None:
        """The same of a child run; None where nothing is recorded of it."""
        if step.earlier is None:
            return None
        again = step.again or Again()
        return RecordedSteps(
            self._store, step.task_id, again=again, accepts=self.accepts, until=self.until
        )

    def take(self, key: Digest) -> RecordedStep | None:
        """The step of this key, which has been called; None where none is recorded."""
        self._unreached.pop(key, None)
        return self._steps.get(key)

    def pass_over(self, task_id: str) -> None:
        """The step is not to be called again, and need not be told of."""
        for key, recorded in self._steps.items():
            if recorded.task.id == task_id:
                self._unreached.pop(key, None)

    def free_name(self, name: str) -> str:
        """`fit`, `fit-2`, `fit-3` …: the next that no recorded step goes by, reached or not."""
        while True:
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            shown = name if number == 1 else f"{name}-{number}"
            if shown not in self._names:
                return shown

    @property
    def unreached(self) -> list[str]:
        """Names of the steps that were not called so far."""
        return [self._steps[key].task.name for key in self._unreached]

    def expect(self, step: Step, earlier: RecordedStep | None, needs: Iterable[int]) -> int:
        """Note for a step that is called now what is recorded of it, and whether it runs again in
        any case; how many attempts it had."""
        again = self.again.below(step.name)
        if any(step.run.steps[number].again is not None for number in needs):
            again = Again(everything=True)
        step.again = again
        if earlier is None:
            return 0
        step.earlier = earlier
        step.kept = earlier.completed
        return earlier.attempts

    # whether an outcome still counts

    def objection(self, step: Step, archive: Archive) -> str:
        """Why the recorded outcome of a step whose inputs are known does not count, in a few words;
        empty where it does, but for the bytes themselves."""
        if step.again is not None:
            return ASKED_FOR
        was = step.earlier.task
        if step.use.kind is not was.kind:
            return "it is of another kind now"
        if step.use.script is None and tuple(step.earlier.outputs) != step.use.outputs:
            return "the names of its outputs changed"
        if not self.accepts:
            changed = self.code_change(step)
            if changed:
                return changed
        return _input_change(step, archive, was, self.until)

    def code_change(self, step: Step) -> str:
        """What of the step's code is not as it was when it completed; empty where all is."""
        was, use = step.earlier.task, step.use
        said = expect_codes(step)
        if was.spec.code != use.code:
            words = self._words.get((was.spec.code, use.code))
            if words is None:
                words = changed_parts(self._store, was.spec.code, use.fingerprint)
                self._words[was.spec.code, use.code] = words
            return words
        if was.version != use.options.version:
            return "its version= changed"
        if said:  # a value of it: kind, name, digest
            return f"{', '.join(said[1::3])}, of which an input is made, changed"
        return ""


def _input_change(step: Step, archive: Archive, was: Task, until: float) -> str:
    # Whatever is a value of the pipeline function's own is in the step's key, which is the same;
    # but for a step that was declared, whose key is its name.
    for argument in step.arguments:
        is_in_key = argument.digest is not None and not step.run.is_declared
        if argument.name in step.use.ignored or is_in_key:
            continue
        known = was.inputs.get(argument.name)
        before = known[2] if known is not None else ""
        if argument.digest is not None and argument.source < 0:
            same = argument.digest == before
        elif argument.path is not None:
            same = _is_same_path(argument, before, archive, until)
        elif argument.source >= 0:
            output = stored_of(step, argument.source)
            same = output is not None and output.value.digest == before
        else:
            same = step.nested_digests.get(argument.name) == before != ""
        if not same:
            return f"argument {argument.name!r} changed"
    return ""


def _is_same_path(argument: Argument, before: Digest, archive: Archive, until: float) -> bool:
    """Whether what lies at the path is what the step was given, or what the run has made of it: a
    step may write to a path that it is given, and so may those after it."""
    path = argument.path
    assert path is not None
    if before and path_digest(path, archive.hasher) == before:
        return True
    return all(time <= until for time in _times(path))


def _times(path: Path) -> Iterator[float]:
    """When anything at or below it was last written, or put there; nothing where it is gone."""
    try:
        found = path.stat()
        yield max(found.st_mtime, found.st_ctime)
    except OSError:
        return
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            try:
                found = os.stat(os.path.join(folder, name))
            except OSError:
                continue  # a link that leads nowhere
            yield max(found.st_mtime, found.st_ctime)


def names_below(store: Store, run_id: str, prefix: str = "") -> Iterator[str]:
    """The names of the steps of a run, in the order of their calls, and of those below them."""
    for task in store.list_tasks(parent=run_id)[::-1]:
        yield f"{prefix}{task.name}"
        if task.kind is Kind.PIPELINE:
            yield from names_below(store, task.id, f"{prefix}{task.name}/")
