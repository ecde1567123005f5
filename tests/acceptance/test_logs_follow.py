"""`pipekit logs`: of a run that goes on, seen from another process; and how lines read."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace import PIPEKIT, Started, Workspace

FLOW = """
    import sys
    import time
    from pathlib import Path

    from pipekit import component, pipeline

    def wait_for(name):
        while not Path(name).exists():
            time.sleep(0.01)

    @component(cache=False)
    def first() -> int:
        sys.stdout.write("half a line, ")
        sys.stdout.flush()
        Path("begun").touch()
        wait_for("gate")
        print("and the rest")
        return 1

    @component(cache=False)
    def other() -> int:
        sys.stdout.write("one ")
        sys.stdout.flush()
        print("two")
        wait_for("gate")
        return 1

    @component(cache=False, retries=1)
    def flaky(number: int) -> int:
        print("trying")
        wait_for("gate")
        if not Path("tried").exists():
            Path("tried").touch()
            raise ValueError("not yet")
        print("well")
        return number

    @component
    def quick(number: int) -> int:
        print("quick", number)
        return number

    @pipeline
    def both() -> int:
        a, b = first(), other()
        return flaky(a + b)

    @pipeline
    def inner() -> int:
        print("of the pipeline's own")
        return quick(5) + 0

    @pipeline
    def outer() -> int:
        return quick(1) + inner()

    if __name__ == "__main__":
        both()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.write("flow.py", FLOW)
    return made


@pytest.fixture
def run(workspace: Workspace) -> Iterator[Started]:
    """A run of `both` whose first step has begun, and waits for the gate."""
    started = workspace.start(sys.executable, "flow.py")
    begun = workspace.folder / "begun"
    while not begun.exists():
        assert started.process.poll() is None, started.end().err
    yield started
    (workspace.folder / "gate").touch()
    started.end()


def follow(workspace: Workspace, *arguments: str) -> Started:
    return workspace.start(PIPEKIT, "logs", *arguments, "--follow")


def open_gate(workspace: Workspace) -> None:
    (workspace.folder / "gate").touch()


def test_a_run_is_followed_to_its_end_in_whole_lines_behind_the_names_of_its_steps(
    workspace: Workspace, run: Started
) -> None:
    follower = follow(workspace)
    follower.wait_for("other | one two\n")
    open_gate(workspace)
    said = follower.end()
    assert said.code == 0
    lines = said.out.splitlines()
    assert "first | half a line, and the rest" in lines
    assert [line for line in lines if line.startswith("flaky | ") and "ying" in line] == [
        "flaky | trying",
        "flaky | trying",
    ]
    assert lines[-1] == "flaky | well"
    assert all(line.partition(" | ")[0].rstrip() in {"first", "other", "flaky"} for line in lines)
    assert "flaky | -- attempt 2 --" in said.err
    assert "both completed in" in said.err


def test_one_step_is_followed_as_it_writes_also_in_the_middle_of_a_line(
    workspace: Workspace, run: Started
) -> None:
    follower = follow(workspace, "", "first")
    follower.wait_for("half a line, ")
    open_gate(workspace)
    said = follower.end()
    assert (said.code, said.out) == (0, "half a line, and the rest\n")


def test_a_step_that_has_not_begun_is_waited_for(workspace: Workspace, run: Started) -> None:
    follower = follow(workspace, "", "flaky")
    follower.wait_for("Step 'flaky' has not begun: waiting for it.", "err")
    open_gate(workspace)
    said = follower.end()
    assert said.code == 0
    assert said.out.startswith("trying\nTraceback (most recent call last):\n")
    assert said.out.endswith("ValueError: not yet\ntrying\nwell\n")
    assert "-- attempt 2 --" in said.err


def test_a_step_that_does_not_come_is_an_error_at_the_run_s_end(
    workspace: Workspace, run: Started
) -> None:
    follower = follow(workspace, "", "flakey")
    follower.wait_for("has not begun", "err")
    open_gate(workspace)
    said = follower.end()
    assert (said.code, said.out) == (2, "")
    assert "did you mean 'flaky'?" in said.err


