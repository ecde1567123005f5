"""From a TARGET to the pipeline that it names: loads the user's module as `python file.py` would
see it, with its main guard false."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pipekit.api.component import Component
from pipekit.api.pipeline import Pipeline
from pipekit.cli.outcome import UserCodeFailed
from pipekit.errors import TargetNotFound, nearest
from pipekit.origin import Origin, module_name_of, walk
from pipekit.worker import loading


class Target(NamedTuple):
    """A TARGET, taken apart."""

    place: str
    """Path of a file, or dotted name of a module."""
    function: str
    """Dotted path inside the module; empty where none was written."""
    is_file: bool


def parse_target(text: str) -> Target:
    """`path/file.py:function`, `package.module:function`, or either without the function."""
    place, colon, function = text.rpartition(":")
    if not colon or os.sep in function or function.endswith(".py"):
        place, function = text, ""
    return Target(place, function, place.endswith(".py") or os.sep in place)


def load_pipeline(text: str) -> Pipeline[Any, Any]:
    """The pipeline that a TARGET names; its module is imported, and stands for the main module.

    Raises:
        TargetNotFound: there is no such file, module or pipeline.
        UserCodeFailed: the module raises while it is imported.
    """
    target = parse_target(text)
    if not target.place.strip("."):
        raise TargetNotFound(
            f"TARGET {text!r} names no file and no module.",
            hint="pipekit run path/file.py:function",
        )
    module = _load_file(target) if target.is_file else _load_module(target)
    known = _pipelines_in(module)
    if not target.function:
        if len(known) == 1:
            return next(iter(known.values()))
        if not known:
            raise TargetNotFound(
                f"{target.place} has no pipeline.", hint="write '@pipeline' above the function."
            )
        raise TargetNotFound(
            f"{target.place} has {_listing(known)}, so which one to run must be written.",
            hint=f"pipekit run {target.place}:{next(iter(known))}",
        )
    found = walk(module, target.function)
    if isinstance(found, Pipeline):
        return found
    hint = nearest(target.function, list(known))
    if found is None:
        what = "does not exist"
    elif isinstance(found, Component):
        what = "is not a pipeline but a component"
        hint = "a pipeline calls it: write a function with '@pipeline' above it that does."
    else:
        what = "is not a pipeline"
        hint = hint or "write '@pipeline' above the function."
    raise TargetNotFound(
        f"{target.function!r} in {target.place} {what}. It has {_listing(known)}.", hint=hint
    )


def _load_file(target: Target) -> ModuleType:
    path = Path(target.place)
    if not path.is_file():
        what = "does not exist"
        if path.exists():
            what = "is a folder, not a file" if path.is_dir() else "is not a file"
        raise TargetNotFound(f"{target.place} {what}.", hint=_near_file(path))
    path = path.resolve()
    _become(str(path.parent), str(path))
    return _import(Origin(module_name_of(path), "", str(path)))


def _load_module(target: Target) -> ModuleType:
    _become(str(Path.cwd()), target.place)
    missing = TargetNotFound(
        f"No module is named {target.place!r} (looked in {Path.cwd()} and in what is installed).",
        hint=_hint_for_module(target.place),
    )
    if not all(part.isidentifier() for part in target.place.split(".")):
        raise missing
    try:
        module = _import(Origin(target.place, "", ""))
    except UserCodeFailed as failed:
        cause = failed.error
        if isinstance(cause, ModuleNotFoundError) and _is_or_holds(cause.name, target.place):
            raise missing from None
        raise
    sys.argv[0] = getattr(module, "__file__", None) or target.place
    return module


def _hint_for_module(place: str) -> str:
    if Path(f"{place}.py").exists():
        return f"did you mean {place}.py?"
    file, colon, _ = place.partition(":")
    if colon and Path(file).exists():
        return f"did you mean {file}:function, with one colon?"
    return "a file of Python ends in .py." if Path(place).is_file() else ""


def _is_or_holds(name: str | None, module: str) -> bool:
    return name is not None and f"{module}.".startswith(f"{name}.")


def _become(folder: str, script: str) -> None:
    """Let `sys` look as it does in a process that was started as `python <script>`."""
    own_folder = os.path.dirname(os.path.realpath(sys.argv[0]))
    if sys.path and os.path.realpath(sys.path[0]) == own_folder:
        del sys.path[0]  # where the command `pipekit` lies
    sys.path.insert(0, folder)
    sys.argv[:] = [script]


def _import(origin: Origin) -> ModuleType:
    try:
        package = origin.module.rpartition(".")[0]
        if package:
            __import__(package)
        return loading.import_module(origin, is_main=True)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        raise UserCodeFailed(error) from error


def _pipelines_in(module: ModuleType) -> dict[str, Pipeline[Any, Any]]:
    """Those that are made there; those that it has imported count only where it makes none."""
    found = {name: value for name, value in vars(module).items() if isinstance(value, Pipeline)}
    own = {
        name: value
        for name, value in found.items()
        if getattr(value.function, "__module__", None) == module.__name__
    }
    return own or found


def _listing(known: dict[str, Pipeline[Any, Any]]) -> str:
    if not known:
        return "no pipeline"
    kind = "the pipeline" if len(known) == 1 else "the pipelines"
    return f"{kind} {', '.join(map(repr, known))}"


def _near_file(path: Path) -> str:
    try:
        entries = [entry for entry in path.parent.iterdir() if entry.suffix == ".py"]
        names = [str(entry) for entry in entries if entry.is_file()]
    except OSError:
        return ""
    return nearest(str(path), names)
