"""Digests of files and folders by content, and what is remembered of them. Stores no content."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from blake3 import blake3

from pipekit.clock import Clock, SystemClock
from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest

KEPT_BYTES = 1 << 20
"""Files from here on are remembered on disk too."""

RACY_NS = 50_000_000
"""A file changed this short a time before it was read may change again at the same timestamp."""

_CHUNK = 1 << 20
_ATTEMPTS = 3

_Identity = tuple[int, int, int, int, int]


class FileDigests:
    """Digests of files and folders, remembered by (device, inode, size, mtime, ctime).

    A file's digest is BLAKE3 of its bytes; a folder's is made of the names and digests in it, in
    order of the names. Links are followed, modes do not count. Thread-safe.

    Args:
        cache_folder: Where digests of large files outlive the process; None keeps none.
        clock: Tells whether a file was changed just now.
        leave_out: A folder that is no part of the folders that it lies in: pipekit's own home
            changes with every step.
    """

    def __init__(
        self,
        cache_folder: Path | None,
        *,
        clock: Clock | None = None,
        leave_out: Path | None = None,
    ) -> None:
        self._folder = cache_folder
        self._leave_out = None if leave_out is None else os.path.realpath(leave_out)
        self._clock = clock or SystemClock()
        self._memory: dict[_Identity, Digest] = {}
        self._cache: Any = None
        self._cache_failed = cache_folder is None

    def digest_located(self, path: Path, root: Path) -> Digest:
        """The digest of what lies at a path, and of where that is: its text, relative to `root`
        where it lies there. Code may look at a file's folder as well as into the file.

        Raises:
            FileNotFoundError: there is nothing.
        """
        absolute = os.path.abspath(path)
        where = os.path.relpath(absolute, root) if absolute.startswith(f"{root}/") else absolute
        return digest_bytes("at", where, self.digest(path))

    def digest(self, path: Path) -> Digest:
        """The digest of what lies at `path` now.

        Raises:
            FileNotFoundError: nothing lies there.
            OSError: it cannot be read, keeps changing, or is no file and no folder.
        """
        try:
            found = os.stat(path)
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no file or folder {str(path)!r}.") from None
        if stat.S_ISDIR(found.st_mode):
            return self._digest_folder(str(path), (_place(found),))
        return self._digest_file(str(path), found)

    def _digest_folder(self, folder: str, above: tuple[tuple[int, int], ...]) -> Digest:
        parts: list[str | bytes] = ["folder"]
        for name in sorted(os.listdir(folder)):
            path = f"{folder}/{name}"
            raw = os.fsencode(name)
            try:
                found = os.stat(path)
            except FileNotFoundError:
                parts += (raw, "dangling", os.fsencode(os.readlink(path)))
                continue
            if self._leave_out is not None and os.path.realpath(path) == self._leave_out:
                continue
            if not stat.S_ISDIR(found.st_mode):
                parts += (raw, "file", self._digest_file(path, found))
            elif _place(found) in above:
                # A link to a folder that it lies in.
                parts += (raw, "back", str(len(above) - above.index(_place(found))))
            else:
                parts += (raw, "folder", self._digest_folder(path, (*above, _place(found))))
        return digest_bytes(*parts)

    def _digest_file(self, path: str, found: os.stat_result) -> Digest:
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path!r} is neither a file nor a folder: it has no content to digest.")
        identity = _identity(found)
        known = self._memory.get(identity)
        if known is None and found.st_size >= KEPT_BYTES:
            known = self._find_kept(identity)
        if known is not None:
            self._memory[identity] = known
            return known
        for _ in range(_ATTEMPTS):
            digest, before, after = _read(path)
            if before == after:
                self._remember(before, digest)
                return digest
        raise OSError(f"{path!r} changes while it is read: it has no digest yet.")

    def _remember(self, identity: _Identity, digest: Digest) -> None:
        changed_ns = max(identity[3], identity[4])
        if self._clock.now() * 1e9 - changed_ns < RACY_NS:
            return
        self._memory[identity] = digest
        if identity[2] >= KEPT_BYTES:
            self._keep(identity, digest)

    def _find_kept(self, identity: _Identity) -> Digest | None:
        cache = self._open_cache()
        if cache is None:
            return None
        try:
            value = cache.get(_key(identity))
        except Exception:  # noqa: BLE001 - whatever is wrong with the memo, the file itself can be read
            return None
        return value.decode() if type(value) is bytes and _is_digest(value) else None

    def _keep(self, identity: _Identity, digest: Digest) -> None:
        cache = self._open_cache()
        if cache is None:
            return
        try:
            cache.set(_key(identity), digest.encode())
        except Exception:  # noqa: BLE001 - as above: a memo that cannot be written costs time only
            self._cache_failed = True

    def _open_cache(self) -> Any:
        if self._cache is None and not self._cache_failed:
            from pipekit.artifacts.bytes_cache import open_cache  # 15 ms, for large files only

            try:
                self._cache = open_cache(Path(self._folder or ""), size_limit=64 << 20)
            except Exception:  # noqa: BLE001 - no folder to write in, no database in the file
                self._cache_failed = True
        return None if self._cache_failed else self._cache


def _read(path: str) -> tuple[Digest, _Identity, _Identity]:
    with open(path, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        running = blake3(max_threads=2 if before.st_size >= _CHUNK else 1)
        while chunk := file.read(_CHUNK):
            running.update(chunk)
        return running.hexdigest(), _identity(before), _identity(os.fstat(file.fileno()))


def _identity(found: os.stat_result) -> _Identity:
    return (
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns,
    )  # fmt: skip


def _place(found: os.stat_result) -> tuple[int, int]:
    return (found.st_dev, found.st_ino)


def _key(identity: _Identity) -> str:
    return ":".join(map(str, identity))


def _is_digest(value: bytes) -> bool:
    return len(value) == 64 and set(value) <= set(b"0123456789abcdef")
