"""The command line, as it is typed: each command in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from workspace import PIPEKIT, Said, Workspace

from pipekit.cli.cast import cast
from pipekit.cli.parameter import parameters_of
from pipekit.cli.plain import NotPlain, to_plain
from pipekit.errors import UsageError

FLOW = """
    from __future__ import annotations

    import sys
    from datetime import date
    from pathlib import Path
    from typing import TYPE_CHECKING, Literal

    import neighbour
    from pipekit import component, pipeline

    if TYPE_CHECKING:
        from nowhere import Thing

    class Model:
        def __init__(self, weight):
            self.weight = weight

    @component
    def load(n: int) -> list[int]:
        print("loading", n)
        return list(range(n))

    @component(outputs=["model", "history"])
    def fit(numbers: list[int]):
        print("fitting")
        print("no newline at the end", end="")
        return Model(sum(numbers)), {"loss": [0.5, 0.25]}

    @component(retries=1)
    def score(n: int) -> int:
        print("scoring")
        raise ValueError("empty")

    @component(cache=False)
    def wait_for_ever(ready: Path) -> None:
        import time
        ready.touch()
        time.sleep(600)

    @pipeline
    def train(n: int = 3, name: str = "it") -> dict:
        \"\"\"Fit a model to numbers.

        Not shown.
        \"\"\"
        print("from the pipeline")
        model, history = fit(load(n))
        return {"weight": model.weight, "day": date(2026, 3, 14), "name": name}

    @pipeline
    def typed(
        sizes: list[int] = [1],
        rate: float = 0.5,
        fast: bool = False,
        day: date | None = None,
        kind: Literal["a", "b"] = "a",
        executor: str = "none",
        guessed=2,
        folder: Path = Path("x"),
        odd: Thing = None,
    ) -> str:
        return repr((sizes, rate, fast, day, kind, executor, guessed, folder, odd))

    @pipeline
    def needy(count: int, other_count: int) -> int:
        return count

    @pipeline
    def broken() -> int:
        numbers = load(2)
        return score(numbers[1])

    @pipeline
    def raises() -> int:
        return neighbour.helper()

    @pipeline
    def outer() -> int:
        return train(2)["weight"]

    @pipeline
    def stuck(ready: Path) -> None:
        wait_for_ever(ready).anything

    @pipeline
    def where() -> list:
        return [sys.path[0], sys.argv, __name__]

    if __name__ == "__main__":
        train()
"""
NEIGHBOUR = """
    def helper():
        raise KeyError("not there")
"""


class FlowSpace(Workspace):
    """A folder with a flow, and a home."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write("flow.py", FLOW)
        self.write("neighbour.py", NEIGHBOUR)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One of its own, without a run."""
    return FlowSpace(tmp_path)


class Shared(FlowSpace):
    """One with a run that completed and, before it, one that failed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.failed = self.pipekit("run", "flow.py:broken")
        self.done = self.pipekit("run", "flow.py:train", "--n", "4")
        self.train, self.broken = self.pipekit("ls", "--json").json

    def step(self, run: dict[str, Any], name: str) -> dict[str, Any]:
        steps = self.pipekit("show", run["id"], "--json").json["steps"]
        return next(step for step in steps if step["name"] == name)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return Shared(tmp_path_factory.mktemp("shared"))


# --- the program -----------------------------------------------------------------------------


def test_help_lists_the_commands_and_imports_nothing_heavy(workspace: Workspace) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PIPEKIT, "--help"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    for command in ("run", "ls", "show", "logs", "get", "doctor"):
        assert f"\n  {command} " in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pipekit.cli.main" in imported
    assert not imported & {"rich", "pydantic", "sqlite3", "pipekit.control.session"}


