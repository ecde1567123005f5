"""Value digests of plain values, objects and the structures that hold them."""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import functools
import math
import os
import pickle
import subprocess
import sys
import threading
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipekit.model.hashing import PACKED_LENGTH, Hasher, digest_bytes

HASHER = Hasher()


def digest(value: object) -> str:
    return HASHER.digest(value)


@dataclass
class A:
    x: int


@dataclass
class B:
    x: int


@dataclass(frozen=True, slots=True)
class Slotted:
    x: int
    y: Any = None


class Point(NamedTuple):
    x: int
    y: Any = 0


Other = namedtuple("Other", ["x", "y"])


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Shade(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Text(str):
    pass


class Numbers(list):  # type: ignore[type-arg]
    pass


class Labels(set):  # type: ignore[type-arg]
    pass


class Model(pydantic.BaseModel):
    x: int = 1
    names: list[str] = []


class Plain:
    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.others: list[Node] = []


class Lazy:
    def __init__(self, x: int) -> None:
        self.x = x

    @functools.cached_property
    def twice(self) -> int:
        return 2 * self.x


class Stateful:
    def __init__(self, x: int) -> None:
        self.x = x
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"x": self.x}


UTC = datetime.UTC
ROME = zoneinfo.ZoneInfo("Europe/Rome")

