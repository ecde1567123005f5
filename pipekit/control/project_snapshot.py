"""Makes a project's files into a blob that a task refers to, once as long as no file changes."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipekit.artifacts.snapshot import pack
from pipekit.capture.project_files import ProjectFile, commit_of, project_files
from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest
from pipekit.ports import BlobStore
from pipekit.settings import Settings


class Snapshot(NamedTuple):
    """The state of a project's files."""

    blob: Digest
    commit: str
    """What git calls it; empty where it does not look after the project."""


def take_snapshot(settings: Settings, blobs: BlobStore) -> Snapshot:
    """The project's files as they are now.

    Raises:
        TooLarge: they are more than may travel.
        PipekitError, StoreUnavailable: a file cannot be read, or the blob not written.
    """
    root = settings.project_root
    files = project_files(root, home=settings.home, limit_bytes=settings.snapshot_limit_bytes)
    facts = _facts(root, files)
    memo = settings.home / "cache" / f"snapshot-{digest_bytes(str(root))[:16]}.json"
    blob = _remembered(memo, facts)
    if blob is None or blobs.find(blob) is None:
        blob = pack(root, [(file.path, file.mode, file.link) for file in files], blobs)
        # Only what was so before and after is known to be what was packed.
        if _facts(root, [file for file in files if (root / file.path).exists()]) == facts:
            _remember(memo, facts, blob)
    return Snapshot(blob, commit_of(root))


def _facts(root: Path, files: list[ProjectFile]) -> Digest:
    """Changes with anything that may change what is packed."""
    shown = []
    for file in files:
        with suppress(OSError):
            found = os.lstat(root / file.path)
            times = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            shown.append(f"{file.path}\0{file.mode}\0{file.link}\0{times}")
    return digest_bytes(*shown)


def _remembered(memo: Path, facts: Digest) -> Digest | None:
    try:
        known = json.loads(memo.read_text())
        return str(known["blob"]) if known["facts"] == facts else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _remember(memo: Path, facts: Digest, blob: Digest) -> None:
    """The memo is a convenience: where it cannot be written, the files are packed again."""
    fresh = memo.with_name(f"{memo.name}.{os.getpid()}")
    try:
        memo.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_text(json.dumps({"facts": facts, "blob": blob}))
        fresh.replace(memo)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