def test_the_version_is_told(workspace: Workspace) -> None:
    from pipekit import __version__

    assert workspace.pipekit("--version").out == f"pipekit {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["ls", "--bogus"], ["run"], ["ls", "--limit", "0"]]
)
def test_wrong_use_exits_with_2(workspace: Workspace, arguments: list[str]) -> None:
    said = workspace.pipekit(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Error: " in said.err


# --- run: targets ----------------------------------------------------------------------------


def test_a_run_prints_nothing_of_its_own_on_stdout(shared: Shared) -> None:
    assert shared.done.code == 0
    assert shared.done.out == "from the pipeline\n"


def test_a_run_s_steps_are_told_on_stderr(shared: Shared) -> None:
    lines = shared.done.err.splitlines()
    assert lines[0].split()[1:3] == ["▶", "train"]
    assert [line.split()[2] for line in lines if "│" not in line][1:3] == ["load", "fit"]
    assert "2 steps, 0 reused, 0 failed" in lines[-1]


def test_progress_can_be_turned_off(shared: Shared) -> None:
    assert shared.pipekit("run", "flow.py:outer", PIPEKIT_PROGRESS="off").err == ""


def test_a_file_is_loaded_as_python_would_but_for_its_main_guard(workspace: Workspace) -> None:
    script = workspace.write("deep/script.py", FLOW)
    workspace.write("deep/neighbour.py", NEIGHBOUR)
    said = workspace.pipekit("run", "deep/script.py:where", "--json")
    assert said.json["value"] == [str(script.parent), [str(script)], "script"]


def test_a_module_is_found_from_the_working_folder(workspace: Workspace) -> None:
    workspace.write("package/__init__.py", "")
    workspace.write("package/flow.py", FLOW)
    said = workspace.pipekit("run", "package.flow:where", "--json")
    assert said.json["value"][0] == str(workspace.folder)
    assert said.json["entry"] == "package.flow:where"


def test_the_function_is_left_out_where_there_is_one_pipeline(workspace: Workspace) -> None:
    workspace.write(
        "one.py",
        """
        from flow import train
        from pipekit import pipeline
        @pipeline
        def only():
            return 7
        """,
    )
    assert workspace.pipekit("run", "one.py", "--json").json["value"] == 7


def test_a_pipeline_called_at_the_top_of_a_script_is_not_run_twice(workspace: Workspace) -> None:
    workspace.write(
        "bare.py",
        """
        from pipekit import component, pipeline
        @component
        def one():
            return 1
        @pipeline
        def flow():
            return one()
        print(flow())
        """,
    )
    said = workspace.pipekit("run", "bare.py:flow")
    assert (said.code, said.out) == (0, "")
    assert len(workspace.pipekit("ls", "--json").json) == 1


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("flow.py:tran", "did you mean 'train'?"),
        ("flow.py:load", "'load' in flow.py is not a pipeline"),
        ("flow.py", "'train', 'typed', 'needy'"),
        ("flw.py:train", "did you mean 'flow.py'?"),
        ("nowhere.module:train", "No module is named 'nowhere.module'"),
        ("flow:tran", "did you mean 'train'?"),
        ("neighbour.py", "no pipeline"),
    ],
)
def test_a_target_that_leads_nowhere_exits_with_2_and_says_what_there_is(
    shared: Shared, target: str, expected: str
) -> None:
    said = shared.pipekit("run", target)
    assert (said.code, said.out) == (2, "")
    assert expected in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("target", ["wrong.py:flow", "wrong:flow"])
def test_an_error_in_the_user_s_module_is_shown_as_the_user_s_traceback(
    workspace: Workspace, target: str
) -> None:
    workspace.write("wrong.py", "import neighbour\nneighbour.helper()\n")
    said = workspace.pipekit("run", target)
    assert said.code == 1
    assert [line.split('"')[1] for line in said.err.splitlines() if 'File "' in line] == [
        str(workspace.folder / "wrong.py"),
        str(workspace.folder / "neighbour.py"),
    ]
    assert said.err.rstrip().endswith("KeyError: 'not there'")


def test_a_syntax_error_is_shown_with_its_line(workspace: Workspace) -> None:
    workspace.write("wrong.py", "def broken(:\n")
    said = workspace.pipekit("run", "wrong.py")
    assert said.code == 1
    assert "def broken(:" in said.err


def test_a_missing_import_of_the_module_is_not_taken_for_a_missing_target(
    workspace: Workspace,
) -> None:
    workspace.write("wrong.py", "import nowhere_to_be_found\n")
    said = workspace.pipekit("run", "wrong:flow")
    assert said.code == 1
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in said.err


