"""What people and programs are told of a run in which a step failed, and of its attempts."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace import Workspace

FLOW = """\
    from pipekit import StepFailed, component, get, pipeline, task_of, wait


    class TooLarge(Exception):
        def __init__(self, limit, why):
            super().__init__(f"{limit}: {why}")
            self.limit = limit


    @component
    def load(n: int) -> int:
        return n


    @component(retries=1)
    def fit(x: int) -> int:
        print("fitting", x)
        raise TooLarge(7, "no room")


    @component
    def score(x: int) -> int:
        return 10 * x


    @pipeline
    def flow(n: int = 5) -> int:
        return score(score(fit(load(n))))


    @pipeline
    def handled(n: int = 5) -> list:
        model = fit(load(n))
        result = score(model)
        wait(model, result)
        told = [str(task_of(model).status), str(task_of(result).status)]
        try:
            get(model)
        except StepFailed as error:
            cause = error.__cause__
            told += [type(cause).__name__, cause.limit, error.step, error.attempt]
            told += [error.task_id == task_of(model).id, error.traceback.splitlines()[1].strip()]
        return told
"""


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    space = Workspace(tmp_path)
    space.write("flow.py", FLOW)
    return space


def test_a_run_ends_with_a_table_of_what_failed_and_was_skipped_and_why(space: Workspace) -> None:
    said = space.pipekit("run", "flow.py:flow")
    assert said.code == 1
    end = said.err[said.err.index("flow failed in") :]
    assert "4 steps, 0 reused, 1 failed, 2 skipped" in end
    assert "  failed   fit  TooLarge: 7: no room\n" in end
    assert "  skipped  score, score-2 (because of fit)\n" in end


def test_the_same_stands_in_its_json(space: Workspace) -> None:
    said = space.pipekit("run", "flow.py:flow", "--json")
    assert said.code == 1
    run = space.pipekit("show", "--json").json
    assert run["status"] == "failed"
    steps = {
        step["name"]: (step["status"], step["attempts"], step["error"]) for step in run["steps"]
    }
    why = "'fit' failed in attempt 2 with TooLarge: 7: no room"
    assert steps == {
        "load": ("completed", 1, None),
        "fit": ("failed", 2, "TooLarge: 7: no room"),
        "score": ("skipped", 0, f"Step 'score' was skipped: {why} (score <- fit)."),
        "score-2": ("skipped", 0, f"Step 'score-2' was skipped: {why} (score-2 <- score <- fit)."),
    }


def test_what_is_caught_is_handled_and_the_error_has_all_parts(space: Workspace) -> None:
    run = space.pipekit("run", "flow.py:handled", "--json").json
    assert run["status"] == "completed"
    told = run["value"]
    assert told[:7] == ["failed", "skipped", "TooLarge", 7, "fit", 2, True]
    assert told[7].endswith('flow.py", line 18, in fit')


def test_each_attempt_has_its_own_log_and_error(space: Workspace) -> None:
    space.pipekit("run", "flow.py:flow")
    run = space.pipekit("show", "--json").json["id"]
    attempts = space.pipekit("show", run, "fit", "--json").json["attempts"]
    assert [(a["number"], a["exit"], a["error"]) for a in attempts] == [
        (1, "error", "TooLarge: 7: no room"),
        (2, "error", "TooLarge: 7: no room"),
    ]
    for number in ("1", "2"):
        log = space.pipekit("logs", run, "fit", "--attempt", number).out
        assert log.count("fitting 5") == 1
        assert log.count("TooLarge: 7: no room") == 1
    missing = space.pipekit("logs", run, "fit", "--attempt", "3")
    assert missing.code == 2
    assert "has no attempt 3" in missing.err
