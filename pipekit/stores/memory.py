"""The store in memory: for tests, and for runs that are to leave nothing behind. Owns no rule."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from pipekit.errors import StoreUnavailable
from pipekit.model.records import (
    Artifact,
    Attempt,
    Change,
    Closing,
    Event,
    Kind,
    Memo,
    Metric,
    Task,
)
from pipekit.model.status import Status
from pipekit.model.value import Digest
from pipekit.stores.guard import Standing, admits, advance, standing_of


class MemoryStore:
    """A `Store` that lives as long as the process. Thread-safe; not shared between processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._tasks: dict[str, Task] = {}
        self._children: defaultdict[str, list[str]] = defaultdict(list)
        self._standings: dict[str, Standing] = {}
        self._attempts: defaultdict[str, list[Attempt]] = defaultdict(list)
        self._artifacts: defaultdict[str, list[Artifact]] = defaultdict(list)
        self._events: defaultdict[str, list[Event]] = defaultdict(list)
        self._metrics: defaultdict[str, list[Metric]] = defaultdict(list)
        self._memos: dict[Digest, Memo] = {}
        self._contents: dict[Digest, bytes] = {}

    def commit(self, changes: Sequence[Change]) -> list[bool]:
        with self._lock:
            self._check_open()
            return [self._make(change) for change in changes]

    def _make(self, change: Change) -> bool:
        task_id = change.task_id
        standing = self._standings.get(task_id)
        if not admits(change, standing):
            return False
        if change.create is not None:
            standing = self._create(change.create)
        if change.open is not None and standing is not None:
            self._attempts[task_id].append(change.open)
            standing.number = change.open.number
            standing.is_open = change.open.ended_at is None
        if change.close is not None and standing is not None:
            attempts = self._attempts[task_id]
            attempts[-1] = _closed(attempts[-1], change.close)
            standing.is_open = False
        if change.move is not None and standing is not None:
            advance(standing, change.move)
            self._tasks[task_id] = _standing_so(self._tasks[task_id], standing)
        if change.artifacts:
            self._artifacts[task_id] += change.artifacts
        if change.events:
            self._events[task_id] += change.events
        if change.metrics:
            self._metrics[task_id] += change.metrics
        for digest, data in change.contents:
            self._contents.setdefault(digest, bytes(data))
        if change.memo is not None:
            self._memos.setdefault(change.memo.key, change.memo)
        return True

    def _create(self, task: Task) -> Standing:
        self._tasks[task.id] = task
        if task.parent is not None:
            self._children[task.parent].append(task.id)
        standing = self._standings[task.id] = standing_of(task)
        return standing

    def find_task(self, task_id: str) -> Task | None:
        with self._lock:
            self._check_open()
            return self._tasks.get(task_id)

    def find_ids(self, prefix: str, *, limit: int = 10) -> list[str]:
        with self._lock:
            self._check_open()
            return sorted(key for key in self._tasks if key.startswith(prefix))[:limit]

    def list_tasks(
        self,
        *,
        kinds: Collection[Kind] = (),
        parent: str | None = None,
        statuses: Collection[Status] = (),
        project: str | None = None,
        name: str | None = None,
        step_key: Digest | None = None,
        limit: int | None = None,
    ) -> list[Task]:
        with self._lock:
            self._check_open()
            ids = self._tasks if parent is None else self._children.get(parent, ())
            tasks = [self._tasks[task_id] for task_id in ids]
        found = [
            task
            for task in tasks
            if (not kinds or task.kind in kinds)
            and (not statuses or task.status in statuses)
            and (project is None or task.project == project)
            and (name is None or task.name == name)
            and (step_key is None or task.step_key == step_key)
        ]
        found.sort(key=lambda task: (task.created_at, task.id), reverse=True)
        return found[:limit]

    def list_attempts(self, task_id: str) -> list[Attempt]:
        with self._lock:
            self._check_open()
            return list(self._attempts.get(task_id, ()))

    def list_artifacts(self, task_id: str) -> list[Artifact]:
        with self._lock:
            self._check_open()
            return list(self._artifacts.get(task_id, ()))

    def list_events(self, task_id: str) -> list[Event]:
        with self._lock:
            self._check_open()
            return list(self._events.get(task_id, ()))

    def list_metrics(self, task_id: str) -> list[Metric]:
        with self._lock:
            self._check_open()
            return list(self._metrics.get(task_id, ()))

    def count_attempts(self, parent: str) -> dict[str, int]:
        with self._lock:
            self._check_open()
            children = self._children.get(parent, ())
            return {key: len(self._attempts[key]) for key in children if key in self._attempts}

    def list_artifact_sets(self, parent: str) -> dict[str, list[Artifact]]:
        with self._lock:
            self._check_open()
            children = self._children.get(parent, ())
            return {key: list(self._artifacts.get(key, ())) for key in children}

    def find_memos(self, keys: Collection[Digest]) -> dict[Digest, Memo]:
        with self._lock:
            self._check_open()
            return {key: self._memos[key] for key in keys if key in self._memos}

    def remove_memo(self, key: Digest) -> bool:
        with self._lock:
            self._check_open()
            return self._memos.pop(key, None) is not None

    def read_contents(self, digests: Collection[Digest]) -> dict[Digest, bytes]:
        with self._lock:
            self._check_open()
            return {key: self._contents[key] for key in digests if key in self._contents}

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("The store in memory is closed.")


def _closed(attempt: Attempt, closing: Closing) -> Attempt:
    """The attempt as it ended; a closing that names no log leaves the one it was opened with."""
    named = bool(closing.log_path)
    return replace(
        attempt,
        ended_at=closing.at,
        exit=closing.exit,
        failure=closing.failure,
        log_path=closing.log_path if named else attempt.log_path,
        log_start=closing.log_start if named else attempt.log_start,
        log_end=attempt.log_end if closing.log_end is None else closing.log_end,
    )


def _standing_so(task: Task, standing: Standing) -> Task:
    return replace(
        task,
        status=standing.status,
        reused_from=standing.reused_from,
        started_at=standing.started_at,
        ended_at=standing.ended_at,
        stop_requested_at=standing.stop_requested_at,
        failure=standing.failure,
        inputs=task.inputs if standing.inputs is None else standing.inputs,
    )
