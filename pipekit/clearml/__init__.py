"""ClearML's names over pipekit, for scripts written for it: only their import lines change.

    from pipekit.clearml import PipelineController, PipelineDecorator, StorageManager, Task

Names, arguments and habits are ClearML's; what happens is pipekit's. An argument that means nothing
here is named once, in a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit.clearml.controller import PipelineController as PipelineController
    from pipekit.clearml.decorator import PipelineDecorator as PipelineDecorator
    from pipekit.clearml.logger import Logger as Logger
    from pipekit.clearml.storage import StorageManager as StorageManager
    from pipekit.clearml.task import Task as Task
    from pipekit.model.task_type import TaskTypes as TaskTypes

_EXPORTS = {
    "Logger": "pipekit.clearml.logger",
    "PipelineController": "pipekit.clearml.controller",
    "PipelineDecorator": "pipekit.clearml.decorator",
    "StorageManager": "pipekit.clearml.storage",
    "Task": "pipekit.clearml.task",
    "TaskTypes": "pipekit.model.task_type",
}

if not TYPE_CHECKING:  # else every name would be one, of any type
    __all__ = [*_EXPORTS]

    def __getattr__(name: str) -> Any:
        module = _EXPORTS.get(name)
        if module is None:
            raise AttributeError(
                f"module 'pipekit.clearml' has no attribute {name!r}; it has {', '.join(_EXPORTS)}"
            )
        from importlib import import_module

        value = getattr(import_module(module), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
