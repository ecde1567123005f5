"""What lies at paths as steps observe it: which paths count, how they are recorded, and their
state now. Remembers nothing but what `FileDigests` does.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from pipekit.artifacts.files import FileDigests
from pipekit.model.hashing import digest_bytes
from pipekit.model.trace import (
    ABSENT,
    APPENDED,
    ENVIRONMENT,
    FILE,
    LEFT,
    LISTING,
    STATUS,
    THERE,
    UNREADABLE,
    VARIABLE,
    WROTE,
    Read,
    digest_of_environment,
    digest_of_names,
    digest_of_variable,
)
from pipekit.model.value import Digest
from pipekit.settings import Settings

Identity = tuple[int, int, int, int, int]
"""Device, inode, size, and when it was changed, in ns."""

_NEVER = ("/proc/", "/dev/", "/sys/")
_PACKAGES = ("/site-packages/", "/dist-packages/", "/__pycache__/")


class Places:
    """The paths of one project, seen from any process."""

    def __init__(self, settings: Settings, files: FileDigests) -> None:
        root = str(settings.project_root)
        self.root = root
        self._files = files
        self._inside = root.rstrip("/") + "/"
        self._home = os.path.basename(settings.home)
        left_out = {*_NEVER}
        for folder in (settings.home, settings.blob_folder):
            left_out |= {f"{os.path.abspath(folder)}/", f"{os.path.realpath(folder)}/"}
        left_out.add(f"{os.path.dirname(os.path.abspath(os.__file__))}/")
        if sys.prefix != sys.base_prefix and not self._inside.startswith(f"{sys.prefix}/"):
            left_out.add(f"{sys.prefix}/")
        self._left_out = tuple(left_out)

    def counts(self, path: str) -> bool:
        """Whether what a step does with an absolute path says anything of the step: pipekit's own
        files do not, nor the interpreter's, nor those of installed packages."""
        if path.startswith(self._left_out) or path.endswith(".pyc"):
            return False
        return not any(part in path for part in _PACKAGES)

    def is_inside(self, path: str) -> bool:
        """Whether an absolute path lies in the project."""
        return path.startswith(self._inside)

    def name(self, path: str) -> str:
        """An absolute path as it is recorded."""
        return path.removeprefix(self._inside) or "."

    def path(self, name: str) -> str:
        """The absolute path of a recorded one."""
        return os.path.join(self.root, name)

    def digest(self, path: str) -> Digest:
        """The digest of a file; empty where there is none."""
        try:
            return self._files.digest(Path(path))
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError:
            return UNREADABLE

    def digest_listing(self, path: str) -> Digest:
        """The digest of the names in a folder; empty where there is none. What pipekit and Python
        themselves put there does not count."""
        try:
            names = os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError:
            return UNREADABLE
        return digest_of_names(n for n in names if n not in ("__pycache__", self._home))

    def is_unchanged(self, read: Read, environment: Mapping[str, str]) -> bool:
        """Whether what was read, or left behind, is still so."""
        kind, name, digest = read
        if kind in (FILE, WROTE):
            return self.digest(self.path(name)) == digest
        if kind == ABSENT:
            return identity_of(self.path(name)) is None
        if kind in (THERE, STATUS):
            return digest_of_status(find_stat(self.path(name)), kind) == digest
        if kind == LISTING:
            return self.digest_listing(self.path(name)) == digest
        if kind == VARIABLE:
            return digest_of_variable(environment.get(name)) == digest
        if kind == ENVIRONMENT:
            return digest_of_environment(environment) == digest
        if kind == APPENDED:
            return identity_of(self.path(name)) is not None
        return kind == LEFT


def identity_of(path: str) -> Identity | None:
    """By what a change of a file is noticed; None where nothing lies there. What cannot be looked
    at has one that never changes."""
    found = find_stat(path)
    if found is None:
        return None
    return (
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns,
    )  # fmt: skip


_HIDDEN = os.stat_result((0,) * 10)


def find_stat(path: str) -> os.stat_result | None:
    """What the system knows of a path, links followed; None where nothing lies there."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError:
        return _HIDDEN


def digest_of_status(found: os.stat_result | None, kind: str) -> Digest:
    """What a question about a path was answered, by the kind of the question."""
    if found is None:
        return ""
    if kind == STATUS and not is_folder(found):
        return digest_bytes("status", str(found.st_size), str(found.st_mtime_ns))
    return "folder" if is_folder(found) else "file"


def is_folder(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode)


def is_plain(found: os.stat_result) -> bool:
    """Whether it is a file that can be read again; what cannot be looked at counts as one."""
    return found is _HIDDEN or stat.S_ISREG(found.st_mode)
