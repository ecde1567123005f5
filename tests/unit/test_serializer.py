"""Every serializer gives back an equal value of the same type; which one takes what."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipekit.artifacts.blob import LocalBlobStore
from pipekit.artifacts.registered import REGISTERED, register_serializer
from pipekit.artifacts.store import ArtifactStore
from pipekit.errors import ArtifactError, NotSerializable, UsageError
from pipekit.model.hashing import Hasher
from pipekit.ports import Sink

Trip = Callable[..., Any]


@pytest.fixture(params=["inline", "file"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    from pipekit.artifacts.files import FileDigests

    files = FileDigests(None)
    return ArtifactStore(
        LocalBlobStore(tmp_path / "blobs"),
        hasher=Hasher(digest_path=files.digest),
        key=lambda: b"k" * 32,
        inline_bytes=1 << 20 if request.param == "inline" else 0,
        files=files,
        copies=tmp_path / "copies",
    )


@pytest.fixture
def trip(artifacts: ArtifactStore) -> Trip:
    def go(value: object, serializer: str = "") -> Any:
        stored, content = artifacts.put(value, where="The value")
        if serializer:
            assert stored.serializer == serializer
        assert stored.inline == (content is not None)
        loaded = artifacts.get(stored, content)
        assert type(loaded) is type(value)
        # The digest of what came back is that of what went in, however it was stored.
        again, _ = artifacts.put(loaded, where="The value")
        assert again.digest == stored.digest
        assert len(stored.preview) <= 2000
        return loaded

    return go


@dataclass
class Record:
    x: int
    names: list[str] = field(default_factory=list)
    more: Any = None


@dataclass(frozen=True, slots=True)
class Frozen:
    x: float
    pair: tuple[int, ...] = ()


@dataclass
class Lazy:
    x: int
    hidden: int = field(init=False, default=0)

    def __getstate__(self) -> dict[str, int]:
        return {"x": self.x, "hidden": 5}


class Point(NamedTuple):
    x: int
    y: Any = 0


class Colour(enum.Enum):
    RED = "r"


class Config(pydantic.BaseModel):
    rate: float = 0.1
    tags: set[str] = set()
    extra: dict[str, Any] = {}
    _secret: int = pydantic.PrivateAttr(default=3)


class Plain:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and self.x == other.x


class Name(str):
    pass


def double(x: int) -> int:
    return 2 * x


PLAIN: list[tuple[Any, str]] = [
    (None, "json"),
    (True, "json"),
    (1, "json"),
    (-(10**100), "json"),
    (1.5, "json"),
    (-0.0, "json"),
    (math.inf, "json"),
    ("", "text"),
    ("a\x00é\ud800", "text"),
    ("x" * 9999, "text"),
    ([], "json"),
    ({}, "json"),
    ([1, "a", None, [2.5, {"k": [True]}]], "json"),
    (["\ud83d", "\ude00", "\ud83d\ude00"], "json"),
    ({"": {}, "é": "\x7f\u2028"}, "json"),
    (b"", "bytes"),
    (b"a\xff", "bytes"),
    (bytearray(b"ab"), "bytearray"),
    ((), "tree"),
    ((1, 2), "tree"),
    ([(1,)], "tree"),
    ({1: 2}, "tree"),
    ({1, "a"}, "tree"),
    ({(1, 2): [b"x"], None: 1.0, True: 0}, "tree"),
    (frozenset({1}), "tree"),
    (1j, "tree"),
    ([["list", 1], ("tuple", ["dict"])], "tree"),
    ({"k": {"bytes"}}, "tree"),
    (Record(1, ["a"], (2, {3})), "record"),
    (Frozen(0.5, (1, 2)), "record"),
    (Point(1, [2]), "record"),
    ([Colour.RED, Record(2)], "record"),
    (Colour.RED, "record"),
    (Config(rate=2, tags={"a"}), "record"),
    (Config(), "record"),
    ({"p": (Point(1),)}, "record"),
    (10**5000, "pickle"),
    ([10**5000], "pickle"),
    (Name("a"), "pickle"),
    (Plain([1]), "pickle"),
    (datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), "pickle"),
    (decimal.Decimal("1.0"), "pickle"),
    (collections.OrderedDict(a=1), "pickle"),
    (range(3), "pickle"),
    (Record(1, [], Plain(2)), "pickle"),
    (double, "pickle"),
    (Record, "pickle"),
    (len, "pickle"),
    (np.dtype("f4"), "pickle"),
    ([(i, i) for i in range(30_000)], "pickle"),
]


@pytest.mark.parametrize(("value", "serializer"), PLAIN, ids=lambda each: type(each).__name__)
def test_plain_values_and_objects_come_back_equal(trip: Trip, value: Any, serializer: str) -> None:
    loaded = trip(value, serializer)
    assert loaded == value
    if not isinstance(value, set | frozenset | Plain | Record) and serializer != "pickle":
        assert repr(loaded) == repr(value)


def test_nan_comes_back_as_nan(trip: Trip) -> None:
    assert math.isnan(trip(math.nan, "json"))
    assert math.isnan(trip([math.nan], "json")[0])


def test_a_list_that_holds_itself_comes_back(trip: Trip) -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    loaded = trip(ring, "pickle")
    assert loaded[1] is loaded


def test_a_model_keeps_what_was_set_and_what_is_private(trip: Trip) -> None:
    config = Config(rate=0.1)
    config._secret = 9
    loaded = trip(config)
    assert loaded.model_fields_set == {"rate"}
    assert loaded._secret == 9


def test_a_dataclass_with_a_state_of_its_own_or_more_attributes_is_pickled(trip: Trip) -> None:
    assert trip(Lazy(1), "pickle").hidden == 5
    record = Record(1)
    record.beside = 2  # type: ignore[attr-defined]
    assert trip(record, "pickle").beside == 2


def test_each_load_gives_a_fresh_object(artifacts: ArtifactStore) -> None:
    for value in ([1, [2]], Record(1, ["a"]), np.arange(3), {"k": {1}}, pd.DataFrame({"a": [1]})):
        stored, content = artifacts.put(value, where="The value")
        one, two = artifacts.get(stored, content), artifacts.get(stored, content)
        assert one is not two


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.text() | st.integers() | st.binary() | st.tuples(st.booleans(), st.none())
NESTED = st.recursive(
    SCALARS | st.binary() | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.sets(KEYS, max_size=3)
        | inner.map(lambda held: Record(1, [], held))
        | inner.map(lambda held: Point(1, held))
        | inner.map(Plain)
    ),
    max_leaves=10,
)
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(value=NESTED)
def test_any_nesting_of_values_comes_back_equal_and_of_the_same_types(
    trip: Trip, value: Any
) -> None:
    assert trip(value) == value  # `trip` compares digests, which tell types apart


# --- numpy ------------------------------------------------------------------------------------

ARRAYS: list[Any] = [
    np.arange(6.0),
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0),
    np.arange(10)[::-2],
    np.array(5),
    np.array(1.5),
    np.empty((0, 3)),
    np.empty(0, "U3"),
    np.array(["a", "bcd"]),
    np.array([b"a", b"bcd"]),
    np.array(["2024-01-01", "NaT"], "M8[D]"),
    np.array([1, 2], ">i4"),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array([1.5], "f2"),
    np.array([np.nan, -0.0, np.inf]),
    np.array([(1, 2.5, "x")], [("a", "i1"), ("b", "f8"), ("c", "U2")]),
    np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    np.zeros(2, [("a", "i4", (2, 2)), ("b", [("c", "f4")])]),
    np.broadcast_to(1.0, (2, 3)),
]


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype.str} {value.shape}")
def test_arrays_come_back_equal_and_writable(trip: Trip, value: Any) -> None:
    loaded = trip(value, "npy")
    np.testing.assert_array_equal(loaded, value)
    assert loaded.dtype == value.dtype
    assert loaded.shape == value.shape
    assert loaded.flags.writeable
    if value.size:
        loaded[...] = loaded.flat[0]


def test_fortran_order_stays(trip: Trip) -> None:
    value = np.asfortranarray(np.arange(6).reshape(2, 3))
    assert trip(value).flags.f_contiguous


OTHER_ARRAYS: list[Any] = [
    np.array([1, "a", None], object), np.ma.masked_array([1, 2], [0, 1]),
    np.rec.array([(1, 2.0)]),
]  # fmt: skip


@pytest.mark.parametrize("value", OTHER_ARRAYS, ids=lambda value: type(value).__name__)
def test_arrays_that_npy_would_change_are_pickled(trip: Trip, value: Any) -> None:
    loaded = trip(value, "pickle")
    assert repr(loaded) == repr(value)


@pytest.mark.parametrize(
    "value",
    [np.float64(1.5), np.int8(-3), np.bool_(True), np.str_("é"), np.bytes_(b"a"), np.complex64(1j),
     np.datetime64("2024-01-01"), np.timedelta64(3, "ms"), np.float32("nan"), np.longdouble(1.5)],
    ids=repr,
)  # fmt: skip
def test_numpy_scalars_come_back(trip: Trip, value: Any) -> None:
    loaded = trip(value, "numpy-scalar")
    assert repr(loaded) == repr(value)


def test_writing_to_a_mapped_array_changes_nothing_that_is_stored(
    artifacts: ArtifactStore,
) -> None:
    stored, content = artifacts.put(np.zeros(100_000), where="The value")
    artifacts.get(stored, content)[:] = 1
    assert artifacts.get(stored, content).sum() == 0
    artifacts.verify(stored, content)


# --- tables -----------------------------------------------------------------------------------

N = 4
FRAMES: dict[str, tuple[Any, str]] = {
    "numbers": (pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": [True, False]}), "pandas"),
    "text": (pd.DataFrame({"a": ["x", None], "b": ["", "é"]}), "pandas"),
    "empty": (pd.DataFrame(), ""),
    "no rows": (pd.DataFrame({"a": pd.Series([], dtype="int64")}), "pickle"),
    "times": (pd.DataFrame({"a": pd.to_datetime(["2024-01-01", None])}), "pandas"),
    "zones": (pd.DataFrame({"a": pd.to_datetime(["2024-01-01"], utc=True)}), "pandas"),
    "durations": (pd.DataFrame({"a": pd.to_timedelta(["1s", None])}), "pandas"),
    "categories": (
        pd.DataFrame({"a": pd.Categorical(["x", None], ["y", "x"], ordered=True)}),
        "pandas",
    ),
    "nullable": (
        pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean")}),
        "pandas",
    ),
    "named index": (pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="k")), "pandas"),
    "range": (pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 9, 2, name="k")), "pandas"),
    "int labels": (pd.DataFrame(np.eye(2)), "pickle"),
    "mixed labels": (pd.DataFrame([[1, 2]], columns=["a", 1]), "pickle"),
    "equal labels": (pd.DataFrame([[1, 2]], columns=["a", "a"]), "pickle"),
    "label name": (pd.DataFrame({"a": [1]}).rename_axis("n", axis=1), "pickle"),
    "multi index": (
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, "x")])),
        "pickle",
    ),
    "multi columns": (
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
        "pickle",
    ),
    "date index": (pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2024", periods=2)), "pickle"),
    "objects": (pd.DataFrame({"a": pd.Series([1, "x", None], dtype=object)}), "pickle"),
    "object text": (pd.DataFrame({"a": pd.Series(["x", "y"], dtype=object)}), "pickle"),
    "half": (pd.DataFrame({"a": np.array([1.5], "f2")}), "pickle"),
    "complex": (pd.DataFrame({"a": [1j]}), "pickle"),
    "intervals": (pd.DataFrame({"a": pd.interval_range(0, 2)}), "pickle"),
    "periods": (pd.DataFrame({"a": pd.period_range("2024", periods=2, freq="M")}), "pickle"),
    "attrs": (pd.DataFrame({"a": [1]}), "pandas"),
    "float categories": (pd.DataFrame({"a": pd.Categorical([0.5])}), "pickle"),
    "index that is a column": (
        pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="a")),
        "pickle",
    ),
    "arrow": (pd.DataFrame({"a": pd.array([1, None], pd.ArrowDtype(pa.int64()))}), "pickle"),
    "nullable float": (pd.DataFrame({"a": pd.array([1.5, None], "Float64")}), "pickle"),
    "python text": (
        pd.DataFrame({"a": pd.array(["x", None], pd.StringDtype("python"))}),
        "",
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_come_back_equal_in_every_respect(trip: Trip, name: str) -> None:
    frame, serializer = FRAMES[name]
    loaded = trip(frame, serializer)
    pd.testing.assert_frame_equal(loaded, frame, check_freq=True)
    assert list(loaded.dtypes) == list(frame.dtypes)
    assert type(loaded.index) is type(frame.index)
    assert loaded.columns.equals(frame.columns)


@pytest.mark.parametrize("name", ["numbers", "text", "int labels", "categories", "nullable"])
def test_frames_arrive_writable(trip: Trip, name: str) -> None:
    loaded = trip(FRAMES[name][0])
    loaded.iloc[0, 0] = loaded.iloc[1, 0]
    loaded["new"] = 1
    assert len(loaded) == 2


def test_a_frame_of_one_column_without_gaps_arrives_writable(trip: Trip) -> None:
    loaded = trip(pd.DataFrame({"a": np.arange(1000.0)}))
    loaded.loc[0, "a"] = 5.0
    loaded["a"].to_numpy(copy=True)[0] = 3


def test_attributes_of_a_frame_travel(trip: Trip) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["source"] = "here"
    assert trip(frame, "pickle").attrs == {"source": "here"}


def test_series_come_back(trip: Trip) -> None:
    series = pd.Series([1, 2], index=["a", "b"], name="s")
    pd.testing.assert_series_equal(trip(series), series)


@FEW
@given(
    columns=st.lists(
        st.sampled_from(["i", "f", "b", "s", "c", "I", "t"]), min_size=1, max_size=4
    ),
    seed=st.integers(0, 99), rows=st.integers(0, 5),
)  # fmt: skip
def test_frames_of_mixed_columns_come_back(
    trip: Trip, columns: list[str], seed: int, rows: int
) -> None:
    numbers = np.random.default_rng(seed).integers(0, 3, rows)
    make: dict[str, Callable[[], Any]] = {
        "i": lambda: numbers,
        "f": lambda: np.where(numbers == 0, np.nan, numbers / 3),
        "b": lambda: numbers == 1,
        "s": lambda: pd.array([None if n == 0 else f"t{n}" for n in numbers], "str"),
        "c": lambda: pd.Categorical([None if n == 0 else f"t{n}" for n in numbers], ["t2", "t1"]),
        "I": lambda: pd.array([None if n == 0 else int(n) for n in numbers], "Int32"),
        "t": lambda: pd.to_datetime(numbers, unit="s"),
    }
    frame = pd.DataFrame({f"{kind}{i}": make[kind]() for i, kind in enumerate(columns)})
    pd.testing.assert_frame_equal(trip(frame), frame)


POLARS = pl.DataFrame(
    {
        "a": [1, None], "b": ["x", None], "c": [[1], []], "d": [{"k": 1}, {"k": None}],
        "e": pl.Series(["u", "v"], dtype=pl.Categorical), "f": [datetime.date(2024, 1, 1), None],
        "g": pl.Series(["u", "v"], dtype=pl.Enum(["v", "u"])), "h": [True, None], "i": [b"x", None],
        "j": [decimal.Decimal("1.50"), None],
    }
)  # fmt: skip


def test_polars_frames_come_back_with_their_schema(trip: Trip) -> None:
    for frame in (POLARS, POLARS.slice(1, 1), POLARS.clear(), pl.DataFrame()):
        loaded = trip(frame, "polars")
        assert loaded.equals(frame)
        assert loaded.schema == frame.schema


def test_polars_frames_with_objects_are_said_not_to_be_storable_or_come_back(
    artifacts: ArtifactStore,
) -> None:
    frame = pl.DataFrame({"a": [object()]})
    with pytest.raises(NotSerializable):
        artifacts.put(frame, where="The value")


def test_arrow_tables_come_back_with_schema_and_metadata(trip: Trip) -> None:
    table = pa.table(
        {"a": [1, None], "b": ["x", "y"], "c": pa.array(["u"] * 2).dictionary_encode()}
    )
    labelled = table.replace_schema_metadata({"k": "v"})
    for each in (table, table.slice(1), labelled, table.slice(0, 0)):
        assert trip(each, "arrow").equals(each, check_metadata=True)


def test_arrow_chunks_with_a_dictionary_each_come_back(trip: Trip) -> None:
    chunks = [pa.array([text]).dictionary_encode() for text in ("u", "v", "w")]
    table = pa.table({"c": pa.chunked_array(chunks)})
    assert trip(table, "arrow").to_pylist() == table.to_pylist()


# --- objects ----------------------------------------------------------------------------------


def test_large_buffers_within_a_model_are_mapped_and_writable(artifacts: ArtifactStore) -> None:
    value = Plain({"weights": np.arange(100_000.0), "text": "x"})
    stored, content = artifacts.put(value, where="The value")
    assert stored.serializer == "pickle"
    loaded = artifacts.get(stored, content)
    weights = loaded.x["weights"]
    np.testing.assert_array_equal(weights, value.x["weights"])
    assert weights.flags.aligned
    weights[:] = 0
    assert artifacts.get(stored, content).x["weights"][5] == 5


def test_functions_without_a_name_travel_by_value(trip: Trip) -> None:
    offset = 3

    def local(x: int) -> int:
        return x + offset

    assert trip(local, "pickle")(1) == 4
    assert trip(lambda x: x * 2, "pickle")(4) == 8


def test_an_instance_of_a_local_class_comes_back(artifacts: ArtifactStore) -> None:
    class Local:
        x = 5

    stored, content = artifacts.put(Local(), where="The value")
    assert artifacts.get(stored, content).x == 5


def test_figures_come_back_and_their_bytes_are_a_png(artifacts: ArtifactStore) -> None:
    from io import BytesIO

    import matplotlib.image
    from matplotlib.figure import Figure

    figure = Figure(dpi=50)
    figure.subplots().plot([1, 4, 9])
    stored, content = artifacts.put(figure, where="The value")
    assert stored.serializer == "figure"
    loaded = artifacts.get(stored, content)
    assert loaded.axes[0].lines[0].get_ydata().tolist() == [1, 4, 9]
    path = artifacts._blobs.find(stored.blob)
    image = matplotlib.image.imread(BytesIO(content) if content else path, format="png")
    assert image.shape[:2] == (240, 320)


def test_a_fitted_model_predicts_the_same(trip: Trip) -> None:
    from sklearn.ensemble import RandomForestClassifier

    X = np.random.default_rng(0).normal(size=(60, 4))
    model = RandomForestClassifier(5, random_state=0).fit(X, X[:, 0] > 0)
    np.testing.assert_array_equal(trip(model).predict(X), model.predict(X))


# --- paths ------------------------------------------------------------------------------------


def test_an_unchanged_file_comes_back_as_its_path(trip: Trip, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b")
    assert trip(path, "path") == path


def test_a_changed_or_missing_file_comes_back_as_a_copy_of_the_same_name(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b")
    stored, content = artifacts.put(path, where="The value")
    path.write_text("changed")
    copy = artifacts.get(stored, content)
    assert (copy != path, copy.name, copy.read_text()) == (True, "data.csv", "a,b")
    path.unlink()
    assert artifacts.get(stored, content) == copy
    copy.write_text("spoilt by a consumer")
    assert artifacts.get(stored, content).read_text() == "a,b"


def test_a_folder_comes_back_with_all_that_was_in_it(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    (folder / "inner" / "empty").mkdir(parents=True)
    (folder / "inner" / "weights").write_bytes(b"x" * 3_000_000)
    (folder / "config").write_text("k: v")
    stored, content = artifacts.put(folder, where="The value")
    assert artifacts.get(stored, content) == folder
    (folder / "config").unlink()
    copy = artifacts.get(stored, content)
    assert copy != folder
    assert copy.name == "model"
    names = sorted(str(p.relative_to(copy)) for p in copy.rglob("*"))
    assert names == ["config", "inner", "inner/empty", "inner/weights"]
    assert (copy / "inner" / "weights").stat().st_size == 3_000_000


def test_the_content_of_a_path_within_a_value_travels_too(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b")
    stored, content = artifacts.put({"data": [path], "record": Record(1, [], path)}, where="It")
    assert artifacts.get(stored, content)["data"] == [path]
    path.unlink()
    loaded = artifacts.get(stored, content)
    assert loaded["data"][0].read_text() == "a,b"
    assert loaded["record"].more.read_text() == "a,b"


def test_a_path_to_nothing_is_named(artifacts: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(NotSerializable, match=r"gone\.csv"):
        artifacts.put(tmp_path / "gone.csv", where="The value")


# --- users' serializers -----------------------------------------------------------------------


T = TypeVar("T")


class Boxed(pydantic.BaseModel, Generic[T]):
    held: T


class Upper:
    """Stores a `Name` as text."""

    name = "upper"

    def accepts(self, value: object) -> bool:
        return type(value) is Name

    def dump(self, value: Name, sink: Sink) -> None:
        sink.write(value.upper().encode())

    def load(self, source: bytes | Path) -> Name:
        return Name((source if isinstance(source, bytes) else source.read_bytes()).decode())

    def preview(self, value: Name) -> str:
        raise RuntimeError("previews may fail")


@pytest.fixture
def registered() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(REGISTERED)
    yield
    REGISTERED.clear()
    REGISTERED.update(before)


@pytest.mark.usefixtures("registered")
def test_a_registered_serializer_goes_first(artifacts: ArtifactStore) -> None:
    register_serializer(Upper())
    stored, content = artifacts.put(Name("abc"), where="The value")
    name, _, code = stored.serializer.partition("@")
    assert (name, len(code), stored.preview) == ("upper", 16, "")
    assert artifacts.is_current(stored)
    assert not artifacts.is_current(replace(stored, serializer=f"upper@{'0' * 16}"))
    assert artifacts.get(stored, content) == Name("ABC")
    assert artifacts.put(1, where="The value")[0].serializer == "json"


def test_a_name_that_is_taken_is_refused(artifacts: ArtifactStore) -> None:
    taken = Upper()
    for name in artifacts.registry.list_names():
        taken.name = name
        with pytest.raises(UsageError, match=name):
            register_serializer(taken)


def test_an_instance_of_a_generic_model_comes_back_as_that_class(artifacts: ArtifactStore) -> None:
    stored, content = artifacts.put(Boxed[int](held=1), where="The value")
    assert type(artifacts.get(stored, content)) is Boxed[int]


@pytest.mark.usefixtures("registered")
def test_a_serializer_registered_again_replaces_itself(artifacts: ArtifactStore) -> None:
    register_serializer(Upper)
    again = Upper()
    register_serializer(again)
    assert next(iter(artifacts.registry.list_accepting(Name("a")))) is again


def test_what_is_no_serializer_is_told_what_it_lacks() -> None:
    class Half:
        name = "half"

        def accepts(self, value: object) -> bool:
            return True

        def dump(self, value: object, sink: Sink) -> None: ...

    with pytest.raises(UsageError, match="no load and no preview"):
        register_serializer(Half)


@pytest.mark.usefixtures("registered")
def test_a_value_without_a_form_goes_by_the_bytes_that_its_serializer_wrote(
    artifacts: ArtifactStore,
) -> None:
    @register_serializer
    class Locks:
        name = "locks"

        def accepts(self, value: object) -> bool:
            return type(value) is type(threading.Lock())

        def dump(self, value: object, sink: Sink) -> None:
            sink.write(b"a lock")

        def load(self, source: bytes | Path) -> object:
            return threading.Lock()

        def preview(self, value: object) -> str:
            return "a lock"

    one, _ = artifacts.put(threading.Lock(), where="The value")
    other, _ = artifacts.put(threading.Lock(), where="The value")
    assert one.digest == other.digest


def test_a_value_of_an_unknown_serializer_says_which(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    stored, content = artifacts.put(5, where="The value")
    with pytest.raises(ArtifactError, match="did you mean 'json'"):
        artifacts.get(replace(stored, serializer="jsn"), content)
