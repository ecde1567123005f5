"""The part of the contract of `Store` that is about keeping the cache in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipekit.model.records import Change, Kind, Lease, TaskSpec
from pipekit.model.status import Status
from pipekit.model.value import StoredValue
from pipekit.ports import Store
from pipekit.testing.suites.sample_record import (
    VALUE,
    a_memo,
    a_metric,
    a_task,
    an_artifact,
    an_attempt,
    an_event,
    create,
    everything,
)

FILE = StoredValue("1" * 64, "2" * 64, "npy", "numpy.ndarray", 10**9)
LEASE = Lease("k" * 64, "t1", "laptop", 7, 50.25, 130.0)


def a_run(store: Store, run: str, *, blob: str = "b" * 64, memo: str = "") -> None:
    """A completed run with one step, which has an artifact, a log and perhaps a memo."""
    value = replace(VALUE, blob=blob)
    step = f"{run}-step"
    task = a_task(run, Status.COMPLETED, kind=Kind.PIPELINE, ended_at=102.0)
    part = a_task(
        step, Status.COMPLETED, parent=run, spec=TaskSpec("flow:fit", source="5" * 64),
        ended_at=103.0,
    )  # fmt: skip
    remembered = replace(a_memo(memo), task_id=step, outputs=(("value", value),)) if memo else None
    landed = store.commit(
        [
            Change(run, create=task, events=(an_event(task_id=run),)),
            Change(
                step,
                create=part,
                open=an_attempt(1, step, ended_at=103.0, log_path=f"logs/{run}.log"),
                artifacts=(replace(an_artifact(task_id=step), value=value),),
                contents=((blob, b"data"), ("5" * 64, b"source")),
                memo=remembered,
                events=(an_event(task_id=step),),
                metrics=(a_metric(task_id=step),),
            ),
        ]
    )
    assert all(landed)


class UpkeepContract:
    """What is remembered can be counted, kept and taken away."""

    class TestArguments:
        def test_of_a_run_that_is_left_stay(self, store: Store) -> None:
            given = (("frame", VALUE), ("file", FILE))
            create(store, a_task("run", Status.COMPLETED, kind=Kind.PIPELINE, arguments=given))
            store.commit([Change("", contents=((VALUE.blob, b"data"),))])
            collected = store.collect([])
            assert collected.blobs >= {VALUE.blob, FILE.blob}
            assert store.read_contents([VALUE.blob]) == {VALUE.blob: b"data"}

        def test_of_a_run_that_goes_go_with_it(self, store: Store) -> None:
            given = (("frame", VALUE),)
            create(store, a_task("run", Status.COMPLETED, kind=Kind.PIPELINE, arguments=given))
            store.commit([Change("", contents=((VALUE.blob, b"data"),))])
            store.collect(["run"], contents="values")
            assert store.read_contents([VALUE.blob]) == {}

    class TestMemos:
        def test_are_listed_oldest_first(self, store: Store) -> None:
            memos = [replace(a_memo(key * 64), created_at=at) for key, at in (("a", 2), ("b", 1))]
            store.commit([Change("", memo=memo) for memo in memos])
            assert store.list_memos() == memos[::-1]

        def test_renewed_take_the_place_of_the_first(self, store: Store) -> None:
            store.commit([Change("", memo=a_memo(run="first"))])
            store.commit([Change("", memo=a_memo(run="second"), renews=True)])
            assert store.find_memos(["k" * 64])["k" * 64].run == "second"

        def test_renewed_may_be_new(self, store: Store) -> None:
            store.commit([Change("", memo=a_memo(), renews=True)])
            assert store.list_memos() == [a_memo()]

        def test_keep_the_name_of_their_component(self, store: Store) -> None:
            memo = replace(a_memo(), component="flow:fit")
            store.commit([Change("", memo=memo)])
            assert store.list_memos() == [memo]

        def test_tell_how_long_the_newest_of_a_component_took(self, store: Store) -> None:
            for key, at, seconds in (("a", 1.0, 5.0), ("b", 2.0, 7.0)):
                memo = replace(a_memo(key * 64), component="flow:fit", created_at=at)
                store.commit([Change("", memo=replace(memo, duration_seconds=seconds))])
            assert store.find_duration("flow:fit") == 7.0
            assert store.find_duration("flow:other") is None

    class TestCounts:
        def test_of_uses_are_by_the_task_that_computed(self, store: Store) -> None:
            fields: dict[str, Any] = {"reused_from": "t0", "status": Status.COMPLETED}
            create(
                store, a_task("t1", ended_at=5.0, **fields), a_task("t2", ended_at=9.0, **fields)
            )
            assert store.count_uses() == {"t0": (2, 9.0)}

        def test_of_outcomes_are_by_component(self, store: Store) -> None:
            done = Status.COMPLETED
            create(
                store,
                a_task("t1", done),
                a_task("t2", done, reused_from="t1"),
                a_task("t3", done, spec=TaskSpec("flow:now", settings={"cache": False})),
                a_task("t4", Status.FAILED),
            )
            assert store.count_outcomes() == {"flow:fit": (1, 1)}

    class TestPins:
        def test_stay_until_they_are_taken_away(self, store: Store) -> None:
            store.pin(["a", "b"])
            store.pin(["b"])
            store.unpin(["a", "c"])
            assert store.list_pins() == {"b"}

    class TestLeases:
        def test_are_taken_by_one(self, store: Store) -> None:
            assert store.take_lease(LEASE, now=100.0)
            assert not store.take_lease(replace(LEASE, task_id="t2"), now=100.0)
            assert store.find_lease(LEASE.key) == LEASE

        def test_are_renewed_by_who_has_them(self, store: Store) -> None:
            store.take_lease(LEASE, now=100.0)
            later = replace(LEASE, until=160.0)
            assert store.take_lease(later, now=125.0)
            assert store.find_lease(LEASE.key) == later

        def test_that_are_over_go_to_who_asks(self, store: Store) -> None:
            store.take_lease(LEASE, now=100.0)
            assert store.take_lease(replace(LEASE, task_id="t2", until=200.0), now=130.0)

        def test_of_the_dead_go_to_one_of_those_who_know(self, store: Store) -> None:
            store.take_lease(LEASE, now=100.0)
            other, third = replace(LEASE, task_id="t2"), replace(LEASE, task_id="t3")
            assert store.take_lease(other, now=100.0, instead_of="t1")
            assert not store.take_lease(third, now=100.0, instead_of="t1")

        def test_are_free_once_they_are_released(self, store: Store) -> None:
            store.take_lease(LEASE, now=100.0)
            store.release_leases("t2")
            assert store.find_lease(LEASE.key) == LEASE
            store.release_leases("t1")
            assert store.find_lease(LEASE.key) is None

    class TestContents:
        def test_that_are_removed_can_be_written_again(self, store: Store) -> None:
            store.commit([Change("", contents=(("a" * 64, b"wrong"),))])
            store.remove_contents(["a" * 64, "c" * 64])
            store.commit([Change("", contents=(("a" * 64, b"right"),))])
            assert store.read_contents(["a" * 64]) == {"a" * 64: b"right"}

    class TestCollect:
        def test_takes_a_run_with_all_below_it(self, store: Store) -> None:
            a_run(store, "r1", memo="m" * 64)
            collected = store.collect(["r1"])
            assert everything(store, "r1") == everything(store, "r1-step") == [None, [], [], [], []]
            assert store.list_tasks() == []
            assert store.list_memos() == []
            assert store.read_contents(["b" * 64, "5" * 64]) == {}
            assert (collected.runs, collected.tasks, collected.memos) == (1, 2, 1)
            assert (collected.contents, collected.content_bytes) == (2, len(b"datasource"))
            assert (collected.blobs, collected.logs) == (frozenset(), frozenset())

        def test_leaves_what_other_runs_refer_to(self, store: Store) -> None:
            a_run(store, "r1")
            a_run(store, "r2")
            collected = store.collect(["r1"])
            assert set(store.read_contents(["b" * 64, "5" * 64])) == {"b" * 64, "5" * 64}
            assert collected.blobs == {"b" * 64, "5" * 64}
            assert collected.logs == {"logs/r2.log"}
            assert collected.left_bytes == len(b"datasource")

        def test_leaves_a_memo_whose_outcome_a_run_that_is_left_reused(self, store: Store) -> None:
            a_run(store, "r1", memo="m" * 64)
            create(store, a_task("t9", Status.COMPLETED, reused_from="r1-step"))
            store.collect(["r1"])
            assert [memo.key for memo in store.list_memos()] == ["m" * 64]
            assert set(store.read_contents(["b" * 64])) == {"b" * 64}

        def test_leaves_what_is_pinned(self, store: Store) -> None:
            a_run(store, "r1", memo="m" * 64)
            a_run(store, "r2", blob="c" * 64)
            store.pin(["m" * 64, "r2"])
            assert store.collect(["r1", "r2"]).runs == 1
            assert [memo.key for memo in store.list_memos()] == ["m" * 64]
            assert set(store.read_contents(["b" * 64, "c" * 64])) == {"b" * 64, "c" * 64}
            assert store.find_task("r2") is not None

        def test_tells_of_blobs_that_are_left(self, store: Store) -> None:
            create(store, a_task())
            store.commit([Change("t1", artifacts=(replace(an_artifact(), value=FILE),))])
            assert store.collect([]).blobs == {FILE.blob}

        def test_dry_says_the_same_and_changes_nothing(self, store: Store) -> None:
            a_run(store, "r1", memo="m" * 64)
            before = everything(store, "r1-step")
            told = store.collect(["r1"], dry=True)
            assert everything(store, "r1-step") == before
            assert len(store.list_memos()) == 1
            assert set(store.read_contents(["b" * 64])) == {"b" * 64}
            assert store.collect(["r1"]) == told

        def test_of_values_leaves_what_nothing_has_referred_to_yet(self, store: Store) -> None:
            a_run(store, "r1")
            store.commit([Change("", contents=(("d" * 64, b"a source to come"),))])
            store.collect(["r1"], contents="values")
            kept = store.read_contents(["b" * 64, "d" * 64, "5" * 64])
            assert set(kept) == {"d" * 64, "5" * 64}

        def test_of_a_run_that_is_unknown_is_nothing(self, store: Store) -> None:
            assert store.collect(["r1"]).runs == 0
