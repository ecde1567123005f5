"""Every special method of the language is accounted for, and any operator equals the plain one."""

from __future__ import annotations

import copy
import datetime
import operator
from collections.abc import Callable
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

import pytest
from future_likeness import future, outcome, touched
from hypothesis import given, settings
from hypothesis import strategies as st

from pipekit.api.future import Future, get, is_future, value_of
from pipekit.errors import UsageError

# The special names of the language reference, section 3.3, "Special method names".
GIVEN = [
    "repr", "str", "bytes", "format", "lt", "le", "eq", "ne", "gt", "ge", "hash", "bool",
    "getattribute", "setattr", "delattr", "dir", "call", "len", "length_hint", "getitem",
    "setitem", "delitem", "iter", "reversed", "contains", "instancecheck", "subclasscheck",
    "mro_entries", "next", "add", "sub", "mul", "matmul", "truediv", "floordiv", "mod",
    "divmod", "pow", "lshift", "rshift", "and", "xor", "or", "radd", "rsub", "rmul", "rmatmul",
    "rtruediv", "rfloordiv", "rmod", "rdivmod", "rpow", "rlshift", "rrshift", "rand", "rxor",
    "ror", "iadd", "isub", "imul", "imatmul", "itruediv", "ifloordiv", "imod", "ipow",
    "ilshift", "irshift", "iand", "ixor", "ior", "neg", "pos", "abs", "invert", "complex",
    "int", "float", "index", "round", "trunc", "floor", "ceil", "enter", "exit", "await",
    "aiter", "anext", "aenter", "aexit", "copy", "deepcopy", "reduce_ex", "fspath", "array",
    "array_ufunc", "array_function",
]  # fmt: skip

NOT_GIVEN = {
    "getattr": "`__getattribute__` asks the value, whose own `__getattr__` is then asked",
    "get": "a future in a class body is no descriptor: it would wait at each access",
    "set": "as `__get__`",
    "delete": "as `__get__`",
    "set_name": "as `__get__`",
    "missing": "asked by `dict` of itself",
    "buffer": "a buffer is asked for by C code, before Python 3.12 of C types alone",
    "release_buffer": "as `__buffer__`",
    "del": "the value has its own end",
    "sizeof": "`sys.getsizeof` tells the future's own size",
    "match_args": "asked of the class in the pattern",
    "prepare": "asked of metaclasses",
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_future_has_the_special_method(name: str) -> None:
    assert hasattr(Future, f"__{name}__")
    assert name not in NOT_GIVEN


@pytest.mark.parametrize("name", NOT_GIVEN)
def test_what_is_not_given_is_absent(name: str) -> None:
    assert f"__{name}__" not in {key for base in type.mro(Future) for key in vars(base)} - {
        "__sizeof__"  # of `object`
    }


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 1


PLAIN = st.one_of(
    st.integers(-5, 70),
    st.booleans(),
    st.floats(allow_nan=False, width=16),
    st.complex_numbers(max_magnitude=9, allow_nan=False),
    st.text("ab1.%", max_size=3),
    st.binary(max_size=3),
    st.lists(st.integers(0, 3), max_size=3),
    st.sets(st.integers(0, 3), max_size=3),
    st.frozensets(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), max_size=2),
    st.tuples(st.integers(0, 3)),
    st.decimals(-5, 5, places=1),
    st.fractions(-3, 3, max_denominator=4),
    st.dates(datetime.date(2024, 1, 1), datetime.date(2024, 1, 9)),
    st.timedeltas(datetime.timedelta(0), datetime.timedelta(days=3)),
    st.sampled_from([None, ..., Colour.RED, Level.LOW, PurePosixPath("a/b"), bytearray(b"a")]),
    st.builds(range, st.integers(0, 3)),
)

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, name)
    for name in (
        "add", "and_", "floordiv", "lshift", "matmul", "mod", "mul", "or_", "pow", "rshift", "sub",
        "truediv", "xor", "lt", "le", "eq", "ne", "gt", "ge",
    )
}  # fmt: skip
OPERATORS["divmod"] = divmod

