"""The files of a project as one blob, and unpacked again. Owns the format: a tar, compressed, of
equal bytes for equal files, whenever and wherever it is made. Which files: the caller says.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from blake3 import blake3

from pipekit.errors import PipekitError
from pipekit.model.value import Digest
from pipekit.ports import BlobStore

_EPOCH = 315532800
"""1980: zip files, into which some build tools put what they find, know no earlier time."""
_LEVEL = 1


def pack(root: Path, files: Iterable[tuple[str, int, str]], blobs: BlobStore) -> Digest:
    """Put the files, each as its path below `root`, its mode and where it links to, into one blob;
    its address.

    Raises:
        StoreUnavailable: the blob cannot be written.
        PipekitError: a file cannot be read.
    """
    with blobs.stage() as staged:
        sink = _Sink(staged)
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for path, mode, link in sorted(files):
                _add(archive, root, path, mode, link)
        sink.finish()
        blobs.adopt(staged, sink.digest)
        return sink.digest


def unpack(blob: Path, folder: Path) -> None:
    """Write the files of a snapshot below `folder`, which is made.

    Raises:
        PipekitError: it is no snapshot, or leads out of the folder; nothing is to be run there.
        OSError: a file cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with blob.open("rb") as packed:
            source = _Source(packed)
            with tarfile.open(fileobj=source, mode="r|") as archive:
                for member in archive:
                    _write(archive, member, folder)
            while source.read(1 << 18):
                pass  # to its end, which says that all of it is there
    except (tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise PipekitError(
            f"The snapshot of a project in {blob} cannot be unpacked: {error}.",
            hint="start the task anew where its project lies: that makes another.",
        ) from error


def _add(archive: tarfile.TarFile, root: Path, path: str, mode: int, link: str) -> None:
    info = tarfile.TarInfo(path)
    info.mtime, info.mode = _EPOCH, mode
    if link:
        info.type, info.linkname = tarfile.SYMTYPE, link
        archive.addfile(info)
        return
    try:
        with (root / path).open("rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            archive.addfile(info, file)
    except FileNotFoundError:
        pass  # it went between the listing and now, as files do
    except OSError as error:
        raise PipekitError(
            f"{root / path} cannot be put into the snapshot of its project: {error.strerror}.",
            hint="make it readable, or name it in .pipekitignore.",
        ) from error


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    parts = PurePosixPath(member.name).parts
    if not parts or member.name.startswith("/") or ".." in parts:
        raise ValueError(f"it holds a file named {member.name!r}")
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{member.name!r} leads out of it")
    if member.issym():
        reach = os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname))
        if os.path.isabs(member.linkname) or reach.startswith(".."):
            raise ValueError(f"the link {member.name!r} leads out of it")
        os.symlink(member.linkname, target)
        return
    if not member.isreg():
        raise ValueError(f"{member.name!r} is no file")
    source = archive.extractfile(member)
    assert source is not None
    with open(target, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        shutil.copyfileobj(source, file)
    os.chmod(target, 0o700 if member.mode & 0o100 else 0o600)


class _Sink(io.RawIOBase):
    """Compresses what is written, and digests what that gives."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._compress = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
        self._hasher = blake3()

    @property
    def digest(self) -> Digest:
        return self._hasher.hexdigest()

    def write(self, data: Any, /) -> int:
        self._put(self._compress.compress(data))
        return len(data)

    def finish(self) -> None:
        self._put(self._compress.flush())

    def _put(self, packed: bytes) -> None:
        self._hasher.update(packed)
        self._file.write(packed)


class _Source(io.RawIOBase):
    """What `_Sink` has written, uncompressed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompress = zlib.decompressobj(31)
        self._ready = b""

    def read(self, size: int = -1, /) -> bytes:
        while len(self._ready) < size and not self._decompress.eof:
            packed = self._file.read(1 << 18)
            if not packed:
                raise EOFError("it ends too early")
            self._ready += self._decompress.decompress(packed)
        found, self._ready = self._ready[:size], self._ready[size:]
        return found
