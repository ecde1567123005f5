"""What is read of a run, and what a step says of itself."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, assert_never, assert_type

from pipekit import (
    PipekitError,
    Status,
    StepFailed,
    StepSkipped,
    Task,
    component,
    current_task,
    log_artifact,
    log_figure,
    log_metric,
    pipeline,
    register_serializer,
    report_progress,
)
from pipekit.api.artifact import ArtifactView
from pipekit.errors import ArtifactNotFound
from pipekit.model.records import Attempt, Metric
from pipekit.ports import Serializer, Sink
from pipekit.testing import (
    FakeClock,
    Home,
    assert_ran,
    assert_reused,
    run_step,
    temporary_home,
)


@component
def double(number: int) -> int:
    task = current_task()
    assert_type(task, Task | None)
    if task is not None:
        assert_type(task.id, str)
    log_metric("loss", 0.5, step=1)
    log_artifact("notes", {"a": [1]})
    log_figure("curve", object())
    report_progress(1, 10)
    return 2 * number


@pipeline
def doubled(number: int = 1) -> int:
    return double(number)


run = doubled.run(number=3)

assert_type(run.id, str)
assert_type(run.name, str)
assert_type(run.project, str)
assert_type(run.parameters, dict[str, Any])
assert_type(run.parent, str | None)
assert_type(run.tags, tuple[str, ...])
assert_type(run.reused, bool)
assert_type(run.duration_seconds, float | None)
assert_type(run.created_at, datetime)
assert_type(run.error, str | None)
assert_type(run.why.reason, str)
assert_type(run.value, Any)
assert_type(run.log, str)
assert_type(run.attempts, list[Attempt])
assert_type(run.attempts[0].number, int)
assert_type(run.steps, list[Task])
assert_type(run["double"], Task)
assert_type(run["double"].artifacts["value"], ArtifactView)
assert_type(run["double"].artifacts["value"].get(), Any)
assert_type(run["double"].artifacts["value"].get_local_copy(), Path)
assert_type(run["double"].artifacts["value"].url, str)
assert_type(run["double"].artifacts["value"].digest, str)
assert_type(run["double"].artifacts["value"].size_bytes, int)
assert_type(run["double"].artifacts["value"].preview, str)
assert_type(list(run.artifacts), list[str])
assert_type(run.metrics["loss"], float)
assert_type(dict(run.metrics), dict[str, float])
assert_type(run.metrics.history("loss"), list[Metric])

# A status is its text, and a `match` of all of them is known to be complete.

assert_type(run.status, Status)
assert_type(run.status == "completed", bool)
assert_type(run.status is Status.COMPLETED, bool)
text: str = run.status


def said(status: Status) -> str:
    match status:
        case Status.COMPLETED:
            return "done"
        case Status.FAILED | Status.STOPPED | Status.SKIPPED:
            return "not done"
        case Status.DRAFT | Status.PENDING | Status.QUEUED | Status.RUNNING:
            return "to come"
        case _:
            assert_never(status)


def said_of_text(status: Status) -> str:
    match status:
        case "completed":
            return "done"
        case _:
            return "not done"


# Errors.

try:
    doubled()
except StepFailed as error:
    assert_type(error.step, str)
    assert_type(error.attempt, int)
except (StepSkipped, ArtifactNotFound) as error:
    assert_type(str(error), str)
except PipekitError as error:
    assert_type(error.hint, str)


# Serializers: a class, or an object of one.


class Matrix:
    """A value that pipekit knows nothing of."""


@register_serializer
class MatrixSerializer:
    name = "matrix"

    def __init__(self, level: int = 1) -> None:
        self.level = level

    def accepts(self, value: object) -> bool:
        return isinstance(value, Matrix)

    def dump(self, value: Matrix, sink: Sink) -> None:
        assert_type(sink.write(b""), int)

    def load(self, source: bytes | Path) -> Matrix:
        return Matrix()

    def preview(self, value: Matrix) -> str:
        return "a matrix"


assert_type(MatrixSerializer().level, int)
assert_type(register_serializer(MatrixSerializer(2)), MatrixSerializer)
some_serializer: Serializer = MatrixSerializer()
register_serializer(some_serializer)


# Tests of pipelines.


def homes(folder: Path) -> Iterator[Home]:
    with temporary_home(folder, executor="inline", store="memory") as home:
        assert_type(home, Home)
        assert_type(home.last_run, Task)
        assert_type(home.runs, list[Task])
        assert_type(home.path, Path)
        assert_type(home.clock, FakeClock)
        home.clock.advance(60)
        assert_type(home.clock.waits, list[float])
        yield home


assert_type(run_step(double, number=3), Task)
assert_ran(run, "double", double)
assert_reused(run, doubled)
