"""Everything that can be called, as a component: imported by the tests, and by the workers."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pipekit import component, get, pipeline


@dataclass
class Scaler:
    factor: int
    seen: list[int] = field(default_factory=list)

    @component
    def scale(self, x: int, *, offset: int = 0) -> int:
        return self.factor * x + offset

    @component
    @classmethod
    def named(cls, x: int) -> tuple[str, int]:
        return cls.__name__, x

    @classmethod
    @component
    def named_too(cls, x: int) -> tuple[str, int]:
        return cls.__name__, x

    @component
    @staticmethod
    def plus(x: int) -> int:
        return x + 1

    @staticmethod
    @component
    def plus_too(x: int) -> int:
        return x + 2

    def add(self, x: int) -> int:
        return self.factor + x


class Wide(Scaler):
    pass


class Times:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, x: int) -> int:
        return self.factor * x


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return "wrapped", function(*args, **kwargs)

    return wrapper


def hiding(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return "hidden", function(*args, **kwargs)

    return wrapper


@component
@wrapping
def below(x: int) -> Any:
    return x


@wrapping
@component
def above(x: int) -> Any:
    return x


@component
@hiding
def below_hidden(x: int) -> Any:
    return x


@component
@functools.lru_cache
def remembered(x: int) -> int:
    return 2 * x


@component
async def awaited(x: int) -> int:
    return x + 1


@component
async def awaited_each(n: int) -> AsyncIterator[int]:
    for number in range(n):
        yield number


@component
def each(n: int) -> Iterator[int]:
    yield from range(n)


@component
def kinds(a: int, /, b: int, *rest: int, c: int, d: int = 4, **named: int) -> Any:
    return a, b, rest, c, d, named


@component
def collected(x: int, into: list[int] = [], *, also: dict[str, int] = {}) -> Any:  # noqa: B006
    into.append(x)
    also[str(x)] = x
    return into, also


@component
def factorial(n: int) -> int:
    return 1 if n < 2 else n * factorial(n - 1)


@component
def apply(function: Callable[[Any], Any], x: Any) -> Any:
    return function(x)


@component
def give() -> Any:
    return factorial


@pipeline
def negative(x: int) -> Any:
    return apply(operator.neg, x)


def nested(factor: int) -> Any:
    @component
    def inside(x: int) -> int:
        return factor * x

    return inside


def add(a: int, b: int) -> int:
    return a + b


executed: dict[str, Any] = {"component": component}
exec("@component\ndef dynamic(x):\n    return x + 7\n", executed)

scaler, wide = Scaler(3), Wide(4)
made = {
    "instance": component(Times(3)),
    "partial": component(functools.partial(add, 10)),
    "bound": component(scaler.add),
    "lambda": component(lambda x: x + 1),
    "len": component(len),
    "max": component(max),
    "int": component(int),
    "dict": component(dict),
    "sqrt": component(math.sqrt),
    "upper": component(str.upper),
    "join": component("-".join),
    "class": component(Scaler),
    "getter": component(operator.itemgetter(1)),
}


@pipeline
def methods() -> Any:
    return {
        "scale": scaler.scale(2),
        "by name": scaler.scale(x=2, offset=1),
        "subclass": wide.scale(2),
        "of the class": Scaler.scale(scaler, 2),
        "options": scaler.scale.options(name="other")(5),
        "map": scaler.scale.map([1, 2], offset=1),
        "function": scaler.scale.function(2),
        "class method": (Scaler.named(1), Wide.named(2), wide.named(3)),
        "class method too": (Scaler.named_too(1), Wide.named_too(2), wide.named_too(3)),
        "static method": (Scaler.plus(1), scaler.plus(2)),
        "static method too": (Scaler.plus_too(1), scaler.plus_too(2)),
    }


METHODS = {
    "scale": 6,
    "by name": 7,
    "subclass": 8,
    "of the class": 6,
    "options": 15,
    "map": [4, 7],
    "function": 6,
    "class method": (("Scaler", 1), ("Wide", 2), ("Wide", 3)),
    "class method too": (("Scaler", 1), ("Wide", 2), ("Wide", 3)),
    "static method": (2, 3),
    "static method too": (3, 4),
}


@pipeline
def objects() -> Any:
    return {
        "instance": made["instance"](2),
        "partial": made["partial"](1),
        "bound": made["bound"](1),
        "lambda": made["lambda"](1),
        "len": made["len"]([1, 2]),
        "max": made["max"]([1, 2], key=operator.neg),
        "int": made["int"]("17", base=8),
        "dict": made["dict"](a=1),
        "sqrt": made["sqrt"](4),
        "upper": made["upper"]("a"),
        "join": made["join"](["a", "b"]),
        "class": made["class"](3),
        "getter": made["getter"]([1, 2]),
        "executed": executed["dynamic"](1),
        "nested": (nested(2)(5), nested(3)(5)),
    }


OBJECTS = {
    "instance": 6,
    "partial": 11,
    "bound": 4,
    "lambda": 2,
    "len": 2,
    "max": 1,
    "int": 15,
    "dict": {"a": 1},
    "sqrt": 2.0,
    "upper": "A",
    "join": "a-b",
    "class": Scaler(3),
    "getter": 2,
    "executed": 8,
    "nested": (10, 15),
}


@pipeline
def functions() -> Any:
    return {
        "below": below(1),
        "above": above(1),
        "below, hidden": below_hidden(1),
        "remembered": remembered(2),
        "awaited": awaited(1),
        "awaited each": awaited_each(3),
        "each": each(3),
        "kinds": kinds(1, 2, 3, c=5, e=6),
        "collected": (collected(1), collected(2), collected(3, [0])),
        "factorial": factorial(5),
        "component as argument": apply(factorial, 4),
        "bound component as argument": apply(scaler.scale, 2),
        "component as value": get(give())(3),
        "lambda as argument": apply(lambda x: x + 1, 4),
        "pipeline as argument": apply(negative, 4),
        "partial as argument": apply(functools.partial(add, 10), 4),
        "method as argument": apply(scaler.add, 4),
        "class as argument": apply(Scaler, 4),
    }


FUNCTIONS = {
    "below": ("wrapped", 1),
    "above": ("wrapped", 1),
    "below, hidden": ("hidden", 1),
    "remembered": 4,
    "awaited": 2,
    "awaited each": [0, 1, 2],
    "each": [0, 1, 2],
    "kinds": (1, 2, (3,), 5, 4, {"e": 6}),
    "collected": (([1], {"1": 1}), ([2], {"2": 2}), ([0, 3], {"3": 3})),
    "factorial": 120,
    "component as argument": 24,
    "bound component as argument": 6,
    "component as value": 6,
    "lambda as argument": 5,
    "pipeline as argument": -4,
    "partial as argument": 14,
    "method as argument": 7,
    "class as argument": Scaler(4),
}


@pipeline
def scaled(by: Scaler, x: int) -> Any:
    return by.scale(x)
