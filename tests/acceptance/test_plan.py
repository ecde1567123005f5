"""`Pipeline.plan`: its bounds hold whatever changed, and it leaves nothing behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipekit import as_completed, component, current_task, log_metric, pipeline, task_of, wait
from pipekit.model.plan import Necessity, Plan
from pipekit.testing import temporary_home

DIVISOR = 2
OFFSET = 0


@component
def divide(left: int, right: int) -> int:
    return (left + right) // DIVISOR


@component
def shift(left: int, right: int) -> int:
    return left + right + OFFSET


@component(cache=False)
def each_time(left: int, right: int) -> int:
    return max(left, right)


@component
def nothing(left: int, right: int) -> None:
    return None


@component(outputs=["low", "high"])
def ordered(left: int, right: int) -> tuple[int, int]:
    return min(left, right), max(left, right)


Call = tuple[int, tuple[str, int], tuple[str, int], bool]
"""Which component, two arguments (a constant, or the result of a call before), whether it is
touched."""


def follow(program: tuple[Call, ...]) -> list[Any]:
    """Make the calls of a program."""
    results: list[Any] = []
    for which, left, right, touched in program:
        values = [
            number if kind == "constant" or not results else results[number % len(results)]
            for kind, number in (left, right)
        ]
        made = (divide, shift, each_time, nothing, ordered)[which](*values)
        if which == 4:
            results.extend(made)
        elif which != 3:
            results.append(made)
        if touched and results and results[-1] % 2:
            results.append(divide(results[-1] + 1, 0))
    return results


@pipeline
def inner(program: tuple[Call, ...]) -> list[Any]:
    return follow(program)


@pipeline
def outer(program: tuple[Call, ...], below: tuple[Call, ...], late: int) -> list[Any]:
    results = follow(program[:late])
    child = inner(below) if below else []
    results += follow(program[late:])
    return [*results, child]


arguments = st.tuples(st.sampled_from(["constant", "result"]), st.integers(0, 3))
calls = st.tuples(st.integers(0, 4), arguments, arguments, st.booleans())
programs = st.lists(calls, max_size=5).map(tuple)


def ran(run: Any, path: str = "") -> set[str]:
    """The names of the steps that really ran."""
    found = set()
    for step in run.steps:
        if step.kind == "pipeline":
            found |= ran(step, f"{path}{step.name}/")
        elif not step.reused:
            found.add(f"{path}{step.name}")
    return found


def names(plan: Plan, *kinds: Necessity) -> set[str]:
    return {s.name for s in plan.steps if s.necessity in kinds and not s.is_pipeline}


def check_bounds(plan: Plan, run: Any) -> None:
    assert run.status == "completed", run.error
    really = ran(run)
    must = names(plan, Necessity.MUST)
    assert must <= really
    if plan.is_complete:
        assert really <= must | names(plan, Necessity.MAY)
    else:
        assert not really & names(plan, Necessity.CACHED)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs, programs, st.integers(0, 5), programs, st.integers(1, 3), st.integers(0, 1))
def test_what_must_run_runs_and_nothing_else_but_what_may(
    tmp_path_factory: pytest.TempPathFactory,
    program: tuple[Call, ...],
    below: tuple[Call, ...],
    late: int,
    other: tuple[Call, ...],
    divisor: int,
    offset: int,
) -> None:
    global DIVISOR, OFFSET
    DIVISOR, OFFSET = 2, 0
    with temporary_home(tmp_path_factory.mktemp("home"), store="memory", executor="inline"):
        check_bounds(outer.plan(program, below, late), outer.run(program, below, late))
        DIVISOR, OFFSET = divisor, offset
        check_bounds(outer.plan(program, below, late), outer.run(program, below, late))
        again = outer.plan(program, below, late)
        check_bounds(again, outer.run(program, below, late))
        check_bounds(outer.plan(other, program, late), outer.run(other, program, late))


@component
def square(number: int) -> int:
    return number * number


@component
def add(numbers: list[int]) -> int:
    return sum(numbers)


@pipeline
def squares(count: int = 3) -> int:
    return add([square(number) for number in range(count)])


def test_an_unchanged_pipeline_is_cached_and_its_parts_that_are_new_are_not(
    pipekit_home: Any,
) -> None:
    squares()
    assert names(squares.plan(), Necessity.CACHED) == {"square", "square-2", "square-3", "add"}
    plan = squares.plan(count=4)
    assert [step.name for step in plan.must_run] == ["square-4"]
    assert [step.name for step in plan.may_run] == ["add"]
    assert plan.is_complete
    assert plan.counts == "1 must run, 1 may run, 3 cached"


def test_a_plan_is_no_run_and_leaves_the_next_run_as_it_would_be(pipekit_home: Any) -> None:
    squares.plan()
    squares.plan()
    assert pipekit_home.runs == []
    assert ran(squares.run()) == {"square", "square-2", "square-3", "add"}


def test_a_step_carries_the_key_of_the_step_of_the_run(pipekit_home: Any) -> None:
    plan = squares.plan()
    assert [step.key for step in plan.steps] == [step.key for step in squares.run().steps]


@pytest.mark.parametrize("use", ["touch", "wait", "as_completed"])
def test_the_plan_ends_where_the_value_of_a_step_that_would_run_is_used(
    pipekit_home: Any, use: str
) -> None:
    @pipeline
    def branches(number: int) -> int:
        first = square(number)
        if use == "wait":
            wait(first)
        elif use == "as_completed":
            list(as_completed([first]))
        try:
            return square(5) if first > 3 else square(6)
        except Exception:  # noqa: BLE001 - the end of a plan passes by it
            return 0

    plan = branches.plan(2)
    assert [step.name for step in plan.steps] == ["square"]
    assert plan.open_ends == (
        "The plan ends here. What is called next depends on the value of square.",
    )
    branches(2)
    assert branches.plan(2).is_complete


def test_a_child_whose_arguments_are_not_known_is_an_open_end(pipekit_home: Any) -> None:
    @pipeline
    def above(number: int) -> int:
        return squares(square(number))

    plan = above.plan(2)
    assert [step.name for step in plan.steps] == ["square", "squares"]
    assert plan.open_ends == (
        "What squares does is not known: its arguments depend on the value of square.",
    )


def test_the_function_may_ask_for_its_task_and_log_as_in_a_run(pipekit_home: Any) -> None:
    @pipeline
    def logging(number: int) -> tuple[str, int]:
        task = current_task()
        assert task is not None
        log_metric("number", number)
        assert task_of(square(number)).status == "pending"
        return task.name, task.parameters["number"]

    assert logging.plan(2).counts == "1 must run, 0 may run, 0 cached"
    assert pipekit_home.runs == []


def test_steps_that_threads_of_the_function_call_are_planned(pipekit_home: Any) -> None:
    @pipeline
    def threaded() -> list[int]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(square, range(4)))

    assert threaded.plan().counts == "4 must run, 0 may run, 0 cached"


def test_what_the_function_raises_leaves_the_plan(pipekit_home: Any) -> None:
    @pipeline
    def broken() -> None:
        square(1)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken.plan()


def test_why_names_what_changed(pipekit_home: Any) -> None:
    @pipeline
    def one(number: int) -> int:
        return square(number)

    one(2)
    assert [step.why for step in one.plan(3).steps] == ["argument 'number' changed"]


def test_a_value_whose_bytes_are_gone_is_not_cached(pipekit_home: Any) -> None:
    @component
    def large() -> bytes:
        return bytes(100_000)

    @pipeline
    def one() -> int:
        return len(large())

    one()
    assert [step.necessity for step in one.plan().steps] == [Necessity.CACHED]
    for blob in Path(pipekit_home.path, "blobs").glob("??/*"):
        blob.unlink()
    assert [step.necessity for step in one.plan().steps] == [Necessity.MUST]


def test_a_pipeline_counts_as_the_time_of_its_steps_alone() -> None:
    from pipekit.model.plan import PlannedStep

    step = PlannedStep("fit", "flow:fit", "k", Necessity.MUST, "", 2.0)
    child = replace(step, name="child", is_pipeline=True, seconds=5.0)
    may = replace(step, necessity=Necessity.MAY, seconds=1.0)
    assert Plan("train", "p", (step, child, may)).seconds == (2.0, 3.0)
