"""What differs between two tasks, as data. Reads records alone: values are compared by digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipekit.cli.home import Home
from pipekit.cli.record import duration_seconds, finite
from pipekit.model.reason import is_same_argument
from pipekit.model.records import Artifact, Task

_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Difference:
    """One named thing of two tasks. A side that does not have it is None, and its text `-`."""

    name: str
    a: Any
    b: Any
    text_a: str
    text_b: str
    is_equal: bool

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "a": self.a, "b": self.b, "equal": self.is_equal}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tasks."""

    id: str
    name: str
    status: str
    reused: bool
    duration_seconds: float | None
    error: str | None

    @classmethod
    def of(cls, task: Task) -> Side:
        """What is told of a task itself."""
        return cls(
            task.id,
            task.name,
            task.status.value,
            task.reused_from is not None,
            duration_seconds(task),
            task.failure.message if task.failure is not None else None,
        )

    @property
    def word(self) -> str:
        return "reused" if self.reused else self.status

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "reused": self.reused,
            "duration_seconds": self.duration_seconds,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class StepPair:
    """A step of one run and the one of the other that answers to it, where there is one."""

    name: str
    matched_by: str
    """`key` (the same call), `name`, or empty where only one run has it."""
    a: Side | None
    b: Side | None
    code_is_equal: bool | None
    """None where it is not known of both."""
    inputs: list[Difference] = field(default_factory=list)
    outputs: list[Difference] = field(default_factory=list)
    metrics: list[Difference] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs but times, and what was reused."""
        if self.a is None or self.b is None or self.a.status != self.b.status:
            return False
        parts = (*self.inputs, *self.outputs, *self.metrics)
        return self.code_is_equal is not False and all(part.is_equal for part in parts)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "matched_by": self.matched_by or None,
            "equal": self.is_equal,
            "a": self.a.record() if self.a is not None else None,
            "b": self.b.record() if self.b is not None else None,
            "code_equal": self.code_is_equal,
            "inputs": [item.record() for item in self.inputs],
            "outputs": [item.record() for item in self.outputs],
            "metrics": [item.record() for item in self.metrics],
        }


@dataclass(frozen=True, slots=True)
class TaskPair:
    """Two runs, or two steps."""

    a: Side
    b: Side
    code_is_equal: bool | None
    parameters: list[Difference] = field(default_factory=list)
    """Of runs."""
    inputs: list[Difference] = field(default_factory=list)
    """Of steps."""
    outputs: list[Difference] = field(default_factory=list)
    metrics: list[Difference] = field(default_factory=list)
    steps: list[StepPair] = field(default_factory=list)
    """Of runs, in the order of A's calls; then those of B alone."""

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "a": self.a.record(),
            "b": self.b.record(),
            "code_equal": self.code_is_equal,
            "parameters": [item.record() for item in self.parameters],
            "inputs": [item.record() for item in self.inputs],
            "outputs": [item.record() for item in self.outputs],
            "metrics": [item.record() for item in self.metrics],
            "steps": [pair.record() for pair in self.steps],
        }


def compare_runs(home: Home, a: Task, b: Task) -> TaskPair:
    """Two runs, with their steps."""
    store = home.store
    sets_a, sets_b = store.list_artifact_sets(a.id), store.list_artifact_sets(b.id)
    steps = [
        _step_pair(home, matched_by, left, right, sets_a, sets_b)
        for matched_by, left, right in _matched(home.list_steps(a), home.list_steps(b))
    ]
    return TaskPair(
        Side.of(a),
        Side.of(b),
        _code_is_equal(a, b),
        parameters=_parameters(a, b),
        outputs=_outputs(store.list_artifacts(a.id), store.list_artifacts(b.id)),
        metrics=_metrics(home, a, b),
        steps=steps,
    )


def compare_steps(home: Home, a: Task, b: Task) -> TaskPair:
    """Two steps, of one run or of two."""
    store = home.store
    return TaskPair(
        Side.of(a),
        Side.of(b),
        _code_is_equal(a, b),
        inputs=_inputs(a, b),
        outputs=_outputs(store.list_artifacts(a.id), store.list_artifacts(b.id)),
        metrics=_metrics(home, a, b),
    )


