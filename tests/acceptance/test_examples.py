"""Every example runs, and its second run computes nothing that it may reuse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from notebook import Notebook

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "examples" / "07_test_a_pipeline.py"
SCRIPT = ROOT / "examples" / "10_script_task.py"
EXAMPLES = sorted(set((ROOT / "examples").glob("*.py")) - {TESTS, SCRIPT})
NEVER_CACHED = {"process_id"}
"""Names of steps whose component says `cache=False`."""


class Workspace:
    """A home of its own, and commands that use it."""

    def __init__(self, home: Path) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PIPEKIT_")}
        self._environment = {**kept, "PIPEKIT_HOME": str(home)}

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout

    def pipekit(self, *arguments: str) -> Any:
        """What a command of pipekit prints with `--json`."""
        program = str(Path(sys.executable).with_name("pipekit"))
        return json.loads(self.run(program, *arguments, "--json"))

    def computed_steps(self, run_id: str) -> set[str]:
        """Names of the steps that were not reused, of a run and of the runs inside it.

        A pipeline that is called in a pipeline always runs: its steps are what may be reused.
        """
        computed: set[str] = set()
        for step in self.pipekit("show", run_id)["steps"]:
            assert step["status"] == "completed"
            if step["kind"] == "pipeline":
                computed |= self.computed_steps(step["id"])
            elif not step["reused"]:
                computed.add(step["name"])
        return computed


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_twice_and_the_second_run_reuses_every_step_it_may(
    example: Path, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "home")
    workspace.run(sys.executable, str(example))
    first = workspace.pipekit("ls")
    assert first
    assert any(workspace.computed_steps(task["id"]) - NEVER_CACHED for task in first)
    workspace.run(sys.executable, str(example))
    known = {task["id"] for task in first}
    second = [task for task in workspace.pipekit("ls") if task["id"] not in known]
    assert len(second) == len(first)
    for task in second:
        assert workspace.computed_steps(task["id"]) <= NEVER_CACHED


def test_the_example_of_tests_passes_when_it_is_run(tmp_path: Path) -> None:
    assert "4 passed" in Workspace(tmp_path / "home").run(sys.executable, str(TESTS))


def test_the_example_of_a_script_is_cloned_with_other_parameters(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    assert workspace.run(sys.executable, str(SCRIPT)) == "degree 1: error 0.1068\n"
    (first,) = workspace.pipekit("ls")
    program = str(Path(sys.executable).with_name("pipekit"))
    said = workspace.run(program, "clone", first["id"], "--set", "degree=2", "--run")
    assert said == "degree 2: error 0.0000\n"
    second = workspace.pipekit("show", workspace.pipekit("ls")[0]["id"])
    assert second["status"] == "completed"
    assert second["parameters"]["General/degree"] == 2
    assert [artifact["name"] for artifact in second["artifacts"]] == ["weights"]


def test_the_notebook_s_cells_give_what_its_text_says(tmp_path: Path) -> None:
    cells = json.loads((ROOT / "examples" / "09_notebook.ipynb").read_text())["cells"]
    assert not any(cell["outputs"] for cell in cells if cell["cell_type"] == "code")
    shutil.copytree(ROOT / "examples" / "data", tmp_path / "data")
    notebook = Notebook(tmp_path)
    try:
        ran = [
            notebook.cell("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"
        ]
    finally:
        notebook.end()
    assert [cell.error for cell in ran] == [""] * len(ran)
    shown = [cell.shown for cell in ran]
    assert shown[1:3] == ["150", "'petal_length'"]
    assert shown[3].startswith("<Task 'spread'")
    assert shown[4].count("True") == 5
    assert shown[5] == "True"


def test_the_table_of_examples_names_each() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in [*EXAMPLES, TESTS, SCRIPT, ROOT / "examples" / "09_notebook.ipynb"]:
        assert f"`{path.name}`" in readme or f"examples/{path.name}" in readme


def test_the_command_line_makes_options_of_an_example_s_parameters(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    target = f"{ROOT / 'examples' / '01_decorate.py'}:describe"
    run = workspace.pipekit("run", target, "--column", "sepal_width")
    assert run["status"] == "completed"
    assert run["parameters"]["column"] == "sepal_width"


def test_a_higher_target_reuses_the_rounds_that_are_known(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "home")
    target = f"{ROOT / 'examples' / '02_branch_and_loop.py'}:train"
    first = workspace.pipekit("run", target, "--target", "0.95")
    second = workspace.pipekit("run", target, "--target", "0.98")
    steps = workspace.pipekit("show", second["id"])["steps"]
    reused = [step["name"] for step in steps if step["reused"]]
    assert len(reused) == len(workspace.pipekit("show", first["id"])["steps"])
    assert len(steps) > len(reused)
