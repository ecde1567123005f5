"""`pipekit gc`: what goes, what stays, and that neither a kill nor a run that goes on loses any."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.workspace import PIPEKIT, Workspace

FLOW = """
    import time
    from pathlib import Path
    from pipekit import component, pipeline

    @component
    def make(n: int) -> bytes:
        print("making")
        return bytes([n]) * 100_000

    @component
    def size(b: bytes) -> int:
        return len(b)

    @component(cache=False)
    def hold(ready: str, go: str) -> int:
        Path(ready).touch()
        while not Path(go).exists():
            time.sleep(0.01)
        return 1

    @pipeline
    def flow(n: int = 1) -> int:
        return size(make(n))

    @pipeline
    def long(n: int = 1) -> int:
        made = make(n)
        if size(made):
            hold("ready", "go")
        return size(made) + len(made)
"""


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.write("flow.py", FLOW)
    return made


def run(space: Workspace, n: int) -> Any:
    return space.pipekit("run", "flow.py:flow", "--n", str(n), "--json").json


def collect(space: Workspace, *arguments: str) -> Any:
    return space.pipekit("gc", "--grace", "0s", *arguments, "--json").json


def age(space: Workspace, run: str, days: int) -> None:
    """Make a run that many days older than it is."""
    with sqlite3.connect(space.home / "pipekit.db") as database:
        database.execute(
            "UPDATE tasks SET created_at = created_at - ?, ended_at = ended_at - ? WHERE id = ?",
            (86400 * days, 86400 * days, run),
        )


def blobs(space: Workspace) -> set[str]:
    return {path.name for path in (space.home / "blobs").glob("??/*")}


def logs(space: Workspace) -> int:
    return len(list((space.home / "logs").iterdir()))


def is_whole(space: Workspace) -> bool:
    """Whether all values that a task refers to are there."""
    with closing(sqlite3.connect(space.home / "pipekit.db")) as database:
        texts = [text for (text,) in database.execute("SELECT value FROM artifacts")]
        values = [json.loads(text) for text in texts]
        there = {blob for (blob,) in database.execute("SELECT blob FROM contents")} | blobs(space)
    return {value[1] for value in values} <= there


def test_an_old_run_goes_with_its_values_its_entries_and_its_logs(space: Workspace) -> None:
    old, new = run(space, 1), run(space, 2)
    age(space, old["id"], 31)
    kept = blobs(space)
    report = collect(space, "--runs-older-than", "30d")
    assert report["runs"] == [old["id"]]
    assert (report["tasks"], report["entries"], report["blobs"]) == (3, 2, 1)
    assert len(blobs(space)) == 1
    assert blobs(space) < kept
    assert [one["id"] for one in space.pipekit("ls", "--json").json] == [new["id"]]
    assert logs(space) == 1
    assert is_whole(space)
    again = run(space, 2)
    assert all(step["reused"] for step in again["steps"])


def test_what_a_kept_run_has_reused_stays(space: Workspace) -> None:
    old, new = run(space, 1), run(space, 1)
    age(space, old["id"], 31)
    assert collect(space, "--runs-older-than", "30d")["blobs"] == 0
    assert space.pipekit("get", new["id"]).out.strip() == "100000"
    assert all(step["reused"] for step in run(space, 1)["steps"])


def test_what_is_pinned_stays(space: Workspace) -> None:
    first, second = run(space, 1), run(space, 2)
    assert space.pipekit("cache", "pin", "--run", first["id"]).code == 0
    assert space.pipekit("cache", "pin", "make").code == 0
    for one in (first, second):
        age(space, one["id"], 31)
    assert collect(space, "--runs-older-than", "30d")["runs"] == [second["id"]]
    assert len(blobs(space)) == 2
    assert space.pipekit("cache", "pin", "--all", "--off").code == 0
    assert space.pipekit("cache", "pin", "--run", first["id"], "--off").code == 0
    assert collect(space, "--runs-older-than", "30d")["runs"] == [first["id"]]
    assert blobs(space) == set()


def test_a_dry_run_says_what_would_go_and_deletes_nothing(space: Workspace) -> None:
    age(space, run(space, 1)["id"], 31)
    before = (blobs(space), logs(space))
    told = collect(space, "--runs-older-than", "30d", "--dry-run")
    assert (blobs(space), logs(space)) == before
    done = collect(space, "--runs-older-than", "30d")
    assert {**told, "dry": False} == done
    assert blobs(space) == set()


def test_the_oldest_runs_go_until_the_rest_is_small_enough(space: Workspace) -> None:
    runs = [run(space, n)["id"] for n in (1, 2, 3)]
    for days, one in zip((3, 2, 1), runs, strict=True):
        age(space, one, days)
    report = collect(space, "--size", "210KB")
    assert report["runs"] == runs[:1]
    assert report["left_bytes"] <= 210_000
    assert len(blobs(space)) == 2


def test_what_cannot_be_made_smaller_is_said(space: Workspace) -> None:
    run(space, 1)
    said = space.pipekit("gc", "--size", "1KB")
    assert said.code == 0
    assert "are left, more than 1KB" in said.err
    assert len(blobs(space)) == 1


def test_what_was_stored_within_the_grace_time_stays(space: Workspace) -> None:
    age(space, run(space, 1)["id"], 31)
    report = space.pipekit("gc", "--runs-older-than", "30d", "--json").json
    assert (len(report["runs"]), report["blobs"], report["logs"]) == (1, 0, 0)
    assert len(blobs(space)) == 1


def test_a_run_that_goes_on_keeps_what_it_stored_and_what_it_reused(space: Workspace) -> None:
    age(space, run(space, 1)["id"], 31)
    going = space.start(PIPEKIT, "run", "flow.py:long", "--json")
    while not (space.folder / "ready").exists():
        assert going.process.poll() is None
    report = collect(space, "--runs-older-than", "0s")
    assert len(report["going"]) == 1
    (space.folder / "go").touch()
    said = going.end()
    assert said.json["value"] == 200_000
    assert is_whole(space)


def test_a_run_whose_process_was_killed_may_go(space: Workspace) -> None:
    going = space.start(PIPEKIT, "run", "flow.py:long")
    while not (space.folder / "ready").exists():
        assert going.process.poll() is None
    going.process.kill()
    going.end()
    assert collect(space, "--runs-older-than", "0s")["going"] == []
    assert space.pipekit("ls", "--json").json == []


def test_temporary_files_and_copies_go(space: Workspace) -> None:
    run(space, 1)
    for name in ("tmp/a", "blobs/tmp/b", "copies/ab/cd/file", "copies/0123/file"):
        path = space.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        for one in (path, path.parent):
            os.utime(one, (1.0, 1.0))
    assert collect(space)["others"] == 4
    assert is_whole(space)


KILLED = """
import os, signal, sys
from pipekit.artifacts import blob
from pipekit.cli.main import main

