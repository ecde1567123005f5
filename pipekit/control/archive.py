"""What is kept in one home, opened: its store, its blobs, its key. Runs nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from pipekit.artifacts.blob import LocalBlobStore
from pipekit.artifacts.files import FileDigests
from pipekit.artifacts.key import read_key
from pipekit.artifacts.place import Places
from pipekit.artifacts.store import ArtifactStore
from pipekit.clock import Clock, SystemClock
from pipekit.control.gate import Gate
from pipekit.control.output import Output
from pipekit.control.private import check_private
from pipekit.diagnostics import debug
from pipekit.errors import BlobCorrupt, BlobMissing, StoreUnavailable, TaskNotFound, short
from pipekit.model.hashing import Hasher
from pipekit.model.records import Task
from pipekit.model.value import Digest, StoredValue
from pipekit.ports import Store
from pipekit.settings import Settings
from pipekit.stores import open_store


class Archive:
    """The records and values of a home.

    Raises (at creation):
        StoreUnavailable, StoreVersionMismatch: the home or its store cannot be used.
        HomeNotPrivate: others may write there.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        code_of: Callable[[object], Digest] | None = None,
        named: Callable[[Iterable[object]], Mapping[str, Digest]] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        """What the times of its records are of."""
        make_home(settings.home)
        check_private(settings)
        self.store: Store = open_store(settings.store_url, durability=settings.durability)
        debug("store", "%s opened for %s", type(self.store).__name__, settings.home)
        self.files = FileDigests(settings.home / "cache", leave_out=settings.home)
        self.places = Places(settings, self.files)
        self.blobs = LocalBlobStore(settings.blob_folder, fsync=settings.durability == "full")
        self.hasher = Hasher(
            code_of=code_of,
            digest_path=lambda path: self.files.digest_located(path, settings.project_root),
        )
        self.artifacts = ArtifactStore(
            self.blobs,
            hasher=self.hasher,
            key=self.key,
            files=self.files,
            copies=settings.home / "copies",
            named=named,
        )
        self.gate = Gate(settings.home / "gate")
        self._key: bytes | None = None
        _, is_file, path = settings.store_url.partition("sqlite:///")
        self._store_file = Path(path) if is_file else None
        self._store_identity = _identity(self._store_file) if self._store_file else None

    def key(self) -> bytes:
        """The key that pickles are signed with; made at first use."""
        if self._key is None:
            self._key = read_key(self.settings.home)
        return self._key

    def check_value(
        self, value: StoredValue, content: bytes | None, *, what: str, stored_at: float
    ) -> None:
        """Whether the bytes of a value are there, and what was stored. Small ones are read; a file
        is where it was written since `stored_at`, else its size must do: who loads it looks closer.

        Raises:
            BlobMissing, BlobCorrupt: they are not.
        """
        if value.inline:
            self.artifacts.verify(value, content, what=what)
            return
        path = self.artifacts.get_path(value, what=what)
        found = path.stat()
        if found.st_mtime <= stored_at or S_ISDIR(found.st_mode):
            return
        # Written again with the same bytes, perhaps; that is found out once.
        if self.files.digest(path) != value.blob:
            raise BlobCorrupt(digest=value.blob, what=what, reason="their digest differs")

    def content(self, output: Output) -> bytes | None:
        """The bytes of an inline value; None for one that is a file.

        Raises:
            BlobMissing: they are gone.
        """
        if not output.value.inline or output.content is not None:
            return output.content
        found = self.store.read_contents([output.value.blob]).get(output.value.blob)
        if found is None:
            raise BlobMissing(digest=output.value.blob)
        return found

    def load(
        self, value: StoredValue, *, what: str, content: bytes | None = None, inert: bool = False
    ) -> Any:
        """A fresh copy of a stored value; with `inert`, where a class of it is gone, what is left.

        Raises:
            BlobMissing, BlobCorrupt, UntrustedPickle: it cannot be had.
        """
        try:
            get = self.artifacts.get_or_inert if inert else self.artifacts.get
            return get(value, self.content(Output(value, content)), what=what)
        except BlobCorrupt:
            if value.inline:  # else whoever stores the value again finds bytes at its address
                self.store.remove_contents([value.blob])
            raise

    def get_task(self, prefix: str) -> Task:
        """The task whose id begins with `prefix`.

        Raises:
            TaskNotFound: there is none, or more than one.
        """
        ids = self.store.find_ids(prefix.lower(), limit=1000) if prefix else []
        found = [task for task in map(self.store.find_task, ids) if task is not None]
        if len(found) == 1:
            return found[0]
        # Steps begin in the millisecond of their run: the run is meant.
        runs = [task for task in found if task.parent is None]
        if len(runs) == 1:
            return runs[0]
        if found:
            near = [f"{short(task.id)} ({task.name})" for task in (runs or found)[:4]]
            raise TaskNotFound.of_id(prefix, near=near, ambiguous=True)
        newest = self.store.list_tasks(limit=200)
        near = _nearest_ids(prefix, [task.id for task in newest])
        raise TaskNotFound.of_id(prefix, near=[short(found) for found in near])

    def root_of(self, task: Task) -> Task:
        """The outermost run that a task is in, or is: the one that was started by itself."""
        while task.parent is not None:
            parent = self.store.find_task(task.parent)
            if parent is None:
                break
            task = parent
        return task

    def check(self) -> None:
        """Whether what was recorded is still where others will look for it.

        Raises:
            StoreUnavailable: the store was deleted or replaced meanwhile.
        """
        if self._store_file is not None and _identity(self._store_file) != self._store_identity:
            raise StoreUnavailable(
                f"The store {self._store_file} was deleted or replaced while it was in use; what "
                "was recorded since it was opened is lost.",
                hint="run the pipeline again.",
            )

    def close(self) -> None:
        self.store.close()
        self.gate.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None


def _nearest_ids(prefix: str, ids: list[str]) -> list[str]:
    """The ids that share the longest beginning with what was typed, then the newest."""

    def shared(task_id: str) -> int:
        pairs = zip(prefix.lower(), task_id, strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), len(prefix))

    return sorted(ids, key=shared, reverse=True)[:4]


def make_home(home: Path) -> None:
    """The home and its folders, private to the user.

    Raises:
        StoreUnavailable: it cannot be made or written.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "tmp"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
        ignore = home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise StoreUnavailable(
            f"The home {home} cannot be written ({error.strerror}).",
            hint="set PIPEKIT_HOME to a folder that you can write to.",
        ) from error
    if not os.access(home, os.W_OK):
        raise StoreUnavailable(
            f"The home {home} is read-only.",
            hint="set PIPEKIT_HOME to a folder that you can write to.",
        )
