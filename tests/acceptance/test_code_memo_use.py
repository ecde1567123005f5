"""What one process finds of code, the next takes from the home; a little code leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.workspace import Workspace

FLOW = """
    import sys
    from pipekit import component, pipeline
    from helpers import helper_0

    @component(cache=False)
    def uses():
        return helper_0(1), "pipekit.capture.code_memo" in sys.modules

    @pipeline
    def much():
        return uses()
"""
LITTLE = """
    import sys
    from pipekit import component, pipeline

    @component(cache=False)
    def alone():
        return "pipekit.capture.code_memo" in sys.modules

    @pipeline
    def little():
        return alone()
"""


def write_helpers(space: Workspace, count: int) -> None:
    lines = (f"def helper_{n}(x): return helper_{n + 1}(x)" for n in range(count))
    space.write("helpers.py", "\n".join((*lines, f"def helper_{count}(x): return x")) + "\n")


def memo_of(space: Workspace) -> Path:
    return space.home / "cache" / "code-facts"


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.write("flow.py", FLOW)
    return workspace


def run(space: Workspace, target: str, executor: str) -> object:
    said = space.pipekit("run", target, "--json", "--executor", executor)
    assert said.code == 0, said.err
    return json.loads(said.out)["value"]


def test_a_run_leaves_a_private_memo_that_workers_of_the_next_one_use(space: Workspace) -> None:
    write_helpers(space, 30)
    run(space, "flow.py:much", "inline")
    assert memo_of(space).stat().st_mode & 0o777 == 0o600
    assert run(space, "flow.py:much", "process:1") == [1, True]


def test_a_memo_that_is_no_memo_is_made_anew(space: Workspace) -> None:
    write_helpers(space, 30)
    run(space, "flow.py:much", "inline")
    whole = memo_of(space).read_bytes()
    memo_of(space).write_bytes(whole[:100])
    run(space, "flow.py:much", "inline")
    assert len(memo_of(space).read_bytes()) == len(whole)


def test_little_code_reads_and_leaves_none(space: Workspace) -> None:
    space.write("flow.py", LITTLE)
    for executor in ("inline", "process:1"):
        assert run(space, "flow.py:little", executor) is False
    assert not memo_of(space).exists()
