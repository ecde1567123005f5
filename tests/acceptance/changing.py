"""Pipelines that change what their components hold on to between two calls. What a step is to see
is what it would see if it were called there and then."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pipekit import component, get, pipeline


@component
def call(function: Callable[[int], int], number: int) -> int:
    return function(number)


@component
def rate_of(thing: Any) -> int:
    return int(thing.rate)


class Model:
    def __init__(self, rate: int) -> None:
        self.rate = rate

    def times(self, number: int) -> int:
        return self.rate * number

    def __call__(self, number: int) -> int:
        self.rate += number
        return self.rate


def times_first(numbers: list[int], number: int) -> int:
    return numbers[0] * number


@pipeline
def variable_of_a_closure() -> list[int]:
    rate = 1

    def inner(number: int) -> int:
        return rate * number

    def outer(number: int) -> int:
        return inner(number)

    before = [call(inner, 2), call(outer, 3)]
    rate = 5
    return get([*before, call(inner, 2), call(outer, 3)])


@pipeline
def attribute_of_a_function() -> list[int]:
    def inner(number: int) -> int:
        return int(inner.rate) * number  # type: ignore[attr-defined]

    inner.rate = 1  # type: ignore[attr-defined]
    before = call(inner, 2)
    inner.rate = 5  # type: ignore[attr-defined]
    return get([before, call(inner, 2)])


@pipeline
def default_of_a_function() -> list[int]:
    def inner(number: int, rate: list[int] = [1]) -> int:  # noqa: B006
        return rate[0] * number

    before = call(inner, 2)
    inner.__defaults__[0][0] = 5  # type: ignore[index]
    return get([before, call(inner, 2)])


@pipeline
def attribute_of_a_class() -> list[int]:
    class Local:
        rate = 1

    held = Local()
    before = [rate_of(Local), rate_of(held)]
    Local.rate = 5
    return get([*before, rate_of(Local), rate_of(held)])


@pipeline
def instance_of_a_method() -> list[int]:
    model = Model(1)
    times = component(model.times)
    before = times(2)
    model.rate = 5
    return get([before, times(2)])


@pipeline
def argument_of_a_partial() -> list[int]:
    numbers = [1]
    times = component(functools.partial(times_first, numbers), name="times")
    before = times(2)
    numbers[0] = 5
    return get([before, times(2)])


@pipeline
def object_as_a_default() -> list[int]:
    model, rates = Model(1), np.array([1])

    @component
    def times(number: int, model: Model = model, *, rates: Any = rates) -> int:
        return int(model.rate * rates[0] * number)

    before = times(2)
    model.rate = 5
    between = times(2)
    rates[0] = 2
    return get([before, between, times(2)])


@pipeline
def instance_that_its_call_changes() -> list[int]:
    model = Model(1)
    count = component(model, name="count", cache=False)
    return [*get([count(1), count(2), count(1)]), model.rate]


@component(cache=False)
def collect(number: int, *more: int, found: list[int] = []) -> list[int]:  # noqa: B006
    found.append(number)
    return found


@component(cache=False)
def collect_by_place(number: int, found: list[int] = [], /) -> list[int]:  # noqa: B006
    found.append(number)
    return found


@pipeline
def default_lists() -> list[list[int]]:
    return get([collect(1), collect(2), collect_by_place(1), collect_by_place(2)])


EXPECTED: list[tuple[Any, Any]] = [
    (variable_of_a_closure, [2, 3, 10, 15]),
    (attribute_of_a_function, [2, 10]),
    (default_of_a_function, [2, 10]),
    (attribute_of_a_class, [1, 1, 5, 5]),
    (instance_of_a_method, [2, 10]),
    (argument_of_a_partial, [2, 10]),
    (object_as_a_default, [2, 10, 20]),
    (instance_that_its_call_changes, [2, 3, 2, 1]),  # each step has an instance of its own
    (default_lists, [[1], [2], [1], [2]]),
]
