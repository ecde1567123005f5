"""Records for the suites: plain ones, and some in which every field is set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import (
    Artifact,
    Attempt,
    Change,
    Event,
    Kind,
    Memo,
    Metric,
    Move,
    Task,
    TaskSpec,
)
from pipekit.model.status import Status, Transition
from pipekit.model.trace import Read
from pipekit.model.value import StoredValue
from pipekit.ports import Store

FAILURE = Failure(
    FailureKind.SKIPPED,
    "ValueError: leer — \udcff",
    traceback="File 'flow.py', line 3\n\tboom",
    exception="builtins.ValueError",
    step="fit-2",
    chain=("report", "evaluate", "fit-2"),
)
SPEC = TaskSpec(
    "flow:fit",
    "c" * 64,
    {"alpha": 0.1, "names": ["a", None, True], "deep": {"ü": {"x": 2**70}}, "lone": "\ud800"},
    ("model", "score"),
    {"retries": 2},
    "5" * 64,
    "/home/ü/flow.py",
    "/home/\udcff",
    "6" * 64,
    "main@1a2b3c",
    ("--rate", "0.5", "ü"),
)
VALUE = StoredValue("d" * 64, "b" * 64, "json", "builtins.dict", 17, 'one\ntwo "\udc80"', True)
READS = (
    Read("file", 'data/ü "1" \udcff.csv', "f" * 64),
    Read("absent", "/etc/none"),
    Read("variable", "TOKEN", "a" * 64),
)


def a_task(task_id: str = "t1", status: Status = Status.PENDING, **fields: Any) -> Task:
    plain: dict[str, Any] = {"kind": Kind.STEP, "name": "fit", "project": "iris"}
    plain |= {"created_at": 100.0, "spec": TaskSpec("flow:fit")}
    return Task(id=task_id, status=status, **(plain | fields))


def an_attempt(number: int = 1, task_id: str = "t1", **fields: Any) -> Attempt:
    plain: dict[str, Any] = {"started_at": 101.5, "host": "laptop", "pid": 7}
    return Attempt(task_id, number, **(plain | {"pid_started_at": 50.25} | fields))


def an_artifact(name: str = "value", task_id: str = "t1", attempt: int = 1) -> Artifact:
    return Artifact(task_id, attempt, name, 102.0, VALUE)


def a_memo(key: str = "k" * 64, run: str = "train 01j9zk7") -> Memo:
    other = replace(VALUE, digest="e" * 64, preview="", codes=f"flow:Ü.x {'c' * 64}\nm::RATE 1")
    return Memo(key, "t1", run, 103.0, 1.5, (("value", VALUE), ('na"me', other)), READS)


def an_event(name: Transition = Transition.STARTED, task_id: str = "t1", **fields: Any) -> Event:
    return Event(task_id, 104.0, name, **fields)


def a_metric(name: str = "loss", task_id: str = "t1", **fields: Any) -> Metric:
    plain: dict[str, Any] = {"attempt": 1, "value": 0.5, "at": 104.5}
    return Metric(task_id=task_id, name=name, **(plain | fields))


def create(store: Store, *tasks: Task) -> None:
    assert all(store.commit([Change(task.id, create=task) for task in tasks]))


def a_move(to: Status, *expected: Status, at: float = 105.0, **fields: Any) -> Move:
    return Move(frozenset(expected), to, at, **fields)


def lands(store: Store, **fields: Any) -> bool:
    return store.commit([Change("t1", **fields)])[0]


def running(store: Store) -> None:
    """Task t1, running in attempt 1."""
    create(store, a_task())
    move = a_move(Status.RUNNING, Status.PENDING, at=101.0)
    assert lands(store, open=an_attempt(), move=move)


def everything(store: Store, task_id: str = "t1") -> list[Any]:
    return [
        store.find_task(task_id),
        store.list_attempts(task_id),
        store.list_artifacts(task_id),
        store.list_events(task_id),
        store.list_metrics(task_id),
    ]
