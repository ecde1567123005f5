"""Unpacks an archive that nobody vouches for into a new folder: nothing of it comes to lie, or
leads, outside of that folder, and what it may take is bounded."""

from __future__ import annotations

import errno
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from lzma import LZMAError
from pathlib import Path
from typing import IO, NamedTuple, Self

from pipekit.errors import ArchiveRefused

_CHUNK_BYTES = 1 << 20
_MOST_MEMBERS = 1_000_000
_MOST_BEHIND_BYTES = 1 << 26
"""Behind the end of a tar archive: what fills its last record, and a margin."""
_SUFFIXES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")


class _Member(NamedTuple):
    name: str
    kind: str
    """`file`, `folder` or `link`."""
    mode: int = 0
    link: str = ""
    """What a symbolic link leads to."""
    opened: AbstractContextManager[IO[bytes]] | None = None


def stem_of(name: str) -> str:
    """What the folder of an archive is called: its name without what says how it is packed."""
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return f"{name}.unpacked"


def unpack(archive: Path, target: Path, *, most_bytes: int) -> None:
    """Unpack a zip or tar archive into the folder `target`, which is made here; where that fails,
    what there is of it is for the caller to remove.

    Raises:
        ArchiveRefused: it is no archive, is damaged, is more than `most_bytes`, or has what could
            do harm.
    """
    target.mkdir(mode=0o700)
    root = Path(os.path.realpath(target))
    try:
        _unpack(archive, root, most_bytes)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError) as error:
        raise ArchiveRefused(archive=archive.name, reason=f"it is damaged ({error})") from error
    except (NotImplementedError, RuntimeError) as error:  # a password, an unknown compression
        raise ArchiveRefused(archive=archive.name, reason=str(error)) from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise ArchiveRefused(
            archive=archive.name, reason="one of its names is both a file and a folder"
        ) from error
    except OSError as error:
        if error.errno is None:  # as gzip and bz2 say it
            raise ArchiveRefused(archive=archive.name, reason=f"it is damaged ({error})") from error
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise ArchiveRefused(
            archive=archive.name, reason="one of its names is longer than a file's can be"
        ) from error


def _unpack(archive: Path, root: Path, most_bytes: int) -> None:
    left = most_bytes
    links: list[tuple[Path, str, str]] = []
    for count, member in enumerate(_members(archive)):
        if count >= _MOST_MEMBERS:
            raise _refused(archive, f"it has more than {_MOST_MEMBERS} members")
        place = root.joinpath(*_parts(archive, member.name))
        if member.kind == "folder":
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            continue
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if member.opened is None:
            if not member.link or "\0" in member.link:
                raise _refused(archive, f"its link {member.name!r} leads nowhere")
            links.append((place, member.link, member.name))
            continue
        with member.opened as source:
            left -= _write(archive, source, place, left)
        place.chmod(0o700 if member.mode & stat.S_IXUSR else 0o600)
    _link(archive, root, links)


def _link(archive: Path, root: Path, links: list[tuple[Path, str, str]]) -> None:
    """Make the links when all else is in its place, so that nothing is written through one; then
    look where each leads in the end, through others too."""
    for place, leads_to, _ in links:
        os.symlink(leads_to, place)
    for place, leads_to, name in links:
        if not Path(os.path.realpath(place)).is_relative_to(root):
            raise _refused(archive, f"its link {name!r} leads out of it, to {leads_to!r}")


def _write(archive: Path, source: IO[bytes], place: Path, left: int) -> int:
    done = 0
    with place.open("wb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            done += len(chunk)
            if done > left:
                raise _refused(
                    archive,
                    "what is in it is more than local copies may take in all",
                    hint="raise PIPEKIT_DOWNLOADS_LIMIT_BYTES.",
                )
            file.write(chunk)
    return done


def _parts(archive: Path, name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or "\\.." in name or "..\\" in name:
        raise _refused(archive, f"its member {name!r} is to lie outside of it")
    return parts


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
        return
    try:
        opened = tarfile.open(archive, tarinfo=_Header)  # noqa: SIM115 - closed below
    except tarfile.ReadError as error:
        raise _refused(
            archive,
            "it is no archive that is known",
            hint=f"known are {', '.join(_SUFFIXES)}; without extract=True the file comes as it is.",
        ) from error
    with opened:
        yield from _tar_members(archive, opened)


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if info.is_dir():
                yield _Member(info.filename, "folder")
            elif kind == stat.S_IFLNK:
                if info.file_size > 4096:
                    raise _refused(archive, f"its link {info.filename!r} is no link")
                link = os.fsdecode(opened.read(info))
                yield _Member(info.filename, "link", link=link)
            elif kind in (0, stat.S_IFREG):
                yield _Member(info.filename, "file", mode, opened=opened.open(info))
            else:
                raise _refused(archive, f"its member {info.filename!r} is a device")


def _tar_members(archive: Path, opened: tarfile.TarFile) -> Iterator[_Member]:
    for info in opened:
        if info.isdir():
            yield _Member(info.name, "folder")
        elif info.issym():
            yield _Member(info.name, "link", link=info.linkname)
        elif info.isreg() or info.islnk():
            try:
                source = opened.extractfile(info)
            except KeyError as error:
                raise _refused(archive, f"its link {info.name!r} leads out of it") from error
            if source is None:
                raise _refused(archive, f"its link {info.name!r} leads to no file")
            yield _Member(info.name, "file", info.mode, opened=source)
        else:
            raise _refused(archive, f"its member {info.name!r} is a device")
    _read_to_end(archive, opened)


class _Header(tarfile.TarInfo):
    """What stands before a member. A damaged one is an error, and not the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b"\0"):  # no end of the archive is written so
                raise tarfile.ReadError(str(error)) from error
            raise


def _read_to_end(archive: Path, opened: tarfile.TarFile) -> None:
    """The checksum of all that is compressed stands at its end, and is held against it there."""
    source, left = opened.fileobj, _MOST_BEHIND_BYTES
    while source is not None and (read := len(source.read(_CHUNK_BYTES))):
        left -= read
        if left < 0:
            raise _refused(archive, "there is more behind its end than belongs to it")


def _refused(archive: Path, reason: str, *, hint: str = "") -> ArchiveRefused:
    return ArchiveRefused(archive=archive.name, reason=reason, hint=hint)
