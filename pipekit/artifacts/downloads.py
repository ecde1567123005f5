"""Local copies of what lies at URLs, within a bound of bytes: the least recently used go first.

    <folder>/files/<digest of the URL>/<digest of the content>/<name>     a copy, or one unpacked
    <folder>/index/                                                       what is known of each

The index is diskcache with text keys and raw bytes alone (`bytes_cache`), and no path is taken from
it: whoever could write it could have a copy forgotten, and nothing else. A copy gets its place by a
rename when it is whole; one that was changed there is noticed and fetched anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import sqlite3
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipekit.artifacts import remote, unpacking
from pipekit.artifacts.bytes_cache import RefusedRow, open_cache
from pipekit.artifacts.files import FileDigests
from pipekit.errors import PipelineWarning, TransferFailed
from pipekit.model.hashing import digest_bytes

_INDEX_BYTES = 64_000_000
"""Of the index alone: some hundred thousand copies."""
_GRACE_SECONDS = 3600.0
"""What was asked for since may be in use, and stays."""
_NOTE_USE_SECONDS = 60.0
_DIGEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a copy."""

    url: str
    """As it may be shown."""
    name: str
    digest: str
    """Of its content; the first half, in hexadecimal."""
    signature: str
    """By which a change of it is noticed."""
    size_bytes: int
    version: str
    checksums: tuple[str, ...]
    used_at: float


