"""The part of the contract of `Store` that is about drafts, queues and agents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipekit.model.records import (
    Agent,
    Change,
    Claimer,
    Closing,
    Edit,
    Kind,
    Queue,
    Task,
    TaskSpec,
    claimed_log,
)
from pipekit.model.status import Status, Transition, sources_of
from pipekit.ports import Store
from pipekit.testing.suites.sample_record import (
    SPEC,
    VALUE,
    a_move,
    a_task,
    an_artifact,
    create,
    lands,
    running,
)

CLAIMER = Claimer("a1", "laptop", 7, 50.25)
AGENT = Agent("a1", "laptop", 7, 50.25, ("default", "gpu"), 2, 90.0, 95.0)


def queued(store: Store, *names: str, queue: str = "default", at: float = 100.0) -> None:
    """Tasks that wait, each a second longer than the next."""
    for number, name in enumerate(names):
        task = a_task(name, Status.QUEUED, kind=Kind.SCRIPT, queue=queue, queued_at=at + number)
        create(store, task)


def claimed(store: Store, *queues: str) -> Task | None:
    return store.claim(queues, CLAIMER, now=120.0, until=150.0)


class QueuesContract:
    """What waits on a queue is taken once, by one; a draft can be changed."""

    class TestEdits:
        def test_change_what_they_name_and_nothing_else(self, store: Store) -> None:
            create(store, a_task(tags=("old",), version="1"))
            assert lands(store, edit=Edit(name="new", tags=("a", "b"), comment="ü"))
            expected = a_task(name="new", tags=("a", "b"), comment="ü", version="1")
            assert store.find_task("t1") == expected

        def test_take_all_tags_away(self, store: Store) -> None:
            create(store, a_task(tags=("old",)))
            assert lands(store, edit=Edit(tags=()))
            assert store.find_task("t1") == a_task()

        def test_replace_the_spec_of_a_draft(self, store: Store) -> None:
            create(store, a_task(status=Status.DRAFT))
            assert lands(store, edit=Edit(spec=SPEC))
            assert store.find_task("t1") == a_task(status=Status.DRAFT, spec=SPEC)

        @pytest.mark.parametrize("status", [s for s in Status if s is not Status.DRAFT])
        def test_do_not_replace_the_spec_of_others(self, store: Store, status: Status) -> None:
            create(store, a_task(status=status))
            assert not lands(store, edit=Edit(spec=SPEC, name="new"))
            assert store.find_task("t1") == a_task(status=status)

        def test_replace_the_spec_by_the_running_attempt(self, store: Store) -> None:
            running(store)
            assert lands(store, fence=1, edit=Edit(spec=SPEC))
            task = store.find_task("t1")
            assert task is not None
            assert task.spec == SPEC

        def test_of_one_batch_are_made_in_their_order(self, store: Store) -> None:
            create(store, a_task())
            first, second = Edit(name="one", comment="kept"), Edit(name="two")
            assert all(store.commit([Change("t1", edit=first), Change("t1", edit=second)]))
            assert store.find_task("t1") == a_task(name="two", comment="kept")

        def test_of_an_unknown_task_do_not_land(self, store: Store) -> None:
            assert not lands(store, edit=Edit(name="new"))

    class TestFences:
        def test_let_the_open_attempt_write(self, store: Store) -> None:
            running(store)
            assert lands(store, fence=1, artifacts=(an_artifact(),), contents=(("b" * 64, b"x"),))
            assert len(store.list_artifacts("t1")) == 1

        @pytest.mark.parametrize("number", [0, 2])
        def test_refuse_another_number(self, store: Store, number: int) -> None:
            running(store)
            assert not lands(store, fence=number, artifacts=(an_artifact(),))
            assert store.list_artifacts("t1") == []

        def test_refuse_an_attempt_that_is_over(self, store: Store) -> None:
            running(store)
            assert lands(store, close=Closing(1, 106.0, "lost"))
            assert not lands(store, fence=1, artifacts=(an_artifact(),))
            assert not lands(store, fence=1, edit=Edit(spec=SPEC))

        def test_refuse_all_of_an_unknown_task(self, store: Store) -> None:
            assert not lands(store, fence=1)

    class TestClaims:
        def test_take_what_waited_longest(self, store: Store) -> None:
            queued(store, "second", at=105.0)
            queued(store, "first", at=101.0)
            task = claimed(store, "default")
            assert task is not None
            assert (task.id, task.status, task.started_at) == ("first", Status.RUNNING, 120.0)

        def test_take_from_the_first_queue_that_has_one(self, store: Store) -> None:
            queued(store, "early", queue="low", at=1.0)
            queued(store, "late", queue="high", at=100.0)
            task = claimed(store, "none", "high", "low")
            assert task is not None
            assert task.id == "late"

        def test_open_the_next_attempt(self, store: Store) -> None:
            running(store)
            close, move = Closing(1, 106.0, "lost"), a_move(Status.QUEUED, *Status, queue="default")
            assert lands(store, close=close, move=move)
            assert claimed(store, "default")
            attempt = store.list_attempts("t1")[-1]
            assert (attempt.number, attempt.agent, attempt.lease_until) == (2, "a1", 150.0)
            assert attempt.log_path == claimed_log("t1", 2)
            assert attempt.ended_at is None
            assert store.list_events("t1")[-1].name is Transition.STARTED

        def test_take_each_task_once(self, store: Store) -> None:
            queued(store, "a", "b")
            found = [claimed(store, "default") for _ in range(3)]
            assert [task and task.id for task in found] == ["a", "b", None]

        def test_leave_a_paused_queue_alone(self, store: Store) -> None:
            queued(store, "a")
            store.make_queue("default", paused=True)
            assert claimed(store, "default") is None
            store.make_queue("default")
            assert claimed(store, "default") is not None

        def test_take_nothing_from_other_queues(self, store: Store) -> None:
            queued(store, "a", queue="other")
            assert claimed(store, "default") is None
            assert claimed(store) is None

        def test_that_are_renewed_too_late_are_listed_as_lost(self, store: Store) -> None:
            queued(store, "a")
            assert claimed(store, "default")
            assert store.list_lost(150.0) == []
            assert [attempt.task_id for attempt in store.list_lost(150.5)] == ["a"]
            store.renew({"a": 1}, at=149.0, until=179.0)
            assert store.list_lost(150.5) == []

        def test_of_what_runs_without_an_agent_are_none(self, store: Store) -> None:
            running(store)
            store.renew({"t1": 1}, at=1.0, until=2.0)
            assert store.list_lost(150.0) == []

    class TestQueues:
        def test_are_those_that_were_made_and_those_that_are_used(self, store: Store) -> None:
            store.make_queue("services")
            store.make_queue("gpu", paused=True)
            queued(store, "a", "b", at=101.0)
            assert store.list_queues() == [
                Queue("default", False, 2, 101.0),
                Queue("gpu", True, 0, None),
                Queue("services", False, 0, None),
            ]

        def test_go_when_nothing_waits_there(self, store: Store) -> None:
            store.make_queue("default")
            queued(store, "a")
            assert not store.remove_queue("default")
            claimed(store, "default")
            assert store.remove_queue("default")
            assert store.list_queues() == []

        def test_remember_where_a_task_waits(self, store: Store) -> None:
            create(store, a_task(status=Status.DRAFT))
            move = a_move(Status.QUEUED, *sources_of(Transition.ENQUEUED), queue="gpu")
            assert lands(store, move=move)
            waiting = a_task(status=Status.QUEUED, queue="gpu", queued_at=105.0)
            assert store.find_task("t1") == waiting

        def test_forget_a_task_that_is_a_draft_again(self, store: Store) -> None:
            queued(store, "t1")
            assert lands(store, move=a_move(Status.DRAFT, Status.QUEUED))
            assert store.find_task("t1") == a_task(status=Status.DRAFT, kind=Kind.SCRIPT)

    class TestAgents:
        def test_say_of_themselves_what_they_said_last(self, store: Store) -> None:
            store.report_agent(AGENT)
            later = replace(AGENT, queues=("gpu",), heartbeat_at=105.0)
            store.report_agent(later)
            assert store.list_agents() == [later]

        def test_go_when_they_have_ended(self, store: Store) -> None:
            store.report_agent(AGENT)
            store.remove_agent("a1")
            store.remove_agent("a1")
            assert store.list_agents() == []

    class TestSnapshots:
        def test_are_referred_to_by_specs(self, store: Store) -> None:
            create(store, a_task(spec=TaskSpec("script:a.py", snapshot="9" * 64)))
            assert "9" * 64 in store.collect([]).blobs
            assert VALUE.blob not in store.collect([]).blobs
