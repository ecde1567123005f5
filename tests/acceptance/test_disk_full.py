"""A disk that fills up under a run: one clear error, nothing lost, and once there is space the run
goes on. A small file system is mounted under parts of the home, in a namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.workspace import PIPEKIT, Workspace

FLOW = """
    import os
    import time
    from pathlib import Path
    from pipekit import component, pipeline

    def note(name: str) -> None:
        fd = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f"{name}\\n".encode())
        os.close(fd)

    @component(cache=False)
    def small(i: int) -> int:
        note(f"small {i}")
        return i

    @component(cache=False)
    def large(i: int) -> bytes:
        note(f"large {i}")
        return bytes([i]) * 400_000

    @component(cache=False)
    def talks(i: int) -> int:
        for number in range(4000):
            print("x" * 100)
        note(f"talks {i}")
        return i

    @component(cache=False)
    def length(b: bytes) -> int:
        return len(b)

    @pipeline
    def many(n: int) -> int:
        return sum([small(i) for i in range(n)])

    @pipeline
    def larges(n: int) -> int:
        return sum([length(large(i)) for i in range(n)])

    @pipeline
    def talk(n: int) -> int:
        return sum([talks(i) for i in range(n)])
"""

INSIDE = """
    import json, os, shutil, subprocess, sys
    from pathlib import Path

    pipekit, where, size, left, name, count, frees = sys.argv[1:]
    home = Path(os.environ["PIPEKIT_HOME"])
    folder = home / where
    kept = home.with_name("kept")
    run = [pipekit, "run", "flow.py:" + name, "--n", count]
    said = {}

    def call(what, command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        said[what] = [done.returncode, done.stdout, done.stderr]

    call("before", [pipekit, "run", "flow.py:many", "--n", "1"])
    folder.mkdir(exist_ok=True)
    shutil.copytree(folder, kept)
    options = f"size={size}k,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    filler = folder / "filler"
    room = os.statvfs(folder)
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize - int(left) * 1024))
    if frees == "under way":
        process = subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        err = ""
        while "space" not in err and (line := process.stderr.readline()):
            err += line
        filler.unlink()
        out, rest = process.communicate(timeout=60)
        said["full"] = [process.returncode, out, err + rest]
    else:
        call("full", run)
        filler.unlink()
        call("runs", [pipekit, "ls", "--json"])
        newest = json.loads(said.pop("runs")[1])[0]
        call("resumed", [pipekit, "resume", newest["id"]])
    call("value", [pipekit, "get"])
    check = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]))"
    call("check", [sys.executable, "-c", check, str(home / "pipekit.db"), "PRAGMA integrity_check"])
    call("show", [pipekit, "show", "--json"])
    print(json.dumps(said))
"""


def cannot_mount() -> str:
    """Why no file system can be mounted here; empty where one can."""
    command = ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip()


pytestmark = pytest.mark.skipif(
    bool(cannot_mount()), reason=f"no file system can be mounted here: {cannot_mount()}"
)


@dataclass
class Called:
    code: int
    out: str
    err: str


class Full(Workspace):
    """A workspace of which a part lies on a small disk."""

    def fill(
        self, name: str, count: int, *, where: str, size: int, left: int, frees: str = "after"
    ) -> dict[str, Any]:
        """Run a pipeline while `left` KiB of a disk of `size` KiB are free; what was said."""
        journal = self.folder / "journal"
        done = self.start(
            "unshare", "-Urm", sys.executable, str(self.write("inside.py", INSIDE)), PIPEKIT,
            where, str(size), str(left), name, str(count), frees,
            JOURNAL=str(journal), PIPEKIT_EXECUTOR="process:2", PIPEKIT_BLIND_SPOTS="ok",
        ).end()  # fmt: skip
        assert done.code == 0, done.err
        said = json.loads(done.out)
        _, show, _ = said.pop("show")
        return {
            **{name: Called(*parts) for name, parts in said.items()},
            "lines": journal.read_text().splitlines(),
            "run": json.loads(show),
        }


@pytest.fixture
def space(tmp_path: Path) -> Full:
    made = Full(tmp_path)
    made.write("flow.py", FLOW)
    return made


def check_failure(full: Called, says: str) -> None:
    """It is one clear error, and no traceback of ours."""
    assert says in full.err
    assert f"{Path('pipekit', 'control')}" not in full.err
    assert "Hint: " in full.err


def test_a_full_disk_under_the_home_ends_the_run_and_it_is_resumed(space: Full) -> None:
    found = space.fill("many", 1500, where=".", size=20_000, left=300)
    assert found["full"].code == 3
    check_failure(found["full"], "the disk is full")
    assert found["resumed"].code == 0, found["resumed"].err
    assert found["value"].out.strip() == str(sum(range(1500)))
    assert found["run"]["status"] == "completed"
    assert found["check"].out == "('ok',)\n"


def test_a_full_disk_under_the_blobs_is_waited_for(space: Full) -> None:
    found = space.fill("larges", 4, where="blobs", size=8000, left=900, frees="under way")
    assert found["full"].code == 0, found["full"].err
    assert "No space left" in found["full"].err
    assert found["value"].out.strip() == "1600000"
    completed = [step for step in found["run"]["steps"] if step["status"] == "completed"]
    assert len(completed) == 8


def test_a_full_disk_under_the_logs_fails_the_step_that_writes(space: Full) -> None:
    found = space.fill("talk", 2, where="logs", size=4000, left=200)
    assert found["full"].code == 1
    assert "OSError: [Errno 28] No space left on device" in found["full"].err
    assert found["resumed"].code == 0, found["resumed"].err
    assert found["value"].out.strip() == "1"


def test_a_full_disk_under_temporary_files_is_waited_for(space: Full) -> None:
    found = space.fill("many", 2, where="tmp", size=64, left=0, frees="under way")
    assert "No space left on device" in found["full"].err
    assert found["full"].code == 0, found["full"].err
    assert found["value"].out.strip() == "1"
