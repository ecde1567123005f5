"""Properties of value digests over values that are made up: what is equal has one digest however it
came about and in whatever process, and what code can tell apart has two."""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
import enum
import functools
import os
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from pipekit.model.hashing import Hasher

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def digest(value: object) -> str:
    return Hasher().digest(value)


class Int(int):
    pass


class Text(str):
    pass


class Shade(enum.Enum):
    DARK = 1
    BLACK = 1  # noqa: PIE796 - an alias


class Tone(enum.Enum):
    DARK = 1


@attrs.define
class Box:
    held: Any


@attrs.define
class Crate:
    held: Any


class Bag(frozenset):  # type: ignore[type-arg]
    __slots__ = ("label",)


class Layered:
    __slots__ = ("__dict__", "x")


class Kept:
    @functools.cached_property
    def size(self) -> int:
        return 1


class Named:
    """Pickled as the name of a variable."""

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def __reduce__(self) -> str:
        return "NAMED"


NAMED = Named(1)

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.decimals() | st.datetimes(timezones=st.none() | st.timezones()) | st.timedeltas()
)  # fmt: skip
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=6)
        | st.frozensets(KEYS, max_size=6)
        | inner.map(Box)
    ),
    max_leaves=10,
)


# --- what is equal ------------------------------------------------------------------------------


@QUICK
@given(VALUES)
def test_copies_and_trips_through_pickle_keep_the_digest(value: Any) -> None:
    expected = digest(value)
    assert digest(copy.deepcopy(value)) == expected
    assert digest(pickle.loads(pickle.dumps(value))) == expected


@QUICK
@given(VALUES)
def test_sharing_does_not_count(value: Any) -> None:
    shared = [value, value, {"a": value}]
    apart = [value, copy.deepcopy(value), {"a": copy.deepcopy(value)}]
    assert digest(shared) == digest(apart)


@QUICK
@given(st.lists(KEYS, unique=True, max_size=20), st.randoms(use_true_random=False))
def test_the_order_in_which_a_set_was_filled_does_not_count(items: list[Any], chance: Any) -> None:
    shuffled = list(items)
    chance.shuffle(shuffled)
    other = set(items) | set(range(1000, 1500))
    other -= set(range(1000, 1500)) - set(items)  # a larger table, in which they lie otherwise
    assert digest(set(items)) == digest(set(shuffled)) == digest(other)
    assert (digest(dict.fromkeys(shuffled)) == digest(dict.fromkeys(items))) == (shuffled == items)


ARRAYS = numpy_st.arrays(
    st.sampled_from(["i1", "u2", "i8", "f4", "f8", "c16", "?", "M8[ns]", "U3", "S2", ">i4"]),
    numpy_st.array_shapes(max_dims=3, max_side=4),
)


@QUICK
@given(ARRAYS)
def test_how_an_array_lies_in_memory_does_not_count(array: Any) -> None:
    expected = digest(array)
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    assert digest(np.asfortranarray(array)) == expected
    assert digest(wide[..., ::2]) == expected
    assert digest(array[::-1][::-1]) == expected
    if array.dtype.isnative:  # numpy's pickles keep no other order of bytes
        assert digest(pickle.loads(pickle.dumps(array))) == expected


COLUMNS = st.sampled_from(
    [
        ([1, 2, None, 4], pa.int64()),
        ([1.5, None, float("nan"), -0.0], pa.float64()),
        (["a", "", None, "\u00e9"], pa.string()),
        ([b"", b"ab", None, b"c"], pa.binary()),
        ([True, None, False, True], pa.bool_()),
        ([[1], None, [], [2, None]], pa.list_(pa.int64())),
        ([[1], None, [], [2]], pa.list_(pa.time64("ns"))),
        ([{"a": 1, "b": "x"}, None, {"a": None, "b": None}, {"a": 2, "b": ""}],
         pa.struct([("a", pa.int64()), ("b", pa.string())])),
        (["a", "b", None, "a"], pa.dictionary(pa.int8(), pa.string())),
        ([decimal.Decimal("1.5"), None, decimal.Decimal("2"), decimal.Decimal("0")],
         pa.decimal128(10, 2)),
    ]
)  # fmt: skip