# --- run: parameters -------------------------------------------------------------------------


def test_text_is_cast_by_annotation_and_by_default(shared: Shared) -> None:
    said = shared.pipekit(
        "run", "flow.py:typed", "--sizes", "3", "--sizes=-4", "--rate", "-1e-3", "--fast",
        "--day", "2026-03-14", "--kind", "b", "-p", "executor=mine", "--guessed", "7",
        "--folder", "a/b", "--json", "--executor", "inline",
    )  # fmt: skip
    assert said.json["value"] == repr(
        ([3, -4], -0.001, True, date(2026, 3, 14), "b", "mine", 7,
         Path("a/b"), None)
    )  # fmt: skip
    assert said.json["settings"]["executor"] == "inline"


def test_a_flag_is_turned_off_and_none_is_written(shared: Shared) -> None:
    said = shared.pipekit("run", "flow.py:typed", "--no-fast", "--day", "none", "--json")
    assert said.json["value"].startswith("([1], 0.5, False, None, ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["typed", "--rate", "much"], "--rate was given 'much'; wanted float, such as --rate 0.5"),
        (
            ["typed", "--guessed", "2.5"],
            "--guessed was given '2.5'; wanted int, such as --guessed 3",
        ),
        (["typed", "--kind", "c"], "--kind was given 'c'; wanted 'a' or 'b'"),
        (
            ["typed", "--sizes", "1", "--sizes", "x"],
            "--sizes was given 'x'; wanted list[int], such as",
        ),
        (
            ["typed", "--rate", "1", "--rate", "2"],
            "--rate was given '1', '2'; wanted float: it takes one value, not 2",
        ),
        (["typed", "--rat", "1"], "did you mean '--rate'?"),
        (["typed", "-p", "nme=1"], "--nme is no parameter of it"),
        (["typed", "-p", "rate"], "-p 'rate' has no '='."),
        (["typed", "--rate"], "Option --rate needs a value."),
        (["typed", "--rate", "--fast"], "Option --rate needs a value."),
        (["typed", "--no-fast=1"], "Option --no-fast takes no value"),
        (["typed", "0.3"], "'0.3' belongs to no option."),
        (["typed", "--odd", "1"], "wanted Thing: its module does not define that name"),
        (["needy", "--count", "1"], "--other-count is missing: int, such as --other-count 3"),
        (["train", "--executor", "slurm"], "No executor is named 'slurm'. Known: inline, process"),
    ],
)
def test_what_does_not_fit_the_parameters_exits_with_2_and_one_clear_line(
    shared: Shared, arguments: list[str], expected: str
) -> None:
    said = shared.pipekit("run", f"flow.py:{arguments[0]}", *arguments[1:])
    assert (said.code, said.out) == (2, "")
    assert expected in said.err
    assert said.err.startswith("Error: ")


def test_parameters_stand_behind_the_target(shared: Shared) -> None:
    said = shared.pipekit("run", "--n", "4", "flow.py:train")
    assert said.code == 2
    assert "'--n' stands before the TARGET" in said.err


def test_help_of_a_target_shows_its_parameters_and_runs_nothing(workspace: Workspace) -> None:
    said = workspace.pipekit("run", "flow.py:typed", "--help")
    assert said.code == 0
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    for expected in (
        "--sizes list[int] ... [default: [1]]",
        "--fast / --no-fast [default: no-fast]",
        "--kind 'a' or 'b' [default: 'a']",
        "--guessed int [default: 2]",
    ):
        assert expected in lines
    assert "  Fit a model to numbers.\n" in workspace.pipekit("run", "flow.py:train", "-h").out
    assert "--count int        [required]" in workspace.pipekit("run", "flow.py:needy", "-h").out
    assert not workspace.home.exists()


def test_json_is_alone_on_stdout(shared: Shared) -> None:
    said = shared.pipekit("run", "flow.py:train", "--json")
    assert said.json["value"] == {"weight": 3, "day": "2026-03-14", "name": "it"}
    assert said.json["status"] == "completed"
    assert said.json["parameters"] == {"n": 3, "name": "it"}
    assert "from the pipeline\n" in said.err


