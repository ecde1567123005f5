"""Pipelines that were decorated with ClearML's arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipekit.clearml import PipelineDecorator, Task

seen: list[Any] = []
"""What callbacks of this process were told."""


def decline(pipeline: Any, node: Any, parameters: dict[str, Any]) -> bool:
    seen.append(("before", pipeline.name, node.name, node.executed, dict(parameters)))
    return parameters["number"] > 1


def meddle(pipeline: Any, node: Any, parameters: dict[str, Any]) -> None:
    parameters["number"] = 7


def ended(pipeline: Any, node: Any) -> None:
    seen.append(("after", node.name, node.executed, node.status.value))


def changed(pipeline: Any, node: Any, previous: Any) -> None:
    seen.append((node.name, str(previous), node.status.value))


def again(pipeline: Any, node: Any, retries: int) -> bool:
    seen.append(("retry", pipeline.id, node.name, retries))
    return retries < 2


@PipelineDecorator.component(pre_execute_callback=decline, post_execute_callback=ended)
def asked(number: int) -> int:
    return number


@PipelineDecorator.component(pre_execute_callback=meddle)
def meddled(number: int) -> int:
    return number


@PipelineDecorator.component(status_change_callback=changed, return_values=["one", "two"])
def watched(number: int) -> tuple[int, int]:
    return number, number + 1


@PipelineDecorator.component(retry_on_failure=again)
def never() -> None:
    raise ValueError("never")


@PipelineDecorator.component(continue_behaviour={"continue_on_fail": True})
def may_fail() -> None:
    raise ValueError("so what")


@PipelineDecorator.component
def counted(folder: Path) -> int:
    with (folder / "calls").open("a") as file:
        file.write("x")
    if len((folder / "calls").read_text()) < 3:
        raise ValueError("not yet")
    return 3


@PipelineDecorator.component(parents=["nobody"])
def orphan() -> None:
    pass


@PipelineDecorator.component(return_values=[])
def plain(folder: Path) -> str:
    (folder / "file.txt").write_text("in a file")
    PipelineDecorator.upload_artifact("by its path", str(folder / "file.txt"))
    PipelineDecorator.upload_artifact("as it is", "text that names no file")
    me, run = Task.current_task(), PipelineDecorator.get_current_pipeline()
    assert me is not None
    assert run is not None
    return f"{me.status} {me.name} of {run.name} {run.is_running()} {list(run.get_pipeline_dag())}"


@PipelineDecorator.pipeline(name="flow", project="examples", retry_on_failure=2)
def flow(name: str, given: Any = None) -> Any:
    if name == "asked":
        return [asked(2), asked(1)]
    if name == "meddled":
        return meddled(1)
    if name == "watched":
        one, two = watched(1)
        return one + two
    if name == "never":
        return never()
    if name == "may_fail":
        may_fail()
        return "done"
    if name == "counted":
        return counted(given)
    if name == "orphan":
        return orphan()
    return plain(given)


@PipelineDecorator.pipeline(name="parallel", project="p", multi_instance_support="parallel")
def parallel(number: int) -> int:
    if number == 9:
        raise ValueError("nine")
    return asked.function(number) * 2