deleted = []

def stop(event, arguments):
    if event in ("os.rename", "os.remove") and "/blobs/" in str(arguments[0]):
        deleted.append(event)
        if len(deleted) == int(os.environ["KILL_AT"]):
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(stop)
sys.argv = ["pipekit", "gc", "--grace", "0s", "--runs-older-than", "30d"]
main()
"""


@pytest.mark.parametrize("kill_at", [1, 2])
def test_one_that_is_killed_loses_nothing_and_the_next_ends_it(
    space: Workspace, kill_at: int
) -> None:
    for n in (1, 2):
        age(space, run(space, n)["id"], 31)
    run(space, 3)
    space.write("killed.py", KILLED)
    killed = space.python("killed.py", KILL_AT=str(kill_at))
    assert killed.code == -9
    assert is_whole(space)
    collect(space, "--runs-older-than", "30d")
    assert len(blobs(space)) == 1
    assert list((space.home / "blobs" / "tmp").iterdir()) == []
    assert is_whole(space)


def test_two_at_once_do_what_one_does(space: Workspace) -> None:
    for n in (1, 2):
        age(space, run(space, n)["id"], 31)
    command = (PIPEKIT, "gc", "--grace", "0s", "--runs-older-than", "30d", "--json")
    both = [space.start(*command), space.start(*command)]
    said = [one.end().json for one in both]
    assert sum(one["tasks"] for one in said) == 6
    assert sum(one["blobs"] for one in said) == 2
    assert blobs(space) == set()


def test_where_nothing_was_recorded_nothing_is_made(space: Workspace) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "pipekit", "gc"], cwd=space.folder, env=space.environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0
    assert "nothing was ever recorded" in said.stderr
    assert not space.home.exists()
