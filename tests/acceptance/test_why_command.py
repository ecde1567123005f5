"""`pipekit why`, `pipekit plan` and `Task.why`, as they are typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workspace import Workspace

FLOW = """
    from dataclasses import dataclass
    from pipekit import component, pipeline

    RATE = {rate}

    def helper(x):
        return x + {added}

    @dataclass
    class {name}:
        score: int
        tags: tuple

    @component
    def make(settings: dict) -> dict:
        return {{"a": [1, 2, settings["depth"]]}}

    @component
    def fit(made: dict):
        return {name}(helper(RATE) + made["a"][2], ("x",))

    @component
    def score(model) -> int:
        return model.score

    @pipeline
    def train(depth: int = 3):
        print("the function runs")
        return score(fit(make({{"depth": depth, "n": "x"}})))
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three runs: the second with all cached, the third with another depth and other code."""
    workspace = Workspace(tmp_path_factory.mktemp("why"))
    workspace.write("flow.py", FLOW.format(rate=2, added=1, name="Model"))
    assert workspace.pipekit("run", "flow.py:train").code == 0
    assert workspace.pipekit("run", "flow.py:train").code == 0
    workspace.write("flow.py", FLOW.format(rate=3, added=2, name="Model"))
    assert workspace.pipekit("run", "flow.py:train", "--depth", "4").code == 0
    return workspace


def newest(workspace: Workspace, which: int) -> str:
    run: str = workspace.pipekit("ls", "--json").json[which]["id"]
    return run


def changes(workspace: Workspace, step: str) -> dict[tuple[str, str], Any]:
    found = workspace.pipekit("why", newest(workspace, 0), step, "--json").json
    return {(change["kind"], change["what"]): change for change in found["changes"]}


def test_an_argument_is_told_by_the_path_inside_it(shared: Workspace) -> None:
    found = changes(shared, "make")
    assert list(found) == [("argument", "settings['depth']")]
    assert found["argument", "settings['depth']"]["text"] == "settings['depth']: 3 -> 4"


def test_an_argument_that_another_step_made_is_loaded_and_compared(shared: Workspace) -> None:
    assert changes(shared, "fit")["argument", "made['a'][2]"]["text"] == "made['a'][2]: 3 -> 4"


def test_a_changed_function_is_told_with_the_lines_that_differ(shared: Workspace) -> None:
    diff = changes(shared, "fit")["function", "flow.helper"]["diff"].split("\n")
    assert "-    return x + 1" in diff
    assert "+    return x + 2" in diff


def test_a_changed_global_is_told_with_both_values(shared: Workspace) -> None:
    assert changes(shared, "fit")["global", "flow.RATE"]["text"] == "global 'flow.RATE' is 3, was 2"


def test_a_reused_step_is_told_with_where_its_value_came_from(shared: Workspace) -> None:
    said = shared.pipekit("why", newest(shared, 1), "make")
    first = shared.pipekit("show", newest(shared, 2), "make", "--json").json["id"]
    assert said.out.startswith("make (")
    assert f"reused from {first[:13]}" in said.out
    assert "its code and inputs are those of make of train" in said.out


def test_a_run_is_told_step_by_step(shared: Workspace) -> None:
    said = shared.pipekit("why", newest(shared, 0))
    assert [line.split()[0] for line in said.out.splitlines()] == ["STEP", "make", "fit", "score"]
    assert "argument 'settings' changed" in said.out


def test_plan_tells_what_would_run_and_what_the_function_prints_is_not_the_plan(
    shared: Workspace,
) -> None:
    found = shared.pipekit("plan", "flow.py:train", "--depth", "4", "--json").json
    assert [step["plan"] for step in found["steps"]] == ["cached"] * 3
    said = shared.pipekit("plan", "flow.py:train", "--depth", "5")
    assert said.code == 0
    assert "the function runs" in said.err
    assert "the function runs" not in said.out
    assert "1 must run, 2 may run, 0 cached" in said.out
    assert len(shared.pipekit("ls", "--json").json) == 3


def test_plan_takes_no_option_that_is_about_running(shared: Workspace) -> None:
    assert shared.pipekit("plan", "flow.py:train", "--pdb").code == 2
    assert shared.pipekit("plan").code == 2
    assert "No step runs" in shared.pipekit("plan", "--help").out


def test_a_value_whose_class_is_gone_is_shown_with_what_was_stored(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("flow.py", FLOW.format(rate=2, added=1, name="Model"))
    assert workspace.pipekit("run", "flow.py:train").code == 0
    run = newest(workspace, 0)
    workspace.write("flow.py", FLOW.format(rate=2, added=1, name="Renamed"))
    said = workspace.pipekit("get", workspace.pipekit("show", run, "fit", "--json").json["id"])
    assert said.code == 0, said.err
    assert "what is left of a flow.Model, a class that cannot be found" in said.out
    assert "'score': 6, 'tags': ('x',)" in said.out
    again = workspace.pipekit("run", "flow.py:train", "--json")
    assert [step["reused"] for step in again.json["steps"]] == [True, False, False]


ASKED = """
    from datetime import timedelta
    from pipekit import component, pipeline

    @component
    def read(path: str) -> str:
        return open(path).read()

    @component(cache=timedelta(microseconds=1))
    def aged() -> int:
        return 1

    @component
    def plain() -> int:
        return 2

    @pipeline
    def flow(path: str = "in.txt"):
        return read(path), aged(), plain()
"""


def test_what_made_an_equal_step_run_again_is_told_by_why_and_plan(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("flow.py", ASKED)
    workspace.write("in.txt", "one")
    assert workspace.pipekit("run", "flow.py").code == 0
    workspace.write("in.txt", "two")
    planned = workspace.pipekit("plan", "flow.py").out
    assert workspace.pipekit("run", "flow.py", "--refresh", "plain").code == 0
    told = workspace.pipekit("why").out
    for text in (planned, told):
        assert "file 'in.txt' changed" in text
        assert "what is remembered is older than 0:00:00.000001" in text
        assert "no outcome is remembered" not in text
    assert "it is to be refreshed" in told
    assert workspace.pipekit("run", "flow.py", "--no-cache").code == 0
    assert workspace.pipekit("why").out.count("the run is to reuse nothing") == 3
