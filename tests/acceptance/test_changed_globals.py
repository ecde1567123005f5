"""A step that changes a variable, and a pipeline function that does: no later step computes with a
value that its cache key does not say, and nothing is remembered under a key that is not its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace import Workspace

FLOW = """
    import sys
    from pipekit import component, pipeline
    import table

    CONFIG = {"rate": 1}
    RATE = 1
    SEEN = []

    class Model:
        rate = 1

    def helper(x, known=[]):
        return len(known)

    @component(cache=False)
    def change(how):
        global RATE
        if how == "item":
            CONFIG["rate"] = 7
        elif how == "global":
            RATE = 7
        elif how == "append":
            SEEN.append(1)
        elif how == "class":
            Model.rate = 7
        elif how == "default":
            helper.__defaults__[0].append(1)
        elif how == "module":
            table.ROWS = 7
        elif how == "late":
            import late
            late.CONFIG["rate"] = 7
        return how

    @component
    def look(x):
        import late
        return [CONFIG["rate"], RATE, len(SEEN), Model.rate, helper(x), table.ROWS,
                late.CONFIG["rate"]]

    @pipeline
    def first(how: str) -> str:
        if change(how):
            return str(look(1))

    @pipeline
    def clean() -> str:
        return str(look(1))

    @pipeline
    def by_pipeline() -> str:
        before = look(1)[0]
        CONFIG["rate"] = 10
        return f"{before} {look(2)[0]}"

    @component(ignore="flow.SEEN")
    def lazy(x):
        SEEN.append(x)
        return x

    @pipeline
    def lazily() -> int:
        return [lazy(n) for n in range(5)][-1] + 0
"""
CLEAN = "[1, 1, 0, 1, 0, 1, 1]"
HOWS = ["item", "global", "append", "class", "default", "module", "late"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.write("flow.py", FLOW)
    made.write("table.py", "ROWS = 1\n")
    made.write("late.py", "CONFIG = {'rate': 1}\n")
    return made


def value_of(workspace: Workspace, *arguments: str) -> str:
    said = workspace.pipekit("run", *arguments)
    assert said.code == 0, said.err
    shown = workspace.pipekit("get", said.err.rpartition("pipekit show ")[2].split()[0])
    return shown.out.strip()


@pytest.mark.parametrize("how", HOWS)
def test_what_a_step_changes_in_a_warm_worker_is_seen_by_no_later_step(
    workspace: Workspace, how: str
) -> None:
    run = ("flow.py:first", "--how", how, "--executor", "process:1")
    assert value_of(workspace, *run) == CLEAN
    assert value_of(workspace, "flow.py:clean") == CLEAN


@pytest.mark.parametrize("how", ["global", "append", "late"])
def test_what_a_step_changes_inline_is_remembered_for_no_clean_run(
    workspace: Workspace, how: str
) -> None:
    value_of(workspace, "flow.py:first", "--how", how, "--executor", "inline")
    assert value_of(workspace, "flow.py:clean", "--executor", "inline") == CLEAN


def test_a_step_that_changes_what_steps_rest_on_is_named_with_both_values(
    workspace: Workspace,
) -> None:
    said = workspace.pipekit("run", "flow.py:first", "--how", "item", "--executor", "process:1")
    assert "step 'change' changes what" in said.err
    assert "global 'flow.CONFIG' was {'rate': 1} and is {'rate': 7}" in said.err


def test_inline_a_step_counts_with_what_the_pipeline_function_has_set(workspace: Workspace) -> None:
    inline = ("--executor", "inline")
    assert value_of(workspace, "flow.py:by_pipeline", *inline) == "1 10"
    assert value_of(workspace, "flow.py:clean", *inline) == CLEAN


def test_a_worker_refuses_a_step_for_whom_the_pipeline_function_has_set_another_value(
    workspace: Workspace,
) -> None:
    said = workspace.pipekit("run", "flow.py:by_pipeline")
    assert said.code == 1
    assert "global 'flow.CONFIG' is {'rate': 1} there and {'rate': 10} here" in said.err
    assert "ignore=['flow.CONFIG']" in said.err


def test_an_ignored_global_is_changed_without_a_word_and_its_worker_lives_on(
    workspace: Workspace,
) -> None:
    said = workspace.pipekit(
        "run", "flow.py:lazily", "--executor", "process:1", PIPEKIT_LOG="debug"
    )
    assert said.code == 0
    assert "changes what" not in said.err
    assert said.err.count("started, console in") == 1
