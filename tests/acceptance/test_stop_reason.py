"""What a run that was stopped says of by whom, at whatever moment that came."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from workspace import PIPEKIT, Workspace

Start = Callable[[str], tuple[str, ...]]

FLOW = """
    import time
    from pipekit import component, pipeline

    @component(cache=False)
    def long(number: int) -> int:
        print("begun", flush=True)
        time.sleep(60)
        return number

    @pipeline
    def looks_at_nothing() -> int:
        long(1)
        return 1

    @pipeline
    def catches() -> int:
        number = long(1)
        try:
            return number + 1
        except KeyboardInterrupt:
            return 0

    @pipeline
    def inner() -> int:
        long(1)
        return 1

    @pipeline
    def outer() -> int:
        inner()
        return 1

    def block(task: object) -> None:
        print("blocked", flush=True)
        time.sleep(600)

    @component(cache=False, after=block)
    def told() -> int:
        return 1

    @pipeline
    def blocked() -> int:
        return told()

    @pipeline
    def blocked_at_its_end() -> int:
        told()
        return 1
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path)
    found.write("flow.py", FLOW)
    return found


def _error(workspace: Workspace) -> object:
    found = workspace.pipekit("show", "--json").json
    assert found["status"] == "stopped"
    return found["error"]


def _script(function: str) -> tuple[str, ...]:
    return sys.executable, "-c", f"import flow; flow.{function}()"


def _command(function: str) -> tuple[str, ...]:
    return PIPEKIT, "run", f"flow.py:{function}"


@pytest.mark.parametrize("start", [_script, _command])
@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")]
)
def test_a_run_whose_function_has_returned_says_what_stopped_it(
    workspace: Workspace, start: Start, number: int, name: str
) -> None:
    started = workspace.start(*start("looks_at_nothing"), PIPEKIT_PROGRESS="lines")
    started.wait_for("begun", "err")
    started.process.send_signal(number)
    said = started.end()
    assert _error(workspace) == f"stopped by {name}"
    assert f"stopped by {name}" in said.err


@pytest.mark.parametrize("function", ["catches", "outer"])
def test_a_run_that_returns_all_the_same_says_what_stopped_it(
    workspace: Workspace, function: str
) -> None:
    started = workspace.start(*_script(function), PIPEKIT_PROGRESS="lines")
    started.wait_for("begun", "err")
    started.process.send_signal(signal.SIGTERM)
    started.end()
    assert _error(workspace) == "stopped by SIGTERM"


def test_a_run_that_is_stopped_by_the_command_when_its_function_has_returned_says_so(
    workspace: Workspace,
) -> None:
    started = workspace.start(*_script("looks_at_nothing"), PIPEKIT_PROGRESS="lines")
    started.wait_for("begun", "err")
    run = workspace.pipekit("ls", "--json").json[0]["id"]
    assert workspace.pipekit("stop", run).code == 0
    started.end()
    assert _error(workspace) == "stopped by 'pipekit stop'"


@pytest.mark.parametrize("start", [_script, _command])
@pytest.mark.parametrize(
    ("name", "said"), [("SIGTERM", "SIGTERM"), ("SIGHUP", "SIGHUP"), ("SIGINT", "Ctrl-C")]
)
def test_a_run_that_is_stopped_before_its_function_begins_says_what_stopped_it(
    workspace: Workspace, start: Start, name: str, said: str
) -> None:
    variables = {"PIPEKIT_CRASH": "controller.run-begun", "PIPEKIT_CRASH_SIGNAL": name}
    workspace.start(*start("looks_at_nothing"), **variables).end()
    assert _error(workspace) == f"stopped by {said}"


@pytest.mark.parametrize("start", [_script, _command])
@pytest.mark.parametrize("function", ["blocked", "blocked_at_its_end"])
def test_one_signal_ends_a_run_whose_callback_does_not_return(
    workspace: Workspace, start: Start, function: str
) -> None:
    started = workspace.start(*start(function), PIPEKIT_STOP_SECONDS="0.2")
    started.wait_for("blocked")
    started.process.send_signal(signal.SIGTERM)
    assert started.end().code in (130, -signal.SIGTERM)
    assert _error(workspace) == "stopped by SIGTERM"
