"""On which kind of file system a path lies, as far as a store must know. Knows no database."""

from __future__ import annotations

import os
from pathlib import Path

_NETWORK = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre"),
        *("ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs"),
        *("vboxsf", "wekafs", "fuse.ceph", "fuse.cifs", "fuse.davfs", "fuse.gcsfuse"),
        *("fuse.glusterfs", "fuse.goofys", "fuse.juicefs", "fuse.rclone", "fuse.s3fs"),
        *("fuse.smbnetfs", "fuse.sshfs"),
    )
)
"""Where locks or shared memory between processes cannot be relied upon."""

_MOUNTS = Path("/proc/mounts")


def find_network_file_system(folder: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """The type of the network file system that `folder` lies on; None where it lies on none.

    Args:
        folder: Need not exist.
        mounts: The kernel's table; where there is none (macOS), nothing is known and nothing said.
    """
    try:
        table = mounts.read_bytes()
    except OSError:
        return None
    # Most machines mount none: then the path need not be resolved.
    kinds = {line.split(b" ")[2].decode() for line in table.splitlines() if line.count(b" ") >= 2}
    if kinds.isdisjoint(_NETWORK):
        return None
    real = os.path.realpath(folder)
    best, kind = "", ""
    for line in table.splitlines():
        fields = os.fsdecode(line).split(" ")
        if len(fields) > 2:
            point = _unescaped(fields[1])
            # The last of equal mount points hides the ones before it.
            if _is_below(real, point) and len(point) >= len(best):
                best, kind = point, fields[2]
    return kind if kind in _NETWORK else None


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
