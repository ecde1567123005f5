"""A control group that holds a worker to its memory: the kernel does what a watch can only come too
late for. Linux with cgroup v2, where this process may make groups of its own.

A group can be made beside or below the one that this process is in, where the memory controller is
handed on there and its files may be written: in a systemd user's session, or below a unit with
`Delegate=yes`.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

_MOUNT = "sys/fs/cgroup"
_numbers = itertools.count(1)


class MemoryGroup:
    """The group of one worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def make(cls, base: Path, pid: int) -> MemoryGroup | None:
        """A new group below `base` with the process in it; None where it cannot be had."""
        folder = base / f"pipekit-{os.getpid()}-{next(_numbers)}"
        group = cls(folder)
        try:
            folder.mkdir()
            (folder / "memory.oom.group").write_text("1")
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            group.remove()
            return None
        return group

    def limit(self, limit_bytes: int | None) -> bool:
        """Set the limit, or take it away; False where that cannot be done."""
        text = "max" if limit_bytes is None else str(limit_bytes)
        try:
            (self._folder / "memory.max").write_text(text)
        except OSError:
            return False
        try:
            (self._folder / "memory.swap.max").write_text("max" if limit_bytes is None else "0")
        except OSError:
            pass  # a kernel that does not count what is swapped out
        return True

    def has_killed(self) -> bool:
        """Whether the kernel has ended the group for its memory."""
        try:
            lines = (self._folder / "memory.events").read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)

    def remove(self) -> None:
        """Its processes are gone."""
        try:
            self._folder.rmdir()
        except OSError:
            pass  # one is still on its way out: an empty group costs next to nothing


def find_base(root: Path = Path("/")) -> Path | None:
    """The group below which groups with a limit can be made; None where there is none."""
    mount = root / _MOUNT
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None  # not Linux
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    if path is None or ".." in path.split("/"):
        return None
    own = mount / path.strip("/")
    for folder in (own, own.parent):
        if folder.is_relative_to(mount) and _hands_on_memory(folder):
            return folder
    return None


def _hands_on_memory(folder: Path) -> bool:
    try:
        handed_on = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    return (
        "memory" in handed_on
        and os.access(folder, os.W_OK)
        and os.access(folder / "cgroup.procs", os.W_OK)
    )
