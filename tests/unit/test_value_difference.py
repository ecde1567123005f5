"""Where two values differ, in words."""

from __future__ import annotations

from typing import Any

import pytest

from pipekit.model.value_difference import value_differences


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        (3, 4, ["v: 3 -> 4"]),
        (1, True, ["v: 1 -> True"]),
        ({"a": 1, "b": 2}, {"a": 1, "c": 2}, ["v['b']: 2 is gone", "v['c']: 2 is new"]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ["v['a']['b'][1]: 2 -> 3"]),
        ([1], [1, 2], ["v: 1 items -> 2"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ["v, order of keys: ['a', 'b'] -> ['b', 'a']"]),
        (float("nan"), float("nan"), []),
    ],
)
def test_plain_values_are_compared_by_path(before: Any, after: Any, texts: list[str]) -> None:
    assert [str(found) for found in value_differences("v", before, after)] == texts


def test_arrays_are_compared_by_shape_and_the_first_item_that_differs() -> None:
    np = pytest.importorskip("numpy")
    one = np.arange(6).reshape(2, 3)
    other = one.copy()
    other[1, 2] = 9
    other[1, 1] = 9
    found = [str(each) for each in value_differences("x", one, other)]
    assert found == ["x[1, 1]: 4 -> 9 (2 of 6 items differ)"]
    assert [str(d) for d in value_differences("x", one, one[:1])] == ["x, shape: (2, 3) -> (1, 3)"]


def test_frames_are_compared_by_rows_columns_and_the_first_cell_that_differs() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert value_differences("f", frame, frame.copy()) == []
    longer = pd.concat([frame, frame.head(1)])
    assert [str(d) for d in value_differences("f", frame, longer)] == ["f: 2 rows -> 3"]
    other = frame.assign(a=[1, 5])
    assert [str(d) for d in value_differences("f", frame, other)] == ["f['a'], row 1: 2 -> 5"]
    renamed = frame.rename(columns={"b": "c"})
    assert [str(d) for d in value_differences("f", frame, renamed)] == [
        "f['b']: a column is gone",
        "f['c']: a column is new",
    ]


def test_no_more_than_a_few_places_are_told() -> None:
    assert len(value_differences("v", list(range(100)), list(range(1, 101)))) == 8
