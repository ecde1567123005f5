"""Ways to call components, to order them and to wait for them, on every executor."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import logging_flows as flows
import networkx
import pytest

from pipekit import Pipeline, Task
from pipekit.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(params=["inline", "process:2"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(pipeline: Pipeline[Any, Any], executor: str, *args: Any, **kwargs: Any) -> Task:
    task = pipeline.options(executor=executor).run(*args, **kwargs)
    assert task.error is None
    return task


# --- map ------------------------------------------------------------------------------------------


def test_map_goes_through_iterables_side_by_side_with_constants_by_name(executor: str) -> None:
    task = run(flows.mapped, executor)
    assert task.value == [20.0, 80.0, 180.0]
    assert [step.name for step in task.steps] == ["scale", "scale-2", "scale-3"]


def test_map_of_a_future_goes_through_its_value(executor: str) -> None:
    assert run(flows.map_of_a_future, executor).value == [1.5, 2.5]


def test_map_outside_of_a_pipeline_gives_the_plain_results() -> None:
    assert flows.scale.map([1.0, 2.0], by=3.0) == [3.0, 6.0]
    assert flows.scale.map([]) == []


def test_map_of_unequal_lengths_says_which_is_short(executor: str) -> None:
    with pytest.raises(UsageError, match=r"different lengths: number 2 ends after 1"):
        flows.map_of_unequal.options(executor=executor)()


def test_map_without_an_iterable_says_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"write scale\.map"):
        flows.scale.map(by=2.0)


# --- after and key --------------------------------------------------------------------------------


def test_after_orders_steps_that_take_nothing_from_each_other(
    executor: str, tmp_path: Path
) -> None:
    path = tmp_path / "text"
    task = run(flows.in_order, executor, str(path))
    assert path.read_text() == "abc"
    first, second, third = task.steps
    assert second.record.needs == ((first.id, ""),)
    assert third.record.needs == ((first.id, ""), (second.id, ""))


def test_a_step_after_a_failed_one_is_skipped(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    task = flows.after_a_failure.options(executor=executor).run(str(path))
    assert task.value == "StepSkipped skipped"
    assert not path.exists()


def test_after_takes_futures_only() -> None:
    with pytest.raises(UsageError, match="names no step"):
        flows.write.options(after="first")


def test_a_key_is_part_of_a_steps_identity() -> None:
    first, again = (run(flows.keyed, "inline") for _ in range(2))
    keys = [step.key for step in first.steps]
    assert len(set(keys)) == 3
    assert keys == [step.key for step in again.steps]


def test_equal_calls_from_several_threads_are_warned_of_unless_keyed(executor: str) -> None:
    with pytest.warns(RuntimeWarning, match=r"different threads.*stamp\.options\(key="):
        run(flows.from_threads, executor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(flows.from_threads, executor, key=True)


def test_options_keep_what_was_set_before() -> None:
    keys = [step.key for step in run(flows.keyed, "inline").steps]
    chained = [step.key for step in run(flows.keyed_in_a_chain, "inline").steps]
    assert chained == keys[:1]


def test_the_graph_of_a_run_can_be_asked_as_networkx_asks_it(executor: str, tmp_path: Path) -> None:
    task = run(flows.in_order, executor, str(tmp_path / "text"))
    graph = task.graph()
    path = networkx.dag_longest_path(graph)
    assert [graph.nodes[step]["name"] for step in path] == ["write", "write-2", "write-3"]
    assert graph.edges[path[0], path[1]]["outputs"] == ()


# --- as_completed ---------------------------------------------------------------------------------


def test_as_completed_gives_each_when_it_has_ended() -> None:
    assert run(flows.by_completion, "process:2").value == [0.01, 0.4]


def test_as_completed_takes_tuples_plain_values_and_failures(executor: str) -> None:
    value = run(flows.completion_of_anything, executor).value
    assert value == ["3", "completed", "failed"]


def test_as_completed_raises_when_the_time_is_over() -> None:
    assert run(flows.too_slow, "process:2").value == "1 of 1 had not ended in 0.01 s."


# --- a serializer of the user's own ---------------------------------------------------------------


def test_a_registered_serializer_serves_workers_and_the_cache(executor: str) -> None:
    first = run(flows.points, executor)
    assert first.value == flows.Point(2, 1)
    assert first["make_point"].artifacts["value"].preview == "(1, 2)"
    again = run(flows.points, executor)
    assert [step.reused for step in again.steps] == [True, True]
    assert again.value == flows.Point(2, 1)


# --- values that are hostile to be told of --------------------------------------------------------


def test_a_value_whose_repr_raises_is_passed_on_like_any_other(executor: str) -> None:
    task = run(flows.silent, executor, flows.Silent())
    assert task.value == ["Silent", "Silent", "SilentstrSilent"]
    assert task.parameters == {"thing": "<Silent, whose repr raises ValueError>"}
