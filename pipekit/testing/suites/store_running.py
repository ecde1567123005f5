"""The part of the contract of `Store` about tasks that go on: wishes to stop, heartbeats."""

from __future__ import annotations

import pytest

from pipekit.model.records import Closing, Kind
from pipekit.model.status import TERMINAL, Status
from pipekit.ports import Store
from pipekit.testing.suites.sample_record import a_move, a_task, an_attempt, create, lands, running


class RunningContract:
    """Who runs a task says that it lives, and hears that it is to stop."""

    class TestWishesToStop:
        def test_reach_who_runs_the_task(self, store: Store) -> None:
            create(store, a_task("run", kind=Kind.PIPELINE), a_task(parent="run"), a_task("other"))
            for task_id in ("t1", "run", "other"):
                assert store.request_stop(task_id, 110.0)
            assert store.list_stop_requests(["run"]) == ["run", "t1"]

        def test_are_recorded_with_the_task(self, store: Store) -> None:
            create(store, a_task())
            assert store.request_stop("t1", 110.0)
            task = store.find_task("t1")
            assert task is not None
            assert task.stop_requested_at == 110.0
            assert task.status is Status.PENDING

        def test_keep_the_time_of_the_first(self, store: Store) -> None:
            create(store, a_task())
            assert store.request_stop("t1", 110.0)
            assert store.request_stop("t1", 111.0)
            task = store.find_task("t1")
            assert task is not None
            assert task.stop_requested_at == 110.0

        @pytest.mark.parametrize("status", sorted(TERMINAL))
        def test_do_not_reach_what_has_ended(self, store: Store, status: Status) -> None:
            create(store, a_task(status=status, ended_at=105.0, parent="run"))
            assert not store.request_stop("t1", 110.0)
            assert store.list_stop_requests(["run"]) == []

        def test_do_not_reach_an_unknown_task(self, store: Store) -> None:
            assert not store.request_stop("none", 110.0)

        def test_are_over_when_the_task_has_ended(self, store: Store) -> None:
            running(store)
            assert store.request_stop("t1", 110.0)
            assert lands(store, move=a_move(Status.STOPPED, Status.RUNNING, at=111.0))
            assert store.list_stop_requests(["t1"]) == []

        def test_outlive_other_changes_of_the_task(self, store: Store) -> None:
            create(store, a_task())
            assert store.request_stop("t1", 110.0)
            move = a_move(Status.RUNNING, Status.PENDING, at=111.0)
            assert lands(store, open=an_attempt(), move=move)
            assert store.list_stop_requests(["t1"]) == ["t1"]

    class TestHeartbeats:
        def test_are_those_of_the_open_attempt(self, store: Store) -> None:
            running(store)
            store.renew({"t1": 1, "unknown": 1}, at=120.0, until=150.0)
            assert store.list_attempts("t1") == [an_attempt(heartbeat_at=120.0, lease_until=150.0)]

        def test_change_nothing_of_a_closed_attempt(self, store: Store) -> None:
            running(store)
            assert lands(store, close=Closing(1, 106.0, "error"))
            before = store.list_attempts("t1")
            store.renew({"t1": 1}, at=120.0, until=150.0)
            assert store.list_attempts("t1") == before

        def test_change_nothing_of_an_attempt_that_followed(self, store: Store) -> None:
            running(store)
            assert lands(store, close=Closing(1, 106.0, "error"))
            assert lands(store, open=an_attempt(number=2))
            before = store.list_attempts("t1")
            store.renew({"t1": 1}, at=120.0, until=150.0)
            assert store.list_attempts("t1") == before
