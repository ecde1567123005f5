"""Takes away what is not needed any more: old runs, then whatever nothing refers to.

Theory of operation. Records go first, in one transaction; what they leave without a reference is
deleted after. So a collection that is killed leaves bytes that nothing refers to, which the next
one finds, and never a record whose bytes are gone. Against runs that go on meanwhile:

1. What a run has stored may not be recorded yet. So nothing is deleted that was written since the
   oldest run that goes on has begun, nor within the grace time.
2. What a step finds remembered is recorded as its own in the same hold of the gate, which a
   collection takes alone: it sees either the record, or the step does not find it.
3. A blob that is stored again while it is being deleted is another file (`BlobStore.remove_old`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipekit import crash, liveness
from pipekit.control.archive import Archive
from pipekit.model.records import Collected, Kind, Task
from pipekit.model.status import TERMINAL, Status
from pipekit.model.value import Digest
from pipekit.ports import Contents

_Blob = tuple[Digest, int, float]
"""Address, size in bytes, when it was stored."""

_BATCH = 256
"""Blobs deleted in one hold of the gate: steps wait no longer than that takes."""


@dataclass(slots=True)
class Report:
    """What a collection has deleted, or would."""

    runs: list[Task] = field(default_factory=list)
    tasks: int = 0
    memos: int = 0
    contents: int = 0
    blobs: int = 0
    logs: int = 0
    others: int = 0
    """Temporary files and copies."""
    content_bytes: int = 0
    blob_bytes: int = 0
    log_bytes: int = 0
    other_bytes: int = 0
    left_bytes: int = 0
    """Of values that are left."""
    going: list[Task] = field(default_factory=list)
    """Runs that go on."""

    @property
    def bytes(self) -> int:
        """All that is freed."""
        return self.content_bytes + self.blob_bytes + self.log_bytes + self.other_bytes


class Collection:
    """One collection in one home.

    Args:
        archive: The home.
        older_than_seconds: Runs that ended longer ago go; None: none for their age.
        most_bytes: The oldest runs go until the values that are left need no more; None: any.
        grace_seconds: What was stored or ended since stays in any case.
        dry: Say what would go, and delete nothing.
    """

    def __init__(
        self, archive: Archive, *, older_than_seconds: float | None = None,
        most_bytes: int | None = None, grace_seconds: float = 3600.0, dry: bool = False,
    ) -> None:  # fmt: skip
        self._archive = archive
        self._store = archive.store
        self._most_bytes = most_bytes
        self._dry = dry
        self._report = Report()
        now = archive.clock.now()
        tasks = self._store.list_tasks(kinds=(Kind.PIPELINE, Kind.SCRIPT))
        runs = [task for task in reversed(tasks) if task.parent is None]
        # Nothing is stored for these that is not recorded.
        waiting = {run.id for run in runs if run.status in (Status.DRAFT, Status.QUEUED)}
        self._report.going = [run for run in runs if run.id not in waiting and self._goes_on(run)]
        self._before = min([now - grace_seconds, *(run.created_at for run in self._report.going)])
        stay = {run.id for run in self._report.going} | waiting | self._store.list_pins()
        ended = [run for run in runs if run.id not in stay]
        until = float("-inf") if older_than_seconds is None else now - older_than_seconds
        self._old = [run for run in ended if _ended_at(run) < until]
        """Those that go."""
        self._younger = [run for run in ended if until <= _ended_at(run) < now - grace_seconds]
        """Those that may go, oldest first."""

    def run(self) -> Report:
        """Do it.

        Raises:
            StoreUnavailable: the store or the blobs cannot be read or written.
        """
        if not self._dry:
            self._archive.blobs.restore()
        blobs = list(self._archive.blobs.list_sizes())
        chosen = self._choose(blobs)
        with self._archive.gate.hold(alone=True):
            collected = self._collect(chosen, dry=self._dry)
        if crash.armed:
            crash.at("controller.collected")
        report = self._report
        report.runs = chosen
        report.tasks, report.memos = collected.tasks, collected.memos
        report.contents, report.content_bytes = collected.contents, collected.content_bytes
        self._delete_blobs(collected, blobs)
        report.left_bytes = (
            collected.left_bytes + sum(size for _, size, _ in blobs) - report.blob_bytes
        )
        self._delete_logs(collected)
        self._delete_others(collected)
        return report

    # runs

    def _choose(self, blobs: list[_Blob]) -> list[Task]:
        """Those that are too old, and of the others the oldest that make it too much."""
        if self._most_bytes is None:
            return self._old
        low, high = 0, len(self._younger)
        while low < high:
            middle = (low + high) // 2
            if self._needed(self._old + self._younger[:middle], blobs) <= self._most_bytes:
                high = middle
            else:
                low = middle + 1
        return self._old + self._younger[:low]

    def _needed(self, runs: list[Task], blobs: list[_Blob]) -> int:
        """The bytes of the values that would be left without these runs."""
        collected = self._collect(runs, dry=True)
        return collected.left_bytes + sum(
            size for digest, size, at in blobs if digest in collected.blobs or at >= self._before
        )

    def _collect(self, runs: list[Task], *, dry: bool) -> Collected:
        contents: Contents = "values" if self._report.going else "all"
        return self._store.collect([run.id for run in runs], contents=contents, dry=dry)

    def _goes_on(self, run: Task) -> bool:
        """Whether someone conducts it, or will. Its process is asked where that is on this host."""
        if run.status in TERMINAL:
            return False
        attempts = [one for one in self._store.list_attempts(run.id) if one.ended_at is None]
        if not attempts:
            return run.status is not Status.RUNNING
        return any(
            liveness.is_alive(one.host, one.pid, one.pid_started_at) is not False
            for one in attempts
        )

    # files

    def _delete_blobs(self, collected: Collected, blobs: list[_Blob]) -> None:
        old = [
            (digest, size)
            for digest, size, at in blobs
            if digest not in collected.blobs and at < self._before
        ]
        for start in range(0, len(old), _BATCH):
            batch = old[start : start + _BATCH]
            if self._dry:
                self._count_blobs([size for _, size in batch])
                continue
            with self._archive.gate.hold(alone=True):
                freed = [
                    self._archive.blobs.remove_old(digest, before=self._before)
                    for digest, _ in batch
                ]
            self._count_blobs([size for size in freed if size is not None])

    def _count_blobs(self, sizes: list[int]) -> None:
        self._report.blobs += len(sizes)
        self._report.blob_bytes += sum(sizes)

    def _delete_logs(self, collected: Collected) -> None:
        for path in _entries(self._archive.settings.home / "logs"):
            if f"logs/{path.name}" not in collected.logs and not _is_written_to(path):
                size = self._delete(path)
                self._report.logs += size is not None
                self._report.log_bytes += size or 0

    def _delete_others(self, collected: Collected) -> None:
        home = self._archive.settings.home
        paths = [*_entries(home / "tmp"), *_entries(self._archive.settings.blob_folder / "tmp")]
        for path in _entries(home / "copies"):
            if len(path.name) == 2:
                paths += [copy for copy in _entries(path) if copy.name not in collected.blobs]
            elif not self._report.going:
                paths.append(path)  # a step that goes on may have been given it
        for path in paths:
            size = self._delete(path)
            self._report.others += size is not None
            self._report.other_bytes += size or 0

    def _delete(self, path: Path) -> int | None:
        """How many bytes that freed, or would; None where it stays, for it is too new or gone."""
        try:
            if path.lstat().st_mtime >= self._before:
                return None
            size = sum(inner.lstat().st_size for inner in (path, *path.rglob("*")))
            if not self._dry:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        except OSError:
            return None  # another collection was first, or it is not ours to delete
        return size


def _ended_at(run: Task) -> float:
    return run.ended_at if run.ended_at is not None else run.created_at


def _entries(folder: Path) -> Iterator[Path]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        yield folder / name


def _is_written_to(log: Path) -> bool:
    """Whether the process that had it made, whose id the name holds, may still write there."""
    _, _, rest = log.name.partition("-")
    pid = rest.partition("-")[0]
    return pid.isdigit() and liveness.started_at(int(pid)) is not None
