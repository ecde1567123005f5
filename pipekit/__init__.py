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
    from pipekit.api.controller import PipelineController as PipelineController
    from pipekit.api.current_task import current_task as current_task
    from pipekit.api.current_task import log_artifact as log_artifact
    from pipekit.api.current_task import log_figure as log_figure
    from pipekit.api.current_task import log_metric as log_metric
    from pipekit.api.current_task import report_progress as report_progress
    from pipekit.api.future import Future as Future
    from pipekit.api.future import get as get
    from pipekit.api.logger import Logger as Logger
    from pipekit.api.pipeline import Pipeline as Pipeline
    from pipekit.api.pipeline import pipeline as pipeline
    from pipekit.api.storage import get_local_copy as get_local_copy
    from pipekit.api.storage import upload as upload
    from pipekit.api.sweep import Sweep as Sweep
    from pipekit.api.sweep import grid as grid
    from pipekit.api.sweep import tune as tune
    from pipekit.api.task import Task as Task
    from pipekit.api.waiting import as_completed as as_completed
    from pipekit.api.waiting import task_of as task_of
    from pipekit.api.waiting import wait as wait
    from pipekit.artifacts.registered import register_serializer as register_serializer
    from pipekit.errors import PipekitError as PipekitError
    from pipekit.errors import StepFailed as StepFailed
    from pipekit.errors import StepSkipped as StepSkipped
    from pipekit.errors import Stopped as Stopped
    from pipekit.model.space import integers as integers
    from pipekit.model.space import log_uniform as log_uniform
    from pipekit.model.space import uniform as uniform
    from pipekit.model.status import Status as Status

_EXPORTS = {
    "Component": "pipekit.api.component",
    "Future": "pipekit.api.future",
    "Logger": "pipekit.api.logger",
    "Pipeline": "pipekit.api.pipeline",
    "PipekitError": "pipekit.errors",
    "PipelineController": "pipekit.api.controller",
    "Status": "pipekit.model.status",
    "StepFailed": "pipekit.errors",
    "Sweep": "pipekit.api.sweep",
    "StepSkipped": "pipekit.errors",
    "Stopped": "pipekit.errors",
    "Task": "pipekit.api.task",
    "as_completed": "pipekit.api.waiting",
    "component": "pipekit.api.component",
    "current_task": "pipekit.api.current_task",
    "get": "pipekit.api.future",
    "get_local_copy": "pipekit.api.storage",
    "grid": "pipekit.api.sweep",
    "integers": "pipekit.model.space",
    "log_artifact": "pipekit.api.current_task",
    "log_figure": "pipekit.api.current_task",
    "log_metric": "pipekit.api.current_task",
    "log_uniform": "pipekit.model.space",
    "pipeline": "pipekit.api.pipeline",
    "register_serializer": "pipekit.artifacts.registered",
    "report_progress": "pipekit.api.current_task",
    "task_of": "pipekit.api.waiting",
    "tune": "pipekit.api.sweep",
    "uniform": "pipekit.model.space",
    "upload": "pipekit.api.storage",
    "wait": "pipekit.api.waiting",
}

if not TYPE_CHECKING:  # else every name would be one, of any type
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
