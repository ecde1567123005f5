"""The part of the contract of `Store` that is about the guards of one change."""

from __future__ import annotations

from typing import Any

import pytest

from pipekit.model.records import (
    Change,
    Closing,
    Edit,
    Move,
    TaskSpec,
)
from pipekit.model.status import TERMINAL, Status
from pipekit.ports import Store
from pipekit.testing.suites.sample_record import (
    FAILURE,
    a_memo,
    a_move,
    a_task,
    an_artifact,
    an_attempt,
    an_event,
    create,
    everything,
    lands,
    running,
)


class ChangeContract:
    """A change lands whole where its guards hold, and leaves nothing where one does not."""

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
            assert lands(
                store, close=Closing(1, 106.0, "error", FAILURE, "logs/w.log", 3, 8, 1.5, 2**40)
            )
            ended: dict[str, Any] = {"ended_at": 106.0, "exit": "error", "failure": FAILURE}
            log: dict[str, Any] = {"log_path": "logs/w.log", "log_start": 3, "log_end": 8}
            used: dict[str, Any] = {"cpu_seconds": 1.5, "peak_bytes": 2**40}
            assert store.list_attempts("t1") == [an_attempt(**ended, **log, **used)]

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
            assert store.find_task("t1") == a_task(status=Status.QUEUED, queued_at=105.0)

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

        def test_that_no_table_of_transitions_knows_lands_where_expected(
            self, store: Store
        ) -> None:
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
        def test_to_a_terminal_status_sets_when_it_ended(
            self, store: Store, status: Status
        ) -> None:
            create(store, a_task())
            move = a_move(status, Status.PENDING, failure=FAILURE, reused_from="old")
            assert lands(store, move=move)
            ended = a_task(status=status, ended_at=105.0, failure=FAILURE, reused_from="old")
            assert store.find_task("t1") == ended

        @pytest.mark.parametrize("status", sorted(TERMINAL))
        def test_leaves_a_terminal_status_only_by_its_name(
            self, store: Store, status: Status
        ) -> None:
            create(store, a_task(status=status))
            others = set(Status) - {status}
            assert not lands(store, move=a_move(Status.PENDING, *others))
            assert lands(store, move=a_move(Status.PENDING, status))

        def test_out_of_a_terminal_status_forgets_the_outcome(self, store: Store) -> None:
            outcome: dict[str, Any] = {"ended_at": 104.0, "failure": FAILURE, "reused_from": "old"}
            task = a_task(status=Status.FAILED, started_at=99.0, stop_requested_at=103.0, **outcome)
            create(store, task)
            assert lands(store, move=a_move(Status.PENDING, Status.FAILED))
            assert store.find_task("t1") == a_task()

        def test_out_of_a_terminal_status_may_bring_another_spec(self, store: Store) -> None:
            create(store, a_task(status=Status.COMPLETED))
            edit = Edit(spec=TaskSpec("flow:other"))
            assert not lands(store, edit=edit)
            assert not lands(store, edit=edit, move=a_move(Status.FAILED, Status.COMPLETED))
            assert lands(store, edit=edit, move=a_move(Status.PENDING, Status.COMPLETED))
            found = store.find_task("t1")
            assert found is not None
            assert found.spec.entry == "flow:other"

        def test_that_completes_leaves_no_failure_of_an_earlier_attempt(self, store: Store) -> None:
            create(store, a_task(status=Status.RUNNING, failure=FAILURE))
            assert lands(store, move=a_move(Status.COMPLETED, Status.RUNNING))
            assert store.find_task("t1") == a_task(status=Status.COMPLETED, ended_at=105.0)
