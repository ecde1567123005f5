"""Blobs in a local folder, under their digest. Owns the layout and the durability of that folder;
knows nothing of what the bytes mean.

`<root>/ab/<digest>` is a blob, `<root>/tmp/*` is being written. A blob appears by a rename.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from pipekit import crash
from pipekit.errors import BlobMissing, StoreUnavailable
from pipekit.model.value import Digest

_HEXADECIMAL = frozenset("0123456789abcdef")

_DOOMED = "old-"

T = TypeVar("T")


def unavailable(path: object, error: OSError) -> StoreUnavailable:
    """The error for a folder of blobs that cannot be written or read."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space, or set PIPEKIT_ARTIFACTS to a folder on another disk."
    else:
        hint = "set PIPEKIT_HOME or PIPEKIT_ARTIFACTS to a folder that can be written."
    reason = error.strerror or str(error)
    return StoreUnavailable(f"The artifact store cannot use {str(path)!r}: {reason}.", hint=hint)


class LocalBlobStore:
    """The port `BlobStore` on a local folder, made at the first write.

    Args:
        root: The folder.
        fsync: Wait for the disk before a blob counts as written (`durability="full"`).
    """

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        self.root = Path(root)
        self._fsync = fsync
        self._root = str(root)
        self._tmp = f"{root}/tmp"

    @contextmanager
    def stage(self) -> Iterator[IO[bytes]]:
        name = f"{self._tmp}/{os.getpid()}-{os.urandom(8).hex()}"
        try:
            staged = _in_folder(self._tmp, lambda: open(name, "xb", opener=_private))  # noqa: SIM115
        except OSError as error:
            raise unavailable(self._root, error) from error
        try:
            yield staged
        finally:
            try:
                staged.close()
            except OSError:
                pass  # what could not be flushed was not adopted; the writer saw the error
            try:
                os.unlink(name)
            except OSError:
                pass  # adopted, or the folder is gone

    def adopt(self, staged: IO[bytes], digest: Digest) -> None:
        target = self._path(digest)
        try:
            staged.flush()
            os.fchmod(staged.fileno(), 0o400)  # a blob is never written again
            # One that is there is replaced: what lies under a name may have been damaged since.
            if self._fsync:
                os.fsync(staged.fileno())
            if crash.armed:
                crash.at("blob.staged")
            _in_folder(os.path.dirname(target), lambda: os.rename(staged.name, target))
            if crash.armed:
                crash.at("blob.renamed")
            self._sync_folder(target)
        except OSError as error:
            raise unavailable(self._root, error) from error

    def adopt_folder(self, folder: Path, digest: Digest) -> None:
        target = self._path(digest)
        try:
            if self._fsync:
                _sync_tree(folder)
            if not os.path.exists(target):
                try:
                    _in_folder(os.path.dirname(target), lambda: os.rename(folder, target))
                    self._sync_folder(target)
                    return
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
            os.utime(target)  # wanted now, so it is not old
            _remove_tree(str(folder))
        except OSError as error:
            raise unavailable(self._root, error) from error

    def find(self, digest: Digest) -> Path | None:
        target = self._path(digest)
        return Path(target) if os.path.exists(target) else None

    def remove(self, digest: Digest) -> bool:
        target = self._path(digest)
        try:
            os.unlink(target)
        except FileNotFoundError:
            return False
        except (IsADirectoryError, PermissionError):
            return self._remove_folder(target)
        except OSError as error:
            raise unavailable(self._root, error) from error
        return True

    def remove_old(self, digest: Digest, *, before: float) -> int | None:
        target = self._path(digest)
        # Taken out first, then looked at: one that is adopted meanwhile is another file, and what
        # was adopted a moment ago goes back. The name says whose it is, should this process end.
        doomed = f"{self._tmp}/{_DOOMED}{digest}-{os.urandom(8).hex()}"
        try:
            if os.stat(target).st_mtime >= before:
                return None
            _in_folder(self._tmp, lambda: os.rename(target, doomed))
            if crash.armed:
                crash.at("controller.blob-taken")
            if os.stat(doomed).st_mtime >= before:
                self._put_back(doomed, target)
                return None
            size = _size_of(doomed)
            if os.path.isdir(doomed):
                _remove_tree(doomed)
            else:
                os.unlink(doomed)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unavailable(self._root, error) from error
        return size

    def restore(self) -> None:
        """Put back what a process that has ended in `remove_old` had taken out."""
        try:
            names = os.listdir(self._tmp)
        except FileNotFoundError:
            return
        for name in names:
            digest = name.removeprefix(_DOOMED)[:64]
            if name.startswith(_DOOMED) and _is_digest(digest):
                self._put_back(f"{self._tmp}/{name}", self._path(digest))

    def _put_back(self, doomed: str, target: str) -> None:
        try:
            if os.path.exists(target):
                _remove_tree(doomed) if os.path.isdir(doomed) else os.unlink(doomed)
            else:
                os.rename(doomed, target)
        except FileNotFoundError:
            pass  # another process did it

    def list_sizes(self) -> Iterator[tuple[Digest, int, float]]:
        for digest in self.list_digests():
            target = self._path(digest)
            try:
                yield digest, _size_of(target), os.stat(target).st_mtime
            except FileNotFoundError:
                continue

    def _remove_folder(self, target: str) -> bool:
        # Renamed first: a blob is whole or absent, also while it is being deleted.
        doomed = f"{self._tmp}/{os.getpid()}-{os.urandom(8).hex()}"
        try:
            _in_folder(self._tmp, lambda: os.rename(target, doomed))
            _remove_tree(doomed)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unavailable(self._root, error) from error
        return True

    def list_digests(self) -> Iterator[Digest]:
        try:
            shards = [entry.path for entry in os.scandir(self._root) if len(entry.name) == 2]
        except FileNotFoundError:
            return
        except OSError as error:
            raise unavailable(self._root, error) from error
        for shard in shards:
            for name in os.listdir(shard):
                if _is_digest(name):
                    yield name

    def _path(self, digest: Digest) -> str:
        # Digests come out of records, which others may have written: none leads out of the folder.
        if not _is_digest(digest):
            raise BlobMissing(digest=str(digest), what="something that is not a digest")
        return f"{self._root}/{digest[:2]}/{digest}"

    def _sync_folder(self, target: str) -> None:
        if self._fsync:
            _sync(os.path.dirname(target))
            _sync(self._root)


def _size_of(path: str) -> int:
    """Of a file, or of all files in a folder."""
    if not os.path.isdir(path):
        return os.stat(path).st_size
    return sum(
        os.lstat(f"{parent}/{name}").st_size for parent, _, names in os.walk(path) for name in names
    )


def _is_digest(text: str) -> bool:
    return len(text) == 64 and _HEXADECIMAL.issuperset(text)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _in_folder(folder: str, act: Callable[[], T]) -> T:
    """Does it, and where the folder is not there, makes the folder and does it again."""
    try:
        return act()
    except FileNotFoundError:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return act()


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            _sync(f"{parent}/{name}")
        _sync(parent)


def _remove_tree(folder: str) -> None:
    import shutil  # 5 ms that only folders need

    shutil.rmtree(folder)
