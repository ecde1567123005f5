"""The oracle of the crash trials sees what it is there to see: each damage is done by hand."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.oracle import Expected, Records, judge, processes_of
from tests.crash.trial import Ground, first_command


class Remains:
    """A copy of what an undisturbed run has left."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.journal = folder / "journal"

    def sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self.home / "pipekit.db")) as connection, connection:
            assert connection.execute(statement).rowcount > 0

    def add_line(self, line: str) -> None:
        with self.journal.open("a") as file:
            file.write(f"{line}\n")

    def records(self) -> Records:
        return Records(self.home, self.journal)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("oracle") / "run"
    ground = Ground(folder)
    assert ground.call(first_command("flow", {"salt": 1}), "process:2") == 0, ground.said
    return folder


@pytest.fixture
def remains(undisturbed: Path, tmp_path: Path) -> Remains:
    shutil.copytree(undisturbed, tmp_path / "copy")
    return Remains(tmp_path / "copy")


def found(remains: Remains, damage: Callable[[Remains], None]) -> str:
    """What is said of the damage, against what was there before."""
    before = remains.records()
    (run,) = before.runs
    expected = {run["id"]: Expected(before.value_of(run["id"]), before.names_below(run["id"]))}
    assert judge(before, [before], expected, remains.home) == []
    damage(remains)
    after = remains.records()
    return "\n".join(judge(after, [before, after], expected, remains.home))


ONE = "(SELECT id FROM tasks WHERE name = 'triple')"
DAMAGES = {
    "UPDATE tasks SET status = 'running' WHERE name = 'triple'": "stuck: triple ",
    "UPDATE tasks SET status = 'failed' WHERE name = 'triple'": "lost: triple ",
    "UPDATE attempts SET ended_at = NULL WHERE task_id = " + ONE: "is open",
    "UPDATE attempts SET number = 2 WHERE task_id = " + ONE: "has attempts [2]",
    "INSERT INTO events (task_id, at, name, attempt, detail) SELECT id, 0, 'completed', 1, ''"
    " FROM tasks WHERE name = 'triple'": "completed 2 times",
    "DELETE FROM events WHERE name = 'completed' AND task_id = " + ONE: "completed 0 times",
    "UPDATE tasks SET status = 'pending' WHERE name = 'number'": "which it takes, is not recorded",
    "DELETE FROM tasks WHERE name = 'triple'": "missed: steps {'triple': 1, ",
    "UPDATE tasks SET name = 'other' WHERE name = 'triple'": "extra: {'other': 1, ",
    "DELETE FROM contents": "missing: the bytes of value",
    "UPDATE contents SET data = x'31'": "damaged: the bytes of value",
    "DELETE FROM artifacts WHERE task_id = " + ONE: "artifact value of triple",
}


@pytest.mark.parametrize("statement", DAMAGES)
def test_what_is_wrong_in_the_store_is_found(remains: Remains, statement: str) -> None:
    said = found(remains, lambda there: there.sql(statement))
    assert DAMAGES[statement] in said


def test_a_blob_that_is_gone_is_found(remains: Remains) -> None:
    said = found(remains, lambda there: next(there.home.glob("blobs/??/*")).unlink())
    assert "missing: the bytes of value" in said


def test_a_step_that_ran_although_it_had_completed_is_found(remains: Remains) -> None:
    line = next(line for line in remains.records().lines if line.what == "end")
    said = found(remains, lambda there: there.add_line(f"start {line.task} {line.name} 1"))
    assert "had completed, and ran 1 times again" in said


def test_a_completion_without_a_start_is_found(remains: Remains) -> None:
    def forget(there: Remains) -> None:
        lines = there.journal.read_text().splitlines(keepends=True)
        there.journal.write_text("".join(line for line in lines if " checksum " not in line))

    assert "1 completed attempts, but the journal has 0 starts" in found(remains, forget)


def test_a_process_that_is_left_is_found(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "ground")
    process = ground.start(["sleep", "60"], "inline")
    try:
        assert process.pid in processes_of(ground.mark)
    finally:
        process.kill()
        process.wait()
    assert processes_of(ground.mark) == {}
