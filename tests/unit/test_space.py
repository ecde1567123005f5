"""What a sweep may choose from, as it is written and as it is typed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipekit import integers, log_uniform, uniform
from pipekit.errors import UsageError
from pipekit.model.space import (
    Choices,
    Integers,
    Uniform,
    count_points,
    parse_domain,
    points,
    read_space,
)

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
INTS = st.integers(-(10**9), 10**9)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ([1, 2], Choices((1, 2))),
        ((1, 9), Integers(1, 9)),
        ((1, 9.0), Uniform(1.0, 9.0)),
        (range(1, 10, 3), Integers(1, 7, 3)),
        (range(10, 1, -3), Integers(4, 10, 3)),
        (uniform(0, 1), Uniform(0.0, 1.0)),
        (log_uniform(0.1, 1), Uniform(0.1, 1.0, log=True)),
        (integers(1, 9, step=3), Integers(1, 7, 3)),
    ],
)
def test_each_form_has_its_meaning(written: Any, meant: Any) -> None:
    assert read_space({"x": written}) == {"x": meant}


def test_whole_numbers_for_a_float_mean_any_number_between() -> None:
    assert read_space({"x": (1, 9)}, floats=["x"]) == {"x": Uniform(1.0, 9.0)}


@pytest.mark.parametrize(
    "written",
    [
        [], range(0), (1,), (1, 2, 3), ("a", "b"), (True, False), "ab", 3, None, {1, 2},
        (2, 1), (0.0, math.inf), (math.nan, 1.0),
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused_by_name(written: Any) -> None:
    with pytest.raises(UsageError):
        read_space({"rate": written})


@pytest.mark.parametrize(
    "make",
    [
        lambda: log_uniform(0, 1), lambda: uniform(2, 1), lambda: integers(1, 2.5),  # type: ignore[arg-type]
        lambda: integers(1, 9, step=0), lambda: integers(1, 9, step=2, log=True),
        lambda: integers(0, 9, log=True), lambda: uniform("a", 1), lambda: read_space({}),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_where_it_is_written(make: Any) -> None:
    with pytest.raises(UsageError):
        make()


@given(FLOATS, FLOATS)
def test_typed_floats_mean_what_written_ones_do(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert parse_domain("x", f"{low!r}:{high!r}") == uniform(low, high)


@given(INTS, INTS, st.integers(1, 1000))
def test_typed_whole_numbers_mean_what_written_ones_do(one: int, other: int, step: int) -> None:
    low, high = sorted((one, other))
    assert parse_domain("x", f"{low}:{high}") == integers(low, high)
    assert parse_domain("x", f"{low}:{high}:{step}") == integers(low, high, step=step)
    assert parse_domain("x", f"{low}:{high}", is_float=True) == uniform(low, high)


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=2))
def test_typed_choices_are_their_texts(texts: list[str]) -> None:
    assert parse_domain("x", ",".join(texts)) == texts


@given(st.text(max_size=20))
def test_whatever_is_typed_is_a_domain_or_wrong_use(text: str) -> None:
    try:
        parse_domain("x", text)
    except UsageError:
        pass


@given(INTS, st.integers(0, 10**6), st.integers(1, 10**6))
def test_the_last_of_a_range_is_one_of_its_numbers(low: int, wide: int, step: int) -> None:
    domain = integers(low, low + wide, step=step)
    assert domain.low <= domain.high <= low + wide
    assert (domain.high - domain.low) % step == 0
    assert domain.high + step > low + wide


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_grid_has_every_combination_once(lists: list[list[int]]) -> None:
    space = read_space({f"p{i}": values for i, values in enumerate(lists)})
    found = [tuple(point.values()) for point in points(space)]
    assert len(found) == count_points(space) == math.prod(map(len, lists))
    assert all(value in values for point in found for value, values in zip(point, lists))  # noqa: B905


def test_a_grid_of_no_end_of_values_is_refused() -> None:
    with pytest.raises(UsageError, match="no end of"):
        count_points(read_space({"x": (0.0, 1.0)}))


def test_a_grid_that_is_too_large_is_refused() -> None:
    with pytest.raises(UsageError, match="points"):
        count_points(read_space({"x": (1, 1001), "y": (1, 1001)}))


def test_choices_that_are_not_plain_or_equal_have_labels() -> None:
    assert Choices((1, "a", None)).labels == (1, "a", None)
    assert Choices(([1], [2])).labels == ("0: [1]", "1: [2]")
    assert len(set(Choices((1, True, 1.0)).labels)) == 3