@QUICK
@given(COLUMNS, st.lists(st.integers(0, 3), max_size=8), st.integers(0, 8))
def test_slices_and_chunks_of_arrow_do_not_count(column: Any, order: list[int], cut: int) -> None:
    values, kind = column
    items = [values[place] for place in order]
    whole = pa.array(items, kind)
    padded = pa.array([*values, *items, *values], kind).slice(4, len(items))
    assert digest(padded) == digest(whole)
    pieces = [pa.array(items[:cut], kind), pa.array(items[cut:], kind)]
    table = pa.table({"a": pa.chunked_array(pieces, kind)})
    assert digest(table) == digest(pa.table({"a": whole}))


@QUICK
@given(st.lists(st.sampled_from([None, [], [1], [1, None], [3, 4]]), max_size=6), st.integers(0, 6))
def test_slices_of_nested_polars_do_not_count(items: list[Any], cut: int) -> None:
    kind = pl.List(pl.Datetime("ns"))

    def series(values: list[Any]) -> pl.Series:
        return pl.Series("a", values, dtype=pl.List(pl.Int64)).cast(kind)

    expected = digest(series(items))
    assert digest(series([[9], *items, None]).slice(1, len(items))) == expected
    joined = pl.concat([series(items[:cut]), series(items[cut:])], rechunk=False)
    assert digest(joined) == expected


PROGRAM = """
import pickle, sys
sys.path.insert(0, {folder!r})
from pipekit.model.hashing import Hasher
values = pickle.load(sys.stdin.buffer)
print(" ".join(Hasher().digest(value) for value in values))
"""


def test_another_process_with_another_hash_seed_gives_the_same_digests() -> None:
    batch: list[Any] = []

    @settings(max_examples=150, deadline=None, database=None)
    @given(VALUES)
    def collect(value: Any) -> None:
        batch.append(value)

    collect()
    batch += [{"a", "b", ("c", 1)}, collections.Counter("hello"), Shade.BLACK]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(folder=str(Path(__file__).parent))],
            input=pickle.dumps(batch), capture_output=True, check=True,
            cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.stdout.decode().split() == [digest(value) for value in batch]


def test_an_alias_in_an_enumeration_is_the_member() -> None:
    assert digest(Shade.BLACK) == digest(Shade.DARK) != digest(Tone.DARK)


# --- what is not --------------------------------------------------------------------------------


def _bag(label: str) -> Bag:
    bag = Bag([1])
    bag.label = label
    return bag


def _layered(*, in_slot: bool) -> Layered:
    value = Layered()
    if in_slot:
        value.x = 1
    else:
        value.__dict__["x"] = 1
    return value


def _kept(size: int) -> Kept:
    value = Kept()
    value.size = size
    return value


def _ns(kind: Any) -> list[pl.Series]:
    numbers = [pl.Series([[number]], dtype=pl.List(pl.Int64)) for number in (1, 2)]
    return [series.cast(pl.List(kind)) for series in numbers]


LISTS_OF_NS = pa.list_(pa.time64("ns"))
AUTUMN = datetime.datetime(2024, 10, 27, 2, 30)

