"""What is remembered: for how long, what is asked for anew, what is damaged, who computes it."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.workspace import PIPEKIT, Started, Workspace

FLOW = """
    from datetime import timedelta
    from pipekit import component, pipeline

    @component
    def first(n: int) -> int:
        print("first")
        return n % 2

    @component
    def second(x: int) -> bytes:
        print("second")
        return bytes([x]) * 100_000

    @component
    def third(b: bytes) -> int:
        print("third")
        return len(b)

    @pipeline
    def flow(n: int = 1) -> int:
        return third(second(first(n)))

    @component(cache=timedelta(hours=1))
    def hourly() -> int:
        return 1

    @pipeline
    def aging() -> int:
        return hourly()

    @pipeline
    def nested() -> int:
        return flow()
"""
SLOW = """
    import os, time
    from pathlib import Path
    from pipekit import component, pipeline

    @component
    def work(n: int) -> int:
        marks = os.open("marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(marks, b"x")
        time.sleep(1.2)
        if os.environ.get("FAIL"):
            raise ValueError("as asked for")
        return n

    @pipeline
    def flow(n: int = 0) -> int:
        return work(n)
"""


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.write("flow.py", FLOW)
    return made


def run(space: Workspace, *arguments: str) -> dict[str, bool]:
    """Step -> whether it was reused."""
    target = "flow.py:flow" if not arguments or arguments[0].startswith("-") else ""
    said = space.pipekit("run", *filter(None, [target]), *arguments, "--json").json
    return {step["name"]: bool(step["reused"]) for step in said["steps"]}


def names(reused: dict[str, bool]) -> list[str]:
    """Of the steps that ran."""
    return [name for name, was in reused.items() if not was]


def entries(space: Workspace, *arguments: str) -> list[Any]:
    return list(space.pipekit("cache", "ls", *arguments, "--json").json)


def test_without_the_cache_every_step_runs_and_is_remembered(space: Workspace) -> None:
    run(space)
    old = {entry["key"]: entry["task"] for entry in entries(space)}
    assert names(run(space, "--no-cache")) == ["first", "second", "third"]
    new = {entry["key"]: entry["task"] for entry in entries(space)}
    assert old.keys() == new.keys()
    assert all(old[key] != new[key] for key in old)
    assert names(run(space)) == []


def test_a_refreshed_step_runs_and_what_follows_only_where_its_value_changed(
    space: Workspace,
) -> None:
    run(space)
    assert names(run(space, "--refresh", "first")) == ["first"]
    assert names(run(space, "--refresh=first", "--refresh", "third")) == ["first", "third"]


def test_a_refresh_reaches_into_a_pipeline_that_is_called_in_a_pipeline(space: Workspace) -> None:
    run(space)
    said = space.pipekit("run", "flow.py:nested", "--refresh", "second")
    assert "✓ flow/second" in said.err
    assert "↺ flow/first" in said.err


def test_a_step_to_refresh_that_is_not_called_is_said(space: Workspace) -> None:
    said = space.pipekit("run", "flow.py:flow", "--refresh", "frist")
    assert said.code == 2
    assert "called no step 'frist'. Its steps: first, second, third." in said.err


def test_what_is_older_than_its_component_says_is_computed_again(space: Workspace) -> None:
    assert names(run(space, "flow.py:aging")) == ["hourly"]
    assert names(run(space, "flow.py:aging")) == []
    with sqlite3.connect(space.home / "pipekit.db") as database:
        database.execute("UPDATE memos SET created_at = created_at - 3601")
    assert names(run(space, "flow.py:aging")) == ["hourly"]
    assert names(run(space, "flow.py:aging")) == []


def blob(space: Workspace) -> Path:
    (found,) = (path for path in (space.home / "blobs").glob("??/*"))
    found.chmod(0o600)
    return found


@pytest.mark.parametrize("damage", ["gone", "short", "flipped"])
def test_a_damaged_file_is_computed_again_with_a_warning_that_names_it(
    space: Workspace, damage: str
) -> None:
    run(space)
    path = blob(space)
    if damage == "gone":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-1] if damage == "short" else data[:-1] + b"\xff")
    said = space.pipekit("run", "flow.py:flow", "--json")
    assert said.code == 0
    assert "'second'" in said.err
    assert path.name[:12] in said.err
    reused = {step["name"]: bool(step["reused"]) for step in said.json["steps"]}
    assert names(reused) == ["second"]
    assert names(run(space)) == []


def test_a_small_value_with_any_byte_flipped_is_computed_again(space: Workspace) -> None:
    run(space)
    with sqlite3.connect(space.home / "pipekit.db") as database:
        rows = database.execute("SELECT blob, data FROM contents WHERE length(data) < 9").fetchall()
        for key, data in rows:
            database.execute(
                "UPDATE contents SET data = ? WHERE blob = ?",
                (bytes([data[0] ^ 1]) + data[1:], key),
            )
    said = space.pipekit("run", "flow.py:flow", "--json")
    assert said.json["value"] == 100_000
    reused = {step["name"]: bool(step["reused"]) for step in said.json["steps"]}
    assert names(reused) == ["first", "third"]
    assert "are not what was stored" in said.err
    assert names(run(space)) == []


def test_a_home_that_others_may_write_is_refused_with_what_to_type(space: Workspace) -> None:
    run(space)
    space.home.chmod(0o777)
    said = space.pipekit("run", "flow.py:flow")
    assert said.code == 3
    assert f"Hint: chmod go-w {space.home}" in said.err


def test_two_runs_that_want_a_long_step_at_once_compute_it_once(space: Workspace) -> None:
    space.write("slow.py", SLOW)
    assert space.pipekit("run", "slow.py:flow").code == 0
    command = (PIPEKIT, "run", "slow.py:flow", "--n", "1", "--json")
    both = [space.start(*command), space.start(*command)]
    said = [one.end() for one in both]
    assert [one.json["value"] for one in said] == [1, 1]
    assert sorted(bool(one.json["steps"][0]["reused"]) for one in said) == [False, True]
    assert (space.folder / "marks").read_text() == "xx"


def begun(space: Workspace, **variables: str) -> Started:
    """A run that computes the long step now."""
    started = space.start(PIPEKIT, "run", "slow.py:flow", "--n", "1", **variables)
    while (space.folder / "marks").read_text() != "xx":
        assert started.process.poll() is None
    return started


def test_a_long_step_of_a_run_that_was_killed_is_taken_over(space: Workspace) -> None:
    space.write("slow.py", SLOW.replace("1.2", "2.5 if n == 1 else 1.2"))
    assert space.pipekit("run", "slow.py:flow").code == 0
    first = begun(space)
    marks = space.folder / "marks"
    second = space.start(PIPEKIT, "run", "slow.py:flow", "--n", "1", "--json")
    second.wait_for("waits for another run", stream="err")
    first.process.send_signal(signal.SIGKILL)
    first.end()
    assert second.end().json["value"] == 1
    assert marks.read_text() == "xxx"


def test_a_long_step_that_failed_elsewhere_is_computed_by_who_waited(space: Workspace) -> None:
    space.write("slow.py", SLOW)
    assert space.pipekit("run", "slow.py:flow").code == 0
    first = begun(space, FAIL="1")
    second = space.start(PIPEKIT, "run", "slow.py:flow", "--n", "1", "--json")
    second.wait_for("waits for another run", stream="err")
    assert first.end().code == 1
    assert second.end().json["value"] == 1
    assert (space.folder / "marks").read_text() == "xxx"


def test_entries_are_listed_with_their_uses_and_forgotten_by_component(space: Workspace) -> None:
    run(space)
    run(space)
    found = {entry["component"]: entry for entry in entries(space)}
    assert set(found) == {"flow:first", "flow:second", "flow:third"}
    assert found["flow:second"]["hits"] == 1
    assert found["flow:second"]["bytes"] == 100_000
    said = space.pipekit("cache", "rm", "second")
    assert (said.code, "--yes" in said.err) == (2, True)
    assert space.pipekit("cache", "rm", "second", "--yes").code == 0
    assert names(run(space)) == ["second"]


def test_entries_are_forgotten_by_run_by_age_and_all_at_once(space: Workspace) -> None:
    run(space)
    assert space.pipekit("cache", "rm", "--older-than", "1h", "--yes").code == 0
    assert len(entries(space)) == 3
    task = space.pipekit("ls", "--json").json[0]["id"]
    assert space.pipekit("cache", "rm", "first", "--run", task, "--yes").code == 0
    assert len(entries(space)) == 2
    assert space.pipekit("cache", "rm", "--all", "--yes").code == 0
    assert entries(space) == []
    assert space.pipekit("cache", "rm").code == 2


def test_an_unknown_component_lists_those_there_are(space: Workspace) -> None:
    run(space)
    said = space.pipekit("cache", "ls", "secnd")
    assert said.code == 2
    assert "There are: first, second, third." in said.err
    assert "did you mean 'second'?" in said.err


def test_the_counts_are_those_of_the_recorded_steps(space: Workspace) -> None:
    run(space)
    run(space)
    stats = space.pipekit("cache", "stats", "--json").json
    assert (stats["entries"], stats["hits"], stats["misses"]) == (3, 3, 3)
    assert stats["components"]["flow:first"]["hits"] == 1
    assert "6 completed steps 3 (50%) were reused" in space.pipekit("cache", "stats").out


def test_doctor_finds_what_makes_a_run_refuse_the_home(space: Workspace) -> None:
    run(space)
    (space.home / "pipekit.db").chmod(0o666)
    said = space.pipekit("doctor")
    assert said.code == 1
    named = f"{space.home / 'pipekit.db'} may be written by other users"
    assert named in " ".join(said.out.split())