def test_one_attempt_can_be_followed(workspace: Workspace, run: Started) -> None:
    follower = follow(workspace, "", "flaky", "--attempt", "2")
    follower.wait_for("has not begun", "err")
    open_gate(workspace)
    assert follower.end().out == "trying\nwell\n"


def test_an_attempt_that_does_not_come_is_an_error(workspace: Workspace, run: Started) -> None:
    follower = follow(workspace, "", "first", "--attempt", "2")
    open_gate(workspace)
    said = follower.end()
    assert said.code == 2
    assert "has no attempt 2" in said.err


def test_following_ends_with_the_run_s_process_although_it_recorded_no_end(
    workspace: Workspace, run: Started
) -> None:
    follower = follow(workspace)
    follower.wait_for("other | one two\n")
    run.process.send_signal(signal.SIGKILL)
    said = follower.end()
    assert said.code == 0
    assert "is gone, and did not record the run's end" in said.err
    assert "first | half a line, \n" in said.out


def test_ctrl_c_ends_following_with_130_and_leaves_the_run_alone(
    workspace: Workspace, run: Started
) -> None:
    follower = follow(workspace)
    follower.wait_for("other | ")
    follower.process.send_signal(signal.SIGINT)
    assert follower.end().code == 130
    assert run.process.poll() is None


def test_what_is_there_already_is_cut_to_the_tail_and_what_comes_is_not(
    workspace: Workspace, run: Started
) -> None:
    whole = follow(workspace)
    whole.wait_for("other | one two\n")  # it is recorded
    follower = follow(workspace, "", "other", "--tail", "0")
    open_gate(workspace)
    assert follower.end().out == ""
    assert whole.end().code == 0


def test_an_ended_run_is_followed_at_once_with_all_that_was_written(workspace: Workspace) -> None:
    workspace.pipekit("run", "flow.py:outer")
    said = follow(workspace).end()
    assert said.code == 0
    assert sorted(said.out.splitlines()) == ["inner/quick | quick 5", "quick       | quick 1"]


def test_json_lines_name_task_step_and_attempt(workspace: Workspace) -> None:
    workspace.pipekit("run", "flow.py:outer")
    said = workspace.pipekit("logs", "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [(line["step"], line["attempt"], line["line"]) for line in lines] == [
        ("quick", 1, "quick 1"),
        ("inner/quick", 1, "quick 5"),
    ]
    step = workspace.pipekit("show", lines[1]["task_id"], "--json").json
    assert step["name"] == "quick"
    followed = follow(workspace, "--json").end()
    assert sorted(followed.out.splitlines()) == sorted(said.out.splitlines())


def test_a_step_of_a_child_run_is_named_with_it(workspace: Workspace) -> None:
    workspace.pipekit("run", "flow.py:outer")
    assert workspace.pipekit("logs", "", "inner/quick").out == "quick 5\n"
    assert workspace.pipekit("logs", "", "inner").out == "quick | quick 5\n"
    assert workspace.pipekit("show", "", "inner/quick", "--json").json["name"] == "quick"


def test_the_tail_is_that_of_the_step_over_all_its_attempts(workspace: Workspace) -> None:
    open_gate(workspace)
    assert workspace.python("flow.py").code == 0
    last = workspace.pipekit("logs", "", "flaky", "--tail", "3").out
    assert last == "ValueError: not yet\ntrying\nwell\n"
    assert workspace.pipekit("logs", "", "flaky", "--tail", "1").out == "well\n"


def test_the_names_of_steps_are_coloured_on_a_terminal_alone(workspace: Workspace) -> None:
    workspace.pipekit("run", "flow.py:outer")
    controller, terminal = pty.openpty()
    subprocess.run(
        [PIPEKIT, "logs"],
        cwd=workspace.folder, env=workspace.environment(TERM="xterm"), stdout=terminal,
        stderr=subprocess.DEVNULL, check=True, timeout=60,
    )  # fmt: skip
    shown = os.read(controller, 65536).decode()
    os.close(controller)
    os.close(terminal)
    assert "\x1b[36mquick       | \x1b[0mquick 1" in shown
    assert "\x1b[" not in workspace.pipekit("logs").out