APART: list[list[Any]] = [
    [1, 1.0, True, "1", b"1", bytearray(b"1"), memoryview(b"1"), 1 + 0j, decimal.Decimal(1),
     Fraction(1), Colour.RED],
    [0, 0.0, -0.0, False, None, "", b"", (), [], {}, set(), frozenset(), ..., NotImplemented],
    [[1, 2], (1, 2), {1, 2}, frozenset({1, 2}), deque([1, 2]), Numbers([1, 2]), range(1, 3)],
    [[1, 2], [2, 1], [1, [2]], [[1], 2], [[1, 2]], [1, 2, None]],
    [["a-b", "c"], ["a", "b-c"], ["ab", "c"], ["a", "bc"], ["abc"], "abc"],
    [("1", "12"), ("11", "2")],
    [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}, OrderedDict(a=1, b=2)],
    [{1: "x"}, {"1": "x"}, {1.0: "x"}, {True: "x"}],
    ["x", Text("x"), b"x"],
    [{1}, Labels({1})],
    [A(1), B(1), Slotted(1), Point(1), (1, 0), Plain(x=1), {"x": 1}, Model(x=1), A(2)],
    [Point(1, 2), Other(1, 2), (1, 2)],
    [Colour.RED, Colour.BLUE, Shade.RED, Access.READ, Access.WRITE, Access.READ | Access.WRITE],
    [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=UTC),
     datetime.datetime(2024, 1, 1, tzinfo=ROME), datetime.date(2024, 1, 1),
     datetime.datetime(2024, 1, 1, fold=1), "2024-01-01T00:00:00"],
    [datetime.time(1), datetime.time(1, tzinfo=UTC), datetime.timedelta(hours=1)],
    [decimal.Decimal("1.0"), decimal.Decimal("1.00"), 1.0],
    [uuid.UUID(int=1), 1, str(uuid.UUID(int=1))],
    [slice(1, 2), slice(1, 2, 1), range(1, 2), (1, 2, None)],
    [Counter(a=1), {"a": 1}, defaultdict(int, a=1), defaultdict(float, a=1)],
    [A, B, int, A(1)],
    [len, max, math.sqrt, os.path.join],
    [functools.partial(math.pow, 2), functools.partial(math.pow, 3), functools.partial(max, 2)],
    [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**5000, 10**5000 + 1],
    [PurePosixPath("a"), "a", PurePosixPath("b")],
    [float("inf"), float("-inf"), float("nan"), 1e308],
    ["\ud800", "?", "\ufffd"],
    [list(range(PACKED_LENGTH)), tuple(range(PACKED_LENGTH)), list(range(1, PACKED_LENGTH + 1)),
     [float(i) for i in range(PACKED_LENGTH)], [str(i) for i in range(PACKED_LENGTH)]],
    [["a"] * PACKED_LENGTH, ["a"] * (PACKED_LENGTH - 1) + ["b"], ["aa", ""] * (PACKED_LENGTH // 2),
     ["", "aa"] * (PACKED_LENGTH // 2), [b"a"] * PACKED_LENGTH],
    [[True] * PACKED_LENGTH, [1] * PACKED_LENGTH, [1.0] * PACKED_LENGTH],
]  # fmt: skip


@pytest.mark.parametrize("values", APART, ids=lambda values: repr(values[0])[:20])
def test_values_that_code_can_tell_apart_have_digests_apart(values: list[Any]) -> None:
    digests = [digest(value) for value in values]
    assert len(set(digests)) == len(values)


@pytest.mark.parametrize("values", APART, ids=lambda values: repr(values[0])[:20])
def test_a_deep_copy_has_the_digest_of_the_original(values: list[Any]) -> None:
    for value in values:
        if not isinstance(value, memoryview):
            assert digest(copy.deepcopy(value)) == digest(value)


@pytest.mark.parametrize("values", APART, ids=lambda values: repr(values[0])[:20])
def test_a_trip_through_pickle_keeps_the_digest(values: list[Any]) -> None:
    for value in values:
        if not isinstance(value, memoryview):
            assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


def test_a_digest_is_64_hexadecimal_characters() -> None:
    assert len(digest([1])) == 64
    assert int(digest(1), 16) >= 0


def test_every_nan_is_the_same() -> None:
    assert digest(float("nan")) == digest(-float("nan")) == digest(math.inf - math.inf)
    many = [0.0] * PACKED_LENGTH
    assert digest([*many, float("nan")]) == digest([*many, -float("nan")])


def test_infinities_that_cancel_in_a_long_list_stay_what_they_are() -> None:
    many = [0.0] * PACKED_LENGTH
    assert digest([*many, math.inf, -math.inf]) != digest([*many, -math.inf, math.inf])


def test_the_order_of_a_set_does_not_count() -> None:
    texts = [f"item {i}" for i in range(100)]
    backwards = texts[::-1]
    assert digest(set(texts)) == digest(set(backwards))
    assert digest(Labels(texts)) == digest(Labels(backwards))


def test_the_order_in_which_attributes_were_set_does_not_count() -> None:
    assert digest(Plain(a=1, b=2)) == digest(Plain(b=2, a=1))


def test_an_attribute_beside_the_fields_of_a_dataclass_counts() -> None:
    value = A(1)
    value.extra = 5  # type: ignore[attr-defined]
    assert digest(value) != digest(A(1))


def test_a_cached_property_counts_once_it_is_kept_for_it_may_have_been_set() -> None:
    value, other = Lazy(2), Lazy(2)
    other.__dict__["twice"] = 5  # what an assignment does
    assert value.twice == 4
    assert len({digest(item) for item in (value, other, Lazy(2), Lazy(3))}) == 4


def test_what_getstate_leaves_out_does_not_count() -> None:
    assert digest(Stateful(1)) == digest(Stateful(1)) != digest(Stateful(2))


def test_shared_references_do_not_count() -> None:
    shared = ["a", ["b"]]
    assert digest([shared, shared]) == digest([shared, copy.deepcopy(shared)])
    big = [[i] for i in range(50)]
    assert digest((big, {"k": big})) == digest((big, {"k": copy.deepcopy(big)}))


def test_a_structure_that_doubles_at_each_level_takes_no_exponential_time() -> None:
    value: list[Any] = []
    for _ in range(200):
        value = [value, value]
    assert len(digest(value)) == 64


def test_a_list_that_holds_itself_has_a_digest() -> None:
    def ring(*items: Any) -> list[Any]:
        made: list[Any] = [*items]
        made.append(made)
        return made

    assert digest(ring(1)) == digest(ring(1)) != digest(ring(2))
    assert digest(ring(1)) != digest([1, [1]])


def test_a_back_reference_says_to_which_level_it_leads() -> None:
    inner: list[Any] = []
    outer: list[Any] = [inner]
    inner.append(inner)
    other_inner: list[Any] = []
    other_outer: list[Any] = [other_inner]
    other_inner.append(other_outer)
    assert digest(outer) != digest(other_outer)


def test_what_is_around_a_cycle_does_not_change_its_digest() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    known = digest(ring)

    class Stand:
        pass

    hasher = Hasher(known={Stand: lambda _: known})
    assert hasher.digest(["a", (ring, [ring])]) == hasher.digest(["a", (Stand(), [Stand()])])


def test_a_graph_in_which_all_refer_to_all_takes_linear_time_and_survives_pickle() -> None:
    nodes = [Node(str(i)) for i in range(100)]
    for node in nodes:
        node.others = list(nodes)
    known = digest(nodes[0])
    assert digest(pickle.loads(pickle.dumps(nodes[0]))) == known
    nodes[50].name = "changed"
    assert digest(nodes[0]) != known


def test_nesting_without_end_is_a_clear_type_error() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(TypeError, match="nested too deeply"):
        digest(value)


@pytest.mark.parametrize(
    "value", [threading.Lock(), (i for i in ()), sys.stdout, [A(1), {"here": threading.Lock()}]]
)
def test_what_cannot_be_pickled_is_a_type_error_with_the_reason(value: object) -> None:
    with pytest.raises(TypeError, match="pickle"):
        digest(value)


# --- placeholders -----------------------------------------------------------------------------


class Placeholder:
    def __init__(self, value: object) -> None:
        self.digest = digest(value)


WITH_PLACEHOLDERS = Hasher(known={Placeholder: lambda held: held.digest})

SHAPES: list[Any] = [
    lambda x: x,
    lambda x: [x],
    lambda x: (x, x),
    lambda x: [1, (x, "a"), [x]],
    lambda x: {"a": x, "b": {"c": [x]}},
    lambda x: A(x),
    lambda x: Slotted(1, x),
    lambda x: Point(1, x),
    lambda x: Plain(a=[x]),
    lambda x: [x] * 100,
    lambda x: OrderedDict(a=x),
    lambda x: functools.partial(max, x),
]


@pytest.mark.parametrize("held", [1, "a", [1, 2], {"a": (1,)}, A(5), 2.5, None])
@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_a_placeholder_stands_for_its_value_anywhere(number: int, held: object) -> None:
    shape = SHAPES[number]
    assert WITH_PLACEHOLDERS.digest(shape(Placeholder(held))) == digest(shape(held))


# --- code, paths, names -----------------------------------------------------------------------


def double(x: int) -> int:
    return 2 * x


def test_functions_and_classes_count_by_the_code_that_they_are_said_to_have() -> None:
    first = Hasher(code_of=lambda obj: digest_bytes("first", obj.__name__))
    second = Hasher(code_of=lambda obj: digest_bytes("second", obj.__name__))
    for value in (double, A, A(1), [Point(1)], Colour.RED, functools.partial(double, 1), Text("a")):
        assert first.digest(value) != second.digest(value)


def test_a_bound_method_counts_with_its_object() -> None:
    assert digest(A(1).__repr__) == digest(A(1).__repr__) != digest(A(2).__repr__)


def test_a_path_counts_by_its_content_and_name() -> None:
    contents = {"/one/a.csv": "x", "/two/a.csv": "x", "/one/b.csv": "x", "/three/a.csv": "y"}
    hasher = Hasher(digest_path=lambda path: digest_bytes(contents[str(path)]))
    known = hasher.digest(Path("/one/a.csv"))
    assert hasher.digest(Path("/two/a.csv")) == known
    assert hasher.digest(Path("/one/b.csv")) != known
    assert hasher.digest(Path("/three/a.csv")) != known


def test_a_path_without_a_reader_is_refused() -> None:
    with pytest.raises(TypeError, match="content"):
        digest(Path("/etc"))


def test_parts_never_run_together() -> None:
    parts: list[tuple[bytes | str, ...]] = [
        ("1", "12"), ("11", "2"), ("112",), (b"1", b"12"), ("", "112"), ("112", ""), (), ("",),
    ]  # fmt: skip
    assert len({digest_bytes(*each) for each in parts}) == len(parts)


def test_pydantic_models_that_are_equal_have_equal_digests() -> None:
    assert digest(Model(x=2, names=["a"])) == digest(Model(x=2, names=["a"]))
    assert digest(Model(x=2)) != digest(Model(x=3))


@dataclass
class Holder:
    held: Any = field(default_factory=list)


# --- properties -------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.complex_numbers(allow_nan=False) | st.dates() | st.datetimes()
)  # fmt: skip
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner), max_leaves=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.frozensets(HASHABLE, max_size=4)
        | st.sets(HASHABLE, max_size=4)
        | inner.map(A)
        | inner.map(Holder)
    ),
    max_leaves=12,
)


