"""What may be a component: methods, classes, functions of C, partials, coroutines, and so on."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import callables
import library_callables
import pytest

from pipekit import component, pipeline
from pipekit.api.pipeline import Pipeline
from pipekit.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(params=["process", "inline"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Runs a pipeline where the parameter says."""

    def run_there(pipeline: Pipeline[Any, Any], *args: Any) -> Any:
        return pipeline.options(executor=request.param).run(*args)

    return run_there


def test_methods_are_components_in_either_order_of_decorators(run: Callable[..., Any]) -> None:
    assert run(callables.methods).value == callables.METHODS
    assert all(step.reused for step in run(callables.methods).steps)


def test_any_object_that_can_be_called_may_be_a_component(run: Callable[..., Any]) -> None:
    assert run(callables.objects).value == callables.OBJECTS
    assert all(step.reused for step in run(callables.objects).steps)


def test_functions_and_classes_of_libraries_may_be_components(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    assert run(library_callables.libraries, table).value == library_callables.LIBRARIES
    assert all(step.reused for step in run(library_callables.libraries, table).steps)


def test_functions_of_every_kind_give_what_they_would_give(run: Callable[..., Any]) -> None:
    assert run(callables.functions).value == callables.FUNCTIONS
    assert all(step.reused for step in run(callables.functions).steps)


def test_the_instance_of_a_method_counts_by_its_content(run: Callable[..., Any]) -> None:
    scaler = callables.Scaler(2)
    assert run(callables.scaled, scaler, 5).value == 10
    assert run(callables.scaled, callables.Scaler(2), 5).steps[0].reused
    scaler.factor = 3
    assert run(callables.scaled, scaler, 5).value == 15


def test_outside_of_pipelines_a_bound_component_is_the_plain_method() -> None:
    assert callables.scaler.scale(2) == 6
    assert callables.Wide.named(2) == ("Wide", 2)
    assert callables.scaler.scale == callables.scaler.scale
    assert callables.scaler.scale != callables.wide.scale
    assert repr(callables.scaler.scale) == "<component scale of Scaler(factor=3, seen=[])>"


def test_a_component_of_a_function_of_c_takes_what_that_takes() -> None:
    assert component(math.hypot)(3, 4) == 5


def test_an_async_pipeline_function_is_refused_with_what_to_write() -> None:
    async def waiting() -> None: ...

    with pytest.raises(UsageError, match=r"'waiting' is an async .*Hint: write 'def waiting"):
        pipeline(waiting)


def test_a_pipeline_function_that_yields_is_refused() -> None:
    def yielding() -> Any:
        yield 1

    with pytest.raises(UsageError, match=r"'yielding' is a generator.*Hint: return a list"):
        pipeline(yielding)
