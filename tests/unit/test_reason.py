"""Why a step ran although an earlier one looks like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipekit.control.earlier import explain, find_earlier, what_changed
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.reason import NO_EARLIER, reason, reason_alone
from pipekit.model.records import Artifact, Change, Kind, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.model.value import StoredValue
from pipekit.ports import Store
from pipekit.stores.memory import MemoryStore
from pipekit.testing.suites.sample_record import a_task, create

SPEC = TaskSpec("flow:fit", "c" * 64, {"rate": 0.1, "path": "data.csv"})
FIT = a_task(
    status=Status.COMPLETED, spec=SPEC, step_key="k1", inputs={"rate": ("float", "0.1", "r" * 64)}
)


def fit(rate: float = 0.1, **fields: Any) -> Task:
    """A `fit` that got another rate, or differs otherwise."""
    digest = f"{rate}" if rate != 0.1 else "r" * 64
    spec = replace(SPEC, parameters={**SPEC.parameters, "rate": rate})
    return replace(FIT, **{"spec": spec, "inputs": {"rate": ("float", f"{rate}", digest)}} | fields)


class TestReason:
    def test_names_the_argument_and_both_of_its_values(self) -> None:
        found = reason(fit(0.2), FIT, returned_none=False)
        assert found.short == "argument 'rate' changed"
        assert found.lines == ("argument 'rate' is 0.2, was 0.1",)

    def test_says_of_values_that_look_alike_that_they_are_not(self) -> None:
        other = fit(inputs={"rate": ("float", "0.1", "x" * 64)})
        assert reason(other, FIT, returned_none=False).lines == (
            "argument 'rate' (float) has other content",
        )

    def test_says_of_a_list_of_results_that_others_are_in_it(self) -> None:
        now, before = (fit(inputs={"rate": ("", "[<future>]", digest)}) for digest in "ab")
        assert reason(now, before, returned_none=False).lines == (
            "argument 'rate' holds other values",
        )

    def test_names_an_argument_that_is_counted_by_what_it_leads_to(self) -> None:
        other = fit(spec=replace(SPEC, parameters={"rate": 0.1, "path": "other.csv"}))
        assert reason(other, FIT, returned_none=False).lines == (
            "argument 'path' is other.csv, was data.csv",
        )

    def test_names_arguments_that_are_new_and_that_are_gone(self) -> None:
        other = fit(spec=replace(SPEC, parameters={"rate": 0.1, "folder": "data"}))
        assert reason(other, FIT, returned_none=False).lines == (
            "argument 'folder' is new",
            "argument 'path' is gone",
        )

    def test_names_all_that_changed(self) -> None:
        spec = replace(SPEC, code="d" * 64, outputs=("model",))
        found = reason(replace(FIT, spec=spec, version="2"), FIT, returned_none=False)
        assert found.short == "its code, its version=, the names of its outputs changed"
        assert found.lines[1:] == ("its version= is '2', was ''", "its outputs are model, "
                                   "were value")  # fmt: skip

    @pytest.mark.parametrize(
        ("status", "returned_none", "text"),
        [
            (Status.COMPLETED, False, "no outcome is remembered for its code and inputs"),
            (Status.FAILED, False, "it was failed then; only what completed is remembered"),
            (Status.COMPLETED, True, "it returned only None then, which is reused where cache=True "
             "is written"),
        ],
    )  # fmt: skip
    def test_says_what_is_not_remembered(
        self, status: Status, returned_none: bool, text: str
    ) -> None:
        found = reason(fit(), fit(status=status), returned_none=returned_none)
        assert found == (text, (text,), ())

    @pytest.mark.parametrize(
        ("task", "text"),
        [
            (fit(kind=Kind.PIPELINE), "a pipeline runs each time; its steps may be reused"),
            (fit(spec=replace(SPEC, settings={"cache": False})),
             "it has cache=False: it runs each time"),
            (fit(status=Status.PENDING), "it has not begun"),
            (fit(status=Status.SKIPPED, failure=Failure(FailureKind.SKIPPED, "…", step="load")),
             "it was skipped because of 'load'"),
        ],
    )  # fmt: skip
    def test_compares_nothing_where_that_says_nothing(self, task: Task, text: str) -> None:
        found = reason_alone(task)
        assert found is not None
        assert found.short == text


class TestEarlier:
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    def add_run(self, store: Store, number: int, *steps: Task) -> None:
        """A run of `train` with these steps, which become its own."""
        run = a_task(f"run{number}", kind=Kind.PIPELINE, name="train", created_at=100.0 + number)
        own = [
            replace(step, id=f"run{number}-{index}", parent=run.id, created_at=run.created_at)
            for index, step in enumerate(steps)
        ]
        create(store, run, *own)

    def step(self, store: Store, task_id: str) -> Task:
        found = store.find_task(task_id)
        assert found is not None
        return found

    def test_is_the_same_call_rather_than_one_of_the_same_name(self, store: Store) -> None:
        self.add_run(store, 1, fit(name="fit", step_key="other"), fit(name="fit-2"))
        self.add_run(store, 2, fit())
        earlier = find_earlier(store, self.step(store, "run2-0"))
        assert earlier is not None
        assert earlier.step.name == "fit-2"

    def test_is_of_the_newest_run_before_that_has_the_step(self, store: Store) -> None:
        self.add_run(store, 1, FIT)
        self.add_run(store, 2, fit(0.2, step_key="k2"))
        self.add_run(store, 3, replace(FIT, name="load", step_key="k3"))
        self.add_run(store, 4, FIT)
        self.add_run(store, 5, FIT)
        earlier = find_earlier(store, self.step(store, "run4-0"))
        assert earlier is not None
        assert earlier.run.id == "run2"

    def test_is_found_for_a_run_that_many_others_followed(self, store: Store) -> None:
        self.add_run(store, 1, FIT)
        self.add_run(store, 2, fit(0.2))
        for number in range(3, 60):
            self.add_run(store, number)
        found, _ = explain(store, self.step(store, "run2-0"))
        assert found.short == "argument 'rate' changed"

    def test_is_none_for_the_first(self, store: Store) -> None:
        self.add_run(store, 1, FIT)
        assert explain(store, self.step(store, "run1-0")) == (NO_EARLIER, None)

    def test_that_returned_only_none_is_why(self, store: Store) -> None:
        self.add_run(store, 1, fit())
        self.add_run(store, 2, fit())
        none = StoredValue("d" * 64, "b" * 64, "json", "NoneType", 4, "None", True)
        artifact = Artifact("run1-0", 1, "value", 101.0, none)
        assert store.commit([Change("run1-0", artifacts=(artifact,))]) == [True]
        found, _ = explain(store, self.step(store, "run2-0"))
        assert found.short.startswith("it returned only None then")

    def test_is_told_while_a_step_runs_only_where_there_is_one(self, store: Store) -> None:
        self.add_run(store, 1, fit(status=Status.RUNNING))
        self.add_run(store, 2, fit(0.2, status=Status.RUNNING))
        assert what_changed(store, "run1-0") == ""
        assert what_changed(store, "run2-0") == "argument 'rate' changed"
