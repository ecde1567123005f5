"""What a pipeline is for a type checker, and what it does with the values of components."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

from pipekit import (
    Future,
    Pipeline,
    Task,
    as_completed,
    component,
    get,
    pipeline,
    task_of,
    wait,
)


class Frame:
    """A table."""


class Model:
    """A model."""

    score: float = 0.0


@component
def load(path: Path) -> Frame:
    return Frame()


@component(outputs=["train", "test"])
def split(frame: Frame, size: float = 0.2) -> tuple[Frame, Frame]:
    return frame, frame


@component
def fit(depth: int, frame: Frame) -> Model:
    return Model()


@component
async def score(model: Model, frame: Frame) -> float:
    return model.score


@pipeline
def train(data: Path, depth: int = 3, *, size: float = 0.2) -> float:
    """Trains."""
    frame = load(data)
    train, test = split(frame, size)
    assert_type(train, Frame)
    models = fit.map([1, 2, depth], frame=train)
    assert_type(models, list[Model])
    scores = [score(model, test) for model in models]
    assert_type(scores, list[float])
    assert_type(max(scores), float)
    if scores[0] > 0.9:
        scores.append(score(fit(30, train), test))
    return max(scores)


@pipeline(name="all", project="samples", version="2", on_failure="continue", executor="inline")
def train_all(folder: Path) -> list[float]:
    """Pipelines in a pipeline."""
    results = [train(path) for path in folder.iterdir()]
    assert_type(results, list[float])
    return results


by_call = pipeline(lambda: 3, name="by-call")

assert_type(train(Path("a.csv"), 4, size=0.3), float)
assert_type(train.debug(Path("a.csv"), depth=4), float)
assert_type(train.run(Path("a.csv"), depth=4), Task)
assert_type(train.submit(Path("a.csv"), depth=4), Task)
assert_type(train.options(executor="inline", on_failure="continue")(Path("a.csv")), float)
assert_type(train.options(name="other").run(Path("a.csv")), Task)
assert_type(train.function(Path("a.csv")), float)
assert_type(train.name, str)
assert_type(train_all(Path("data")), list[float])
assert_type(by_call(), int)


def needs_any_pipeline(some: Pipeline[..., object]) -> None:
    some.options(executor="inline")


def call(function: Callable[[Path], float]) -> float:
    return function(Path("a.csv"))


needs_any_pipeline(train)
call(train)


# Futures have the types of their values.

frame = load(Path("a.csv"))
model = fit(3, frame)
both = {"model": model, "again": [model]}
assert_type(get(frame), Frame)
assert_type(get(model).score, float)
assert_type(get([frame, frame]), list[Frame])
assert_type(get((frame, model)), tuple[Frame, Model])
assert_type(get({"model": model}), dict[str, Model])
assert_type(get(split(frame)), tuple[Frame, Frame])
assert_type(wait(frame, [model], both), bool)
assert_type(wait([frame], timeout=1.5), bool)
assert_type(task_of(frame), Task)

for one in as_completed([frame, frame], timeout=10):
    assert_type(one, Frame)
for pair in as_completed(split.map([frame])):
    assert_type(pair, tuple[Frame, Frame])
for name, result in as_completed((name, fit(3, frame)) for name in ("a", "b")):
    assert_type(name, str)
    assert_type(result, Model)


def of_a_future(future: Future[Model]) -> None:
    assert_type(get(future), Model)


def of_anything(value: Any) -> None:
    assert_type(get(value), Any)


# A pipeline may be a method: bound to its instance, as the function would be.


class Lab:
    @pipeline
    def trained(self, rounds: int = 3) -> float:
        return fit(rounds, frame).score


assert_type(Lab().trained(2), float)
assert_type(Lab().trained.run(rounds=2), Task)
assert_type(Lab.trained(Lab(), 2), float)
