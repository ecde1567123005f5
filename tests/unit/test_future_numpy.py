"""Futures at the entry points of numpy, pandas, polars and scikit-learn."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipekit.api.future import Future, get, is_future, value_of


class Done:
    def __init__(self, value: Any) -> None:
        self.value = value

    def get_output(self, output: str) -> Any:
        return self.value

    def has_output(self, output: str) -> bool:
        return True

    def describe_output(self, output: str) -> str:
        return f"fit.{output}, completed"


def future(value: Any) -> Any:
    return Future(Done(value), "value")


def outcome(operation: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    """What an operation gives: the class of the result, its element type and its content."""
    try:
        result = operation(*args)
    except Exception as error:  # noqa: BLE001
        return ("raised", type(error))
    assert not is_future(result)
    return ("returned", type(result), getattr(result, "dtype", None), repr(result))


ARRAYS: dict[str, Any] = {
    "int": 3,
    "float": 2.5,
    "true": True,
    "list": [1, 2, 3],
    "tuple": (1, 2, 3),
    "vector": np.arange(3),
    "matrix": np.arange(6.0).reshape(2, 3),
    "mask": np.array([True, False, True]),
    "objects": np.array([1, "a", None], dtype=object),
    "float64": np.float64(2),
    "int64": np.int64(2),
    "date": np.datetime64("2020-01-01"),
    "dates": np.array(["2020-01-01"], dtype="M8[ns]"),
    "records": np.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")]),
    "masked": np.ma.array([1, 2, 3], mask=[False, True, False]),
    "series": pd.Series([1, 2, 3]),
    "frame": pd.DataFrame({"a": [1, 2, 3], "b": [1.0, 2.0, 3.0]}),
    "text": "abc",
    "none": None,
}

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "asarray": np.asarray,
    "asanyarray": np.asanyarray,
    "array": lambda x: np.array(x, copy=True),
    "array of float": lambda x: np.asarray(x, dtype=float),
    "array of two": lambda x: np.array([x, x]),
    "mean": np.mean,
    "sum": np.sum,
    "sqrt": np.sqrt,
    "shape": np.shape,
    "add": lambda x: np.add(x, x),
    "reduce": np.add.reduce,
    "maximum": lambda x: np.maximum(1, x),
    "where": lambda x: np.where(x, 1, 0),
    "concatenate": lambda x: np.concatenate([x, x]),
    "stack": lambda x: np.stack([x, x]),
    "out": lambda x: np.add(1, 1, out=np.zeros(3), where=x),
    "linspace": lambda x: np.linspace(0, x, 3),
    "float64 +": lambda x: np.float64(1) + x,
    "+ float64": lambda x: x + np.float64(1),
    "int32 *": lambda x: np.int32(2) * x,
    "array +": lambda x: np.ones(3) + x,
    "+ array": lambda x: x + np.ones(3),
    "array @": lambda x: np.eye(3) @ x,
    "array <": lambda x: np.ones(3) < x,
    "array ==": lambda x: np.ones(3) == x,
    "array +=": lambda x: operator.iadd(np.ones(3), x),
    "concat": lambda x: pd.concat([x, x]),
    "series +": lambda x: pd.Series([1, 2, 3]) + x,
    "+ series": lambda x: x + pd.Series([1, 2, 3]),
    "series <": lambda x: pd.Series([1, 2, 3]) < x,
    "series +=": lambda x: operator.iadd(pd.Series([1.0, 2.0, 3.0]), x),
    "frame *": lambda x: pd.DataFrame({"a": [1, 2, 3], "b": [1.0, 2.0, 3.0]}) * x,
    "assigned": lambda x: with_column(x),
    "frame of column": lambda x: pd.DataFrame({"a": x, "b": [1, 2, 3]}),
}

PANDAS_LOOKS_AT_THE_CLASS = {
    # A date in a frame must be exactly one; an array that is compared too. Both raise.
    ("date", "assigned"),
    ("date", "frame of column"),
    # numpy finds the times in a list by their exact class. It raises.
    ("date", "array of two"),
}


def with_column(x: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1, 2, 3]})
    frame["b"] = x
    return frame


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", ARRAYS)
def test_numpy_and_pandas_give_of_a_future_what_they_give_of_the_value(value: str) -> None:
    wrong = {}
    for name, operation in FUNCTIONS.items():
        if (value, name) in PANDAS_LOOKS_AT_THE_CLASS:
            continue
        plain = outcome(operation, copy.copy(ARRAYS[value]))
        lazy = outcome(operation, future(copy.copy(ARRAYS[value])))
        if plain != lazy:
            wrong[name] = (plain, lazy)
    assert wrong == {}


@pytest.mark.parametrize(
    "index",
    [1, slice(0, 2), np.array([0, 2]), np.array([True, False, True]), [0, 1], np.int64(1)],
    ids=repr,
)
def test_an_array_is_indexed_by_a_future(index: Any) -> None:
    array = np.arange(12).reshape(3, 4)
    assert repr(future(array)[future(index)]) == repr(array[index])
    if not isinstance(index, slice):
        assert repr(array[future(index)]) == repr(array[index])


def test_an_array_of_a_future_is_indexed_by_a_future_of_a_tuple() -> None:
    assert future(np.arange(12).reshape(3, 4))[future((1, 2))] == 6


def test_a_plain_array_refuses_a_future_of_a_tuple_as_its_index() -> None:
    """It would take rows 1 and 2 in place of one cell."""
    array = np.arange(12).reshape(3, 4)
    with pytest.raises(IndexError, match=r"write a\[get\(x\)\]"):
        array[future((1, 2))]
    with pytest.raises(IndexError, match=r"write a\[get\(x\)\]"):
        array[future((1, 2))] = 0


def test_an_array_is_changed_in_place_by_a_future_on_the_right() -> None:
    array = alias = np.ones(3)
    array += future(2.0)
    assert alias is array
    assert array.tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize("value", ["vector", "series", "frame"])
def test_an_operator_with_assignment_leaves_the_value_of_a_future_alone(value: str) -> None:
    plain = ARRAYS[value].copy()
    x = future(plain)
    x += 1
    assert type(x) is type(plain)
    assert np.array_equal(plain, ARRAYS[value])
    assert np.array_equal(x, ARRAYS[value] + 1)


def test_as_an_array_a_future_shares_the_memory_of_its_value() -> None:
    plain = np.zeros(3)
    np.asarray(future(plain))[0] = 1
    assert plain[0] == 1


def test_a_frame_takes_futures_as_column_as_mask_and_as_label() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}, index=["x", "y", "z"])
    assert frame[future("a")].tolist() == [1, 2, 3]
    assert frame[future(["b"])].columns.tolist() == ["b"]
    assert frame[future(frame["a"] > 1)]["b"].tolist() == [5, 6]
    assert frame.loc[future("y")].tolist() == [2, 5]
    assert frame.loc[future(["x", "z"]), future("b")].tolist() == [4, 6]
    assert frame.a.isin(future([1, 3])).tolist() == [True, False, True]


def test_frames_of_futures_are_concatenated_and_merged() -> None:
    frame = pd.DataFrame({"k": [1, 2], "v": [3, 4]})
    assert len(pd.concat([future(frame), future(frame)])) == 4
    assert len(frame.merge(future(frame), on=future("k"))) == 2
    assert len(pd.merge(future(frame), future(frame), on="k")) == 2


def test_a_frame_of_polars_takes_the_frame_of_a_future() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, 2]})
    assert polars.concat([future(frame), future(frame)]).height == 4
    assert future(frame).filter(polars.col("a") > 1).height == 1


def test_an_array_pickles_out_of_band() -> None:
    buffers: list[pickle.PickleBuffer] = []
    plain = np.arange(1000)
    data = pickle.dumps(future(plain), 5, buffer_callback=buffers.append)
    assert len(buffers) == 1
    assert np.array_equal(pickle.loads(data, buffers=buffers), plain)


def test_get_of_a_list_of_futures_makes_a_column_of_numbers() -> None:
    assert pd.Series(get([future(1.5), future(2.5)])).dtype == float
    assert np.array([future(1.5), future(2.5)]).dtype == float


def test_scikit_learn_fits_splits_and_scores_futures() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    metrics = pytest.importorskip("sklearn.metrics")
    frame = pd.DataFrame({"a": [0.0, 1, 2, 3, 4, 5], "b": [1.0, 0, 1, 0, 1, 0]})
    target = (frame.a > 2).astype(int)
    X, y = future(frame), future(target)

    X_train, X_test, y_train, y_test = selection.train_test_split(X, y, random_state=future(0))
    plain = selection.train_test_split(frame, target, random_state=0)
    assert X_train.equals(plain[0])
    assert y_test.equals(plain[3])

    model = linear_model.LogisticRegression(C=future(1.0)).fit(future(X_train), future(y_train))
    expected = linear_model.LogisticRegression(C=1.0).fit(plain[0], plain[2])
    assert np.array_equal(future(model).predict(future(X_test)), expected.predict(plain[1]))
    array = linear_model.LinearRegression().fit(
        future(frame.to_numpy()), future([0, 0, 0, 1, 1, 1])
    )
    assert array.coef_.shape == (2,)
    assert metrics.accuracy_score(y, future(target.to_numpy())) == 1.0
    assert value_of(y) is target
