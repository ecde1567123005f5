"""Whether a home is its user's alone: what others may write, they could have changed. Makes
nothing."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from pipekit.errors import HomeNotPrivate
from pipekit.settings import Settings

_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_OPEN = stat.S_IRWXG | stat.S_IRWXO


def check_private(settings: Settings) -> None:
    """
    Raises:
        HomeNotPrivate: others may write what is remembered, or read the key that pickles are signed
            with.
    """
    check_unwritable(settings)
    _check(settings.home / "key", _OPEN, "read or written", "go=")


def check_unwritable(settings: Settings) -> None:
    """`check_private` without the key.

    Raises:
        HomeNotPrivate: others may write what is remembered.
    """
    home = settings.home
    folders = [home, home / "logs", home / "tmp"]
    if not settings.artifacts:
        folders.append(settings.blob_folder)
    for folder in folders:
        _check(folder, _WRITABLE, "written", "go-w")
    _check(home / "pipekit.db", _WRITABLE, "written", "go-w")


def _check(path: Path, forbidden: int, what: str, mode: str) -> None:
    try:
        found = os.stat(path)
    except OSError:
        return  # who needs it says what is wrong with it
    if found.st_uid not in (os.getuid(), 0):
        raise HomeNotPrivate(
            f"{path} belongs to another user (id {found.st_uid}), who could change what is "
            "remembered; it is not used.",
            hint=f"sudo chown -R {os.getuid()} {shlex.quote(str(path))}, or set PIPEKIT_HOME to a "
            "folder of yours.",
        )
    if found.st_mode & forbidden:
        raise HomeNotPrivate(
            f"{path} may be {what} by other users (mode {stat.S_IMODE(found.st_mode):o}), who "
            "could change what is remembered; it is not used.",
            hint=f"chmod {mode} {shlex.quote(str(path))}",
        )
