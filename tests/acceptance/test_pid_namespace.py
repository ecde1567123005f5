"""A process in a pid namespace of its own, as in a container, may have its host's name and the same
store: neither side's pids mean anything to the other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspace import PIPEKIT, Workspace

_UNSHARED = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")

FLOW = """
    import time
    from pathlib import Path
    from pipekit import component, pipeline

    @component(cache=False)
    def wait_for_file() -> int:
        while not Path("go").exists():
            time.sleep(0.02)
        return 1

    @pipeline
    def flow() -> int:
        return wait_for_file()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    can = (
        shutil.which("unshare")
        and not subprocess.run(
            [*_UNSHARED, sys.executable, "-c", "pass"], capture_output=True, check=False
        ).returncode
    )
    if not can:
        pytest.skip("no pid namespace can be made here")
    found = Workspace(tmp_path)
    found.write("flow.py", FLOW)
    return found


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_a_run_of_another_pid_namespace_is_not_taken_for_dead(
    workspace: Workspace, where: str
) -> None:
    inside, outside = (_UNSHARED, ()) if where == "inside" else ((), _UNSHARED)
    going = workspace.start(
        *inside, sys.executable, "-c", "import flow; print(flow.flow())", PIPEKIT_PROGRESS="lines"
    )
    going.wait_for("▶", "err")
    looked = workspace.start(*outside, PIPEKIT, "ls", "--json").end()
    run = looked.json[0]
    resumed = workspace.start(*outside, PIPEKIT, "resume", run["id"]).end()
    workspace.write("go", "")
    said = going.end()
    assert run["status"] == "running"
    assert resumed.code == 2
    assert "goes on in process" in resumed.err
    assert (said.code, said.out) == (0, "1\n"), said.err
