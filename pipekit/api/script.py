"""The script that runs in this process, and its task: `Task.init` and what ends it. Owns the state
that is one a process; what is written to the store is `control/script`'s."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipekit.capture.project_files import commit_of
from pipekit.capture.source_text import NO_SOURCE, SourceText, text_of_file
from pipekit.console.note import note
from pipekit.control.archive import Archive
from pipekit.control.enqueue import warn_unserved
from pipekit.control.execute import check_runnable
from pipekit.control.project_snapshot import Snapshot, take_snapshot
from pipekit.control.script import (
    FOLLOWED_VARIABLE,
    TASK_VARIABLE,
    FollowedScript,
    Script,
    ScriptRun,
    attach_script,
    begin_script,
)
from pipekit.control.script_console import Console
from pipekit.control.script_entry import INTERACTIVE, ScriptEntry
from pipekit.control.script_exit import ScriptExit
from pipekit.control.session import archive_for
from pipekit.errors import PipekitError, UsageError, short
from pipekit.model.name import check_name
from pipekit.model.records import TaskSpec
from pipekit.model.status import Transition
from pipekit.origin import MAIN
from pipekit.settings import Settings, read_settings
from pipekit.worker import loading
from pipekit.worker.task_log import script_log


@dataclass(slots=True)
class _Held:
    """The script of this process."""

    script: Script
    exit: ScriptExit | None = None
    console: Console | None = None


_held: list[_Held] = []


def find_script(task_id: str) -> Script | None:
    """This process's script, where that is the task of this id and has not ended; else None."""
    for held in _held:
        if held.script.task_id == task_id:
            own = held.script
            return None if isinstance(own, ScriptRun) and own.has_ended else own
    return None


def is_followed(task_id: str) -> bool:
    """Whether what the module says of this task at its top level is said in another process."""
    return isinstance(find_script(task_id), FollowedScript)


def find_own(task_id: str) -> ScriptRun | None:
    """The same, where this process is the one that records it."""
    found = find_script(task_id)
    return found if isinstance(found, ScriptRun) and not found.is_over else None


def init(
    project_name: str, task_name: str, *, task_type: str, tags: Iterable[str], reuse_last: bool
) -> Script:
    """See `Task.init`."""
    if _held and not _has_ended(_held[0].script):
        _check_same(_held[0].script, project_name, task_name)
        return _held[0].script
    words = os.environ.get(TASK_VARIABLE, "")
    if _only_loads():
        return _hold(_Held(_followed()))
    if words:
        return _attach(words)
    return _begin(project_name, task_name, task_type, tuple(tags), reuse_last)


def _has_ended(script: Script) -> bool:
    return isinstance(script, ScriptRun) and script.has_ended


def _check_same(script: Script, project: str, name: str) -> None:
    if not script.task_id:
        return
    for what, given, is_ in (("name", name, script.name), ("project", project, script.project)):
        if given and given != is_:
            raise UsageError(
                f"This process has a task already, {script.name!r} of project {script.project!r} "
                f"({short(script.task_id)}): it cannot have another of the {what} {given!r}.",
                hint="end the first with task.close().",
            )


def _hold(held: _Held) -> Script:
    _held[:] = [held]
    script = held.script
    if isinstance(script, ScriptRun):
        script_log(script.log)
        file = main_file()
        folder = file.parent if file is not None else Path.cwd()
        given_by = "" if script.is_own else script.task_id
        os.environ[FOLLOWED_VARIABLE] = f"{script.task_id}:{given_by}:{folder}"
    return script


# a module that is loaded again, for the functions in it


def _only_loads() -> bool:
    """Whether the script's module is loaded here for its functions, by a worker, a command or a
    process of `multiprocessing`."""
    if loading.importing:
        return True
    processes = sys.modules.get("multiprocessing.process")
    if processes is None:
        return False
    # While such a process loads the module it knows its name, and not yet its parent.
    has_parent = processes.parent_process() is not None
    return has_parent or processes.current_process().name != "MainProcess"


def _followed() -> FollowedScript:
    """With what the script was given, where it was started to run a task: the same is to stand in
    the module's variables here."""
    task_id, given_by, folder = [*os.environ.get(FOLLOWED_VARIABLE, "").split(":", 2), "", ""][:3]
    archive = archive_for(read_settings(Path(folder)) if folder else read_settings())
    task = archive.store.find_task(given_by) if given_by else None
    return FollowedScript(archive, task, task_id=task_id)


# a process that was started to run a task


def _attach(words: str) -> Script:
    archive = archive_for(_settings())
    run = attach_script(archive, words)
    # A process that this one starts is not that task.
    del os.environ[TASK_VARIABLE]
    return _hold(_Held(run, ScriptExit(run)))


# a process that has none yet