# --- run: failures ---------------------------------------------------------------------------


def test_a_failed_step_shows_its_traceback_the_error_and_what_to_type(shared: Shared) -> None:
    said = shared.failed
    assert (said.code, said.out) == (1, "")
    short = shared.broken["id"][:13]
    assert "✗ score" in said.err
    assert 'raise ValueError("empty")' in said.err
    assert "Error: Step 'score'" in said.err
    assert f"pipekit show {short}" in said.err
    assert f"pipekit logs {short} score" in said.err
    assert "/pipekit/" not in "".join(line for line in said.err.splitlines() if "File" in line)


def test_an_exception_of_the_pipeline_function_is_shown_with_the_user_s_frames_alone(
    shared: Shared,
) -> None:
    said = shared.pipekit("run", "flow.py:raises")
    assert said.code == 1
    assert [line.split('"')[1] for line in said.err.splitlines() if 'File "' in line] == [
        str(shared.folder / "flow.py"),
        str(shared.folder / "neighbour.py"),
    ]
    assert "KeyError: 'not there'" in said.err
    assert "See: pipekit show " in said.err


def test_a_failed_run_is_json_too(shared: Shared) -> None:
    said = shared.pipekit("run", "flow.py:broken", "--json")
    assert said.code == 1
    shown = json.loads(said.out)
    assert (shown["status"], shown["value"]) == ("failed", None)


@pytest.mark.parametrize("command", [["run", "flow.py:train"], ["ls"], ["show"]])
def test_a_store_out_of_reach_exits_with_3(workspace: Workspace, command: list[str]) -> None:
    workspace.home.mkdir()
    (workspace.home / "pipekit.db").write_text("this is no database " * 100)
    said = workspace.pipekit(*command)
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("Error: ")
    assert "Traceback" not in said.err


