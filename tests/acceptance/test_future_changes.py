"""What the pipeline function changes of a step's value is what the next step gets; what it leaves
alone keeps the edge between the two steps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipekit import component, get, pipeline
from pipekit.errors import PipelineWarning

pytestmark = pytest.mark.usefixtures("home")


class Model:
    """Changes by its attributes, and by its own `+=`."""

    def __init__(self) -> None:
        self.weights = [1, 2]

    def __iadd__(self, other: int) -> Model:
        self.weights.append(other)
        return self

    def __repr__(self) -> str:
        return f"Model({self.weights})"


def add_to_list(x: Any) -> None:
    x += [9]


def append(x: Any) -> None:
    x.append(9)


def change_inside(x: Any) -> None:
    x["a"].append(9)


def change_dict(x: Any) -> None:
    x |= {"b": [9]}


def add_to_set(x: Any) -> None:
    x |= {9}


def add_to_array(x: Any) -> None:
    x += 9


def set_item(x: Any) -> None:
    x[0] = 9


def write_out(x: Any) -> None:
    np.multiply(x, 9, out=x)


def set_column(x: Any) -> None:
    x["b"] = [9, 9]


def set_cell(x: Any) -> None:
    x.loc[0, "a"] = 9


def set_attribute(x: Any) -> None:
    x.weights = [9]


def grow(x: Any) -> None:
    x += 9


MAKERS: dict[str, Any] = {
    "list": lambda: [1],
    "dict": lambda: {"a": [1]},
    "set": lambda: {1},
    "array": lambda: np.arange(3),
    "large array": lambda: np.arange(100_000),
    "frame": lambda: pd.DataFrame({"a": [1, 2]}),
    "object": Model,
}


@component
def make(kind: str) -> Any:
    return MAKERS[kind]()


@component
def describe(value: Any) -> str:
    return repr(value)


@pipeline
def change(kind: str, changes: str, nested: bool) -> list[str]:
    first = make(kind)
    alias = first
    globals()[changes](alias)
    given = [first] if nested else first
    return [get(describe(given)), repr(get(given))]


@pipeline
def leave(kind: str) -> Any:
    first = make(kind)
    bool(str(first) and first.__class__)
    return describe(first)


CHANGES = [
    ("list", "add_to_list"), ("list", "append"), ("list", "set_item"), ("dict", "change_inside"),
    ("dict", "change_dict"), ("set", "add_to_set"), ("array", "add_to_array"),
    ("array", "set_item"), ("large array", "write_out"), ("frame", "set_column"),
    ("frame", "set_cell"), ("object", "set_attribute"), ("object", "grow"),
]  # fmt: skip


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("kind", "changes"), CHANGES)
def test_a_value_that_was_changed_travels_as_it_is_now(
    kind: str, changes: str, nested: bool
) -> None:
    got, expected = change.debug(kind, changes, nested)
    assert got == expected
    assert "9" in got or kind == "large array"


@pytest.mark.parametrize("kind", MAKERS)
def test_a_value_that_was_only_looked_at_keeps_the_edge(kind: str) -> None:
    task = leave.options(executor="inline").run(kind)
    assert task.status == "completed"
    assert task["describe"].parameters == {"value": "${make.artifacts.value}"}


def test_a_changed_value_is_stored_anew_and_its_producers_artifact_stays() -> None:
    task = change.options(executor="inline").run("list", "append", False)
    assert task["make"].artifacts["value"].get() == [1]
    assert task["describe"].parameters == {"value": "<list> [1,9]"}


@component
def number() -> int:
    return 1


@pipeline
def count_up() -> list[int]:
    first = number()
    alias = first
    alias += 1
    return [get(first), alias]


def test_an_operator_with_assignment_on_a_number_leaves_its_other_names() -> None:
    assert count_up.debug() == [1, 2]


@pipeline
def compare_by_identity() -> bool:
    first = number()
    return first is None  # the warned line


def test_a_run_warns_once_of_what_no_future_can_fake_and_goes_on() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert compare_by_identity.debug() is False
        assert compare_by_identity.debug() is False
    (found,) = [one for one in caught if one.category is PipelineWarning]
    lines = open(__file__, encoding="utf-8").read().splitlines()  # noqa: SIM115
    assert lines[found.lineno - 1].endswith("# the warned line")
    assert found.filename == __file__


def test_as_an_error_the_warning_ends_the_call_before_a_step_runs() -> None:
    @pipeline
    def strict() -> Any:
        first = number()
        return type(first)

    with warnings.catch_warnings():
        warnings.simplefilter("error", PipelineWarning)
        with pytest.raises(PipelineWarning, match=r"write `type\(get\(first\)\)`"):
            strict.debug()
