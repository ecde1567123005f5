"""`pipekit get`: a stored value on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pipekit.api.artifact import ArtifactView
from pipekit.cli.home import open_home
from pipekit.cli.outcome import DONE
from pipekit.cli.plain import to_plain
from pipekit.errors import ArtifactError, PipekitError, short
from pipekit.model.records import Task
from pipekit.model.status import Status
from pipekit.origin import Origin
from pipekit.worker import loading


def print_value(typed: str, artifact: str, *, as_json: bool) -> int:
    """Print a value of a run or a step; the exit code.

    Raises:
        NotFound: there is no such task or artifact.
        PipekitError: there is no value, it cannot be loaded, or it cannot be JSON.
        StoreError: the home cannot be read.
    """
    with open_home() as home:
        task = home.get_task(typed)
        views = home.view(task).artifacts
        chosen: Mapping[str, ArtifactView] = {artifact: views[artifact]} if artifact else views
        if not chosen:
            raise _no_value(task)
        sys.path.insert(0, str(home.archive.settings.project_root))
        sys.path.insert(0, "")
        values = {name: _load(task, view) for name, view in chosen.items()}
        whole = next(iter(values.values())) if len(values) == 1 else values
        if as_json:
            print(json.dumps(to_plain(whole), allow_nan=False))
        elif len(values) == 1:
            _print(whole)
        else:
            for name, value in values.items():
                print(f"{name} = {_text(value)}")
    return DONE


def _no_value(task: Task) -> PipekitError:
    who = f"{task.name!r} ({short(task.id)})"
    if task.status is Status.COMPLETED:
        return PipekitError(f"Task {who} has no stored value.")
    why = f": {task.failure.message}" if task.failure is not None else "."
    return PipekitError(
        f"Task {who} has no value, for it is {task.status.value}{why}",
        hint=f"pipekit show {short(task.id)}",
    )


def _load(task: Task, view: ArtifactView) -> Any:
    """The value. Loading may import the user's modules: pipelines that they call at their top
    level are not run for that."""
    loading.importing = True
    try:
        return view.get_exact()
    except (ArtifactError, loading.ImportEnded):
        _import_module_of(task)
        return view.get()
    finally:
        loading.importing = False


def _import_module_of(task: Task) -> None:
    """Import the module of the task's function, up to a pipeline call at its top level."""
    module = task.spec.entry.partition(":")[0]
    if module in sys.modules:
        return
    try:
        loading.import_module(Origin(module, "", ""), is_main=True)
    except Exception:  # noqa: BLE001 - user code: the first error, of the value, is told
        return


def _print(value: Any) -> None:
    if isinstance(value, bytes | bytearray):
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
    else:
        print(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, str | PurePath):
        return str(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return repr(value.item())
    return repr(value)
