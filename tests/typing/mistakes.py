"""Mistakes: after each, the code by which mypy names it and the rule by which pyright does.

A line that expects nothing is right for both.
"""

# pyright: standard, reportUnnecessaryComparison=true
# ruff: noqa: B015, B018, E402, F401, RUF059

from collections.abc import Iterator
from typing import Any, assert_type

from pipekit import (
    Task,
    as_completed,
    component,
    current_task,
    get,
    log_metric,
    pipeline,
    register_serializer,
    task_of,
    wait,
)
from pipekit.testing import assert_ran, run_step, temporary_home


class Frame:
    rows: int = 0


class Model:
    score: float = 0.0


@component
def load(path: str, *, header: bool = True) -> Frame:
    return Frame()


@component(outputs=["train", "test"])
def split(frame: Frame) -> tuple[Frame, Model]:
    return frame, Model()


@component
def fit(frame: Frame, depth: int = 3) -> Model:
    return Model()


@component
async def fetch(url: str) -> bytes:
    return b""


@component
def batches(frame: Frame) -> Iterator[Frame]:
    yield frame


@component
def anything(frame: Frame) -> Any:
    return frame


# A step that is wired wrongly.


@pipeline
def train(depth: int = 3) -> float:
    frame = load("a.csv")
    train, test = split(frame)
    model = fit(train)
    fit(model)  # expect arg-type, reportArgumentType
    fit(test)  # expect arg-type, reportArgumentType
    fit(frame, "deep")  # expect arg-type, reportArgumentType
    fit(frame, deep=3)  # expect call-arg, reportCallIssue
    fit()  # expect call-arg, reportCallIssue
    fit(depth=depth)  # expect call-arg, reportCallIssue
    fit(frame, 3, 4)  # expect call-arg, reportCallIssue
    load("a.csv", False)  # expect call-arg, reportCallIssue
    fit(split(frame))  # expect arg-type, reportArgumentType
    fit([frame])  # expect arg-type, reportArgumentType
    fit(get(model))  # expect arg-type, reportArgumentType
    fit(fetch("https://…"))  # expect arg-type, reportArgumentType
    fit(batches(frame))  # expect arg-type, reportArgumentType
    fit(batches(frame)[0])
    fetch(3)  # expect call-overload, reportArgumentType
    anything(model)  # expect call-overload, reportArgumentType
    one, two, three = split(frame)  # expect misc, reportAssignmentType
    for one in as_completed([model]):
        fit(one)  # expect arg-type, reportArgumentType
    model.scores  # expect attr-defined, reportAttributeAccessIssue
    return model  # expect return-value, reportReturnType


train("deep")  # expect arg-type, reportArgumentType
train(width=3)  # expect call-arg, reportCallIssue
train.debug("deep")  # expect arg-type, reportArgumentType
train.run(3, 4)  # expect call-arg, reportCallIssue
fit(train())  # expect arg-type, reportArgumentType


class Trainer:
    @component
    def train(self, frame: Frame) -> Model:
        return Model()

    @component
    @staticmethod
    def score(model: Model) -> float:
        return 0.0


Trainer().train(Model())  # expect arg-type, reportArgumentType
Trainer().train()  # expect call-arg, reportCallIssue
Trainer.score(Model())
# No mistake: mypy takes a static method that is called through an instance for one with `self`.
Trainer().score(Model())  # expect call-arg, nothing


# Options that do not exist, or have the wrong value.


@component(retires=2)  # expect call-overload, reportCallIssue
def with_a_typo() -> int:
    return 1


@component(cache="yes")  # expect call-overload, reportArgumentType
def with_a_text() -> int:
    return 1


@pipeline(on_failure="go on")  # expect call-overload, reportArgumentType
def with_a_choice() -> int:
    return 1


component(fit, retires=2)  # expect call-overload, reportCallIssue
component(fit.function, retries="2")  # expect call-overload, reportArgumentType
component(fit.function, blind_spots="no")  # expect call-overload, reportArgumentType
component(3)  # expect call-overload, reportArgumentType
pipeline(fit.function, retries=2)  # expect call-overload, reportCallIssue
fit.options(retires=2)  # expect call-arg, reportCallIssue
fit.options(timeout="1 min")  # expect arg-type, reportArgumentType
fit.options(key=3)  # expect arg-type, reportArgumentType
fit.map(3)  # expect arg-type, reportArgumentType
train.options(executer="inline")  # expect call-arg, reportCallIssue
train.options(on_failure="go on")  # expect arg-type, reportArgumentType


# The other names.

from pipekit import no_such_name  # expect attr-defined, reportAttributeAccessIssue

current_task().id  # expect union-attr, reportOptionalMemberAccess
task_of()  # expect call-arg, reportCallIssue
wait(fit(Frame()), timeout="1")  # expect arg-type, reportArgumentType
as_completed(3)  # expect arg-type, reportArgumentType
log_metric(0.5, "loss")  # expect arg-type, reportArgumentType
run = train.run()
run.state  # expect attr-defined, reportAttributeAccessIssue
run.status == "complete"  # expect nothing, reportUnnecessaryComparison
run["fit"].artifacts["value"].load()  # expect attr-defined, reportAttributeAccessIssue
assert_type(run, Task)
register_serializer(Model)  # expect type-var, reportArgumentType
register_serializer(Model())  # expect type-var, reportArgumentType
run_step(fit, depth=3)  # expect call-arg, reportCallIssue
assert_ran(fit)  # expect arg-type, reportArgumentType
temporary_home("folder", exceutor="inline")  # expect call-arg, reportCallIssue