class Downloads:
    """The copies of one home. Processes and threads may use the same folder at once: who asks for a
    URL that another is downloading waits for that. To be closed."""

    def __init__(
        self, folder: Path, *, temporary: Path, limit_bytes: int, now: Callable[[], float]
    ) -> None:
        self._files = folder / "files"
        self._temporary = temporary
        self._limit_bytes = limit_bytes
        self._now = now
        self._digests = FileDigests(None)
        self._files.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._index: Any = open_cache(folder / "index", size_limit=_INDEX_BYTES)

    def __enter__(self) -> Downloads:
        return self

    def __exit__(self, *_: object) -> None:
        self._index.close()

    def get(
        self, url: str, *, force: bool = False, checksum: str = "", told: remote.Told | None = None
    ) -> Path:
        """The copy of what lies at a URL: a file, or a folder. Where there is one, without network.

        Args:
            url: Of another machine.
            force: Ask whether there is something newer; without an answer to that, fetch it.
            checksum: That it must have, as `sha256:…`; empty: any.
            told: Hears how far a download has come.

        Raises:
            TransferFailed: it cannot be had whole.
            UsageError: no such URL is known, or the checksum is none.
        """
        if checksum:
            remote.parse_checksum(checksum)
        key = _key(url)
        with self._alone(key):
            known = self._known(key)
            if known is not None and not force:
                path = self._path(key, known)
                if self._has_checksum(key, known, path, checksum):
                    return self._used(key, known)
            return self._fetch(url, key, known, checksum, told)

    def unpacked(self, archive: Path) -> Path:
        """The folder that an archive was unpacked to, now or earlier.

        Raises:
            ArchiveRefused: it cannot be, or is not to be.
        """
        digest = self._digest(archive)
        key = _key(f"unpacked {digest} {archive.name}")
        with self._alone(key):
            known = self._known(key)
            if known is not None:
                return self._used(key, known)
            name = unpacking.stem_of(archive.name)
            with self._draft() as draft:
                unpacking.unpack(archive, draft / name, most_bytes=self._limit_bytes)
                entry = _Entry(archive.name, name, digest, "", 0, "", (), self._now())
                return self._keep(key, draft / name, entry)

    # one URL

    def _fetch(
        self, url: str, key: str, known: _Entry | None, checksum: str, told: remote.Told | None
    ) -> Path:
        with self._draft() as draft:
            target = draft / remote.name_of(url)
            version = known.version if known is not None else ""
            if known is not None and not self._has_checksum(
                key, known, self._path(key, known), checksum
            ):
                version = ""
            fetched = remote.fetch(
                url, target, known=version, most_bytes=self._limit_bytes, told=told
            )
            if fetched is None:
                assert known is not None
                return self._used(key, known)
            checksums = fetched.checksums
            if checksum:
                self._check(url, target, checksum)
                checksums = (*checksums, checksum.lower())
            entry = _Entry(
                remote.shown(url), target.name, self._digest(target), "", 0, fetched.version,
                checksums, self._now(),
            )  # fmt: skip
            return self._keep(key, target, entry)

    def _check(self, url: str, path: Path, checksum: str) -> None:
        algorithm, wanted = remote.parse_checksum(checksum)
        found = remote.digest_of(path, algorithm) if path.is_file() else "that of a folder"
        if found != wanted:
            raise TransferFailed(
                url=remote.shown(url),
                what="downloaded",
                reason=f"its {algorithm} is {found}, not {wanted}",
                hint="the file there is another one than was meant, or the checksum is.",
            )

    def _has_checksum(self, key: str, entry: _Entry, path: Path, checksum: str) -> bool:
        """Whether a copy is what is asked for; where that is found out now, it is noted."""
        if not checksum or checksum.lower() in entry.checksums:
            return True
        algorithm, wanted = remote.parse_checksum(checksum)
        if not path.is_file() or remote.digest_of(path, algorithm) != wanted:
            return False
        self._write(key, replace(entry, checksums=(*entry.checksums, checksum.lower())))
        return True

    def _keep(self, key: str, draft: Path, entry: _Entry) -> Path:
        """Give a whole draft its place."""
        if draft.is_file():
            draft.chmod(0o400)
        folder = self._files / key / entry.digest
        shutil.rmtree(folder, ignore_errors=True)  # a changed one, or one that nobody knows of
        folder.mkdir(mode=0o700, parents=True)
        place = folder / entry.name
        draft.rename(place)
        size, signature = _state_of(place)
        entry = replace(entry, size_bytes=size, signature=signature)
        self._write(key, entry)
        self._trim(key)
        return place

    def _known(self, key: str) -> _Entry | None:
        """The entry of a copy that is there as it was made."""
        entry = self._read(key)
        if entry is None:
            return None
        path = self._path(key, entry)
        try:
            _, signature = _state_of(path)
            if signature == entry.signature:
                return entry
            if path.is_file() and self._digest(path) == entry.digest:
                return replace(entry, signature=signature)
        except OSError:
            return None  # it was deleted: that says nothing
        warnings.warn(
            PipelineWarning(
                f"The local copy of {entry.url} ({path}) was changed, and is made anew.",
                hint="copy it elsewhere to work on it.",
            ),
            stacklevel=2,
        )
        return None

    def _used(self, key: str, entry: _Entry) -> Path:
        now = self._now()
        if now - entry.used_at > _NOTE_USE_SECONDS:
            self._write(key, replace(entry, used_at=now))
        return self._path(key, entry)

    def _path(self, key: str, entry: _Entry) -> Path:
        return self._files / key / entry.digest / entry.name

    def _digest(self, path: Path) -> str:
        return self._digests.digest(path)[:32]

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Path]:
        """A folder for what is not whole yet; what is left in it goes."""
        self._temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="download-", dir=self._temporary))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # the lock of one URL: on its folder, so that none is left when that goes

    @contextlib.contextmanager
    def _alone(self, key: str, *, wait: bool = True) -> Iterator[None]:
        """
        Raises:
            BlockingIOError: another has it, and `wait` is not set.
        """
        folder = self._files / key
        while True:
            folder.mkdir(mode=0o700, exist_ok=True)
            try:
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # it went between the two lines
            try:
                fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same(fd, folder):
                    yield
                    return
            finally:
                os.close(fd)

    # the bound

    def _trim(self, current: str) -> None:
        """Let copies go until the rest is within the bound: those used longest ago, none that was
        used within the last hour, and what no entry tells of."""
        entries = {key: entry for key in self._keys() if (entry := self._read(key)) is not None}
        now = self._now()
        for folder in self._files.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process was first
                if folder.name not in entries and now - folder.stat().st_mtime > _GRACE_SECONDS:
                    self._remove(folder.name)
        total = sum(entry.size_bytes for entry in entries.values())
        for key, entry in sorted(entries.items(), key=lambda item: item[1].used_at):
            if total <= self._limit_bytes or now - entry.used_at < _GRACE_SECONDS:
                return
            if key != current and self._remove(key):
                total -= entry.size_bytes

    def _remove(self, key: str) -> bool:
        try:
            with self._alone(key, wait=False):
                self._index.pop(key)
                shutil.rmtree(self._files / key, ignore_errors=True)
        except (BlockingIOError, sqlite3.Error, RefusedRow):
            return False
        return True

    # the index

    def _keys(self) -> list[str]:
        try:
            return [key for key in self._index if _DIGEST.fullmatch(key)]
        except (sqlite3.Error, RefusedRow):
            return []

    def _read(self, key: str) -> _Entry | None:
        try:
            row = self._index.get(key)
            told = json.loads(row) if row is not None else None
            entry = _Entry(**told) if told is not None else None
        except (sqlite3.Error, RefusedRow, ValueError, TypeError):
            return None
        if entry is None or not _DIGEST.fullmatch(entry.digest) or not _is_plain(entry.name):
            return None
        return replace(entry, checksums=tuple(entry.checksums))

    def _write(self, key: str, entry: _Entry) -> None:
        with contextlib.suppress(sqlite3.Error):  # it will be fetched once more
            self._index.set(key, json.dumps(asdict(entry)).encode())


def _key(url: str) -> str:
    return digest_bytes("download", url.partition("#")[0])[:32]


def _is_plain(name: str) -> bool:
    return bool(name) and name not in (".", "..") and "/" not in name and "\0" not in name


def _is_same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _state_of(path: Path) -> tuple[int, str]:
    """How many bytes lie there, and by what a change of them is noticed.

    Raises:
        OSError: there is nothing.
    """
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return found.st_size, f"{found.st_size} {found.st_mtime_ns}"
    size, parts = 0, []
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            place = os.path.join(folder, name)
            one = os.lstat(place)
            size += one.st_size
            parts.append(f"{os.path.relpath(place, path)} {one.st_size} {one.st_mtime_ns}")
    return size, digest_bytes("tree", *parts)
