"""Judges what is left of runs whose processes were killed: the store against the journal that user
code wrote. Reads the store with SQL of its own; starts nothing."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from blake3 import blake3

_TERMINAL = {"completed", "failed", "stopped", "skipped"}
_COMPLETIONS = {"completed", "reused"}


@dataclass(frozen=True)
class Line:
    """One line of the journal."""

    what: str
    task: str
    name: str
    pid: int


@dataclass(frozen=True)
class Expected:
    """What an undisturbed run has."""

    value: int
    names: Counter[str]
    """Of its steps, and of those of the runs in it: `inner/add`."""


class Records:
    """What a store held at one moment, and how long the journal was then."""

    def __init__(self, home: Path, journal: Path) -> None:
        self.lines = read_journal(journal)
        self.tasks: dict[str, dict[str, Any]] = {}
        self.attempts: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.integrity = "ok"
        database = home / "pipekit.db"
        if not database.exists() or not database.stat().st_size:
            return
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            if not connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'tasks'"
            ).fetchall():
                return
            for row in connection.execute("SELECT * FROM tasks ORDER BY created_at, id"):
                self.tasks[row["id"]] = dict(row)
            for table in ("attempts", "events", "artifacts"):
                rows = connection.execute(f"SELECT * FROM {table}").fetchall()
                setattr(self, table, [dict(row) for row in rows])
            self.contents = dict(connection.execute("SELECT blob, data FROM contents").fetchall())
            self.integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]

    @cached_property
    def runs(self) -> list[dict[str, Any]]:
        return [
            task
            for task in self.tasks.values()
            if task["kind"] == "pipeline" and task["parent"] is None
        ]

    @cached_property
    def completed(self) -> set[str]:
        return {name for name, task in self.tasks.items() if task["status"] == "completed"}

    @cached_property
    def values(self) -> dict[tuple[str, str], str]:
        """(task, artifact) -> digest, of what has completed."""
        completed = self.completed
        return {
            (row["task_id"], row["name"]): json.loads(row["value"])[0]
            for row in self.artifacts
            if row["task_id"] in completed
        }

    def value_of(self, task: str) -> Any:
        """A small plain value, as recorded."""
        for row in self.artifacts:
            if row["task_id"] == task and row["name"] == "value":
                return json.loads(self.contents.get(json.loads(row["value"])[1], b"null"))
        return None

    def names_below(self, run: str, above: str = "") -> Counter[str]:
        """Of all that was called in a run."""
        names: Counter[str] = Counter()
        for task in self._below.get(run, ()):
            names[f"{above}{task['name']}"] += 1
            names.update(self.names_below(task["id"], f"{above}{task['name']}/"))
        return names

    @cached_property
    def _below(self) -> dict[str, list[dict[str, Any]]]:
        below: dict[str, list[dict[str, Any]]] = {}
        for task in self.tasks.values():
            below.setdefault(task["parent"], []).append(task)
        return below


def read_journal(path: Path) -> list[Line]:
    """All whole lines."""
    if not path.exists():
        return []
    parts = [text.split() for text in path.read_text().splitlines()]
    return [Line(what, task, name, int(pid)) for what, task, name, pid in parts]


def judge(
    records: Records, before: list[Records], expected: dict[str, Expected], home: Path
) -> list[str]:
    """What is wrong, a sentence each.

    Args:
        records: What is there when all runs have been resumed to their end.
        before: What was there before each further start, oldest first.
        expected: By run id.
        home: Whose blobs are looked at.
    """
    return [
        *_runs_are_as_expected(records, expected),
        *_tasks_have_ended_once(records),
        *_journal_agrees(records),
        *(problem for one in before for problem in _nothing_was_lost(one, records)),
        *(problem for one in before for problem in inputs_came_first(one)),
        *values_are_whole(records, home),
        *([] if records.integrity == "ok" else [f"integrity check: {records.integrity}"]),
    ]


def _runs_are_as_expected(records: Records, expected: dict[str, Expected]) -> Iterator[str]:
    for run in records.runs:
        if run["id"] not in expected:
            yield f"extra: run {run['id']} {run['status']}"
    for run_id, wanted in expected.items():
        run = records.tasks.get(run_id)
        if run is None or run["status"] != "completed":
            yield f"missed: run {run_id} is {run and run['status']}: {run and run['failure']}"
            continue
        value = records.value_of(run_id)
        if value != wanted.value:
            yield f"run {run_id} gave {value!r}, not {wanted.value!r}"
        names = records.names_below(run_id)
        if names != wanted.names:
            yield f"missed: steps {dict(wanted.names - names)}, extra: {dict(names - wanted.names)}"


def _tasks_have_ended_once(records: Records) -> Iterator[str]:
    completions = Counter(
        event["task_id"] for event in records.events if event["name"] in _COMPLETIONS
    )
    attempts: dict[str, list[dict[str, Any]]] = {}
    for attempt in records.attempts:
        attempts.setdefault(attempt["task_id"], []).append(attempt)
    for task_id, task in records.tasks.items():
        label = f"{task['name']} {task_id}"
        if task["status"] != "completed":
            kind = "lost" if task["status"] in _TERMINAL else "stuck"
            yield f"{kind}: {label} is {task['status']}: {task['failure']}"
        elif completions[task_id] != 1:
            yield f"{label} completed {completions[task_id]} times"
        mine = sorted(attempts.get(task_id, []), key=lambda one: one["number"])
        if [one["number"] for one in mine] != list(range(1, len(mine) + 1)):
            yield f"{label} has attempts {[one['number'] for one in mine]}"
        for one in mine:
            if one["ended_at"] is None:
                yield f"stuck: attempt {one['number']} of {label} is open"
        exits = [one["exit"] for one in mine]
        if "completed" in exits[:-1]:
            yield f"{label} ended as {exits}"


def left_open(records: Records) -> Iterator[str]:
    """What a controller that ended in order should not have left behind."""
    for task in records.tasks.values():
        if task["status"] not in _TERMINAL:
            yield f"stuck: {task['name']} {task['id']} is {task['status']}"
    for attempt in records.attempts:
        if attempt["ended_at"] is None:
            yield f"stuck: attempt {attempt['number']} of {attempt['task_id']} is open"


def _journal_agrees(records: Records) -> Iterator[str]:
    starts = Counter(line.task for line in records.lines if line.what == "start")
    ends = Counter(line.task for line in records.lines if line.what == "end")
    ran = Counter(row["task_id"] for row in records.attempts if row["exit"] == "completed")
    for task_id, count in ran.items():
        task = records.tasks.get(task_id)
        if task is None:
            yield f"an attempt of {task_id}, which is not recorded"
        elif task["kind"] == "step" and (starts[task_id] < count or ends[task_id] < 1):
            yield (
                f"{task['name']} {task_id}: {count} completed attempts, but the journal has "
                f"{starts[task_id]} starts and {ends[task_id]} ends"
            )


def _nothing_was_lost(before: Records, after: Records) -> Iterator[str]:
    """What had completed has not run again, has its values, and is still there."""
    began = Counter(line.task for line in after.lines[len(before.lines) :] if line.what == "start")
    for task_id in before.completed:
        task = before.tasks[task_id]
        if began[task_id]:
            yield f"{task['name']} {task_id} had completed, and ran {began[task_id]} times again"
        if task_id not in after.completed:
            yield f"lost: {task['name']} {task_id} had completed"
    for (task_id, name), digest in before.values.items():
        if after.values.get((task_id, name)) != digest:
            yield f"artifact {name} of {before.tasks[task_id]['name']} {task_id} was replaced"


def inputs_came_first(records: Records) -> Iterator[str]:
    """No step was started before all that it takes was durable."""
    completed = records.completed
    for task_id in {line.task for line in records.lines if line.what == "start"}:
        task = records.tasks.get(task_id)
        for needed, _ in json.loads((task and task["needs"]) or "[]"):
            if needed not in completed:
                yield f"{task_id} has started, but {needed}, which it takes, is not recorded"


def values_are_whole(records: Records, home: Path) -> Iterator[str]:
    """Whether each value that a record speaks of is there, byte by byte."""
    seen: set[str] = set()
    for row in records.artifacts:
        blob = json.loads(row["value"])[1]
        if blob in seen:
            continue
        seen.add(blob)
        path = home / "blobs" / blob[:2] / blob
        data = records.contents.get(blob)
        if data is None and path.exists():
            data = path.read_bytes()
        if data is None or blake3(data).hexdigest() != blob:
            state = "missing" if data is None else "damaged"
            yield f"{state}: the bytes of {row['name']} of {row['task_id']}"


def temporary_files(home: Path) -> list[Path]:
    """What processes left that were writing."""
    return [path for name in ("tmp", "blobs/tmp") for path in (home / name).glob("*")]


def processes_of(mark: str) -> dict[int, str]:
    """Pid -> command line of every process that has the mark in its environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[int(entry.name)] = command
        except OSError:
            continue  # it is gone, or not ours
    return found
