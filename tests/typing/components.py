"""What a component is for a type checker: the function that it was made of."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, assert_type

from pipekit import Component, Task, component

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Frame:
    """A table."""


class Model:
    """A model, which is also a function that makes one."""

    def __init__(self, depth: int = 3) -> None:
        self.depth = depth


# Each way to write it.


@component
def load(path: str, rows: int = 100, *, header: bool = True) -> Frame:
    """Reads a table."""
    return Frame()


@component(retries=2, timeout=60, cache=None, retry_on=[OSError], outputs="frame")
def clean(frame: Frame) -> Frame:
    return frame


def plain(frame: Frame, depth: int = 3) -> Model:
    return Model(depth)


def in_a_minute(error: Exception, attempt: int) -> bool | float:
    return 60.0 if attempt < 3 else False


def tell(task: Task) -> None:
    """Says that the step has ended."""


fit = component(plain)
fit_twice = component(plain, retries=2, name="fit-twice", version=2)

assert_type(load("a.csv"), Frame)
assert_type(load("a.csv", 10, header=False), Frame)
assert_type(load(path="a.csv", rows=10), Frame)
assert_type(load.function("a.csv"), Frame)
assert_type(load.name, str)
assert_type(clean(load("a.csv")), Frame)
assert_type(fit(Frame(), depth=2), Model)
assert_type(fit_twice(Frame()), Model)
assert_type(component(fit, retries=1)(Frame()), Model)
assert_type(component(fit, depends_on=[fit, "model.bin"], ignore="frame")(Frame()), Model)
assert_type(component(fit, blind_spots="rerun", ignore=["flow.RATE"])(Frame()), Model)
assert_type(load.options(retries=3, executor="inline", after=[clean], key="a")("a.csv"), Frame)
assert_type(
    fit.options(before=lambda task: task.name == "fit", retry_on=in_a_minute)(Frame()), Model
)
assert_type(component(fit, after=tell, on_status=lambda task, old, new: tell(task))(Frame()), Model)
assert_type(fit.options(after=tell)(Frame()), Model)
assert_type(load.map(["a.csv", "b.csv"], header=True), list[Frame])
assert_type(clean.options(cache=False).map([Frame()]), list[Frame])


# Where a plain function is wanted.


def call(function: Callable[[str], R]) -> R:
    return function("a.csv")


def needs_any_component(some: Component[..., object]) -> None:
    some.options(retries=1)


assert_type(call(load), Frame)
assert_type(list(map(load, ["a.csv"])), list[Frame])
assert_type(functools.partial(load, rows=3)("a.csv"), Frame)
assert_type(list(ThreadPoolExecutor().map(load, ["a.csv"])), list[Frame])
needs_any_component(load)


# Async functions and generators: what the step gives in a pipeline.


@component
async def fetch(url: str, tries: int = 1) -> bytes:
    return b""


@component
def batches(size: int) -> Iterator[Frame]:
    yield Frame()


@component
def numbers(size: int) -> Generator[int, None, str]:
    yield size
    return ""


@component
async def pages(url: str) -> AsyncIterator[bytes]:
    yield b""


async def fetch_plainly() -> bytes:
    return await fetch.function("https://…")


def coroutine_of(url: str) -> Coroutine[Any, Any, bytes]:
    return fetch.function(url)


assert_type(fetch("https://…", tries=2), bytes)
assert_type(fetch.map(["https://…"]), list[bytes])
assert_type(fetch.options(retries=1)("https://…"), bytes)
assert_type(component(fetch, retries=1)("https://…"), bytes)
assert_type(batches(3), list[Frame])
assert_type(batches.map([3]), list[list[Frame]])
assert_type(numbers(3), list[int])
assert_type(pages("https://…"), list[bytes])
assert_type(call(fetch), bytes)
assert_type(component(coroutine_of)("https://…"), bytes)
needs_any_component(fetch)


# Classes, builtins, and generic functions.

make_model = component(Model)
assert_type(make_model(depth=3), Model)
assert_type(component(Model, retries=1)(3), Model)
assert_type(component(len)([1]), int)
assert_type(component(sorted)([1.0]), list[float])
assert_type(component(functools.partial(plain, depth=3))(Frame()), Model)


@component
def first(items: Sequence[T]) -> T:
    return items[0]


assert_type(first([Frame()]), Frame)
assert_type(first(["a"]), str)


# More decorators, above and below.


def timed(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return wrapper


@component(retries=1)
@timed
def below(frame: Frame) -> Model:
    return Model()


@timed
@component
def above(frame: Frame) -> Model:
    return Model()


@component(retries=1)
@component
def twice(frame: Frame) -> Model:
    return Model()


@component
@functools.lru_cache
def remembered(depth: int) -> Model:
    return Model(depth)


assert_type(below(Frame()), Model)
assert_type(above(frame=Frame()), Model)
assert_type(twice(Frame()), Model)
assert_type(remembered(3), Model)


# Methods.


class Trainer:
    @component
    def train(self, frame: Frame, *, epochs: int = 1) -> Model:
        return Model()

    @component(retries=1)
    async def download(self, url: str) -> Frame:
        return Frame()

    @component
    def folds(self, count: int) -> Iterator[Frame]:
        yield Frame()

    @component
    @classmethod
    def named(cls, name: str) -> Frame:
        return Frame()

    @classmethod
    @component
    def also_named(cls, name: str) -> Frame:
        return Frame()

    @component
    @staticmethod
    def score(model: Model) -> float:
        return 0.0

    @component
    def __call__(self, frame: Frame) -> Model:
        return Model()

    def own_use(self) -> None:
        assert_type(self.train(Frame()), Model)


trainer = Trainer()
assert_type(trainer.train(Frame(), epochs=2), Model)
assert_type(trainer.train.map([Frame()], epochs=2), list[Model])
assert_type(trainer.train.options(retries=1)(Frame()), Model)
assert_type(trainer.train.function(Frame()), Model)
assert_type(trainer.download("https://…"), Frame)
assert_type(trainer.folds(3), list[Frame])
assert_type(Trainer.train(trainer, Frame()), Model)
assert_type(Trainer.named("a"), Frame)
assert_type(trainer.named("a"), Frame)
assert_type(Trainer.also_named("a"), Frame)
assert_type(trainer.also_named("a"), Frame)
assert_type(Trainer.score(Model()), float)


@dataclass
class Plan:
    """A component that is held, not a method."""

    step: Component[[Frame], Model]


assert_type(Plan(below).step(Frame()), Model)


# Several outputs are a tuple, also by a plain annotation.


@component(outputs=["low", "high"])
def split(frame: Frame, at: float = 0.5) -> tuple[Frame, Model]:
    return frame, Model()


low, high = split(Frame())
assert_type(low, Frame)
assert_type(high, Model)
assert_type(split.map([Frame()]), list[tuple[Frame, Model]])