def test_ctrl_c_exits_with_130_and_the_run_is_recorded_as_stopped(workspace: Workspace) -> None:
    ready = workspace.folder / "ready"
    process = subprocess.Popen(
        [PIPEKIT, "run", "flow.py:stuck", "--ready", str(ready)],
        cwd=workspace.folder, env=workspace.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _until(ready, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert workspace.pipekit("ls", "--json").json[0]["status"] == "stopped"


def test_a_run_whose_process_is_gone_is_closed_by_whoever_looks(workspace: Workspace) -> None:
    ready = workspace.folder / "ready"
    process = subprocess.Popen(
        [PIPEKIT, "run", "flow.py:stuck", "--ready", str(ready)],
        cwd=workspace.folder, env=workspace.environment(PIPEKIT_PROGRESS="off"),
    )  # fmt: skip
    _until(ready, process)
    assert "running" in workspace.pipekit("ls").out
    process.kill()
    process.wait()
    assert "failed" in workspace.pipekit("ls").out
    assert f"Its process (pid {process.pid} on" in workspace.pipekit("show").out
    assert workspace.pipekit("ls", "--json").json[0]["status"] == "failed"


def _until(path: Path, process: subprocess.Popen[Any]) -> None:
    """Wait until the process has made the file."""
    for _ in range(600):
        if path.exists():
            return
        select.select([], [], [], 0.05)
        assert process.poll() is None
    process.kill()
    raise AssertionError(f"{path} was not made in time")


# --- ls --------------------------------------------------------------------------------------


def test_ls_lists_runs_newest_first(shared: Shared) -> None:
    lines = shared.pipekit("ls").out.splitlines()
    ids = [line.split()[0] for line in lines[1:]]
    assert ids == sorted(ids, reverse=True)
    assert any("train" in line and "n=4" in line and "completed" in line for line in lines)


def test_ls_gives_what_every_run_has_as_json(shared: Shared) -> None:
    run = shared.train
    assert set(run) == {
        "id", "kind", "name", "project", "status", "created_at", "duration_seconds", "parameters",
        "tags",
    }  # fmt: skip
    assert run["kind"] == "pipeline"
    assert run["created_at"].endswith("+00:00")
    assert run["parameters"] == {"n": 4, "name": "it"}
    assert 0 < run["duration_seconds"] < 60


def test_ls_takes_a_limit(shared: Shared) -> None:
    assert len(shared.pipekit("ls", "--limit", "1", "--json").json) == 1


def test_ls_lists_child_runs_below_their_parents_alone(shared: Shared) -> None:
    shared.pipekit("run", "flow.py:outer")
    (run,) = shared.pipekit("ls", "--limit", "1", "--steps", "--json").json
    assert run["name"] == "outer"
    assert [(step["name"], step["kind"]) for step in run["steps"]] == [("train", "pipeline")]
    names = [
        line.split()[1] for line in shared.pipekit("ls", "--limit", "1", "--steps").out.splitlines()
    ]
    assert names == ["NAME", "outer", "train", "load", "fit"]


def test_ls_without_a_home_says_how_to_begin_and_makes_nothing(workspace: Workspace) -> None:
    said = workspace.pipekit("ls")
    assert (said.code, said.out) == (0, "")
    assert "There are no runs yet" in said.err
    assert "pipekit run " in said.err
    assert workspace.pipekit("ls", "--json").json == []
    assert workspace.pipekit("show").code == 2
    assert not workspace.home.exists()


def test_a_closed_pipe_ends_a_command_quietly(shared: Shared) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{PIPEKIT} ls | true; {PIPEKIT} ls | head -1"],
        cwd=shared.folder, env=shared.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.startswith("ID ")


# --- show ------------------------------------------------------------------------------------


def test_show_gives_a_run_with_its_steps_as_json(shared: Shared) -> None:
    shown = shared.pipekit("show", shared.broken["id"], "--json").json
    load, score = shown["steps"]
    assert (load["name"], load["status"], load["reused"]) == ("load", "completed", False)
    assert (load["attempts"], load["error"]) == (1, None)
    assert (score["status"], score["attempts"]) == ("failed", 2)
    assert score["error"] == "ValueError: empty"
    assert len(load["key"]) == 64
    assert load["duration_seconds"] >= 0
    assert "score" in shown["error"]


def test_a_reused_step_has_no_attempt_and_took_no_time(shared: Shared) -> None:
    run = shared.pipekit("run", "flow.py:train", "--n", "4", "--json").json
    assert [
        (step["status"], step["reused"], step["attempts"], step["duration_seconds"])
        for step in run["steps"]
    ] == [("completed", True, 0, 0.0)] * 2
    step = shared.pipekit("show", run["steps"][0]["id"], "--json").json
    assert step["reused_from"] == shared.step(shared.train, "load")["id"]


def test_show_gives_a_step_with_inputs_artifacts_and_attempts(shared: Shared) -> None:
    shown = shared.pipekit("show", shared.step(shared.train, "fit")["id"], "--json").json
    assert shown["inputs"]["numbers"]["type"] == "list"
    assert shown["parameters"]["numbers"] == "${load.artifacts.value}"
    assert [artifact["name"] for artifact in shown["artifacts"]] == ["model", "history"]
    (attempt,) = shown["attempts"]
    assert attempt["exit"] == "completed"
    assert attempt["console_bytes"] == len("fitting\nno newline at the end")
    assert shown["entry"] == "flow:fit"


def test_show_reads_well_for_people(shared: Shared) -> None:
    run = shared.pipekit("show", shared.broken["id"]).out
    assert "status" in run
    assert "ValueError: empty" in run
    assert "STEP" in run
    step = shared.pipekit("show", shared.step(shared.broken, "score")["id"]).out
    assert 'raise ValueError("empty")' in step
    assert "${load.artifacts.value}" not in step  # an item of it was passed, a plain value
    assert "ATTEMPT" in step


def test_an_id_may_be_shortened_and_the_newest_run_is_the_default(shared: Shared) -> None:
    assert (
        shared.pipekit("show", shared.train["id"][:13], "--json").json["id"] == shared.train["id"]
    )
    newest = shared.pipekit("ls", "--limit", "1", "--json").json[0]
    said = shared.pipekit("show", "--json")
    assert said.json["id"] == newest["id"]
    assert f"The newest run: {newest['name']} {newest['id'][:13]}" in said.err


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("zzz", "No task has the id 'zzz'."), ("0", "More than one task's id begins with '0'")],
)
def test_an_id_that_names_no_task_or_many_exits_with_2(
    shared: Shared, typed: str, expected: str
) -> None:
    said = shared.pipekit("show", typed)
    assert said.code == 2
    assert expected in said.err