ASSIGNMENTS: dict[str, Callable[[Any, Any], Any]] = {
    f"i{name.rstrip('_')}": getattr(operator, f"i{name.rstrip('_')}")
    for name in OPERATORS
    if hasattr(operator, f"i{name.rstrip('_')}")
}


def formats(name: str, left: Any) -> bool:
    """`"%s" % x` looks for tuples and mappings by their exact class: in the README's list."""
    return name == "mod" and isinstance(left, (str, bytes, bytearray))


@settings(max_examples=60, deadline=None)
@given(left=PLAIN, right=PLAIN)
def test_an_operator_gives_and_raises_what_it_does_of_plain_values(left: Any, right: Any) -> None:
    for name, operation in OPERATORS.items():
        plain = outcome(operation, left, right)
        for make in (future, touched):
            assert outcome(operation, make(left), right) == plain, name
            assert outcome(operation, make(left), make(right)) == plain, name
            if not formats(name, left):
                assert outcome(operation, left, make(right)) == plain, name


@settings(max_examples=60, deadline=None)
@given(left=PLAIN, right=PLAIN)
def test_an_operator_with_assignment_gives_and_leaves_what_it_does_of_plain_values(
    left: Any, right: Any
) -> None:
    for name, operation in ASSIGNMENTS.items():
        value, other = copy.deepcopy(left), copy.deepcopy(left)
        plain = outcome(operation, value, right, watched=value)
        assert outcome(operation, future(other), right, watched=other) == plain, name


def add_in_place(left: Any, right: Any) -> Any:
    left += right
    return left


@settings(max_examples=60, deadline=None)
@given(left=PLAIN, right=PLAIN)
def test_a_plain_value_is_changed_in_place_by_a_future_as_by_its_value(
    left: Any, right: Any
) -> None:
    value, other = copy.deepcopy(left), copy.deepcopy(left)
    plain = outcome(add_in_place, value, right, watched=value)
    assert outcome(add_in_place, other, future(right), watched=other) == plain


@settings(max_examples=60, deadline=None)
@given(value=PLAIN)
def test_an_operator_returns_a_plain_value(value: Any) -> None:
    for operation in OPERATORS.values():
        try:
            result = operation(future(value), value)
        except Exception:  # noqa: BLE001
            continue
        assert not is_future(result)


@settings(max_examples=100, deadline=None)
@given(value=st.one_of(st.integers(), st.text(), st.tuples(st.integers()), st.none(), st.floats()))
def test_a_future_is_found_by_its_value_and_its_value_by_a_future(value: Any) -> None:
    f = future(value)
    assert hash(f) == hash(value)
    if value == value:  # a number that is not itself is found by identity alone
        assert value in {f: 1}
        assert f in {value}
        assert [value].index(f) == 0
        assert f in [value]


@settings(max_examples=60, deadline=None)
@given(value=PLAIN)
def test_get_gives_the_very_value(value: Any) -> None:
    assert get(future(value)) is value
    assert value_of(touched(value)) is value


def test_numbers_of_all_kinds_mix_on_both_sides() -> None:
    for left in (1, 2.5, 1 + 1j, Fraction(1, 2), Decimal("1.5"), True):
        for right in (2, 0.5, Fraction(1, 3), Decimal(2), False):
            for operation in (operator.add, operator.mul, operator.sub):
                plain = outcome(operation, left, right)
                assert outcome(operation, future(left), right) == plain
                assert outcome(operation, left, future(right)) == plain


def test_a_class_inherits_from_the_future_of_a_class() -> None:
    class Named(future(dict)):  # type: ignore[misc]
        name = "kept"

    assert Named.__mro__[1] is dict
    assert Named(a=1) == {"a": 1}


def test_a_bool_is_refused_as_the_index_of_a_plain_list() -> None:
    """An array would take it as a mask, and cannot be told from a list here."""
    with pytest.raises(UsageError, match="index of a plain list or array"):
        ["no", "yes"][future(True)]
    assert future(["no", "yes"])[future(True)] == "yes"
