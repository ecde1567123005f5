"""Functions and callbacks for the steps of controllers, and a controller that is run by script."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from pipekit import PipelineController, component, log_metric

seen: list[Any] = []
"""What callbacks were told."""


def give(value: Any) -> Any:
    return value


def split(values: list[int], share: float = 0.5) -> tuple[list[int], list[int]]:
    cut = int(len(values) * share)
    return values[:cut], values[cut:]


def total(values: list[int]) -> int:
    return sum(values)


def count(marks: str) -> int:
    """One mark in a file for each call; how many there are."""
    with open(marks, "a") as file:
        file.write("x")
    return len(Path(marks).read_text())


def process_of(number: int = 0) -> tuple[int, float, float]:
    began = time.time()
    time.sleep(0.3)
    return os.getpid(), began, time.time()


def fail(message: str = "no") -> None:
    raise ValueError(message)


def fail_until(path: str) -> str:
    """Fails as long as the file is not there."""
    if not Path(path).exists():
        raise ValueError("the gate is shut")
    return "passed"


def rest(seconds: float) -> None:
    time.sleep(seconds)


def train(losses: list[float]) -> str:
    for number, loss in enumerate(losses):
        log_metric("train/loss", loss, step=number)
    return "the model"


@component(outputs=["low", "high"], retries=1)
def bounds(values: list[int]) -> tuple[int, int]:
    return min(values), max(values)


def note_status(pipeline: PipelineController, node: Any, previous: Any) -> None:
    seen.append((node.name, str(previous), str(node.status)))


def note_end(pipeline: PipelineController, node: Any) -> None:
    seen.append((pipeline.name, node.name, node.executed, str(node.status)))


def refuse(pipeline: PipelineController, node: Any, parameters: dict[str, Any]) -> bool:
    return False


def double(pipeline: PipelineController, node: Any, parameters: dict[str, Any]) -> None:
    seen.append((node.name, dict(parameters)))
    parameters["value"] = parameters["value"] * 2


def explode(pipeline: PipelineController, node: Any, parameters: dict[str, Any]) -> None:
    raise RuntimeError("the callback is broken")
