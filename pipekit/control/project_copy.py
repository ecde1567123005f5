"""A copy of a project as it was when a run was submitted, for the process that conducts the run:
made and entered once a process, and removed at its end.

What does not travel (data that git ignores) is linked to where it lies, as long as the project is
on this machine. The copy is not in the home: what lies there does not count among what steps read.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pipekit.artifacts.snapshot import unpack
from pipekit.control.archive import Archive
from pipekit.errors import BlobMissing
from pipekit.model.records import Task, TaskSpec
from pipekit.model.value import Digest
from pipekit.origin import COPY_VARIABLE

ROOT = "root"
"""Among a run's settings: where its project lay."""
SEARCHED = "path"
"""Among a run's settings: folders of the project that modules were looked for in."""
_ORIGINAL_VARIABLE = "_PIPEKIT_ORIGINAL"
"""In a process that runs in a copy: the snapshot that it was made of, and where the project lay."""
_LEFT_OUT = frozenset((".git", ".hg", ".svn", "__pycache__"))
_PREFIX = "pipekit-"
_made: dict[Digest, Path] = {}
"""The copies that this process has made, by snapshot."""


class Original(NamedTuple):
    """What a copy was made of."""

    snapshot: Digest
    root: Path


def find_original(root: Path) -> Original | None:
    """What the project in `root` is a copy of; None where it is the project itself."""
    snapshot, _, original = os.environ.get(_ORIGINAL_VARIABLE, "").partition(":")
    if not snapshot or os.environ.get(COPY_VARIABLE) != str(root):
        return None
    return Original(snapshot, Path(original))


def enter_copy(archive: Archive, task: Task, number: int) -> Task:
    """Make a copy of the project of a run, for attempt `number` in this process, and have this
    process and what it starts take modules from there; the task as it lies there. Where the run has
    no snapshot, it stays where its project lies. The copy is removed when the process ends.

    Raises:
        BlobMissing: the snapshot is gone.
        PipekitError, OSError: it cannot be unpacked.
    """
    _keep_home(archive)
    snapshot = task.spec.snapshot
    if not snapshot or ROOT not in task.spec.settings:
        return task
    root = Path(task.spec.settings[ROOT])
    copy = _made.get(snapshot)
    if copy is None:
        copy = _made[snapshot] = _make(archive, task, root, number)
        os.environ[COPY_VARIABLE] = str(copy)
        os.environ[_ORIGINAL_VARIABLE] = f"{snapshot}:{root}"
        _search(copy, task.spec.settings.get(SEARCHED, ()))
    return replace(task, spec=_placed(task.spec, root, copy))


def _make(archive: Archive, task: Task, root: Path, number: int) -> Path:
    blob = archive.blobs.find(task.spec.snapshot)
    if blob is None:
        raise BlobMissing(digest=task.spec.snapshot, what=f"the project of run {task.name!r}")
    folder = new_folder(task.id, number)
    atexit.register(_remove, folder, os.getpid())
    unpack(blob, folder / "project")
    _link_rest(root, folder / "project", archive.settings.home)
    return folder / "project"


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in what was forked
        os.chdir(folder.parent)
        shutil.rmtree(folder, ignore_errors=True)


def new_folder(task_id: str, number: int) -> Path:
    """A new folder for the copies of an attempt, closed to other users. Who makes it removes it;
    where he could not, `remove_copies` does."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{task_id}-{number}-")).resolve()


def remove_copies(task_id: str, number: int) -> None:
    """Remove the copies of an attempt whose process could not do so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}{task_id}-{number}-*"):
        with suppress(FileNotFoundError):  # another process was first
            if folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)


def _keep_home(archive: Archive) -> None:
    """Wherever this process goes, its home stays the one that the run is recorded in."""
    settings = archive.settings
    os.environ["PIPEKIT_HOME"] = str(settings.home)
    if settings.store:
        os.environ["PIPEKIT_STORE"] = settings.store
    if settings.artifacts:
        os.environ["PIPEKIT_ARTIFACTS"] = settings.artifacts


def _link_rest(root: Path, copy: Path, home: Path) -> None:
    """Let the folders of the copy lead to what lies in those of the project beside it."""
    for place, folders, _ in os.walk(copy):
        original = root / os.path.relpath(place, copy)
        try:
            names = os.listdir(original)
        except OSError:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not os.path.islink(os.path.join(place, name))]
        for name in names:
            target = os.path.join(place, name)
            if name in _LEFT_OUT or original / name == home or os.path.lexists(target):
                continue
            os.symlink(original / name, target)


def _search(copy: Path, folders: Sequence[str]) -> None:
    """Have modules looked for where they were, here and in programs that are started."""
    paths = [str(copy / folder) for folder in folders]
    sys.path[:0] = paths
    if paths:
        more = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *([more] if more else [])])


def _placed(spec: TaskSpec, root: Path, copy: Path) -> TaskSpec:
    """Where its file and its working folder are in the copy. A folder outside of the project stays,
    where there is one."""
    file, folder = Path(spec.file), Path(spec.folder)
    inside = copy
    if folder.is_relative_to(root):
        inside = copy / folder.relative_to(root)
        inside.mkdir(parents=True, exist_ok=True)  # one without files does not travel
    elif folder.is_dir():
        inside = folder
    return replace(spec, file=str(copy / file.relative_to(root)), folder=str(inside))
