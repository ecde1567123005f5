"""What recording a short step costs, beside the floor: the same bytes into one bare table.

    python benchmarks/recording.py [steps]

Prints microseconds a step for batches of 1, 16 and 256, and the ratio to the floor of the same run.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pipekit.model.records import (
    Artifact,
    Attempt,
    Change,
    Closing,
    Event,
    Kind,
    Memo,
    Task,
    TaskSpec,
)
from pipekit.model.status import Status, Transition
from pipekit.model.value import StoredValue
from pipekit.stores.sqlite import SqliteStore

NOW = 1_790_000_000.0
CONTENT = b'{"loss":0.12345678901,"epoch":12}'


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def short_step(number: int) -> Change:
    """A step that was created, run and completed before anyone wrote it down."""
    task_id = f"01j9zk7{number:06d}q3v8w1x5y7z2a"
    seed = digest(f"value {number}")
    value = StoredValue(
        digest=seed,
        blob=digest(f"blob {number}"),
        serializer="json",
        type="builtins.dict",
        size_bytes=len(CONTENT),
        preview='{"loss": 0.12345678901, "epoch": 12}',
        inline=True,
    )
    task = Task(
        id=task_id,
        kind=Kind.STEP,
        name=f"fit-{number}",
        project="iris",
        status=Status.COMPLETED,
        created_at=NOW + number,
        spec=TaskSpec("flow:fit", digest("code"), {"alpha": number / 7, "frame": "${load.value}"}),
        parent="01j9zk7000000parent8w1x5y7",
        step_key=digest(f"key {number}"),
        started_at=NOW + number,
        ended_at=NOW + number + 0.001,
        inputs={
            "alpha": ("float", f"{number / 7}", digest(f"alpha {number}")),
            "frame": ("pandas.DataFrame", "150 rows, 5 columns", digest("frame")),
        },
    )
    return Change(
        task_id,
        create=task,
        open=Attempt(task_id, 1, NOW + number, "laptop", 4242, NOW, log_path="logs/worker-1.log"),
        close=Closing(1, NOW + number + 0.001, "completed", None, "logs/worker-1.log", 10, 20),
        artifacts=(Artifact(task_id, 1, "value", NOW + number, value),),
        contents=((value.blob, CONTENT),),
        memo=Memo(seed, task_id, "train 01j9zk7", NOW, 0.001, (("value", value),)),
        events=(
            Event(task_id, NOW + number, Transition.SUBMITTED),
            Event(task_id, NOW + number, Transition.STARTED, 1),
            Event(task_id, NOW + number, Transition.COMPLETED, 1),
        ),
    )


def batches(changes: list[Change], size: int) -> Iterator[list[Change]]:
    for start in range(0, len(changes), size):
        yield changes[start : start + size]


def bytes_a_step(folder: Path, changes: list[Change]) -> int:
    path = folder / "size.db"
    store = SqliteStore(path)
    empty = path.stat().st_size
    store.commit(changes)
    store.close()
    return (path.stat().st_size - empty) // len(changes)


def floor(folder: Path, *, steps: int, size: int, row_bytes: int) -> float:
    """One table, one column, the same durability, the same batches."""
    connection = sqlite3.connect(folder / f"floor-{size}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("CREATE TABLE rows (data BLOB)")
    text = f"INSERT INTO rows VALUES {','.join(['(?)'] * size)}"
    row = bytes(row_bytes)
    began = time.perf_counter()
    for _ in range(steps // size):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(text, [row] * size)
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took / steps * 1e6


def recording(folder: Path, changes: list[Change], size: int) -> float:
    store = SqliteStore(folder / f"store-{size}.db")
    began = time.perf_counter()
    for batch in batches(changes, size):
        if not all(store.commit(batch)):
            raise SystemExit("a step was not recorded")
    took = time.perf_counter() - began
    store.close()
    return took / len(changes) * 1e6


def looking_up(folder: Path, changes: list[Change]) -> float:
    store = SqliteStore(folder / "store-256.db")
    keys = [change.memo.key for change in changes if change.memo is not None][:500]
    store.find_memos(keys[:1])
    began = time.perf_counter()
    found = store.find_memos(keys)
    took = time.perf_counter() - began
    store.close()
    if len(found) != len(keys):
        raise SystemExit("a memo was not found")
    return took / len(keys) * 1e6


def main(steps: int) -> None:
    changes = [short_step(number) for number in range(steps)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        row_bytes = bytes_a_step(folder, changes)
        print(f"{steps} steps, {row_bytes} bytes each in the file")
        for size in (1, 16, 256):
            least = floor(folder, steps=steps, size=size, row_bytes=row_bytes)
            took = recording(folder, changes, size)
            print(
                f"batches of {size:3d}: {took:6.1f} µs a step, floor {least:6.1f}, "
                f"ratio {took / least:.1f}"
            )
        print(f"find_memos of 500: {looking_up(folder, changes):.1f} µs a key")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5120)