def canonical(value: Any) -> Any:
    """A text that is equal exactly where two values cannot be told apart."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return f"{kind}{[(canonical(k), canonical(v)) for k, v in value.items()]}"
    if isinstance(value, set | frozenset):
        return f"{kind}{sorted(map(canonical, value))}"
    if isinstance(value, list | tuple):
        return f"{kind}{[canonical(item) for item in value]}"
    if isinstance(value, A | Holder):
        return f"{kind}({canonical(vars(value))})"
    return f"{kind}:{value!r}"


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES)
def test_digests_are_equal_exactly_where_values_are(one: Any, two: Any) -> None:
    assert (digest(one) == digest(two)) == (canonical(one) == canonical(two))
    assert digest(copy.deepcopy(one)) == digest(one)


PROGRAM = """
import datetime, decimal, fractions, pathlib, re, uuid, zoneinfo
from collections import Counter, OrderedDict
from pipekit.model.hashing import Hasher
words = [f"w{i}" for i in range(50)]
class K:
    def __init__(self): self.tags = set(words)
values = [set(words), frozenset(words), {"a": {1, "b", (2, "c")}}, K(), [K(), {frozenset("xy")}],
          Counter(words), {frozenset({"a", "b"}), frozenset({"c"})}, re.compile("a+", re.I), 1.5,
          datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Rome")),
          fractions.Fraction(1, 3),
          int, len, OrderedDict(b=1), 2**100, "é", range(3), datetime.timezone.utc]
print(" ".join(Hasher().digest(value) for value in values))
"""


def test_digests_do_not_depend_on_the_process_or_its_hash_seed() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].split())) == len(outputs[0].split())
