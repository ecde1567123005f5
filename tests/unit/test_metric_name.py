"""Two-part names of metrics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipekit.model.metric_name import join_name, split_name

names = st.text("ab/\\ ", min_size=1, max_size=6)


@given(names, names)
def test_both_parts_come_back_as_they_were_given(title: str, series: str) -> None:
    assert split_name(join_name(title, series)) == (title, series)


@given(st.tuples(names, names), st.tuples(names, names))
def test_no_two_pairs_have_one_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (join_name(*one) == join_name(*other)) == (one == other)


@pytest.mark.parametrize(
    ("title", "series", "name"),
    [("loss", "train", "loss/train"), ("a/b", "c", "a/b/c"), ("a", "b/c", r"a/b\/c")],
)
def test_a_name_is_read_by_people(title: str, series: str, name: str) -> None:
    assert join_name(title, series) == name


def test_a_name_without_two_parts_is_both() -> None:
    assert split_name("loss") == ("loss", "loss")
