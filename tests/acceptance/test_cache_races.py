"""Processes that want the same key at the same moment all get the right value, and one of them is
remembered."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROCESSES = 16
PROGRAM = """
import json, sys
from pipekit import component, pipeline

@component
def table(number):
    return {"number": number, "rows": list(range(number, number + 100))}

@component
def large(number):
    return bytes([number % 256]) * 100_000

@component
def total(rows, content):
    return sum(rows["rows"]) + sum(content)

@pipeline(name="race")
def race(number):
    return total(table(number), large(number))

inline = race.options(executor="inline")
print("ready", flush=True)
for line in sys.stdin:
    number = int(line)
    run = inline.run(number=number)
    print(json.dumps([number, run.value, [step.reused for step in run.steps]]), flush=True)
"""


def right(number: int) -> int:
    return sum(range(number, number + 100)) + (number % 256) * 100_000


def race(folder: Path, rounds: int) -> list[list[list[bool]]]:
    """For each round which steps each process reused; every value is right."""
    (folder / "flow.py").write_text(textwrap.dedent(PROGRAM))
    environment = {
        **os.environ,
        "PIPEKIT_HOME": str(folder / "home"),
        "PIPEKIT_PROGRESS": "off",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "flow.py"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]  # fmt: skip
    found: list[list[list[bool]]] = []
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        for number in range(rounds):
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(f"{number}\n")
                process.stdin.flush()
            found.append([])
            for process in processes:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line, process.communicate()[1]
                said, value, reused = json.loads(line)
                assert (said, value) == (number, right(number))
                found[-1].append(reused)
        for process in processes:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert err == ""
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return found


def check(folder: Path, rounds: int) -> None:
    found = race(folder, rounds)
    with sqlite3.connect(folder / "home" / "pipekit.db") as store:
        memos = store.execute("SELECT COUNT(*), COUNT(DISTINCT task_id) FROM memos").fetchone()
        statuses = dict(store.execute("SELECT status, COUNT(*) FROM tasks GROUP BY status"))
        (open_attempts,) = store.execute(
            "SELECT COUNT(*) FROM attempts WHERE ended_at IS NULL"
        ).fetchone()
        (sound,) = store.execute("PRAGMA integrity_check").fetchone()
    assert memos == (3 * rounds, 3 * rounds)  # one a key, each made by a step of its own
    assert statuses == {"completed": 4 * rounds * PROCESSES}
    assert (open_attempts, sound) == (0, "ok")
    for steps in found:  # some process has computed each
        assert all(any(not reused[place] for reused in steps) for place in range(3))


def test_sixteen_processes_that_want_one_key_get_the_right_value_and_leave_one_memo(
    tmp_path: Path,
) -> None:
    check(tmp_path, rounds=20)


@pytest.mark.long
def test_sixteen_processes_that_want_one_key_five_hundred_times(tmp_path: Path) -> None:
    check(tmp_path, rounds=500)
