"""The command line where its streams, its home or its terminal are not as they should be."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspace import PIPEKIT, Said, Workspace

FLOW = """
    import os
    import signal
    import time
    from pathlib import Path

    from pipekit import component, get, pipeline

    @component
    def square(number: int) -> int:
        return number * number

    @component
    def broken() -> int:
        raise ValueError("a \\x1b[2J\\x07 b")

    @component(cache=False)
    def waits() -> None:
        Path("began").touch()
        time.sleep(60)

    @pipeline
    def flow(number: int = 3) -> int:
        return square(number)

    @pipeline
    def fails() -> int:
        return broken()

    @pipeline
    def goes_on() -> None:
        get(waits())

    @pipeline
    def forks() -> int:
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
        os.kill(child, signal.SIGTERM)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A folder with one completed run, and one that failed before."""
    space = Workspace(tmp_path_factory.mktemp("terminal"))
    space.write("flow.py", FLOW)
    assert space.pipekit("run", "flow.py:fails").code == 1
    assert space.pipekit("run", "flow.py:flow").code == 0
    return space


def in_shell(space: Workspace, line: str) -> Said:
    """What a shell makes of `$P …`, with pipekit as `P`."""
    done = subprocess.run(
        ["sh", "-c", line], cwd=space.folder, env=space.environment(P=PIPEKIT),
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    "command",
    ["--help", "ls", "show --json", "run --help", "run flow.py:flow --help",
     "run flow.py:flow --json"],
)  # fmt: skip
def test_a_full_stdout_is_one_error(space: Workspace, command: str) -> None:
    said = in_shell(space, f"$P {command} >/dev/full")
    assert said.code == 1
    assert said.err.endswith("Error: stdout cannot be written (No space left on device).\n")
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", ["ls", "run --help", "run flow.py:flow", "show --json"])
def test_a_closed_stdout_is_none_at_all(space: Workspace, command: str) -> None:
    said = in_shell(space, f"$P {command} >&-")
    assert said.code == 0
    assert "Traceback" not in said.err


def test_what_is_told_on_stderr_never_comes_to_stdout(space: Workspace) -> None:
    assert in_shell(space, "$P show --json 2>&-").json["name"] == "flow"


def test_with_all_streams_closed_a_run_completes(space: Workspace) -> None:
    assert in_shell(space, "$P run flow.py:flow --number 7 <&- >&- 2>&-").code == 0
    assert in_shell(space, "$P get").out == "49\n"


def test_an_error_s_text_does_nothing_to_the_terminal(space: Workspace) -> None:
    failed = space.pipekit("run", "flow.py:fails")
    run_id = space.pipekit("ls", "--json", "--pipeline", "fails").json[0]["id"]
    for said in (failed, space.pipekit("show", run_id), space.pipekit("get", run_id)):
        assert "a  b" in said.out + said.err
        assert "\x1b" not in said.out + said.err
        assert "\x07" not in said.out + said.err


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("flow.py:square", "'square' in flow.py is not a pipeline but a component."),
        (":flow", "TARGET ':flow' names no file and no module."),
        (".", "TARGET '.' names no file and no module."),
        ("flow.py::flow", "did you mean flow.py:function, with one colon?"),
        ("notes.txt:flow", "a file of Python ends in .py."),
        ("empty.py", "empty.py has no pipeline."),
        ("folder/flwo.py:flow", "did you mean 'folder/flow.py'?"),
        ("/dev/null", "/dev/null is not a file."),
    ],
)
def test_a_wrong_target_is_told_for_what_it_is(space: Workspace, target: str, text: str) -> None:
    for name in ("notes.txt", "empty.py", "folder/flow.py"):
        space.write(name, "")
    said = space.pipekit("run", target)
    assert said.code == 2
    assert text in said.err


@pytest.mark.parametrize("option", ["--until", "--params", "--executor", "-p"])
def test_an_option_with_an_empty_value_is_not_taken_for_none(space: Workspace, option: str) -> None:
    said = space.pipekit("run", "flow.py:flow", option, "")
    assert said.code == 2
    assert f"Option {option} was given an empty text." in said.err


def test_a_parameter_without_a_name_is_told_as_it_was_typed(space: Workspace) -> None:
    assert "-p '=3' names no parameter." in space.pipekit("run", "flow.py:flow", "-p", "=3").err


@pytest.mark.parametrize("command", ["ls", "show", "logs", "graph", "get"])
def test_a_home_that_is_a_file_is_not_taken_for_an_empty_one(
    space: Workspace, command: str
) -> None:
    said = space.pipekit(command, PIPEKIT_HOME=str(space.folder / "flow.py"))
    assert said.code == 2
    assert "flow.py is not a folder." in said.err


def test_in_a_folder_that_is_gone_the_error_says_so(space: Workspace) -> None:
    said = in_shell(space, "mkdir gone && cd gone && rmdir ../gone && $P ls")
    assert said.code == 2
    assert "The working folder does not exist any more." in said.err


def test_without_a_readable_key_no_run_begins(space: Workspace) -> None:
    before = space.pipekit("ls", "--json").json
    said = space.pipekit("run", "flow.py:flow", "--number", "8", PIPEKIT_KEY="nowhere")
    assert said.code == 2
    assert "PIPEKIT_KEY is neither" in said.err
    assert space.pipekit("ls", "--json").json == before


@pytest.fixture
def started(space: Workspace) -> Iterator[subprocess.Popen[bytes]]:
    """`pipekit run` of a run whose one step goes on."""
    (space.folder / "began").unlink(missing_ok=True)
    going = space.start(PIPEKIT, "run", "flow.py:goes_on").process
    _wait_for(space.folder / "began", going)
    yield going
    going.kill()
    going.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_is_recorded_as_stopped(
    space: Workspace, started: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    started.send_signal(number)
    err = started.communicate(timeout=60)[1].decode()
    assert started.returncode == 130
    assert f"stopped by {number.name}" in err
    run = space.pipekit("show", "--json").json
    assert run["status"] == "stopped"
    assert run["error"] == f"stopped by {number.name}"


def test_a_child_that_the_pipeline_forked_ends_by_sigterm_as_any_process(space: Workspace) -> None:
    assert space.pipekit("run", "flow.py:forks").code == 0
    assert space.pipekit("get").out == f"{-signal.SIGTERM}\n"


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while not path.exists():
        assert process.poll() is None
