"""The store in memory: for tests, and for runs that are to leave nothing behind. Owns no rule."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import cast

from pipekit.errors import StoreUnavailable
from pipekit.model.code_parts import address_of, sources_in
from pipekit.model.records import (
    Agent,
    Artifact,
    Attempt,
    Change,
    Closing,
    Collected,
    Edit,
    Event,
    Kind,
    Lease,
    Memo,
    Metric,
    Task,
)
from pipekit.model.status import Status
from pipekit.model.value import Digest
from pipekit.ports import Contents
from pipekit.stores.guard import Standing, admits, advance, standing_of
from pipekit.stores.memory_queues import MemoryQueues


class MemoryStore(MemoryQueues):
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
        self._pins: set[str] = set()
        self._leases: dict[Digest, Lease] = {}
        self._queues: dict[str, bool] = {}
        self._agents: dict[str, Agent] = {}

    def commit(self, changes: Sequence[Change], *, if_first: bool = False) -> list[bool]:
        with self._lock:
            self._check_open()
            landed: list[bool] = []
            for change in changes:
                landed.append(self._make(change))
                if if_first and not landed[0]:
                    return [False] * len(changes)
            return landed

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
        if change.edit is not None:
            said = {field.name: getattr(change.edit, field.name) for field in fields(Edit)}
            said = {name: value for name, value in said.items() if value is not None}
            self._tasks[task_id] = replace(self._tasks[task_id], **said)
        if change.artifacts:
            self._artifacts[task_id] += change.artifacts
        if change.events:
            self._events[task_id] += change.events
        if change.metrics:
            self._metrics[task_id] += change.metrics
        for digest, data in change.contents:
            self._contents.setdefault(digest, bytes(data))
        if change.memo is not None:
            if change.renews:
                self._memos.pop(change.memo.key, None)
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

    def find_memo_of(self, task_id: str) -> Memo | None:
        with self._lock:
            self._check_open()
            return next((m for m in self._memos.values() if m.task_id == task_id), None)

    def find_duration(self, component: str) -> float | None:
        with self._lock:
            self._check_open()
            found = [memo for memo in self._memos.values() if memo.component == component]
        newest = max(found, key=lambda memo: memo.created_at, default=None)
        return None if newest is None else newest.duration_seconds

    def list_memos(self) -> list[Memo]:
        with self._lock:
            self._check_open()
            return sorted(self._memos.values(), key=lambda memo: (memo.created_at, memo.key))

    def remove_memo(self, key: Digest) -> bool:
        with self._lock:
            self._check_open()
            return self._memos.pop(key, None) is not None

    def read_contents(self, digests: Collection[Digest]) -> dict[Digest, bytes]:
        with self._lock:
            self._check_open()
            return {key: self._contents[key] for key in digests if key in self._contents}

    def remove_contents(self, digests: Collection[Digest]) -> None:
        with self._lock:
            self._check_open()
            for digest in digests:
                self._contents.pop(digest, None)

    def request_stop(self, task_id: str, at: float) -> bool:
        with self._lock:
            self._check_open()
            standing = self._standings.get(task_id)
            if standing is None or standing.ended_at is not None:
                return False
            if standing.stop_requested_at is None:
                standing.stop_requested_at = at
                self._tasks[task_id] = _standing_so(self._tasks[task_id], standing)
            return True

    def list_stop_requests(self, runs: Collection[str]) -> list[str]:
        with self._lock:
            self._check_open()
            wanted = {child for run in runs for child in self._children.get(run, ())} | set(runs)
            found = [self._tasks[key] for key in wanted if key in self._tasks]
        return sorted(
            task.id
            for task in found
            if task.stop_requested_at is not None and task.ended_at is None
        )

    def renew(self, attempts: Mapping[str, int], *, at: float, until: float) -> None:
        with self._lock:
            self._check_open()
            for task_id, number in attempts.items():
                known = self._attempts.get(task_id)
                if known and known[-1].number == number and known[-1].ended_at is None:
                    known[-1] = replace(known[-1], heartbeat_at=at, lease_until=until)

    def count_uses(self) -> dict[str, tuple[int, float]]:
        with self._lock:
            self._check_open()
            uses: dict[str, tuple[int, float]] = {}
            for task in self._tasks.values():
                if task.reused_from is not None:
                    count, last = uses.get(task.reused_from, (0, 0.0))
                    uses[task.reused_from] = (count + 1, max(last, task.ended_at or 0.0))
            return uses

    def count_outcomes(self) -> dict[str, tuple[int, int]]:
        with self._lock:
            self._check_open()
            outcomes: dict[str, tuple[int, int]] = {}
            for task in self._tasks.values():
                plain = task.kind is Kind.STEP and task.status is Status.COMPLETED
                if plain and task.spec.settings.get("cache") is not False:
                    hits, misses = outcomes.get(task.spec.entry, (0, 0))
                    reused = task.reused_from is not None
                    outcomes[task.spec.entry] = (hits + reused, misses + (not reused))
            return outcomes

    def pin(self, ids: Collection[str]) -> None:
        with self._lock:
            self._check_open()
            self._pins.update(ids)

    def unpin(self, ids: Collection[str]) -> None:
        with self._lock:
            self._check_open()
            self._pins.difference_update(ids)

    def list_pins(self) -> set[str]:
        with self._lock:
            self._check_open()
            return set(self._pins)

    def take_lease(self, lease: Lease, *, now: float, instead_of: str = "") -> bool:
        with self._lock:
            self._check_open()
            known = self._leases.get(lease.key)
            if (
                known is not None
                and known.until > now
                and known.task_id not in (lease.task_id, instead_of)
            ):
                return False
            self._leases[lease.key] = lease
            return True

    def find_lease(self, key: Digest) -> Lease | None:
        with self._lock:
            self._check_open()
            return self._leases.get(key)

    def release_leases(self, task_id: str) -> None:
        with self._lock:
            self._check_open()
            for key in [key for key, had in self._leases.items() if had.task_id == task_id]:
                del self._leases[key]

    def collect(
        self, runs: Collection[str], *, contents: Contents = "all", dry: bool = False
    ) -> Collected:
        with self._lock:
            self._check_open()
            doomed = [run for run in runs if run in self._tasks and run not in self._pins]
            ids = self._below(doomed)
            memos = self._loose_memos(ids)
            gone = {a.value.blob for i in ids for a in self._artifacts.get(i, ())}
            gone |= {value.blob for i in ids for _, value in self._tasks[i].arguments}
            gone |= {value.blob for memo in memos for _, value in memo.outputs}
            values = [
                artifact.value
                for task_id, artifacts in self._artifacts.items()
                if task_id not in ids
                for artifact in artifacts
            ]
            for key, task in self._tasks.items():
                if key not in ids:
                    values += [value for _, value in task.arguments]
            keys = {memo.key for memo in memos}
            for memo in self._memos.values():
                if memo.key not in keys:
                    values += [value for _, value in memo.outputs]
            left = {value.blob for value in values if value.inline}
            specs = [task.spec for key, task in self._tasks.items() if key not in ids]
            left |= {spec.source for spec in specs}
            snapshots = {spec.snapshot for spec in specs}
            for address in {address_of(spec.code) for spec in specs if spec.code}:
                left.add(address)
                left |= sources_in(self._contents.get(address, b"[]"))
            loose = {
                blob
                for blob in self._contents
                if blob not in left and (contents == "all" or blob in gone)
            }
            sizes = {blob: len(data) for blob, data in self._contents.items()}
            size = sum(sizes[blob] for blob in loose)
            if not dry:
                self._forget(ids, keys, loose)
            return Collected(
                runs=len(doomed),
                tasks=len(ids),
                memos=len(memos),
                contents=len(loose),
                content_bytes=size,
                left_bytes=sum(sizes.values()) - size,
                blobs=frozenset({value.blob for value in values} | left | snapshots) - {""},
                logs=frozenset(
                    attempt.log_path
                    for task_id, attempts in self._attempts.items()
                    if task_id not in ids
                    for attempt in attempts
                    if attempt.log_path
                ),
            )

    def _below(self, runs: Sequence[str]) -> set[str]:
        ids: set[str] = set()
        left = list(runs)
        while left:
            task_id = left.pop()
            ids.add(task_id)
            left += self._children.get(task_id, ())
        return ids

    def _loose_memos(self, without: set[str]) -> list[Memo]:
        held = {key for key in self._tasks if key not in without}
        held |= {self._tasks[key].reused_from or "" for key in held}
        return [
            memo
            for memo in self._memos.values()
            if memo.task_id not in held and memo.key not in self._pins
        ]

    def _forget(self, ids: set[str], keys: set[Digest], contents: set[Digest]) -> None:
        for task_id in ids:
            parent = self._tasks[task_id].parent
            if parent is not None and parent not in ids:
                self._children[parent].remove(task_id)
            for table in (self._tasks, self._children, self._standings, self._attempts,
                          self._artifacts, self._events, self._metrics):  # fmt: skip
                cast("dict[str, object]", table).pop(task_id, None)
        for key in [key for key, lease in self._leases.items() if lease.task_id in ids]:
            del self._leases[key]
        for key in keys:
            del self._memos[key]
        for blob in contents:
            del self._contents[blob]

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
        cpu_seconds=closing.cpu_seconds,
        peak_bytes=closing.peak_bytes,
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
        queue=standing.queue,
        queued_at=standing.queued_at,
    )
