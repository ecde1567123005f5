"""Runs one component as a step, for tests of what a plain call does not show."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pipekit.api.component import Component
from pipekit.api.conductor import run_now
from pipekit.api.pipeline import Pipeline
from pipekit.api.task import Task
from pipekit.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")


def run_step(component: Component[P, R], *args: P.args, **kwargs: P.kwargs) -> Task:
    """Run a component as the only step of a run, and return the step's task, however it ended.

    A plain call of the component is the quickest test of what it computes. This shows what only a
    step does: that its arguments and results can be stored and come back, that it returns as many
    values as `outputs=` names, that it is retried, what it logs, and whether it is reused.

    Args:
        component: The component; also one with other options, `fit.options(retries=0)`.
        *args: Its arguments.
        **kwargs: Its arguments by name.

    Raises:
        UsageError: `component` is none.
        NotSerializable: an argument cannot be stored.
        TypeError: the arguments do not fit.

    Example:
        ```python
        def test_split_makes_two_artifacts(pipekit_home):
            step = run_step(split, [1.0, 2.0, 4.0], limit=2.0)
            assert step.status == "completed"
            assert step.artifacts["high"].get() == [2.0, 4.0]
        ```
    """
    __tracebackhide__ = True
    if not isinstance(component, Component):
        raise UsageError(
            f"run_step takes a component, not a {type(component).__qualname__}.",
            hint="write '@component' above the function, or run_step(component(function), …).",
        )

    conducted = run_now(_OneStep(component, args, kwargs), (), {})
    steps = conducted.task().steps
    if not steps:
        conducted.result()
    return steps[0]


class _OneStep(Pipeline[[], Any]):
    """A pipeline that calls one component, and lies where that lies: its settings hold."""

    def __init__(
        self, component: Component[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        super().__init__(lambda: component(*args, **kwargs), name=component.name)
        self._component = component

    @property
    def folder(self) -> Path:
        return Pipeline(self._component.function).folder
