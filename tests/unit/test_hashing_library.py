"""Value digests of arrays, frames, tables, sparse matrices, figures and fitted models."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sparse

from pipekit.model.hashing import Hasher

HASHER = Hasher()


def digest(value: object) -> str:
    return HASHER.digest(value)


S = np.arange(9.0).reshape(3, 3)
FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, 3.5], "c": ["x", "y", None]})

APART: dict[str, list[Any]] = {
    "transposed": [S, S.T, S.reshape(9), S.reshape(1, 9), S.reshape(9, 1)],
    "memory order": [
        np.asarray([[1, 2], [3, 4]], order="C"),
        np.asarray([[1, 3], [2, 4]], order="F"),
    ],
    "object text": [np.array(["a-b", "c"], object), np.array(["a", "b-c"], object)],
    "subclass": [S, np.matrix(S), np.ma.masked_array(S), S.tolist(), np.rec.array([(1.0,)])],
    "dtype": [
        np.zeros(2, t) for t in ("f4", "f8", "i8", "u8", ">f8", "c16", "M8[s]", "M8[ms]", "?")
    ],
    "dtype beside a number": [[np.dtype("f4"), 1], [1, np.dtype("f4")], [np.dtype("f8"), 1]],
    "scalar": [np.float64(1), np.float32(1), 1.0, np.array(1.0), np.int64(1), np.bool_(True)],
    "field names": [np.zeros(2, [("a", "i4")]), np.zeros(2, [("b", "i4")]), np.zeros(2, "i4")],
    "empty": [np.empty((0, 3)), np.empty((3, 0)), np.empty(0), np.empty(0, "i8"), []],
    "mask": [np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [1, 0])],
    "text arrays": [np.array(["a", "b"]), np.array(["a", "b"], "U5"), np.array([b"a", b"b"])],
    "frame": [
        FRAME,
        FRAME.rename(columns={"a": "z"}),
        FRAME[["b", "a", "c"]],
        FRAME.iloc[::-1],
        FRAME.set_index("a"),
        FRAME.astype({"a": "float64"}),
        FRAME.astype({"a": "Int64"}),
        FRAME.rename_axis("n"),
        FRAME.rename_axis("n", axis=1),
        FRAME.astype({"c": "category"}),
        FRAME.to_dict(),
    ],
    "duplicated rows": [pd.concat([FRAME, FRAME]), pd.concat([FRAME] * 3), FRAME],
    "numeric frames": [
        pd.DataFrame(S),
        pd.DataFrame(S.T),
        pd.DataFrame(S, columns=list("abc")),
        pd.DataFrame(S[:2]),
    ],
    "series": [FRAME["a"], FRAME["a"].rename("z"), FRAME[["a"]], FRAME["b"], pd.Index([1, 2, 3])],
    "categories": [
        pd.Categorical(["a"]),
        pd.Categorical(["a"], ["a", "b"]),
        pd.Categorical(["a"], ["b", "a"]),
        pd.Categorical(["a"], ["a", "b"], ordered=True),
    ],
    "missing": [
        pd.array([1, None], "Int64"),
        pd.array([1, 0], "Int64"),
        pd.array([0, None], "Int64"),
    ],
    "times": [
        pd.Series(pd.to_datetime(["2024-01-01"])),
        pd.Series(pd.to_datetime(["2024-01-01"], utc=True)),
        pd.Series(pd.to_datetime(["2024-01-02"])),
        pd.Timestamp("2024-01-01"),
        pd.NaT,
        pd.Timedelta("1s"),
        pd.Series(pd.period_range("2024", periods=1, freq="M")),
        pd.NA,
    ],
    "multi index": [
        pd.MultiIndex.from_tuples([(1, 2)]),
        pd.MultiIndex.from_tuples([(1, 2)], names=["a", "b"]),
        pd.MultiIndex.from_tuples([(2, 1)]),
    ],
    "polars": [
        pl.DataFrame({"a": [1, 2]}),
        pl.DataFrame({"a": [1, None]}),
        pl.DataFrame({"b": [1, 2]}),
        pl.DataFrame({"a": [1.0, 2.0]}),
        pl.DataFrame({"a": ["1", "2"]}),
        pl.Series("a", [1, 2]),
        pl.DataFrame({"a": [[1], [2]]}),
        pl.DataFrame({"a": [None, 1]}),
    ],
    "arrow": [
        pa.table({"a": [1, 2]}),
        pa.table({"b": [1, 2]}),
        pa.table({"a": [1, None]}),
        pa.table({"a": ["1", "2"]}),
        pa.table({"a": [1.0, 2.0]}),
        pa.table({"a": [[1], [2]]}),
        pa.array([1, 2]),
        pa.table({"a": [True, False]}),
        pa.table({"a": ["12", ""]}),
    ],
    "sparse": [
        sparse.csr_array(np.eye(3)),
        sparse.csc_array(np.eye(3)),
        sparse.coo_array(np.eye(3)),
        sparse.csr_matrix(np.eye(3)),
        sparse.csr_array(2 * np.eye(3)),
        sparse.lil_array(np.eye(3)),
        sparse.csr_array(np.eye(3)[:2]),
        sparse.dia_array(np.eye(3)),
        sparse.dok_array(np.eye(3)),
    ],
}


@pytest.mark.parametrize("name", APART)
def test_values_that_differ_have_digests_apart(name: str) -> None:
    digests = [digest(value) for value in APART[name]]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("name", APART)
def test_copies_and_pickled_copies_keep_the_digest(name: str) -> None:
    for value in APART[name]:
        assert digest(copy.deepcopy(value)) == digest(value)
        assert digest(pickle.loads(pickle.dumps(value, 5))) == digest(value)


PADDED = np.dtype([("a", "i1"), ("b", "f8")], align=True)


def with_padding(byte: int) -> Any:
    array = np.frombuffer(bytes([byte]) * PADDED.itemsize * 3, PADDED).copy()
    array["a"], array["b"] = 1, 2.0
    return array


def long_texts() -> pa.Array:
    return pa.array([None if i % 7 == 0 else f"text {i}" for i in range(1000)])


EQUAL: dict[str, list[Any]] = {
    "C and Fortran order": [S, np.asfortranarray(S), S.T.copy().T, np.ascontiguousarray(S)],
    "views": [np.arange(20.0)[::2], np.arange(20.0)[::2].copy(), np.arange(0.0, 20.0, 2.0)],
    "large views": [
        np.arange(2e6).reshape(1000, 2000).T,
        np.arange(2e6).reshape(1000, 2000).T.copy(),
    ],
    "broadcast": [np.broadcast_to(1.0, (3, 4)), np.ones((3, 4))],
    "padding": [with_padding(0), with_padding(255)],
    "under a mask": [np.ma.masked_array([1, 5], [0, 1]), np.ma.masked_array([1, 9], [0, 1])],
    "filtered frames": [
        FRAME[FRAME["a"] > 1].reset_index(drop=True),
        FRAME.iloc[1:].reset_index(drop=True).copy(),
        pd.DataFrame({"a": [2, 3], "b": [2.5, 3.5], "c": ["y", None]}),
    ],
    "frame layout": [
        pd.DataFrame(S, columns=list("abc")),
        pd.DataFrame({k: S[:, i] for i, k in enumerate("abc")}),
        pd.DataFrame(np.asfortranarray(S), columns=list("abc")),
    ],
    "attrs": [FRAME, FRAME.copy().assign()],
    "under NA": [
        pd.arrays.IntegerArray(np.array([1, 5]), np.array([False, True])),
        pd.arrays.IntegerArray(np.array([1, 9]), np.array([False, True])),
    ],
    "text storage": [
        pd.Series(["a", None], dtype=pd.StringDtype("python", na_value=np.nan)),
        pd.Series(["a", None], dtype=pd.StringDtype("pyarrow", na_value=np.nan)),
    ],
    "arrow slices": [
        pa.table({"a": [0, 1, None, 3, 4]}).slice(1, 3),
        pa.table({"a": [1, None, 3]}),
        pa.table({"a": pa.chunked_array([[1], [None, 3]])}),
    ],
    "arrow text slices": [
        long_texts().slice(3, 500),
        pa.array(long_texts().slice(3, 500).to_pylist(), pa.string()),
        pa.concat_arrays([long_texts().slice(3, 100), long_texts().slice(103, 400)]),
    ],
    "arrow bits": [
        pa.array([True, False, None, True, True]).slice(1),
        pa.array([False, None, True, True]),
    ],
    "polars slices": [
        pl.DataFrame({"a": range(10), "b": list("abcdefghij")}).slice(2, 3),
        pl.DataFrame({"a": [2, 3, 4], "b": ["c", "d", "e"]}),
        pl.concat(
            [pl.DataFrame({"a": [2], "b": ["c"]}), pl.DataFrame({"a": [3, 4], "b": ["d", "e"]})]
        ),
    ],
}


@pytest.mark.parametrize("name", EQUAL)
def test_how_a_value_lies_in_memory_does_not_count(name: str) -> None:
    assert len({digest(value) for value in EQUAL[name]}) == 1


def test_attributes_of_a_frame_count_for_code_may_read_them() -> None:
    frame = FRAME.copy()
    frame.attrs["source"] = "here"
    assert digest(frame) != digest(FRAME)


def test_a_sparse_matrix_that_was_asked_about_itself_keeps_its_digest() -> None:
    value = sparse.csr_array(np.eye(3))
    known = digest(value)
    assert value.has_sorted_indices
    assert digest(value) == known


def test_a_memory_map_counts_as_the_array_that_it_is(tmp_path: Any) -> None:
    np.save(tmp_path / "a.npy", S)
    assert digest(np.load(tmp_path / "a.npy", mmap_mode="r")) == digest(S)


def test_content_that_is_hashed_while_it_is_written_gives_the_same_digest() -> None:
    for value in (S, np.arange(3), b"abc", np.array(5), np.array(["2024"], "M8[s]")):
        running = HASHER.open_content(value)
        assert running is not None
        running.update(value if isinstance(value, bytes) else value.tobytes())
        assert running.hexdigest() == digest(value)


def test_only_bytes_and_arrays_in_c_order_are_hashed_while_they_are_written() -> None:
    for value in (
        S.T,
        np.array([None]),
        with_padding(0),
        np.float64(1),
        [1],
        np.ma.masked_array(S),
    ):
        assert HASHER.open_content(value) is None


def test_an_array_that_holds_itself_has_a_digest() -> None:
    array = np.array([None, 1], object)
    array[0] = array
    assert len(digest(array)) == 64


def test_fitted_models_keep_their_digest_through_pickle_and_tell_fits_apart() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    X = np.random.default_rng(0).normal(size=(60, 4))
    y = (X[:, 0] > 0).astype(int)
    for make in (
        lambda depth: DecisionTreeClassifier(max_depth=depth, random_state=0),
        lambda depth: RandomForestClassifier(3, max_depth=depth, random_state=0),
        lambda depth: make_pipeline(StandardScaler(), LogisticRegression(C=depth)),
    ):
        model = make(2).fit(X, y)
        once = pickle.loads(pickle.dumps(model, 5))
        twice = pickle.loads(pickle.dumps(once, 5))
        assert digest(model) == digest(once) == digest(twice)
        assert digest(make(2).fit(X, y)) == digest(model)
        assert digest(make(1).fit(X, 1 - y)) != digest(model)


def test_figures_count_by_what_they_show_and_the_numbers_behind_it() -> None:
    from matplotlib.figure import Figure

    def draw(*numbers: float) -> Any:
        figure = Figure(dpi=50)
        figure.subplots().plot(numbers)
        return figure

    assert digest(draw(1, 2, 3)) == digest(draw(1, 2, 3))
    assert digest(draw(1, 2, 3)) != digest(draw(1, 2, 3.0000001))
    assert digest(pickle.loads(pickle.dumps(draw(1, 2)))) == digest(draw(1, 2))
