"""Futures in lists, tuples, dicts and dataclasses are found and replaced without being touched."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, OrderedDict, defaultdict
from typing import Any, NamedTuple

import pytest

from pipekit.api.future import Future, find_futures, get, replace_futures
from pipekit.errors import UsageError


class Untouchable:
    """A step whose value must not be asked for."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_output(self, output: str) -> Any:
        raise AssertionError(f"{self.name} was waited for")

    def has_output(self, output: str) -> bool:
        return False

    def describe_output(self, output: str) -> str:
        return self.name


class Done(Untouchable):
    def get_output(self, output: str) -> Any:
        return self.name


class Point(NamedTuple):
    x: Any
    y: Any = 0


@dataclasses.dataclass
class Options:
    model: Any
    rest: Any = 0
    derived: Any = dataclasses.field(init=False, default=None)
    runs: dataclasses.InitVar[int] = 0

    def __post_init__(self, runs: int) -> None:
        self.derived = runs


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    model: Any


class Names(list[Any]):
    title = ""


class Watched(list[Any]):
    def __iter__(self) -> Any:
        raise AssertionError("a method of the list was called")


class Pair(tuple[Any, ...]):
    note: str


class Closed(list[Any]):
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("closed")


def future(name: str = "a") -> Any:
    return Future(Untouchable(name), "value")


def names(value: Any) -> list[str]:
    return [repr(f)[8:-1] for f in find_futures(value)]


def replaced(value: Any) -> Any:
    return replace_futures(value, lambda f: repr(f)[8:-1].upper())


@pytest.mark.parametrize(
    "value",
    [
        3,
        "text",
        None,
        [],
        {},
        (1, [2, {"a": 3}]),
        {1, 2},
        Point(1, 2),
        Options(1),
        Options,
        pytest.param(object(), id="an object"),
        list(range(100)),
    ],
    ids=repr,
)
def test_plain_data_has_no_futures_and_is_given_back_itself(value: Any) -> None:
    assert not find_futures(value)
    assert replace_futures(value, lambda f: 0) is value
    assert get(value) is value


NESTED: dict[str, tuple[Any, Any]] = {
    "itself": (lambda a: a, "A"),
    "list": (lambda a: [1, a], [1, "A"]),
    "long list": (lambda a: [*range(100), a], [*range(100), "A"]),
    "tuple": (lambda a: (a, 1), ("A", 1)),
    "named tuple": (lambda a: Point(1, a), Point(1, "A")),
    "dict": (lambda a: {"k": a, "l": 1}, {"k": "A", "l": 1}),
    "ordered": (lambda a: OrderedDict(z=1, k=a, b=2), OrderedDict(z=1, k="A", b=2)),
    "default": (lambda a: defaultdict(list, k=a), defaultdict(list, k="A")),
    "counter": (lambda a: Counter({"k": a}), Counter({"k": "A"})),
    "dataclass": (lambda a: Options(a, 1), Options("A", 1)),
    "frozen": (lambda a: Frozen(a), Frozen("A")),
    "list subclass": (lambda a: Names([a, 1]), Names(["A", 1])),
    "tuple subclass": (lambda a: Pair([a, 1]), Pair(["A", 1])),
    "deep": (
        lambda a: [{"k": (Point(Frozen([a])),)}, Options(1)],
        [{"k": (Point(Frozen(["A"])),)}, Options(1)],
    ),
}


@pytest.mark.parametrize("kind", NESTED)
def test_a_future_is_found_and_replaced_in_any_nesting_and_the_types_stay(kind: str) -> None:
    make, expected = NESTED[kind]
    value = make(future("a"))
    assert names(value) == ["a"]
    made = replaced(value)
    assert made == expected
    assert type(made) is type(expected)
    assert names(value) == ["a"], "the original is left as it is"


def test_what_holds_no_future_is_shared_with_the_original() -> None:
    plain = [1, {"a": 2}]
    assert replaced([plain, future()])[0] is plain


def test_a_future_in_two_places_is_found_once_and_replaced_by_one_object() -> None:
    f = future()
    assert len(find_futures([f, (f, {"k": f})])) == 1
    first, (second,) = replace_futures([f, [f]], lambda _: object())
    assert first is second


def test_a_container_in_two_places_stays_one() -> None:
    shared = [future()]
    first, second = replaced([shared, {"k": shared}])
    assert first is second["k"]
    assert first == ["A"]


def test_futures_in_a_cycle_are_found_and_replaced_and_the_cycle_stays() -> None:
    ring: list[Any] = [future()]
    ring.append(({"back": ring}, ring))
    assert names(ring) == ["a"]
    made = replaced(ring)
    assert made[0] == "A"
    assert made[1][0]["back"] is made
    assert made[1][1] is made


def test_a_tuple_in_a_cycle_is_made_once() -> None:
    inner: list[Any] = []
    outer = (inner, future())
    inner.append(outer)
    made = replaced(outer)
    assert made[0][0] is made
    assert made[1] == "A"


def test_a_cycle_without_futures_ends() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert not find_futures(ring)
    assert replaced(ring) is ring


def test_nesting_deeper_than_the_stack_is_searched() -> None:
    value: Any = [future()]
    for _ in range(5000):
        value = [value]
    assert names(value) == ["a"]


def test_elements_of_sets_and_keys_of_dicts_are_not_looked_into() -> None:
    f = Future(Done("a"), "value")
    assert not find_futures([{f}, frozenset({f}), {f: 1}])


def test_a_dataclass_is_rebuilt_without_its_init_and_keeps_what_it_derived() -> None:
    options = Options(future(), runs=5)
    assert replaced(options).derived == 5


def test_a_field_that_was_never_set_is_passed_over() -> None:
    options = Options(future())
    del options.derived
    assert replaced(options).model == "A"


def test_the_search_runs_no_code_of_a_container() -> None:
    assert names(Watched([future()])) == ["a"]


def test_attributes_of_subclasses_stay() -> None:
    value, pair = Names([future()]), Pair([future()])
    value.title, pair.note = "best", "kept"
    assert replaced(value).title == "best"
    assert replaced(pair).note == "kept"


def test_a_default_dict_keeps_its_factory() -> None:
    assert replaced(defaultdict(list, k=future())).default_factory is list


def test_a_container_that_cannot_be_copied_is_an_error_that_names_its_class() -> None:
    with pytest.raises(UsageError, match=r"Closed holds a future.*Hint: "):
        replaced(Closed([future()]))


def test_a_container_that_cannot_be_made_is_an_error_that_names_its_class() -> None:
    result = os.terminal_size((future(), 1))
    with pytest.raises(UsageError, match=r"terminal_size holds a future"):
        replaced(result)


def test_get_gives_plain_values_at_any_depth() -> None:
    value = {"k": [Future(Done("a"), "value"), Point(Future(Done("b"), "value"))]}
    assert get(value) == {"k": ["a", Point("b")]}
    assert type(get(value)["k"][0]) is str
    assert type(get(value)["k"][1].x) is str


def test_get_raises_what_the_step_raised() -> None:
    with pytest.raises(AssertionError, match="a was waited for"):
        get([future()])
