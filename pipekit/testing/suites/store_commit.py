"""The part of the contract of `Store` that is about many changes, threads, and the end."""

from __future__ import annotations

import threading

import pytest

from pipekit.errors import StoreUnavailable
from pipekit.model.records import (
    Change,
    Closing,
    Task,
)
from pipekit.model.status import Status, Transition
from pipekit.ports import Store
from pipekit.testing.suites.sample_record import (
    FAILURE,
    a_memo,
    a_metric,
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


class CommitContract:
    """Changes of one call, of several threads, and of a store that is closed."""

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
            assert set(store.find_memos([c.task_id * 32 for c in changes])) == {
                "t1" * 32,
                "t3" * 32,
            }

        def test_makes_none_where_the_first_is_refused_and_that_was_asked_for(
            self, store: Store
        ) -> None:
            create(store, a_task("t1", status=Status.STOPPED), a_task("t2"))
            move = a_move(Status.RUNNING, Status.PENDING)
            changes = [Change("t1", move=move), Change("t2", move=move, memo=a_memo())]
            before = everything(store, "t2")
            assert store.commit(changes, if_first=True) == [False, False]
            assert everything(store, "t2") == before
            assert not store.find_memos(["k" * 64])

        def test_makes_those_that_it_can_where_the_first_lands(self, store: Store) -> None:
            create(store, a_task("t1"), a_task("t2", status=Status.STOPPED), a_task("t3"))
            move = a_move(Status.RUNNING, Status.PENDING)
            changes = [Change(task_id, move=move) for task_id in ("t1", "t2", "t3")]
            assert store.commit(changes, if_first=True) == [True, False, True]

        def test_makes_changes_of_one_task_in_their_order(self, store: Store) -> None:
            changes = [
                Change("t1", create=a_task(), events=(an_event(Transition.SUBMITTED),)),
                Change(
                    "t1", open=an_attempt(), move=a_move(Status.RUNNING, Status.PENDING, at=101.0)
                ),
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
                Change(
                    "t1", close=Closing(1, 106.0, "error"), move=a_move(Status.PENDING, *Status)
                ),
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
                Change(key, close=closing, move=a_move(Status.COMPLETED, Status.PENDING))
                for key in ids
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

        def test_takes_nothing_said_of_an_unknown_task(self, store: Store) -> None:
            assert not lands(store, artifacts=(an_artifact(),))
            assert not lands(store, events=(an_event(),))
            assert not lands(store, metrics=(a_metric(),))
            assert everything(store) == [None, [], [], [], []]

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