def _begin(
    project: str, name: str, type_: str, tags: tuple[str, ...], reuse_last: bool
) -> ScriptRun:
    settings = _settings()
    archive = archive_for(settings)
    file = main_file()
    name = check_name(name, "Task") or (file.stem if file is not None else INTERACTIVE)
    project = check_name(project, f"Project of task {name!r}") or settings.project_root.name
    for tag in tags:
        check_name(tag, f"Tag of task {name!r}")
    source = text_of_file(file, settings.project_root) if file is not None else NO_SOURCE
    log_path = f"logs/script-{os.getpid()}-{os.urandom(4).hex()}.log"
    run = begin_script(
        archive, name=name, project=project, type_=str(type_), tags=tags,
        spec=_spec(archive, file, source), reuse_last=reuse_last, log_path=log_path,
        contents=((source.digest, source.content),) if source.digest else (),
    )  # fmt: skip
    limit = settings.log_limit_bytes
    console = Console(settings.home / log_path, limit_bytes=limit)
    _hold(_Held(run, ScriptExit(run), console))
    return run


def _spec(archive: Archive, file: Path | None, source: SourceText) -> TaskSpec:
    root = archive.settings.project_root
    entry = _entry(file, root)
    folder = Path.cwd()
    snapshot = Snapshot("", "")
    if entry is not None:
        snapshot = snapshot_or_none(archive)
    return TaskSpec(
        entry=entry.text if entry is not None else INTERACTIVE,
        settings=entry.settings if entry is not None else {},
        outputs=(),
        source=source.digest,
        file=str(file or ""),
        folder=folder.relative_to(root).as_posix() if folder.is_relative_to(root) else "",
        snapshot=snapshot.blob,
        commit=snapshot.commit or commit_of(root),
        argv=tuple(sys.argv[1:]) if entry is not None else (),
    )


def _entry(file: Path | None, root: Path) -> ScriptEntry | None:
    """None where there is nothing that could be started anew."""
    if file is None:
        return None
    if not file.is_relative_to(root):
        note(
            f"{file} lies outside of its project {root}: its task cannot be run from its record. "
            f"Hint: run it in {file.parent}, or put a pyproject.toml there."
        )
        return None
    spec = getattr(sys.modules[MAIN], "__spec__", None)
    first = 1 if spec is None else 0
    searched = tuple(
        dict.fromkeys(
            path.relative_to(root).as_posix()
            for path in (Path(text).resolve() for text in sys.path[first:] if text)
            if path.is_relative_to(root) and "site-packages" not in path.parts and path.is_dir()
        )
    )
    if spec is not None:
        return ScriptEntry(module=spec.name.removesuffix(".__main__"), search_path=searched)
    return ScriptEntry(path=file.relative_to(root).as_posix(), search_path=searched)


def snapshot_or_none(archive: Archive) -> Snapshot:
    """The project's files; none, with a word about it, where they cannot travel."""
    try:
        return take_snapshot(archive.settings, archive.blobs)
    except PipekitError as error:
        note(f"the task cannot be run from its record, for it has no snapshot. {error}")
        return Snapshot("", "")


def main_file() -> Path | None:
    """Where the script that this process runs lies; None for a notebook or a prompt."""
    main = sys.modules.get(MAIN)
    file = getattr(main, "__file__", None)
    if not file or not os.path.isfile(file):
        return None
    return Path(file).resolve()


def _settings() -> Settings:
    """Of the project of the script; of the working folder where that lies in none."""
    file = main_file()
    return read_settings(file.parent if file is not None else None)


# its end


def close() -> None:
    """End the script's task as completed, and let go of the process. Idempotent."""
    for held in _held:
        _end(held, Transition.COMPLETED)


def ended(task_id: str) -> None:
    """The task was ended by a word of the script's: the end of the process says no more of it."""
    for held in _held:
        if held.script.task_id == task_id:
            _let_go(held)


def _end(held: _Held, transition: Transition) -> None:
    script = held.script
    if isinstance(script, ScriptRun) and not script.is_over:
        script.end(transition)
        _let_go(held)


def _let_go(held: _Held) -> None:
    script_log(None)
    os.environ.pop(FOLLOWED_VARIABLE, None)
    if held.exit is not None:
        held.exit.let_go()
    if held.console is not None:
        held.console.let_go()


def leave_to(queue: str | None) -> NoReturn:
    """Give this process's task to a queue, or make a draft of it, and end the process.

    Raises:
        NotRunnable: it cannot be run from its record; it goes on here.
    """
    held = _held[0]
    script = held.script
    assert isinstance(script, ScriptRun)
    task = script.archive.store.find_task(script.task_id)
    if task is not None:
        check_runnable(task)
    said = f"task {script.name!r} ({short(script.task_id)})"
    transition = Transition.ENQUEUED if queue else Transition.DEQUEUED
    if not script.end(transition, queue=queue):
        note(f"{said} has been ended from elsewhere.")
    elif queue:
        note(f"{said} waits on queue {queue!r}; this process ends here.")
        warn_unserved(script.archive, queue)
    else:
        note(f"{said} is a draft now; this process ends here.")
    _let_go(held)
    raise SystemExit(0)


def is_own_process() -> bool:
    """Whether this process runs a script of its own accord: nobody started it to run a task."""
    for held in _held:
        if isinstance(held.script, ScriptRun):
            return held.script.is_own and not held.script.is_over
    return False
