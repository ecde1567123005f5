"""The contract of `pipekit.ports.Store`, sentence by sentence, on every store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipekit.errors import StoreUnavailable
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
from pipekit.model.status import TERMINAL, Status, Transition
from pipekit.model.value import StoredValue
from pipekit.ports import Store
from pipekit.stores import open_store

STORES = ("memory", "sqlite")

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
)
VALUE = StoredValue("d" * 64, "b" * 64, "json", "builtins.dict", 17, 'one\ntwo "\udc80"', True)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/pipekit.db"
    opened = open_store(url)
    yield opened
    opened.close()


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
    other = replace(VALUE, digest="e" * 64, preview="")
    return Memo(key, "t1", run, 103.0, 1.5, (("value", VALUE), ('na"me', other)))


def an_event(name: Transition = Transition.STARTED, task_id: str = "t1", **fields: Any) -> Event:
    return Event(task_id, 104.0, name, **fields)


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
    ]


class TestRecordsComeBackEqual:
    def test_a_task_with_every_field_set(self, store: Store) -> None:
        task = a_task(
            kind=Kind.SCRIPT,
            status=Status.FAILED,
            spec=SPEC,
            type="training",
            version="1.2",
            tags=("a", "b c"),
            parent="run",
            step_key="s" * 64,
            queue="gpu",
            cloned_from="old",
            reused_from="older",
            started_at=1.25,
            ended_at=2.5,
            stop_requested_at=2.25,
            failure=FAILURE,
            inputs={"x": ("numpy.ndarray", "3 × 4", "f" * 64)},
        )
        create(store, task)
        assert store.find_task("t1") == task

    def test_a_task_with_no_optional_field_set(self, store: Store) -> None:
        create(store, a_task())
        assert store.find_task("t1") == a_task()

    def test_a_task_without_outputs(self, store: Store) -> None:
        create(store, a_task(spec=TaskSpec("m:f", outputs=())))
        assert store.find_task("t1") == a_task(spec=TaskSpec("m:f", outputs=()))

    def test_an_attempt_with_every_field_set(self, store: Store) -> None:
        attempt = an_attempt(
            agent="agent-1",
            lease_until=131.5,
            heartbeat_at=111.5,
            ended_at=112.0,
            exit="error",
            failure=FAILURE,
            log_path="logs/a.log",
            log_start=2**40,
            log_end=2**40 + 1,
        )
        create(store, a_task())
        assert lands(store, open=attempt)
        assert store.list_attempts("t1") == [attempt]

    def test_an_artifact(self, store: Store) -> None:
        create(store, a_task())
        assert lands(store, artifacts=(an_artifact(),))
        assert store.list_artifacts("t1") == [an_artifact()]

    def test_a_memo(self, store: Store) -> None:
        assert lands(store, memo=a_memo())
        assert store.find_memos(["k" * 64]) == {"k" * 64: a_memo()}

    def test_a_memo_without_outputs(self, store: Store) -> None:
        memo = replace(a_memo(), outputs=())
        assert lands(store, memo=memo)
        assert store.find_memos([memo.key]) == {memo.key: memo}

    def test_a_memo_and_an_artifact_of_the_same_value(self, store: Store) -> None:
        create(store, a_task())
        assert lands(store, artifacts=(an_artifact(),), memo=a_memo())
        assert store.find_memos(["k" * 64])["k" * 64] == a_memo()

    def test_an_event(self, store: Store) -> None:
        event = an_event(Transition.REUSED, attempt=3, detail="of another run")
        create(store, a_task())
        assert lands(store, events=(event,))
        assert store.list_events("t1") == [event]

    @pytest.mark.parametrize("data", [b"", b"\0\xff", bytes(65536)], ids=["none", "few", "64 KB"])
    def test_contents(self, store: Store, data: bytes) -> None:
        assert lands(store, contents=(("b" * 64, data),))
        assert store.read_contents(["b" * 64]) == {"b" * 64: data}

    @pytest.mark.parametrize("status", list(Status))
    def test_every_status(self, store: Store, status: Status) -> None:
        create(store, a_task(status=status))
        found = store.find_task("t1")
        assert found is not None
        assert found.status is status

    @pytest.mark.parametrize("transition", list(Transition))
    def test_every_transition(self, store: Store, transition: Transition) -> None:
        create(store, a_task())
        assert lands(store, events=(an_event(transition),))
        assert store.list_events("t1")[0].name is transition

    def test_a_path_that_is_not_utf8_loses_nothing_else(self, store: Store) -> None:
        create(store, a_task())
        assert lands(store, open=an_attempt(log_path="logs/\udcff.log"), artifacts=(an_artifact(),))
        assert store.list_attempts("t1")[0].log_path.startswith("logs/")
        assert store.list_artifacts("t1") == [an_artifact()]


class TestCreate:
    def test_lands_where_the_id_is_unknown(self, store: Store) -> None:
        assert lands(store, create=a_task())

    def test_does_not_land_where_the_id_is_known(self, store: Store) -> None:
        create(store, a_task())
        assert not lands(store, create=a_task(name="other"))
        assert store.find_task("t1") == a_task()

    def test_of_a_known_id_in_a_batch_leaves_the_others_alone(self, store: Store) -> None:
        create(store, a_task("t2"))
        tasks = [a_task("t1"), a_task("t2", name="other"), a_task("t3")]
        assert store.commit([Change(t.id, create=t) for t in tasks]) == [True, False, True]
        assert [task.name for task in store.list_tasks()] == ["fit", "fit", "fit"]

    def test_twice_in_one_batch_lands_once(self, store: Store) -> None:
        first, second = a_task(), a_task(name="other")
        changes = [Change("t1", create=first), Change("t1", create=second)]
        assert store.commit(changes) == [True, False]
        assert store.find_task("t1") == first

    def test_after_a_change_of_the_unknown_task_lands_alone(self, store: Store) -> None:
        early = Change("t1", move=a_move(Status.STOPPED, Status.PENDING))
        assert store.commit([early, Change("t1", create=a_task())]) == [False, True]
        assert store.find_task("t1") == a_task()

    def test_refused_for_its_attempt_leaves_the_known_task_known(self, store: Store) -> None:
        create(store, a_task())
        refused = Change("t1", create=a_task(), close=Closing(1, 106.0, "error"))
        later = Change("t1", artifacts=(an_artifact(),))
        assert store.commit([refused, later]) == [False, True]
        assert store.list_artifacts("t1") == [an_artifact()]

    def test_of_a_completed_task_with_its_attempt_is_one_change(self, store: Store) -> None:
        task = a_task(status=Status.COMPLETED, started_at=101.5, ended_at=102.0)
        closing = Closing(1, 102.0, "completed", None, "logs/w.log", 5, 9)
        assert lands(store, create=task, open=an_attempt(), close=closing)
        assert store.find_task("t1") == task
        closed = an_attempt(
            ended_at=102.0, exit="completed", log_path="logs/w.log", log_start=5, log_end=9
        )
        assert store.list_attempts("t1") == [closed]

    def test_of_a_running_task_with_its_open_attempt_is_one_change(self, store: Store) -> None:
        task = a_task(status=Status.RUNNING, started_at=101.5)
        assert lands(store, create=task, open=an_attempt())
        assert store.find_task("t1") == task
        assert store.list_attempts("t1") == [an_attempt()]

    def test_of_a_terminal_task_with_an_open_attempt_does_not_land(self, store: Store) -> None:
        assert not lands(store, create=a_task(status=Status.COMPLETED), open=an_attempt())
        assert store.find_task("t1") is None

    def test_with_a_wrong_first_attempt_leaves_nothing(self, store: Store) -> None:
        assert not lands(store, create=a_task(), open=an_attempt(2), memo=a_memo())
        assert store.find_task("t1") is None
        assert store.find_memos(["k" * 64]) == {}

    def test_with_a_move_is_made_as_moved(self, store: Store) -> None:
        assert lands(store, create=a_task(), move=a_move(Status.SKIPPED, Status.PENDING))
        assert store.find_task("t1") == a_task(status=Status.SKIPPED, ended_at=105.0)


class TestOpen:
    def test_lands_with_the_next_number(self, store: Store) -> None:
        running(store)
        closing = Closing(1, 106.0, "error")
        assert lands(store, close=closing, move=a_move(Status.PENDING, Status.RUNNING))
        assert lands(store, open=an_attempt(2))
        assert [attempt.number for attempt in store.list_attempts("t1")] == [1, 2]

    def test_does_not_land_where_an_attempt_is_open(self, store: Store) -> None:
        running(store)
        assert not lands(store, open=an_attempt(2))
        assert store.list_attempts("t1") == [an_attempt()]

    @pytest.mark.parametrize("number", [0, 2, 3])
    def test_does_not_land_with_another_number(self, store: Store, number: int) -> None:
        create(store, a_task())
        assert not lands(store, open=an_attempt(number))
        assert store.list_attempts("t1") == []

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_does_not_land_on_a_terminal_task(self, store: Store, status: Status) -> None:
        create(store, a_task(status=status))
        assert not lands(store, open=an_attempt())

    def test_does_not_land_on_an_unknown_task(self, store: Store) -> None:
        assert not lands(store, open=an_attempt())
        assert store.list_attempts("t1") == []


class TestClose:
    def test_ends_the_open_attempt(self, store: Store) -> None:
        running(store)
        assert lands(store, close=Closing(1, 106.0, "error", FAILURE, "logs/w.log", 3, 8))
        ended: dict[str, Any] = {"ended_at": 106.0, "exit": "error", "failure": FAILURE}
        log: dict[str, Any] = {"log_path": "logs/w.log", "log_start": 3, "log_end": 8}
        assert store.list_attempts("t1") == [an_attempt(**ended, **log)]

    def test_that_names_no_log_leaves_the_one_it_was_opened_with(self, store: Store) -> None:
        create(store, a_task())
        attempt = an_attempt(log_path="logs/w.log", log_start=3)
        assert lands(store, open=attempt)
        assert lands(store, close=Closing(1, 106.0, "completed", log_end=8))
        found = store.list_attempts("t1")[0]
        assert (found.log_path, found.log_start, found.log_end) == ("logs/w.log", 3, 8)

    def test_of_a_closed_attempt_does_not_land(self, store: Store) -> None:
        running(store)
        assert lands(store, close=Closing(1, 106.0, "error"))
        before = everything(store)
        assert not lands(store, close=Closing(1, 107.0, "completed"))
        assert everything(store) == before

    @pytest.mark.parametrize("number", [0, 2])
    def test_of_an_unknown_number_does_not_land(self, store: Store, number: int) -> None:
        running(store)
        assert not lands(store, close=Closing(number, 106.0, "error"))
        assert store.list_attempts("t1") == [an_attempt()]

    def test_of_an_older_attempt_than_the_open_one_does_not_land(self, store: Store) -> None:
        running(store)
        assert lands(store, close=Closing(1, 106.0, "error"))
        assert lands(store, open=an_attempt(2))
        assert not lands(store, close=Closing(1, 107.0, "completed"))
        assert store.list_attempts("t1")[1] == an_attempt(2)

    def test_that_does_not_land_takes_the_whole_change_with_it(self, store: Store) -> None:
        running(store)
        before = everything(store)
        assert not lands(
            store,
            close=Closing(2, 106.0, "completed"),
            move=a_move(Status.COMPLETED, Status.RUNNING),
            artifacts=(an_artifact(),),
            contents=(("b" * 64, b"x"),),
            memo=a_memo(),
            events=(an_event(),),
        )
        assert everything(store) == before
        assert store.find_memos(["k" * 64]) == {}
        assert store.read_contents(["b" * 64]) == {}

    def test_lands_on_a_task_that_was_stopped_meanwhile(self, store: Store) -> None:
        running(store)
        assert lands(store, move=a_move(Status.STOPPED, Status.RUNNING))
        assert lands(store, close=Closing(1, 107.0, "stopped"))
        assert store.list_attempts("t1")[0].ended_at == 107.0


class TestMove:
    def test_lands_while_the_status_is_expected(self, store: Store) -> None:
        create(store, a_task())
        assert lands(store, move=a_move(Status.QUEUED, Status.DRAFT, Status.PENDING))
        assert store.find_task("t1") == a_task(status=Status.QUEUED)

    def test_does_not_land_from_another_status(self, store: Store) -> None:
        create(store, a_task())
        assert not lands(store, move=a_move(Status.COMPLETED, Status.RUNNING))
        assert store.find_task("t1") == a_task()

    def test_of_an_unknown_task_does_not_land(self, store: Store) -> None:
        assert not lands(store, move=a_move(Status.STOPPED, *Status))
        assert store.find_task("t1") is None

    def test_to_the_same_status_lands_where_it_is_expected(self, store: Store) -> None:
        create(store, a_task())
        assert lands(store, move=a_move(Status.PENDING, Status.PENDING))

    def test_that_no_table_of_transitions_knows_lands_where_expected(self, store: Store) -> None:
        create(store, a_task(status=Status.DRAFT))
        assert lands(store, move=a_move(Status.COMPLETED, Status.DRAFT))

    def test_to_running_sets_when_it_started(self, store: Store) -> None:
        create(store, a_task())
        assert lands(store, move=a_move(Status.RUNNING, Status.PENDING))
        assert store.find_task("t1") == a_task(status=Status.RUNNING, started_at=105.0)

    def test_past_running_records_when_it_began_and_what_was_passed(self, store: Store) -> None:
        store.commit([Change("t1", create=a_task(inputs={"x": ("int", "1", "e" * 64)}))])
        passed = {"x": ("int", "1", "e" * 64), "y": ("str", "'a'", "f" * 64)}
        move = Move(
            frozenset({Status.PENDING}), Status.COMPLETED, 9.0, started_at=8.0, inputs=passed
        )
        assert store.commit([Change("t1", move=move)]) == [True]
        found = store.find_task("t1")
        assert found is not None
        assert (found.started_at, found.ended_at, found.inputs) == (8.0, 9.0, passed)

    def test_to_running_again_keeps_when_it_first_started(self, store: Store) -> None:
        create(store, a_task(started_at=99.0))
        assert lands(store, move=a_move(Status.RUNNING, Status.PENDING))
        assert store.find_task("t1") == a_task(status=Status.RUNNING, started_at=99.0)

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_to_a_terminal_status_sets_when_it_ended(self, store: Store, status: Status) -> None:
        create(store, a_task())
        move = a_move(status, Status.PENDING, failure=FAILURE, reused_from="old")
        assert lands(store, move=move)
        ended = a_task(status=status, ended_at=105.0, failure=FAILURE, reused_from="old")
        assert store.find_task("t1") == ended

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_leaves_a_terminal_status_only_by_its_name(self, store: Store, status: Status) -> None:
        create(store, a_task(status=status))
        others = set(Status) - {status}
        assert not lands(store, move=a_move(Status.PENDING, *others))
        assert lands(store, move=a_move(Status.PENDING, status))

    def test_out_of_a_terminal_status_forgets_the_outcome(self, store: Store) -> None:
        outcome: dict[str, Any] = {"ended_at": 104.0, "failure": FAILURE, "reused_from": "old"}
        task = a_task(status=Status.FAILED, started_at=99.0, stop_requested_at=103.0, **outcome)
        create(store, task)
        assert lands(store, move=a_move(Status.PENDING, Status.FAILED))
        assert store.find_task("t1") == a_task(started_at=99.0)

    def test_that_completes_leaves_no_failure_of_an_earlier_attempt(self, store: Store) -> None:
        create(store, a_task(status=Status.RUNNING, failure=FAILURE))
        assert lands(store, move=a_move(Status.COMPLETED, Status.RUNNING))
        assert store.find_task("t1") == a_task(status=Status.COMPLETED, ended_at=105.0)


class TestCommit:
    def test_of_nothing_answers_nothing(self, store: Store) -> None:
        assert store.commit([]) == []

    def test_refuses_one_change_and_makes_the_others(self, store: Store) -> None:
        create(store, a_task("t1"), a_task("t2", status=Status.STOPPED), a_task("t3"))
        move = a_move(Status.RUNNING, Status.PENDING)
        changes = [
            Change(task_id, open=an_attempt(1, task_id), move=move, memo=a_memo(task_id * 32))
            for task_id in ("t1", "t2", "t3")
        ]
        assert store.commit(changes) == [True, False, True]
        assert [bool(store.list_attempts(task_id)) for task_id in ("t1", "t2", "t3")] == [
            True,
            False,
            True,
        ]
        assert set(store.find_memos([c.task_id * 32 for c in changes])) == {"t1" * 32, "t3" * 32}

    def test_makes_changes_of_one_task_in_their_order(self, store: Store) -> None:
        changes = [
            Change("t1", create=a_task(), events=(an_event(Transition.SUBMITTED),)),
            Change("t1", open=an_attempt(), move=a_move(Status.RUNNING, Status.PENDING, at=101.0)),
            Change(
                "t1",
                close=Closing(1, 106.0, "error"),
                move=a_move(Status.PENDING, Status.RUNNING, failure=FAILURE),
                events=(an_event(Transition.RETRIED, attempt=1),),
            ),
            Change("t1", open=an_attempt(2), move=a_move(Status.RUNNING, Status.PENDING)),
            Change("t1", open=an_attempt(3)),
            Change(
                "t1",
                close=Closing(2, 108.0, "completed"),
                move=a_move(Status.COMPLETED, Status.RUNNING, at=108.0),
                artifacts=(an_artifact(attempt=2),),
                events=(an_event(Transition.COMPLETED, attempt=2),),
            ),
        ]
        assert store.commit(changes) == [True, True, True, True, False, True]
        ended = a_task(status=Status.COMPLETED, started_at=101.0, ended_at=108.0)
        assert store.find_task("t1") == ended
        attempts = [
            an_attempt(ended_at=106.0, exit="error"),
            an_attempt(2, ended_at=108.0, exit="completed"),
        ]
        assert store.list_attempts("t1") == attempts
        names = [event.name for event in store.list_events("t1")]
        assert names == [Transition.SUBMITTED, Transition.RETRIED, Transition.COMPLETED]

    def test_makes_the_same_changes_one_commit_at_a_time_or_at_once(self, store: Store) -> None:
        """Closing an attempt and opening the next in one batch, on a task that was there."""
        running(store)
        changes = [
            Change("t1", close=Closing(1, 106.0, "error"), move=a_move(Status.PENDING, *Status)),
            Change("t1", open=an_attempt(2), move=a_move(Status.RUNNING, Status.PENDING)),
        ]
        assert store.commit(changes) == [True, True]
        assert store.list_attempts("t1") == [
            an_attempt(ended_at=106.0, exit="error"),
            an_attempt(2),
        ]

    @pytest.mark.parametrize("count", [1, 3, 4, 17, 85, 512])
    def test_takes_many_changes(self, store: Store, count: int) -> None:
        ids = [f"t{number:04d}" for number in range(count)]
        closing = Closing(1, 102.0, "completed")
        made = [
            Change(
                key,
                create=a_task(key, parent="run", created_at=100.0 + number),
                open=an_attempt(1, key),
                artifacts=(an_artifact("value", key),),
                contents=((f"{number:064d}", b"%d" % number),),
                memo=a_memo(f"{number:064d}"),
                events=(an_event(Transition.STARTED, key),) * 3,
            )
            for number, key in enumerate(ids)
        ]
        ended = [
            Change(key, close=closing, move=a_move(Status.COMPLETED, Status.PENDING)) for key in ids
        ]
        assert store.commit(made) == [True] * count
        assert store.commit(ended) == [True] * count
        tasks = store.list_tasks(parent="run")[::-1]
        assert [task.id for task in tasks] == ids
        assert {task.status for task in tasks} == {Status.COMPLETED}
        assert store.count_attempts("run") == dict.fromkeys(ids, 1)
        assert all(store.list_attempts(key)[0].exit == "completed" for key in ids[-2:])
        digests = [f"{number:064d}" for number in range(count)]
        assert set(store.find_memos(digests)) == set(digests)
        wanted = {digest: b"%d" % number for number, digest in enumerate(digests)}
        assert store.read_contents(digests) == wanted

    def test_takes_changes_without_guards_of_any_status(self, store: Store) -> None:
        create(store, a_task(status=Status.COMPLETED))
        assert lands(store, artifacts=(an_artifact(),), events=(an_event(),))

    def test_takes_no_artifact_or_event_of_an_unknown_task(self, store: Store) -> None:
        assert not lands(store, artifacts=(an_artifact(),))
        assert not lands(store, events=(an_event(),))
        assert everything(store) == [None, [], [], []]

    def test_takes_memo_and_contents_that_belong_to_no_task(self, store: Store) -> None:
        assert lands(store, memo=a_memo(), contents=(("b" * 64, b"x"),))
        assert store.find_task("t1") is None

    def test_refuses_records_of_another_task_than_the_change(self, store: Store) -> None:
        with pytest.raises(ValueError, match="another task"):
            lands(store, create=a_task(), artifacts=(an_artifact(task_id="t2"),))
        assert store.find_task("t1") is None

    def test_keeps_the_first_memo_of_a_key(self, store: Store) -> None:
        assert lands(store, memo=a_memo(run="first"))
        assert lands(store, memo=a_memo(run="second"))
        assert store.find_memos(["k" * 64])["k" * 64].run == "first"

    def test_keeps_the_first_memo_of_a_key_within_one_call(self, store: Store) -> None:
        create(store, a_task("t2"))
        changes = [
            Change("t2", move=a_move(Status.STOPPED, Status.PENDING), memo=a_memo(run="first")),
            Change("t1", create=a_task(), memo=a_memo(run="second")),
        ]
        assert store.commit(changes) == [True, True]
        assert store.find_memos(["k" * 64])["k" * 64].run == "first"

    def test_leaves_known_contents_alone(self, store: Store) -> None:
        assert lands(store, contents=(("b" * 64, b"first"),))
        assert lands(store, contents=(("b" * 64, b"second"), ("c" * 64, b"new")))
        found = store.read_contents(["b" * 64, "c" * 64])
        assert found == {"b" * 64: b"first", "c" * 64: b"new"}


class TestReading:
    def test_find_task_wants_exactly_the_id(self, store: Store) -> None:
        create(store, a_task("t10"))
        assert store.find_task("t1") is None

    def test_find_ids_gives_the_oldest_with_the_prefix(self, store: Store) -> None:
        create(store, *[a_task(key) for key in ("b2", "a1", "b1", "b", "b3", "c", "b%")])
        assert store.find_ids("b") == ["b", "b%", "b1", "b2", "b3"]
        assert store.find_ids("b", limit=2) == ["b", "b%"]
        assert store.find_ids("b%") == ["b%"]
        assert store.find_ids("x") == []

    def test_find_ids_of_no_prefix_gives_the_oldest_of_all(self, store: Store) -> None:
        create(store, a_task("b"), a_task("a"))
        assert store.find_ids("") == ["a", "b"]

    def test_list_tasks_gives_the_newest_first_and_breaks_ties_by_id(self, store: Store) -> None:
        create(store, a_task("b"), a_task("a"), a_task("c", created_at=99.0), a_task("d"))
        assert [task.id for task in store.list_tasks()] == ["d", "b", "a", "c"]
        assert [task.id for task in store.list_tasks(limit=2)] == ["d", "b"]
        assert store.list_tasks(limit=0) == []

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"kinds": {Kind.PIPELINE}}, "d"),
            ({"kinds": [Kind.PIPELINE, Kind.SCRIPT]}, "dc"),
            ({"kinds": (Kind.STEP,)}, "ba"),
            ({"kinds": (Kind.STEP, Kind.SCRIPT)}, "cba"),
            ({"kinds": ()}, "dcba"),
            ({"parent": "d"}, "ba"),
            ({"parent": "x"}, ""),
            ({"statuses": {Status.RUNNING, Status.DRAFT}}, "dcb"),
            ({"project": "p"}, "db"),
            ({"name": "n"}, "ba"),
            ({"project": "p", "name": "n", "parent": "d", "kinds": [Kind.STEP]}, "b"),
            ({"kinds": [Kind.PIPELINE, Kind.SCRIPT], "limit": 1}, "d"),
        ],
    )
    def test_list_tasks_gives_what_matches_every_filter(
        self, store: Store, filters: dict[str, Any], found: str
    ) -> None:
        create(
            store,
            a_task("a", parent="d", project="q", name="n", status=Status.PENDING),
            a_task("b", parent="d", project="p", name="n", status=Status.RUNNING),
            a_task("c", kind=Kind.SCRIPT, project="q", name="m", status=Status.DRAFT),
            a_task("d", kind=Kind.PIPELINE, project="p", name="m", status=Status.RUNNING),
        )
        assert "".join(task.id for task in store.list_tasks(**filters)) == found

    def test_list_artifacts_keeps_the_order_and_every_version(self, store: Store) -> None:
        create(store, a_task())
        names = ["z", "a", "z", "m"]
        assert lands(store, artifacts=tuple(an_artifact(name) for name in names[:2]))
        assert lands(store, artifacts=tuple(an_artifact(name) for name in names[2:]))
        assert [artifact.name for artifact in store.list_artifacts("t1")] == names

    def test_list_events_keeps_the_order(self, store: Store) -> None:
        create(store, a_task())
        names = [Transition.SUBMITTED, Transition.STARTED, Transition.LOST, Transition.STARTED]
        for name in names:
            assert lands(store, events=(an_event(name),))
        assert [event.name for event in store.list_events("t1")] == names

    def test_count_attempts_counts_those_below_the_parent(self, store: Store) -> None:
        create(store, a_task("t1", parent="run"), a_task("t2", parent="run"), a_task("t3"))
        for number in (1, 2):
            assert lands(store, open=an_attempt(number), close=Closing(number, 102.0, "error"))
        assert store.commit([Change("t3", open=an_attempt(1, "t3"))]) == [True]
        assert store.count_attempts("run") == {"t1": 2}
        assert store.count_attempts("nobody") == {}

    def test_list_artifact_sets_gives_those_of_every_task_below(self, store: Store) -> None:
        create(store, a_task("t1", parent="run"), a_task("t2", parent="run"), a_task("t3"))
        assert lands(store, artifacts=(an_artifact("z"), an_artifact("a")))
        assert store.commit([Change("t3", artifacts=(an_artifact("n", "t3"),))]) == [True]
        assert store.list_artifact_sets("run") == {"t1": store.list_artifacts("t1"), "t2": []}
        assert store.list_artifact_sets("nobody") == {}

    def test_find_memos_gives_those_that_exist(self, store: Store) -> None:
        assert lands(store, memo=a_memo())
        assert set(store.find_memos(["k" * 64, "x" * 64])) == {"k" * 64}
        assert store.find_memos([]) == {}

    def test_remove_memo_says_whether_there_was_one(self, store: Store) -> None:
        assert lands(store, memo=a_memo())
        assert store.remove_memo("k" * 64)
        assert not store.remove_memo("k" * 64)
        assert store.find_memos(["k" * 64]) == {}

    def test_a_removed_memo_may_be_remembered_anew(self, store: Store) -> None:
        assert lands(store, memo=a_memo(run="first"))
        store.remove_memo("k" * 64)
        assert lands(store, memo=a_memo(run="second"))
        assert store.find_memos(["k" * 64])["k" * 64].run == "second"

    def test_read_contents_gives_those_that_exist(self, store: Store) -> None:
        assert lands(store, contents=(("b" * 64, b"x"),))
        assert store.read_contents(["b" * 64, "c" * 64, "b" * 64]) == {"b" * 64: b"x"}
        assert store.read_contents([]) == {}


class TestThreads:
    def test_racing_on_one_guard_land_once(self, store: Store) -> None:
        rounds, threads = 20, 4
        create(store, *[a_task(f"t{number}") for number in range(rounds)])
        landed: list[list[bool]] = [[] for _ in range(rounds)]
        barrier = threading.Barrier(threads)

        def race() -> None:
            for number in range(rounds):
                move = a_move(Status.RUNNING, Status.PENDING)
                change = Change(f"t{number}", open=an_attempt(1, f"t{number}"), move=move)
                barrier.wait()
                landed[number] += store.commit([change])

        _run_all([threading.Thread(target=race) for _ in range(threads)])
        assert [sorted(answers) for answers in landed] == [[False] * 3 + [True]] * rounds

    def test_read_what_another_thread_has_committed(self, store: Store) -> None:
        create(store, a_task())
        found: list[Task | None] = []
        _run_all([threading.Thread(target=lambda: found.append(store.find_task("t1")))])
        create(store, a_task("t2"))
        _run_all([threading.Thread(target=lambda: found.append(store.find_task("t2")))])
        assert found == [a_task(), a_task("t2")]


class TestClosing:
    def test_twice_is_once(self, store: Store) -> None:
        store.close()
        store.close()

    def test_leaves_a_store_that_says_so(self, store: Store) -> None:
        store.find_task("t1")
        store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            store.find_task("t1")
        with pytest.raises(StoreUnavailable, match="closed"):
            store.commit([Change("t1", create=a_task())])


def _run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
