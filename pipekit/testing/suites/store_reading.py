"""The part of the contract of `Store` that is about what comes back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pipekit.model.records import (
    Change,
    Closing,
    Kind,
    TaskSpec,
)
from pipekit.model.status import Status, Transition
from pipekit.ports import Store
from pipekit.testing.suites.sample_record import (
    FAILURE,
    SPEC,
    VALUE,
    a_memo,
    a_metric,
    a_task,
    an_artifact,
    an_attempt,
    an_event,
    create,
    lands,
)


class ReadingContract:
    """What was recorded is read again, whole and in its order."""

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
                queued_at=0.75,
                comment="ü",
                cloned_from="old",
                reused_from="older",
                started_at=1.25,
                ended_at=2.5,
                stop_requested_at=2.25,
                failure=FAILURE,
                inputs={"x": ("numpy.ndarray", "3 × 4", "f" * 64)},
                needs=(("load", "frame"), ('a "b"', ""), ("lone \ud800", "ü")),
                arguments=(("frame", VALUE), ('a "b" ü', VALUE)),
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

        def test_a_memo_that_read_nothing(self, store: Store) -> None:
            memo = replace(a_memo(), reads=())
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

        @pytest.mark.parametrize("step", [None, 0, -1, 2**40])
        def test_a_metric(self, store: Store, step: int | None) -> None:
            metric = a_metric(attempt=2, value=-1.5e300, step=step)
            create(store, a_task())
            assert lands(store, metrics=(metric,))
            assert store.list_metrics("t1") == [metric]

        def test_a_metric_without_a_finite_value(self, store: Store) -> None:
            values = (math.nan, math.inf, -math.inf)
            create(store, a_task())
            assert lands(store, metrics=tuple(a_metric(value=value) for value in values))
            found = [metric.value for metric in store.list_metrics("t1")]
            assert math.isnan(found[0])
            assert found[1:] == [math.inf, -math.inf]

        @pytest.mark.parametrize(
            "data", [b"", b"\0\xff", bytes(65536)], ids=["none", "few", "64 KB"]
        )
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
            assert lands(
                store, open=an_attempt(log_path="logs/\udcff.log"), artifacts=(an_artifact(),)
            )
            assert store.list_attempts("t1")[0].log_path.startswith("logs/")
            assert store.list_artifacts("t1") == [an_artifact()]

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

        def test_list_tasks_gives_the_newest_first_and_breaks_ties_by_id(
            self, store: Store
        ) -> None:
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
                ({"step_key": "k"}, "ca"),
                ({"step_key": "k", "parent": "d"}, "a"),
                ({"project": "p", "name": "n", "parent": "d", "kinds": [Kind.STEP]}, "b"),
                ({"kinds": [Kind.PIPELINE, Kind.SCRIPT], "limit": 1}, "d"),
            ],
        )
        def test_list_tasks_gives_what_matches_every_filter(
            self, store: Store, filters: dict[str, Any], found: str
        ) -> None:
            create(
                store,
                a_task("a", parent="d", project="q", name="n", status=Status.PENDING, step_key="k"),
                a_task("b", parent="d", project="p", name="n", status=Status.RUNNING),
                a_task(
                    "c", kind=Kind.SCRIPT, project="q", name="m", status=Status.DRAFT, step_key="k"
                ),
                a_task("d", kind=Kind.PIPELINE, project="p", name="m", status=Status.RUNNING),
            )
            assert "".join(task.id for task in store.list_tasks(**filters)) == found

        def test_list_artifacts_keeps_the_order_and_every_version(self, store: Store) -> None:
            create(store, a_task())
            names = ["z", "a", "z", "m"]
            assert lands(store, artifacts=tuple(an_artifact(name) for name in names[:2]))
            assert lands(store, artifacts=tuple(an_artifact(name) for name in names[2:]))
            assert [artifact.name for artifact in store.list_artifacts("t1")] == names

        def test_list_metrics_keeps_the_order_of_all_names(self, store: Store) -> None:
            create(store, a_task())
            names = ["z", "a", "z", "m"]
            assert lands(store, metrics=tuple(a_metric(name) for name in names[:2]))
            assert lands(store, metrics=tuple(a_metric(name) for name in names[2:]))
            assert [metric.name for metric in store.list_metrics("t1")] == names

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

        def test_find_memo_of_gives_what_a_task_computed(self, store: Store) -> None:
            assert lands(store, memo=a_memo())
            assert store.find_memo_of("t1") == a_memo()
            assert store.find_memo_of("t2") is None
            store.remove_memo("k" * 64)
            assert store.find_memo_of("t1") is None

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
