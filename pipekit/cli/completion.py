"""What a shell may complete: targets, their parameters, ids, names of steps and artifacts.

Reads files as text and records as they are; imports nothing of the user's, and is silent where
there is nothing to say: an error would be printed into the line that is being typed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from pipekit.cli.arguments import OWN
from pipekit.cli.home import Home, has_store, open_home
from pipekit.cli.log_parts import list_steps_below
from pipekit.cli.outline import OutlinedPipeline, list_pipelines
from pipekit.cli.target import parse_target
from pipekit.console.quantity import moment_text
from pipekit.control.executor_set import KNOWN_EXECUTORS
from pipekit.errors import PipekitError, short
from pipekit.model.records import Task
from pipekit.settings import read_settings

_SHELL_VARIABLE = "_PIPEKIT_COMPLETE"
_BREAKS = (":", "=")
"""Where bash breaks a word in two."""
_MOST_RUNS = 30
_MOST_IDS = 100
_MOST_FILES = 500

T = TypeVar("T")


class Completion(NamedTuple):
    """One answer to the shell."""

    value: str
    help: str = ""
    type: str = "plain"


# what follows a command that takes a TARGET


def complete_target_words(words: Sequence[str], incomplete: str) -> list[Completion]:
    """What may stand at the end of `pipekit run WORDS… INCOMPLETE`."""
    *before, current = _joined(words, incomplete)
    found = _after(before, current)
    matching = [item for item in found if item.value.startswith(current)]
    if os.environ.get(_SHELL_VARIABLE, "").endswith("bash"):
        # Only what follows the break is replaced.
        at = max(current.rfind(sign) for sign in _BREAKS) + 1
        return [item._replace(value=item.value[at:]) for item in matching]
    return matching


def _joined(words: Sequence[str], incomplete: str) -> list[str]:
    """The words as they were typed: bash gives `flow.py:train` as three."""
    typed: list[str] = []
    is_open = False
    for word in (*words, incomplete):
        if typed and (is_open or word in _BREAKS):
            typed[-1] += word
        else:
            typed.append(word)
        is_open = word in _BREAKS
    return typed


def _after(before: list[str], current: str) -> list[Completion]:
    target, option = _target_and_option(before)
    pipeline = _find_pipeline(target) if target else None
    name, equals, _ = current.partition("=")
    if equals and name.startswith("--"):
        return [item._replace(value=f"{name}={item.value}") for item in _values(name, pipeline)]
    if option:
        return _values(option, pipeline)
    if current.startswith("-"):
        return _options(pipeline, before)
    if not target:
        return _targets(current)
    return _options(pipeline, before)


def _target_and_option(before: list[str]) -> tuple[str, str]:
    """The TARGET, and the option whose value comes next; empty where there is none."""
    target, option = "", ""
    for word in before:
        if option:
            option = ""
        elif word.startswith("-"):
            option = word if _takes_value(word, target) else ""
        elif not target:
            target = word
    return target, option


def _takes_value(word: str, target: str) -> bool:
    if "=" in word or word in ("-h", "--help", "--json", "--pdb"):
        return False
    if word in OWN:
        return True
    pipeline = _find_pipeline(target) if target else None
    name = word.lstrip("-").replace("-", "_")
    if pipeline is None:
        return True
    return any(p.name == name and not p.is_flag for p in pipeline.parameters)


def _find_pipeline(target: str) -> OutlinedPipeline | None:
    place, function, _ = parse_target(target)
    found = list_pipelines(_file_of(place))
    if not function:
        return found[0] if len(found) == 1 else None
    return next((pipeline for pipeline in found if pipeline.name == function), None)


def _file_of(place: str) -> Path:
    """The file of a path, or of a module below the working folder."""
    if place.endswith(".py") or os.sep in place:
        return Path(place).expanduser()
    path = Path(*place.split(".")) if place else Path()
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _targets(current: str) -> list[Completion]:
    """`file.py:function` for each pipeline in the folder, and folders to look into."""
    place, colon, _ = current.rpartition(":")
    if colon:
        return [_target(place, pipeline) for pipeline in list_pipelines(_file_of(place))]
    folder, _, beginning = current.rpartition(os.sep)
    head = f"{folder}{os.sep}" if folder or current.startswith(os.sep) else ""
    try:
        entries = sorted(Path(head or ".").expanduser().iterdir())[:_MOST_FILES]
    except OSError:
        return []
    found, folders = [], []
    for entry in entries:
        name = entry.name
        if not name.startswith(beginning) or name.startswith((".", "__")):
            continue
        if name.endswith(".py"):
            found += [_target(head + name, pipeline) for pipeline in list_pipelines(entry)]
        elif entry.is_dir():
            folders.append(Completion(f"{head}{name}{os.sep}"))
    # With nothing but folders, the shell's own completion of paths does better.
    return [*found, *folders] if found else []


def _target(place: str, pipeline: OutlinedPipeline) -> Completion:
    return Completion(f"{place}:{pipeline.name}", pipeline.about)


def _options(pipeline: OutlinedPipeline | None, before: list[str]) -> list[Completion]:
    found = []
    for parameter in pipeline.parameters if pipeline is not None else ():
        option = "--" + parameter.name.replace("_", "-")
        about = " ".join(
            text
            for text in (
                parameter.annotation,
                f"default: {parameter.default}" if parameter.default is not None else "required",
            )
            if text
        )
        if option not in before:
            found.append(Completion(option, about))
            if parameter.is_flag:
                found.append(Completion(f"--no-{option[2:]}", about))
    own = [Completion(option) for option in sorted(OWN) if option.startswith("--")]
    taken = {item.value for item in found}
    return found + [item for item in own if item.value not in taken and item.value not in before]


def _values(option: str, pipeline: OutlinedPipeline | None) -> list[Completion]:
    if option == "--executor":
        return [Completion(name) for name in KNOWN_EXECUTORS]
    parameters = pipeline.parameters if pipeline is not None else ()
    if option in ("-p", "--param"):
        return [Completion(f"{parameter.name}=") for parameter in parameters]
    name = option.lstrip("-").replace("-", "_")
    return [Completion(c) for p in parameters if p.name == name for c in p.choices]


# what is recorded


def complete_task(incomplete: str) -> list[tuple[str, str]]:
    """Short ids, each with what it is of: the newest runs, or whatever begins as was typed."""
    return _from_home(lambda home: _tasks(home, incomplete), [])


def _tasks(home: Home, incomplete: str) -> list[tuple[str, str]]:
    runs = [run for run in home.list_runs(_MOST_RUNS) if run.id.startswith(incomplete)]
    if runs or not incomplete:
        return [(short(run.id), _about(run)) for run in runs]
    ids = home.store.find_ids(incomplete, limit=_MOST_IDS)
    tasks = [task for task in map(home.store.find_task, ids) if task is not None]
    shown = short if len(incomplete) <= len(short(ids[0])) else str
    return [(shown(task.id), _about(task)) for task in tasks] if ids else []


def _about(task: Task) -> str:
    return f"{task.name} {task.status.value} {moment_text(task.created_at)}"


def complete_step(task: str, incomplete: str) -> list[tuple[str, str]]:
    """Names of the steps of the run of that id; of the newest where it is empty."""
    return _from_home(
        lambda home: [
            (label, step.status.value)
            for label, step in list_steps_below(home, _run(home, task))
            if label.startswith(incomplete)
        ],
        [],
    )


def complete_artifact(task: str, incomplete: str) -> list[tuple[str, str]]:
    """Names of the artifacts of the task of that id."""
    return _from_home(
        lambda home: [
            (artifact.name, artifact.value.type)
            for artifact in home.store.list_artifacts(_run(home, task).id)
            if artifact.name.startswith(incomplete)
        ],
        [],
    )


def complete_run_name(incomplete: str) -> list[str]:
    """Names of pipelines that have run."""
    return _from_home(
        lambda home: sorted(
            {run.name for run in home.list_runs(_MOST_IDS) if run.name.startswith(incomplete)}
        ),
        [],
    )


def _run(home: Home, typed: str) -> Task:
    return home.archive.get_task(typed) if typed else home.list_runs(1)[0]


def _from_home(read: Callable[[Home], list[T]], nothing: list[T]) -> list[T]:
    try:
        with _existing_home() as home:
            return read(home) if home is not None else nothing
    except (PipekitError, IndexError, OSError):
        return nothing


@contextmanager
def _existing_home() -> Iterator[Home | None]:
    settings = read_settings()
    if not has_store(settings):
        yield None
        return
    with open_home(settings) as home:
        yield home
