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
from future_likeness import future, touched

from pipekit.api.future import get, is_future, value_of
from pipekit.errors import UsageError


def outcome(operation: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    """What an operation gives: the class of the result, its element type and its content."""
    try:
        result = operation(*args)
        shown = repr(result)
    except Exception:  # noqa: BLE001
        return ("raised",)
    assert not is_future(result)
    return ("returned", type(result), getattr(result, "dtype", None), shown)


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

SCALARS = ["int", "float", "true", "float64", "int64", "none"]

RAISES_WITH_A_FUTURE = {
    # pandas goes by the exact class of one value for a whole column: it would hold the future.
    *((value, use) for value in SCALARS for use in ("assigned", "frame of column")),
    # pandas takes a date, and an array of objects, in a column by their exact class.
    ("date", "assigned"),
    ("date", "frame of column"),
    ("objects", "assigned"),
    ("objects", "frame of column"),
    # numpy takes times and texts in a list by their exact class.
    ("date", "array of two"),
    ("text", "array of two"),
    # pandas compares with None by identity.
    ("none", "series <"),
}
"""Listed in the module as what cannot be faked: never another result, but an error."""

KEEPS_THE_FUTURE = {("none", "array of two")}


def with_column(x: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1, 2, 3]})
    frame["b"] = x
    return frame


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", ARRAYS)
def test_numpy_and_pandas_give_of_a_future_what_they_give_of_the_value(value: str) -> None:
    wrong = {}
    for name, operation in FUNCTIONS.items():
        plain = outcome(operation, copy.copy(ARRAYS[value]))
        lazy = outcome(operation, future(copy.copy(ARRAYS[value])))
        if (value, name) in RAISES_WITH_A_FUTURE:
            plain = ("raised",)
        if plain != lazy and (value, name) not in KEEPS_THE_FUTURE:
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
    with pytest.raises(UsageError, match="cannot be the index of a plain array"):
        array[future((1, 2))]
    with pytest.raises(UsageError, match="cannot be the index of a plain array"):
        array[future((1, 2))] = 0


def test_an_array_is_changed_in_place_by_a_future_on_the_right() -> None:
    array = alias = np.ones(3)
    array += future(2.0)
    assert alias is array
    assert array.tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize("value", ["vector", "series", "frame"])
def test_an_operator_with_assignment_does_to_the_value_what_it_does_to_any(value: str) -> None:
    plain, other = ARRAYS[value].copy(), ARRAYS[value].copy()
    x = future(plain)
    x += 1
    other += 1
    assert x is plain
    assert np.array_equal(plain, other)


def test_as_an_array_a_future_shares_the_memory_of_its_value() -> None:
    plain = np.zeros(3)
    np.asarray(future(plain))[0] = 1
    assert plain[0] == 1


def test_a_frame_takes_futures_as_masks_and_as_lists_of_labels() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}, index=["x", "y", "z"])
    assert frame[future(["b"])].columns.tolist() == ["b"]
    assert frame[future(frame["a"] > 1)]["b"].tolist() == [5, 6]
    assert frame.loc[future(["x", "z"]), "b"].tolist() == [4, 6]
    assert frame.a.isin(future([1, 3])).tolist() == [True, False, True]


def test_a_frame_of_a_future_takes_a_future_as_label() -> None:
    frame = future(pd.DataFrame({"ab": [1, 2, 3], "a": 0, "b": 0}))
    assert frame[future("ab")].tolist() == [1, 2, 3]
    frame[future("c")] = future([7, 8, 9])
    assert frame["c"].tolist() == [7, 8, 9]
    assert [type(label) for label in frame.columns] == [str] * 4


def test_a_future_of_text_is_never_a_list_of_letters_to_pandas() -> None:
    frame = pd.DataFrame({"ab": [1], "a": [2], "b": [3]})
    for use in (frame.melt, frame.drop_duplicates, frame.isin):
        with pytest.raises((UsageError, TypeError)):
            use(future("ab"))
    with pytest.raises(UsageError):
        frame.drop(columns=future("ab"))
    assert frame.assign(c=future("ab"))["c"].tolist() == ["ab"]


@pytest.mark.parametrize("columns", [["ab"], [0], [7], ["ab", 7]], ids=repr)
@pytest.mark.parametrize(
    "use",
    [
        lambda frame, x: frame[x],
        lambda frame, x: x in frame,
        lambda frame, x: frame.get(x),
        lambda frame, x: operator.setitem(frame, x, 0),
        lambda frame, x: frame.pop(x),
        lambda frame, x: frame.T.loc[x],
        lambda frame, x: frame.loc[:, x],
        lambda frame, x: frame.groupby(x),
        lambda frame, x: frame.sort_values(x),
    ],
)
def test_a_plain_frame_refuses_a_future_as_label(
    columns: list[Any], use: Callable[[Any, Any], Any]
) -> None:
    """It would not find the column, and add another one of the same name."""
    frame = pd.DataFrame([[0] * len(columns)], columns=columns)
    with pytest.raises(UsageError, match=r"cannot be the label of a plain pandas object"):
        use(frame, future(columns[0]))
    assert frame.columns.tolist() == columns