PAIRS: dict[str, list[Any]] = {
    "the sign of zero": [0.0, -0.0, 0],
    "the sign of zero in an array": [np.array([0.0]), np.array([-0.0])],
    "the sign of a complex zero": [complex(0, 0.0), complex(0, -0.0), complex(-0.0, 0)],
    "exponents of decimals": [decimal.Decimal(t) for t in ("1", "1.0", "1E+1", "10", "NaN", "-0")],
    "subclasses of int and str": [1, Int(1), True, 1.0, "1", Text("1"), b"1"],
    "the fold of a time": [AUTUMN, AUTUMN.replace(fold=1)],
    "zones of the same offset": [
        AUTUMN.replace(tzinfo=datetime.UTC),
        AUTUMN.replace(tzinfo=datetime.timezone(datetime.timedelta(0), "GMT")),
        AUTUMN,
    ],
    "classes with equal fields": [Box(1), Crate(1)],
    "a read-only mapping": [types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2}),
                            {"a": 1}],
    "slots of a set": [_bag("a"), _bag("b"), Bag([1]), frozenset([1])],
    "a slot and an attribute of one name": [_layered(in_slot=True), _layered(in_slot=False)],
    "a cached property that was set": [_kept(1), _kept(2), Kept()],
    "nanoseconds in lists of polars": _ns(pl.Datetime("ns")),
    "nanoseconds of durations in lists of polars": _ns(pl.Duration("ns")),
    "nanoseconds of times in lists of polars": _ns(pl.Time),
    "nanoseconds in arrays of polars": [s.list.to_array(1) for s in _ns(pl.Datetime("ns"))],
    "nanoseconds in structs of polars": [
        pl.DataFrame({"a": pl.Series([number]).cast(pl.Datetime("ns"))}).to_struct("s")
        for number in (1, 2)
    ],
    "nanoseconds in lists of arrow": [pa.array([[n]], LISTS_OF_NS) for n in (1, 2)],
    "nanoseconds in lists of pandas": [
        pd.Series(pd.arrays.ArrowExtensionArray(pa.array([[n]], LISTS_OF_NS))) for n in (1, 2)
    ],
    "nothing in lists": [
        pl.Series([[]], dtype=pl.List(pl.Int64)), pl.Series([[None]], dtype=pl.List(pl.Int64)),
        pl.Series([None], dtype=pl.List(pl.Int64)),
    ],
    "nothing in lists of arrow": [
        pa.array(items, pa.list_(pa.int64())) for items in ([[]], [[None]], [None], [[0]])
    ],
    "nothing in structs of arrow": [
        pa.array(items) for items in ([None, {"a": 1}], [{"a": None}, {"a": 1}])
    ],
    "where lists are cut": [
        pa.array(lists) for lists in ([["ab", ""]], [["a", "b"]], [["ab"], [""]])
    ],
    "the name of an index": [pd.Index([1]), pd.Index([1], name="a"), pd.Index([1.0])],
    "the order of columns": [
        pd.DataFrame(columns) for columns in ({"a": [1], "b": [1]}, {"b": [1], "a": [1]})
    ],
    "categories": [pd.Series(["a"], dtype=pd.CategoricalDtype(c)) for c in (["a"], ["a", "b"])],
    "what stands for nothing": [
        pd.Series([item], dtype=object) for item in (None, np.nan, pd.NA, pd.NaT)
    ],
    "formats of sparse matrices": [
        make(np.eye(2)) for make in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array)
    ],
    "limits of a queue": [collections.deque([1], 2), collections.deque([1], 3)],
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_values_that_code_can_tell_apart_have_digests_apart(name: str) -> None:
    digests = [digest(value) for value in PAIRS[name]]
    assert len(set(digests)) == len(digests)


CHANGES: dict[type, Callable[[Any], Any]] = {
    bool: lambda value: int(value),
    int: float,
    float: lambda value: value + 1 if value == value and abs(value) < 1e15 else 0.5,
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    bytes: bytearray,
    list: tuple,
    tuple: list,
    set: frozenset,
    frozenset: set,
    type(None): lambda _: False,
    decimal.Decimal: str,
    Box: lambda box: Crate(box.held),
}


def _changed(value: Any, place: list[int]) -> Any:
    """A copy in which what stands at a place has become something like it."""
    place[0] -= 1
    if place[0] == 0 and type(value) in CHANGES:
        try:
            return CHANGES[type(value)](value)
        except OverflowError:
            return value + 1
    if type(value) in (list, tuple):
        return type(value)(_changed(item, place) for item in value)
    if type(value) is dict:
        return {key: _changed(item, place) for key, item in value.items()}
    if type(value) is Box:
        return Box(_changed(value.held, place))
    return value


@settings(QUICK, max_examples=200)
@given(VALUES, st.integers(1, 12))
def test_a_value_in_which_one_thing_became_something_like_it_has_another_digest(
    value: Any, place: int
) -> None:
    remaining = [place]
    other = _changed(value, remaining)
    if remaining[0] <= 0 and repr(other) != repr(value):
        assert digest(other) != digest(value)


@QUICK
@given(ARRAYS, st.integers(0, 200))
def test_an_array_of_which_one_byte_changed_has_another_digest(array: Any, place: int) -> None:
    raw = bytearray(array.tobytes())
    raw[place % len(raw)] ^= 1
    if array.dtype.kind == "U":
        return  # not every number is a character
    other = np.frombuffer(bytes(raw), array.dtype).reshape(array.shape)
    assert digest(other) != digest(array)
    if array.ndim > 1:
        assert digest(array) != digest(array.reshape(-1))


def test_an_object_that_is_pickled_by_name_counts_with_what_it_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = digest(NAMED)
    monkeypatch.setattr(NAMED, "rate", 2)
    assert digest(NAMED) != before


def test_an_object_that_is_pickled_by_the_name_of_another_is_refused() -> None:
    with pytest.raises(TypeError, match="and is not"):
        digest(Named(1))