def test_a_name_in_place_of_an_id_is_answered_with_the_id(shared: Shared) -> None:
    newest = shared.pipekit("ls", "--json").json[0]
    step = shared.pipekit("show", "--json").json["steps"][0]
    said = shared.pipekit("show", newest["name"])
    assert said.code == 2
    assert f"Hint: the newest run of that name is {newest['id'][:13]}" in said.err
    said = shared.pipekit("show", step["name"])
    assert said.code == 2
    assert f"Hint: the newest run has a step of that name: {step['id'][:13]}" in said.err


# --- logs ------------------------------------------------------------------------------------


def test_logs_of_a_run_name_the_step_on_each_line(shared: Shared) -> None:
    assert shared.pipekit("logs", shared.train["id"]).out.splitlines() == [
        "load | loading 4",
        "fit  | fitting",
        "fit  | no newline at the end",
    ]


def test_logs_of_a_step_are_what_it_wrote(shared: Shared) -> None:
    said = shared.pipekit("logs", shared.train["id"], "fit")
    assert said.out == "fitting\nno newline at the end"
    by_id = shared.pipekit("logs", shared.step(shared.train, "fit")["id"])
    assert by_id.out == said.out


def test_logs_of_one_attempt_can_be_asked_for(shared: Shared) -> None:
    run = shared.broken["id"]
    both = shared.pipekit("logs", run, "score").out
    second = shared.pipekit("logs", run, "score", "--attempt", "2").out
    assert (both.count("scoring\n"), second.count("scoring\n")) == (2, 1)
    # As a program of its own would, a failed attempt ends with its traceback.
    assert second.startswith("scoring\nTraceback (most recent call last):\n")
    assert second.endswith("ValueError: empty\n")
    missing = shared.pipekit("logs", run, "score", "--attempt", "3")
    assert (missing.code, missing.out) == (2, "")
    assert "has no attempt 3" in missing.err


def test_logs_of_a_reused_step_are_those_of_the_computation(shared: Shared) -> None:
    run = shared.pipekit("run", "flow.py:train", "--n", "4", "--json").json
    said = shared.pipekit("logs", run["id"], "load")
    assert said.out == "loading 4\n"
    assert "was reused" in said.err
    whole = shared.pipekit("logs", run["id"])
    assert whole.out == ""
    assert "2 steps were reused" in whole.err


def test_logs_of_a_step_that_is_not_there_list_those_that_are(shared: Shared) -> None:
    said = shared.pipekit("logs", shared.train["id"], "lod")
    assert said.code == 2
    assert "It has: 'load', 'fit'." in said.err
    assert "did you mean 'load'?" in said.err


# --- get -------------------------------------------------------------------------------------


def test_get_prints_what_the_pipeline_returned(shared: Shared) -> None:
    text = shared.pipekit("get", shared.train["id"]).out
    assert text == "{'weight': 6, 'day': datetime.date(2026, 3, 14), 'name': 'it'}\n"
    value = shared.pipekit("get", shared.train["id"], "--json").json
    assert value == {"weight": 6, "day": "2026-03-14", "name": "it"}


def test_get_prints_one_artifact_or_all_by_name(shared: Shared) -> None:
    step = shared.step(shared.train, "fit")["id"]
    assert shared.pipekit("get", step, "history").out == "{'loss': [0.5, 0.25]}\n"
    assert shared.pipekit("get", step, "history", "--json").json == {"loss": [0.5, 0.25]}
    lines = shared.pipekit("get", step).out.splitlines()
    assert [line.partition(" = ")[0] for line in lines] == ["model", "history"]


def test_get_refuses_what_json_has_no_form_for(shared: Shared) -> None:
    said = shared.pipekit("get", shared.step(shared.train, "fit")["id"], "model", "--json")
    assert (said.code, said.out) == (1, "")
    assert "The value has no JSON form: a value of type Model." in said.err