def _matched(
    first: Sequence[Task], second: Sequence[Task]
) -> list[tuple[str, Task | None, Task | None]]:
    """The steps of two runs in pairs: the same call where both have it, else the same name."""
    by_key = {step.step_key: step for step in second if step.step_key}
    taken = {step.id: by_key[step.step_key] for step in first if step.step_key in by_key}
    used = {step.id for step in taken.values()}
    by_name = {step.name: step for step in second if step.id not in used}
    found: list[tuple[str, Task | None, Task | None]] = []
    for step in first:
        if step.id in taken:
            found.append(("key", step, taken[step.id]))
        else:
            named = by_name.pop(step.name, None)
            found.append(("name" if named is not None else "", step, named))
    return found + [("", None, step) for step in by_name.values()]


def _step_pair(
    home: Home, matched_by: str, a: Task | None, b: Task | None,
    sets_a: Mapping[str, Sequence[Artifact]], sets_b: Mapping[str, Sequence[Artifact]],
) -> StepPair:  # fmt: skip
    if a is None or b is None:
        name = next(step.name for step in (a, b) if step is not None)
        return StepPair(name, "", Side.of(a) if a else None, Side.of(b) if b else None, None)
    return StepPair(
        a.name if a.name == b.name else f"{a.name} / {b.name}",
        matched_by,
        Side.of(a),
        Side.of(b),
        _code_is_equal(a, b),
        _inputs(a, b),
        _outputs(sets_a.get(a.id, ()), sets_b.get(b.id, ())),
        _metrics(home, a, b),
    )


def _code_is_equal(a: Task, b: Task) -> bool | None:
    return a.spec.code == b.spec.code if a.spec.code and b.spec.code else None


def _parameters(a: Task, b: Task) -> list[Difference]:
    left, right = a.spec.parameters, b.spec.parameters
    return _differences(left, right, lambda name: _is_same(left[name], right[name]), str)


def _inputs(a: Task, b: Task) -> list[Difference]:
    left = {name: _input(a, name) for name in a.spec.parameters}
    right = {name: _input(b, name) for name in b.spec.parameters}
    return _differences(left, right, lambda name: is_same_argument(name, a, b), _text)


def _outputs(a: Sequence[Artifact], b: Sequence[Artifact]) -> list[Difference]:
    left = {artifact.name: _output(artifact) for artifact in a}
    right = {artifact.name: _output(artifact) for artifact in b}
    return _differences(
        left, right, lambda name: left[name]["digest"] == right[name]["digest"], _text
    )


def _metrics(home: Home, a: Task, b: Task) -> list[Difference]:
    left, right = home.view(a).metrics, home.view(b).metrics
    return _differences(left, right, lambda name: _is_same(left[name], right[name]), "{:g}".format)


def _differences(
    left: Mapping[str, Any],
    right: Mapping[str, Any],
    is_equal: Callable[[str], bool],
    text: Callable[[Any], str],
) -> list[Difference]:
    """What two tasks have under each name. `is_equal` is asked of the names that both have."""
    return [
        Difference(
            name,
            finite(left.get(name)),
            finite(right.get(name)),
            text(left[name]) if name in left else _ABSENT,
            text(right[name]) if name in right else _ABSENT,
            name in left and name in right and is_equal(name),
        )
        for name in dict.fromkeys((*left, *right))
    ]


def _input(task: Task, name: str) -> dict[str, Any]:
    if name in task.inputs:
        type_name, preview, digest = task.inputs[name]
        return {"type": type_name, "preview": preview, "digest": digest}
    return {"preview": str(task.spec.parameters[name])}


def _output(artifact: Artifact) -> dict[str, Any]:
    value = artifact.value
    return {"type": value.type, "preview": value.preview, "digest": value.digest}


def _text(item: Mapping[str, Any]) -> str:
    """A preview; of values that look alike and are not, the digests tell them apart."""
    preview = str(item["preview"]).partition("\n")[0]
    digest = item.get("digest", "")
    return f"{preview}  {digest[:8]}" if digest else preview


def _is_same(left: Any, right: Any) -> bool:
    """Equal and of one type: 1 is not True, and NaN is NaN."""
    return type(left) is type(right) and (left == right or (left != left and right != right))