def test_frames_of_futures_are_concatenated_and_merged() -> None:
    frame = pd.DataFrame({"k": [1, 2], "v": [3, 4]})
    assert len(pd.concat([future(frame), future(frame)])) == 4
    assert len(frame.merge(future(frame), on=future(["k"]))) == 2
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


# What numpy does with a future, beyond the table above

VALUES = {
    "int": 2, "float": 2.5, "vector": np.arange(3.0), "whole": np.arange(3),
    "matrix": np.arange(9.0).reshape(3, 3), "mask": np.array([True, False, True]),
    "list": [1, 2, 3], "tuple": (1, 2), "float32": np.float32(2), "axis": 0,
}  # fmt: skip


def square() -> Any:
    return np.arange(9.0).reshape(3, 3)


def changed(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def use(x: Any) -> Any:
        change(x)
        return get(x)

    return use


USES: dict[str, Callable[[Any], Any]] = {
    "index": lambda x: square()[x],
    "index of a row": lambda x: square()[0, x],
    "bound": lambda x: square()[x:],
    "assigned": lambda x: changed(lambda a: operator.setitem(a, 0, x))(square()),
    "indexed": lambda x: x[0],
    "itself": lambda x: x[x],
    "matmul": lambda x: [square() @ x, x @ square(), np.dot(square(), x), square().dot(x)],
    "shapes": lambda x: [np.zeros(x), np.ones((x, 2)), np.full(2, x), np.eye(x)],
    "arange": lambda x: [np.arange(x), np.linspace(0, 1, x)],
    "reshape": lambda x: np.arange(4).reshape(x),
    "axis": lambda x: [square().sum(axis=x), np.mean(square(), axis=x), np.take(square(), x)],
    "stack": lambda x: [np.stack([x, x]), np.vstack([x, x]), np.concatenate([x, x])],
    "functions": lambda x: [
        np.clip(square(), 0, x), np.where([True, False, True], x, 0), np.outer(x, x),
        np.percentile(x, 50), np.unique(x), np.isnan(x), np.allclose(x, x), np.searchsorted(x, 1),
    ],
    "linear algebra": lambda x: [np.linalg.norm(x), np.linalg.solve(np.eye(3), x)],
    "einsum": lambda x: np.einsum("i,i", x, x),
    "scalars": lambda x: [np.float32(1) + x, np.int8(2) * x, x * np.int8(2), np.float64(1) < x],
    "32 bits": lambda x: [np.ones(3, "f4") + x, np.ones(3, "i1") * x, np.add(np.float32(1), x)],
    "out": changed(lambda x: np.add([1.0, 2, 3], 1, out=x)),
    "at": changed(lambda x: np.add.at(x, [0], 1)),
    "copyto": changed(lambda x: np.copyto(x, 9)),
    "filled": changed(lambda x: np.fill_diagonal(x, 9)),
    "in place": lambda x: operator.imul(x, 2),
    "in place of another": lambda x: operator.iadd(np.ones(3), x),
    "generator": lambda x: [
        np.random.default_rng(1).normal(x, 1, 2), np.random.default_rng(1).random(x),
        np.random.default_rng(1).integers(0, x, 3), np.random.default_rng(1).choice(x, 2),
    ],
    "seed of the old kind": lambda x: np.random.RandomState(x).rand(2),
    "text": lambda x: f"{x} {x!s}",
    "saved": lambda x: np.savetxt(__import__("io").StringIO(), x),
    "iterated": lambda x: [float(v) for v in np.nditer(x)],
}  # fmt: skip


INDICES = {"index", "index of a row"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", USES)
def test_numpy_gives_and_changes_what_it_does_of_the_value(name: str) -> None:
    wrong = {}
    for kind, value in VALUES.items():
        if kind == "tuple" and name in INDICES:
            continue  # refused, as another test says
        plain = outcome(USES[name], copy.copy(value))
        for make in (future, touched):
            lazy = outcome(USES[name], make(copy.copy(value)))
            if plain[0] == "raised" and lazy[0] == "returned" and kind in {"list", "tuple"}:
                continue  # through `__array__` it is taken where a list is refused
            if plain != lazy:
                wrong[kind] = (plain, lazy)
    assert wrong == {}


@pytest.mark.filterwarnings("ignore")
def test_an_array_that_would_be_shuffled_row_by_row_is_refused() -> None:
    """Rows are views: to swap them by items would lose some of them."""
    plain = square()
    for shuffle in (np.random.RandomState(1).shuffle, np.random.shuffle):
        with pytest.raises(UsageError, match=r"cannot be the array that a function shuffles"):
            shuffle(future(plain))
        assert np.array_equal(plain, square())


def test_a_new_generator_refuses_a_future_as_its_seed() -> None:
    with pytest.raises(TypeError, match="SeedSequence expects int"):
        np.random.default_rng(future(1))
    assert np.random.default_rng(get(future(1))).random() == np.random.default_rng(1).random()


def test_a_numpy_number_times_a_future_of_a_list_repeats_it() -> None:
    assert np.int64(2) * future([1, 2]) == [1, 2, 1, 2]
    assert future([1, 2]) * np.int64(2) == [1, 2, 1, 2]


CELLS: dict[str, Callable[[Any], Any]] = {
    "column": lambda x: with_column(x),
    "column of a dict": lambda x: pd.DataFrame({"c": x}, index=[0, 1]),
    "assign": lambda x: pd.DataFrame({"a": [1]}).assign(c=x),
    "series of a scalar": lambda x: pd.Series(x, index=[0, 1]),
    "fillna": lambda x: pd.Series([1, None]).fillna(x),
    "where": lambda x: pd.Series([1, 2]).where([True, False], x),
    "mask": lambda x: pd.Series([1, 2]).mask([True, False], x),
    "fill value": lambda x: pd.Series([1, None]).add(1, fill_value=x),
    "cell": lambda x: operator.setitem(pd.Series([1, 2]), 0, x),
    "new row": lambda x: operator.setitem(pd.DataFrame({"a": [1]}).loc, x, 0),
    "new label": lambda x: operator.setitem(pd.Series([1, 2]), x, 0),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("use", CELLS)
def test_pandas_never_keeps_a_future_as_a_cell_or_label_in_silence(use: str) -> None:
    CELLS[use](7)
    with pytest.raises(UsageError, match=r"cannot be the .* pandas object.*write get\(x\)"):
        CELLS[use](future(7))


def test_pandas_takes_a_future_in_arithmetic_masks_joins_and_functions() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "k": ["x", "y", "x"]})
    other = pd.DataFrame({"k": ["x", "y"], "w": [5, 6]})
    f, g = future(frame), future(other)
    assert (frame["a"] + future(1)).tolist() == [2, 3, 4]
    assert (frame["a"] > future(1)).tolist() == [False, True, True]
    assert frame["a"].clip(lower=get(future(2))).tolist() == [2, 2, 3]
    assert f.merge(g, on="k").equals(frame.merge(other, on="k"))
    assert f.groupby("k").a.sum().equals(frame.groupby("k").a.sum())
    assert f.loc[f.a > 1, "k"].tolist() == ["y", "x"]
    assert f.iloc[0].a == 1
    assert f.apply(future(len)).tolist() == [3, 3]
    assert f.pipe(len) == 3
    f["b"] = future([1, 2, 3])
    f.loc[0, "b"] = 9
    del f["k"]
    assert frame.columns.tolist() == ["a", "b"]
    assert frame["b"].tolist() == [9, 2, 3]


def test_scikit_learn_clones_searches_and_pipes_estimators_with_futures_in_them() -> None:
    base = pytest.importorskip("sklearn.base")
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(0)
    data, target = generator.normal(size=(40, 3)), generator.integers(0, 2, 40)
    X, y = future(data), future(target)

    estimator = LogisticRegression(C=future(0.5), max_iter=future(200), random_state=future(0))
    copied = base.clone(estimator)
    assert (copied.C, type(copied.C)) == (0.5, float)
    expected = LogisticRegression(C=0.5, max_iter=200, random_state=0).fit(data, target)
    assert np.array_equal(copied.fit(X, y).coef_, expected.coef_)
    assert base.clone(future(expected)).get_params()["C"] == 0.5
    assert future(expected).score(X, y) == expected.score(data, target)

    piped = make_pipeline(StandardScaler(), future(LogisticRegression())).fit(X, y)
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(data, target)
    assert np.array_equal(piped.predict(X), plain.predict(data))
    assert future(Pipeline([("fit", Ridge())])).fit(X, y).score(X, y) == pytest.approx(
        Ridge().fit(data, target).score(data, target)
    )

    grid = {"alpha": [future(0.1), future(10.0)]}
    found = GridSearchCV(Ridge(), grid, cv=future(3)).fit(X, y)
    same = GridSearchCV(Ridge(), {"alpha": [0.1, 10.0]}, cv=3).fit(data, target)
    assert found.best_params_ == same.best_params_
    assert GridSearchCV(Ridge(), future({"alpha": [0.1, 10.0]}), cv=3).fit(X, y).best_score_ == (
        same.best_score_
    )
    scores = cross_val_score(future(Ridge()), X, y, cv=3)
    assert np.array_equal(scores, cross_val_score(Ridge(), data, target, cv=3))
