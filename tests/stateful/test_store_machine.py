"""Random batches against a small model of the store's rules, on every store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import (
    Artifact,
    Attempt,
    Change,
    Closing,
    Event,
    Kind,
    Memo,
    Move,
    Task,
    TaskSpec,
)
from pipekit.model.status import Status, Transition
from pipekit.model.value import StoredValue
from pipekit.ports import Store
from pipekit.stores import open_store

TERMINAL = {Status.COMPLETED, Status.FAILED, Status.STOPPED, Status.SKIPPED}
IDS = ("a", "b", "c")
KEYS = ("k1", "k2")
FAILURE = Failure(FailureKind.ERROR, "ValueError: empty")

ids = st.sampled_from(IDS)
statuses = st.sampled_from(Status)
times = st.integers(1, 9).map(float)
failures = st.sampled_from([None, FAILURE])


@dataclass
class ModelTask:
    """A task as the rules say it is."""

    status: Status
    started_at: float | None = None
    ended_at: float | None = None
    failure: Failure | None = None
    attempts: list[str | None] = field(default_factory=list)
    """Exit of each, None while open."""
    artifacts: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


class Model:
    """The contract once more, by trial on a copy: what fails half-way is thrown away."""

    def __init__(self) -> None:
        self.tasks: dict[str, ModelTask] = {}
        self.memos: dict[str, str] = {}
        self.contents: dict[str, bytes] = {}

    def commit(self, changes: Sequence[Change]) -> list[bool]:
        return [self._lands(change) for change in changes]

    def _lands(self, change: Change) -> bool:
        if any([change.create, change.open, change.close, change.move, change.events]):
            task = self._guarded(change)
            if task is None:
                return False
            task.artifacts += [artifact.name for artifact in change.artifacts]
            task.events += [event.detail for event in change.events]
            self.tasks[change.task_id] = task
        if change.memo is not None:
            self.memos.setdefault(change.memo.key, change.memo.run)
        for digest, data in change.contents:
            self.contents.setdefault(digest, data)
        return True

    def _guarded(self, change: Change) -> ModelTask | None:
        old = self.tasks.get(change.task_id)
        if (old is None) == (change.create is None):
            return None
        if change.create is not None:
            task = ModelTask(change.create.status)
        elif old is not None:
            task = ModelTask(
                old.status, old.started_at, old.ended_at, old.failure,
                list(old.attempts), list(old.artifacts), list(old.events),
            )  # fmt: skip
        attempts = task.attempts
        if change.open is not None:
            if None in attempts or change.open.number != len(attempts) + 1:
                return None
            if task.status in TERMINAL and not (change.create and change.close):
                return None
            attempts.append(None)
        if change.close is not None:
            number = change.close.number
            if not 1 <= number <= len(attempts) or attempts[number - 1] is not None:
                return None
            attempts[number - 1] = change.close.exit
        return self._moved(task, change.move)

    def _moved(self, task: ModelTask, move: Move | None) -> ModelTask | None:
        if move is None:
            return task
        if task.status not in move.expected:
            return None
        if move.to in TERMINAL:
            task.ended_at = move.at
        elif task.status in TERMINAL:
            task.started_at = task.ended_at = None
        if move.to is Status.RUNNING:
            task.started_at = task.started_at or move.at
        task.status, task.failure = move.to, move.failure
        return task


def a_value(name: str) -> StoredValue:
    return StoredValue(name * 64, name * 64, "json", "builtins.int", 1, name)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    task_id = draw(ids)
    number = draw(st.integers(1, 3))
    create = Task(
        task_id, Kind.STEP, task_id, "p", draw(statuses), 1.0, TaskSpec("m:f"), parent="run"
    )
    move = Move(frozenset(draw(st.sets(statuses, min_size=3))), draw(statuses), draw(times),
                draw(failures))  # fmt: skip
    marks = draw(st.lists(st.sampled_from("xyz"), max_size=2))
    key = draw(st.sampled_from(KEYS))
    return Change(
        task_id,
        create=create if draw(st.integers(0, 2)) == 0 else None,
        open=Attempt(task_id, number, 2.0, "h", 1, 1.0) if draw(st.booleans()) else None,
        close=(
            Closing(number, 3.0, draw(st.sampled_from(["completed", "error"])))
            if draw(st.booleans())
            else None
        ),
        move=move if draw(st.booleans()) else None,
        artifacts=tuple(Artifact(task_id, number, mark, 4.0, a_value(mark)) for mark in marks),
        contents=((key, draw(st.binary(max_size=3))),) if draw(st.booleans()) else (),
        memo=(
            Memo(key, task_id, draw(st.sampled_from("uvw")), 5.0, 1.0, (("value", a_value("x")),))
            if draw(st.booleans())
            else None
        ),
        events=tuple(Event(task_id, 6.0, Transition.STARTED, 0, mark) for mark in marks),
    )


class StoreMachine(RuleBasedStateMachine):
    """Both stores take the same batches; each answers and holds what the model does."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name) / 'pipekit.db'}"
        self.stores: list[Store] = [open_store("memory://"), open_store(self.url)]
        self.model = Model()
        keepers: list[Store | Model] = [*self.stores, self.model]
        # Two tasks are there from the start, so that more is landed than refused.
        for task_id in IDS[:2]:
            task = Task(
                task_id, Kind.STEP, task_id, "p", Status.PENDING, 1.0, TaskSpec("m:f"), parent="run"
            )
            for keeper in keepers:
                keeper.commit([Change(task_id, create=task)])

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    @rule(batch=st.lists(changes(), min_size=1, max_size=7))
    def commit(self, batch: list[Change]) -> None:
        wanted = self.model.commit(batch)
        for store in self.stores:
            assert store.commit(batch) == wanted

    @rule(key=st.sampled_from(KEYS))
    def forget(self, key: str) -> None:
        known = self.model.memos.pop(key, None) is not None
        for store in self.stores:
            assert store.remove_memo(key) is known

    @rule()
    def open_again(self) -> None:
        self.stores[1].close()
        self.stores[1] = open_store(self.url)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        for store in getattr(self, "stores", ()):
            assert {task.id: shape(store, task) for task in store.list_tasks()} == self.model.tasks
            memos = store.find_memos(KEYS)
            assert {key: memo.run for key, memo in memos.items()} == self.model.memos
            assert store.read_contents(KEYS) == self.model.contents

    @invariant()
    def stores_are_equal_record_by_record(self) -> None:
        if getattr(self, "stores", ()):
            memory, sqlite = (list(records(store)) for store in self.stores)
            assert memory == sqlite


def shape(store: Store, task: Task) -> ModelTask:
    """What a store holds of a task, as the model would."""
    exits = [attempt.exit or None for attempt in store.list_attempts(task.id)]
    assert exits.count(None) <= 1
    return ModelTask(
        task.status,
        task.started_at,
        task.ended_at,
        task.failure,
        exits,
        [artifact.name for artifact in store.list_artifacts(task.id)],
        [event.detail for event in store.list_events(task.id)],
    )


def records(store: Store) -> Iterator[object]:
    yield store.list_tasks(parent="run")
    yield store.count_attempts("run")
    yield store.list_artifact_sets("run")
    for task_id in IDS:
        yield store.find_task(task_id)
        yield store.list_attempts(task_id)
        yield store.list_events(task_id)


StoreMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=15, deadline=None)
TestStoreMachine = StoreMachine.TestCase
