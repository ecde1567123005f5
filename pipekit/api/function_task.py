"""The process of a task that was made of a function: calls it with the task's parameters, and keeps
what it returns. Started as `python -c … FILE NAME`."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipekit.api.connect import ARGS
from pipekit.errors import NotRunnable
from pipekit.model.options import DEFAULT_OUTPUT
from pipekit.model.sections import fitted
from pipekit.origin import Origin, module_name_of
from pipekit.worker import loading


def main() -> None:
    """Do that, for the task that this process was started to run."""
    file, name = sys.argv[1:3]
    sys.argv[:] = [file]
    sys.path[0] = os.path.dirname(file)
    from pipekit.api.task import Task

    task = Task.init()
    module = loading.import_module(Origin(module_name_of(Path(file)), "", file), is_main=True)
    function = getattr(module, name, None)
    function = getattr(function, "function", function)  # of a component
    if not callable(function):
        raise NotRunnable(f"{file} has no function {name!r}.")
    value = function(**_arguments(function, task.get_parameters()))
    task.upload_artifact(DEFAULT_OUTPUT, value)


def _arguments(function: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """What the function is to be called with: the recorded values, each of the type of its
    default."""
    given = {}
    for name, parameter in inspect.signature(function).parameters.items():
        key = f"{ARGS}/{name}"
        if key in parameters:
            default = parameter.default
            plain = None if default is parameter.empty else default
            given[name] = fitted(key, parameters[key], plain)
    return given