def test_get_of_an_artifact_that_is_not_there_lists_those_that_are(shared: Shared) -> None:
    said = shared.pipekit("get", shared.step(shared.train, "fit")["id"], "modle")
    assert said.code == 2
    assert "It has: 'model', 'history'." in said.err


def test_get_of_a_failed_run_says_why_there_is_no_value(shared: Shared) -> None:
    said = shared.pipekit("get", shared.broken["id"])
    assert (said.code, said.out) == (1, "")
    assert "has no value, for it is failed: " in said.err


def test_get_runs_no_pipeline_although_it_imports_the_script(workspace: Workspace) -> None:
    workspace.write(
        "bare.py",
        """
        from pipekit import component, pipeline
        class Thing:
            def __repr__(self):
                return "a thing"
        @component
        def make():
            return Thing()
        @pipeline
        def flow():
            return make()
        flow()
        """,
    )
    assert workspace.pipekit("run", "bare.py:flow").code == 0
    assert workspace.pipekit("get").out == "a thing\n"
    assert len(workspace.pipekit("ls", "--json").json) == 1


# --- text and values, without a process ------------------------------------------------------


@dataclass
class Point:
    x: int
    y: float = 0.5


def many_types(
    items: list[int] | None = None,
    table: dict[str, int] | None = None,
    pair: tuple[int, str] = (1, ""),
    point: Point | None = None,
    level: Literal[1, 2] = 1,
    flag: bool | None = None,
    frame: pd.DataFrame | None = None,
    names: set[str] = frozenset(),  # type: ignore[assignment]
    nested: Sequence[list[int]] = (),
    text: str | None = None,
) -> None: ...


@pytest.mark.parametrize(
    ("name", "texts", "value"),
    [
        ("items", ["1", "2"], [1, 2]),
        ("items", ["[1, 2]"], [1, 2]),
        ("items", ["none"], None),
        ("table", ['{"a": 1}'], {"a": 1}),
        ("pair", ["3", "4"], (3, "4")),
        ("point", ['{"x": 3}'], Point(3)),
        ("level", ["2"], 2),
        ("flag", ["true"], True),
        ("flag", ["none"], None),
        ("names", ["a", "b", "a"], {"a", "b"}),
        ("nested", ["[1]", "[2, 3]"], [[1], [2, 3]]),
        ("text", ["none"], "none"),
        ("text", ["3"], "3"),
    ],
)
def test_text_becomes_a_value_of_the_annotated_type(
    name: str, texts: list[str], value: object
) -> None:
    parameters = {parameter.name: parameter for parameter in parameters_of(many_types)}
    found = cast(parameters[name], texts)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "texts"),
    [("pair", ["3"]), ("pair", ["3", "4", "5"]), ("level", ["3"]), ("frame", ["x"]),
     ("items", ["1.5"]), ("table", ["a=1"])],
)  # fmt: skip
def test_text_that_fits_no_value_of_the_type_is_refused(name: str, texts: list[str]) -> None:
    parameters = {parameter.name: parameter for parameter in parameters_of(many_types)}
    with pytest.raises(UsageError):
        cast(parameters[name], texts)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(0.1), 0.1),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.bool_(True), True),
        ({"at": date(2026, 3, 14), "in": Path("a/b")}, {"at": "2026-03-14", "in": "a/b"}),
        ((1, {3, 2}), [1, [2, 3]]),
        (Point(1), {"x": 1, "y": 0.5}),
        ({1: "a"}, {"1": "a"}),
        (pd.DataFrame({"a": [1, 2], "b": [0.1 + 0.2, None]}),
         [{"a": 1, "b": 0.1 + 0.2}, {"a": 2, "b": None}]),
        (pd.Series([1, 2]), [1, 2]),
        (pl.DataFrame({"a": [1, None]}), [{"a": 1}, {"a": None}]),
    ],
)  # fmt: skip
def test_values_have_a_sensible_json_form(value: object, plain: object) -> None:
    assert to_plain(value) == plain
    assert json.loads(json.dumps(to_plain(value), allow_nan=False)) == plain


