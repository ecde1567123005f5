"""The serializer for paths: what lies at a path travels with it. Whoever loads it gets the original
path where its content is still the same, else a copy of the same name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipekit.artifacts.files import FileDigests
from pipekit.artifacts.preview import clip

if TYPE_CHECKING:
    from pipekit.ports import Sink

_CHUNK = 1 << 20
_FOLDER = -1
"""Stands in the list of entries for the size of a folder."""


class PathSerializer:
    """Files and folders. The bytes: the length of the heading, the heading as JSON, the contents.

    Args:
        files: Digests of contents, by which it is seen whether a file is still the same.
        copies: Folder for copies, made when the first is needed.
    """

    name = "path"

    def __init__(self, files: FileDigests, copies: Path) -> None:
        self._files = files
        self._copies = copies

    def accepts(self, value: object) -> bool:
        return isinstance(value, Path) and type(value) is type(Path(""))

    def dump(self, value: Path, sink: Sink) -> None:
        digest = self._files.digest(value)
        entries = list(_list_entries(str(value), "", ()))
        heading = json.dumps(
            {
                "path": os.fsdecode(value),
                "absolute": os.path.abspath(value),
                "digest": digest,
                "folder": value.is_dir(),
                "entries": entries,
            }
        ).encode()
        sink.write(len(heading).to_bytes(8, "little") + heading)
        for name, size in entries:
            if size != _FOLDER:
                _copy_in(f"{value}/{name}" if name else str(value), size, sink)
        if self._files.digest(value) != digest:
            raise OSError(f"{str(value)!r} changed while it was stored")

    def load(self, source: bytes | Path) -> Path:
        with BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            heading = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            for candidate in (heading["path"], heading["absolute"]):
                if self._is_same(Path(candidate), heading):
                    return Path(candidate)
            return self._copy_out(heading, file)

    def preview(self, value: Path) -> str:
        kind = "folder" if value.is_dir() else "file"
        size = sum(size for _, size in _list_entries(str(value), "", ()) if size > 0)
        return clip(f"{kind} {value}, {size} bytes")

    def _is_same(self, path: Path, heading: dict[str, Any]) -> bool:
        try:
            same_kind = path.is_dir() == heading["folder"]
            return same_kind and self._files.digest(path) == str(heading["digest"])
        except OSError:
            return False

    def _copy_out(self, heading: dict[str, Any], file: IO[bytes]) -> Path:
        name = os.path.basename(heading["absolute"]) or "root"
        if name in (".", ".."):
            raise ValueError(f"{name!r} is no name for a file")
        place = self._copies / str(heading["digest"])[:24]
        if self._is_same(place / name, heading):
            return place / name
        draft = self._copies / f"{place.name}-{os.urandom(8).hex()}"
        draft.mkdir(mode=0o700, parents=True)
        _write_entries(draft / name, heading["entries"], file)
        try:
            # Where another process was first, or someone changed that copy: this one stays apart.
            os.rename(draft, place)
        except OSError:
            return draft / name
        return place / name


def _list_entries(
    path: str, name: str, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, int]]:
    """(name below the top, size) of a file, or of a folder and all that is in it, by name."""
    found = os.stat(path)
    if not os.path.isdir(path):
        yield name, found.st_size
        return
    yield name, _FOLDER
    place = (found.st_dev, found.st_ino)
    if place in above:
        raise OSError(f"{path!r} is a link to a folder that it lies in")
    for entry in sorted(os.listdir(path)):
        yield from _list_entries(
            f"{path}/{entry}", f"{name}/{entry}" if name else entry, (*above, place)
        )


def _copy_in(path: str, size: int, sink: Sink) -> None:
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            size -= len(chunk)
            sink.write(chunk)
    if size != 0:
        raise OSError(f"{path!r} changed while it was stored")


def _write_entries(target: Path, entries: list[tuple[str, int]], file: IO[bytes]) -> None:
    for name, size in entries:
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"{name!r} leads out of the folder")
        path = target / name if name else target
        if size == _FOLDER:
            path.mkdir(mode=0o755)
            continue
        with open(path, "xb") as out:
            while size > 0:
                chunk = file.read(min(size, _CHUNK))
                if not chunk:
                    raise ValueError("it ends too early")
                out.write(chunk)
                size -= len(chunk)
