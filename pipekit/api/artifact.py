"""A task's stored values, as users see them: loaded only when they are asked for."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.control.output import Output
from pipekit.errors import ArtifactNotFound, BlobMissing
from pipekit.model.records import Artifact

if TYPE_CHECKING:
    from pipekit.control.archive import Archive


class ArtifactView:
    """One named value of a task, loaded only when it is asked for."""

    def __init__(self, archive: Archive, task_name: str, artifact: Artifact) -> None:
        self._archive = archive
        self._task_name = task_name
        self._artifact = artifact
        self.name: str = artifact.name
        self.digest: str = artifact.value.digest
        """Of the value: equal values, equal digests."""
        self.type: str = artifact.value.type
        self.size_bytes: int = artifact.value.size_bytes
        self.preview: str = artifact.value.preview
        """A few lines about it, made when it was stored."""

    def get(self) -> Any:
        """The value: a fresh copy each time. Where a class that it was made with has moved or is
        gone, what is left of it, which says so: its `state` is what was stored.

        Raises:
            BlobMissing, BlobCorrupt, UntrustedPickle: it cannot be had.
        """
        return self._archive.load(self._artifact.value, what=self._what, inert=True)

    def get_exact(self) -> Any:
        """The value, or an error where a class that it was made with cannot be found.

        Raises:
            BlobMissing, BlobCorrupt, UntrustedPickle, ArtifactError: it cannot be had.
        """
        return self._archive.load(self._artifact.value, what=self._what)

    @property
    def _what(self) -> str:
        return f"artifact {self.name!r} of {self._task_name!r}"

    def get_local_copy(self) -> Path:
        """A file with the stored bytes that is yours: what is done to it changes nothing here.

        Of a path, the path itself, or a copy where that has changed. The same file at each call,
        made anew where it was changed.

        Raises:
            BlobMissing, BlobCorrupt: the bytes cannot be had.
        """
        value = self._artifact.value
        if value.serializer == "path":
            found = self.get()
            assert isinstance(found, Path)
            return found
        folder = self._archive.settings.home / "copies" / value.blob[:2] / value.blob
        copy = folder / f"{_file_name(self.name)}{_SUFFIXES.get(value.serializer, '')}"
        blob = self._archive.blobs.find(value.blob)
        content = None if blob is not None else self._archive.content(Output(value, None))
        if blob is None and content is None:
            raise BlobMissing(digest=value.blob, what=f"artifact {self.name!r}")
        if content is not None:
            if not copy.exists() or copy.read_bytes() != content:
                _place(copy, lambda target: target.write_bytes(content))
        elif blob is not None and not _is_copy(copy, blob):
            _place(copy, lambda target: shutil.copyfile(blob, target), like=blob)
        return copy

    @property
    def url(self) -> str:
        """`file://…` of a local copy of its stored bytes."""
        return self.get_local_copy().absolute().as_uri()

    def __repr__(self) -> str:
        return f"<Artifact {self.name!r} {self.type} {self.size_bytes} bytes>"


_SUFFIXES = {
    "arrow": ".arrow", "bytearray": ".bin", "bytes": ".bin", "figure": ".png", "json": ".json",
    "npy": ".npy", "pandas": ".arrow", "pickle": ".pickle", "polars": ".arrow", "text": ".txt",
}  # fmt: skip


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "artifact"


def _is_copy(copy: Path, blob: Path) -> bool:
    """Whether the copy was not changed since: it was given the blob's time when it was made."""
    if not copy.exists():
        return False
    mine, theirs = copy.stat(), blob.stat()
    return (mine.st_size, mine.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _place(copy: Path, write: Callable[[Path], object], *, like: Path | None = None) -> None:
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = copy.with_name(f"{copy.name}.{os.getpid()}-{threading.get_ident()}")
    write(made)
    if like is not None:
        times = like.stat()
        os.utime(made, ns=(times.st_atime_ns, times.st_mtime_ns))
    made.replace(copy)


class Artifacts(Mapping[str, ArtifactView]):
    """The artifacts of a task by name, in the order in which they were recorded: what it returned
    and what it has logged; logged twice under one name, the later one counts.

    A reused task has those that were logged by the one that it was reused from.
    """

    def __init__(
        self, archive: Archive, task_id: str, task_name: str, reused_from: str | None = None, *,
        since: int = 0,
    ) -> None:  # fmt: skip
        """`since`: what attempts up to this one made does not count any more."""
        self._task_id = task_id
        self._task_name = task_name
        recorded = [
            artifact
            for artifact in archive.store.list_artifacts(task_id)
            if artifact.attempt > since or artifact.attempt == 0
        ]
        if reused_from is not None:
            own = {artifact.name for artifact in recorded}
            theirs = archive.store.list_artifacts(reused_from)
            recorded += [artifact for artifact in theirs if artifact.name not in own]
        self._found = {
            artifact.name: ArtifactView(archive, task_name, artifact) for artifact in recorded
        }

    def __getitem__(self, name: str) -> ArtifactView:
        if name not in self._found:
            raise ArtifactNotFound(
                task=self._task_name, task_id=self._task_id, name=name, known=list(self._found)
            )
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __repr__(self) -> str:
        return f"Artifacts({', '.join(self._found)})"