@pytest.mark.parametrize(
    "value",
    [float("nan"), [1.0, float("inf")], np.array([np.nan]), b"x", object(), 1j, {(1, 2): 3},
     {1: "a", "1": "b"}],
)  # fmt: skip
def test_what_json_has_no_form_for_is_refused_not_approximated(value: object) -> None:
    with pytest.raises(NotPlain):
        to_plain(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(NotPlain):
        to_plain(value)


# --- doctor ----------------------------------------------------------------------------------


def test_doctor_finds_a_used_home_well(shared: Shared) -> None:
    said = shared.pipekit("doctor", "--json")
    assert said.json["ok"]
    details = {check["name"]: check["detail"] for check in said.json["checks"]}
    assert "ready after" in details["worker"]
    assert "schema version " in details["store"]
    assert "PIPEKIT_HOME" in details["settings"]
    assert "numpy" in details["libraries"]


def test_doctor_makes_nothing(workspace: Workspace) -> None:
    said = workspace.pipekit("doctor")
    assert said.code == 0, said.out
    assert not workspace.home.exists()


def test_doctor_says_what_is_wrong_and_what_to_do(workspace: Workspace) -> None:
    workspace.pipekit("run", "flow.py:where")
    (workspace.home / "key").write_text("0" * 64)
    (workspace.home / "key").chmod(0o644)
    with sqlite3.connect(workspace.home / "pipekit.db") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    said = workspace.pipekit("doctor")
    assert said.code == 1
    problems = [line for line in said.out.splitlines() if " problem " in line]
    assert [line.split()[0] for line in problems] == ["store", "key"]
    assert "schema version 99" in problems[0]
    assert f"chmod 600 {workspace.home / 'key'}" in said.out


# --- on a terminal ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_terminal(shared: Shared) -> Any:
    """Runs a command with a terminal on all three descriptors."""

    def run(*arguments: str, **variables: str) -> Said:
        controller, terminal = pty.openpty()
        environment = shared.environment(TERM="xterm-256color", COLUMNS="100", **variables)
        environment.pop("NO_COLOR", None) if "NO_COLOR" not in variables else None
        process = subprocess.Popen(
            [PIPEKIT, *arguments],
            cwd=shared.folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal,
        )  # fmt: skip
        os.close(terminal)
        shown = b""
        while True:
            try:
                data = os.read(controller, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not data:
                break
            shown += data
        os.close(controller)
        return Said(process.wait(timeout=30), shown.decode(), "")

    return run


def test_tables_are_drawn_on_a_terminal_and_ids_are_whole(shared: Shared, on_terminal: Any) -> None:
    said = on_terminal("ls")
    assert said.code == 0
    assert "\x1b[" in said.out
    assert shared.train["id"][:13] in said.out


def test_a_run_has_colours_on_a_terminal(on_terminal: Any) -> None:
    assert "\x1b[" in on_terminal("run", "flow.py:train").out


def test_no_color_is_respected_on_a_terminal(on_terminal: Any) -> None:
    said = on_terminal("run", "flow.py:train", NO_COLOR="1")
    assert said.code == 0
    assert "\x1b[3" not in said.out


def test_an_output_that_is_ascii_gets_plain_marks_and_no_error(shared: Shared) -> None:
    said = shared.pipekit("run", "flow.py:train", PYTHONIOENCODING="ascii")
    assert said.code == 0
    assert said.err.splitlines()[0].split()[1:3] == [">", "train"]
    assert shared.pipekit("show", PYTHONIOENCODING="ascii").code == 0


def test_what_to_type_next_names_the_home_where_it_is_not_the_working_folder_s(
    shared: Shared, tmp_path: Path
) -> None:
    environment = shared.environment()
    del environment["PIPEKIT_HOME"]
    done = subprocess.run(
        [PIPEKIT, "run", str(shared.folder / "flow.py") + ":raises"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (command,) = [line[5:] for line in done.stderr.splitlines() if line.startswith("See: ")]
    shown = subprocess.run(
        ["bash", "-c", command.replace("pipekit show", f"{PIPEKIT} show")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "KeyError: 'not there'" in shown.stdout
