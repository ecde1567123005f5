"""pipekit: pipelines from plain Python functions.

    from pipekit import component, pipeline

Names are loaded when they are first used, so that `import pipekit` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pipekit.api.component import Component as Component
    from pipekit.api.component import component as component
    from pipekit.api.future import Future as Future
    from pipekit.api.future import get as get
    from pipekit.api.pipeline import Pipeline as Pipeline
    from pipekit.api.pipeline import pipeline as pipeline
    from pipekit.api.task import Task as Task
    from pipekit.api.waiting import task_of as task_of
    from pipekit.api.waiting import wait as wait
    from pipekit.errors import PipekitError as PipekitError
    from pipekit.errors import StepFailed as StepFailed
    from pipekit.errors import StepSkipped as StepSkipped
    from pipekit.errors import Stopped as Stopped
    from pipekit.model.status import Status as Status

_EXPORTS = {
    "Component": "pipekit.api.component",
    "Future": "pipekit.api.future",
    "Pipeline": "pipekit.api.pipeline",
    "PipekitError": "pipekit.errors",
    "Status": "pipekit.model.status",
    "StepFailed": "pipekit.errors",
    "StepSkipped": "pipekit.errors",
    "Stopped": "pipekit.errors",
    "Task": "pipekit.api.task",
    "component": "pipekit.api.component",
    "get": "pipekit.api.future",
    "pipeline": "pipekit.api.pipeline",
    "task_of": "pipekit.api.waiting",
    "wait": "pipekit.api.waiting",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'pipekit' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
