"""What the command line shows of a pipeline that runs another one, and of one of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Served

FLOW = """
    from pipekit import component, log_metric, pipeline


    @component
    def clean(count: int) -> list[int]:
        print("cleaning", count)
        return list(range(count))


    @pipeline(project="demo")
    def prepare(count: int) -> list[int]:
        return clean(count)


    @component
    def fit(rows: list[int], rate: float) -> float:
        print("fitting", len(rows))
        log_metric("loss", 0.5)
        return rate * sum(rows)


    @pipeline(project="demo")
    def train(count: int = 4, rate: float = 0.5) -> float:
        return fit(prepare(count), rate)
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "project").mkdir()
    found = Served(tmp_path / "project")
    found.write("flow.py", FLOW)
    yield found
    found.close()


@pytest.fixture
def run(served: Served) -> str:
    return str(served.done("run", "flow.py:train", "--count", "3", "--json").json["id"])


def test_a_training_pipeline_runs_the_preparation_and_then_trains(served: Served, run: str) -> None:
    """Feature rows 67 and 70: the other pipeline is a run of its own below this one."""
    shown = served.show(run)
    assert [step["name"] for step in shown["steps"]] == ["prepare", "fit"]
    child = served.show(shown["steps"][0]["id"])
    assert [step["name"] for step in child["steps"]] == ["clean"]
    assert served.done("get", run).out.strip() == "1.5"


def test_a_run_shows_its_structure_parameters_and_outcome(served: Served, run: str) -> None:
    """Feature rows 53 and 54."""
    said = served.done("show", run).out
    for expected in ("train", "completed", "count = 3", "rate = 0.5", "prepare", "fit", "1.5"):
        assert expected in said
    tree = served.done("graph", run).out
    assert tree.index("prepare") < tree.index("fit")


def test_a_step_shows_what_it_was_given_what_it_gave_and_its_code(served: Served, run: str) -> None:
    """Feature rows 29 and 55."""
    said = served.done("show", run, "fit").out
    for expected in ("fit", "completed", "rate", "[0,1,2]", "1.5", "loss", "fitting 3", "def fit"):
        assert expected in said


def test_the_consoles_of_the_steps_are_apart(served: Served, run: str) -> None:
    """Feature row 56."""
    assert served.done("logs", run, "fit").out.strip() == "fitting 3"
    child = served.show(run)["steps"][0]["id"]
    assert served.done("logs", child, "clean").out.strip() == "cleaning 3"
