"""`pipekit compare`: what differs between two runs, or two steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workspace import Workspace

FLOW = """
    from pipekit import component, log_metric, pipeline

    RATE = {rate}

    @component
    def load(count: int) -> list[int]:
        return list(range(count))

    @component(cache=False)
    def fit(numbers: list[int], rate: float) -> float:
        log_metric("loss", rate / 2)
        return sum(numbers) * rate

    @component
    def scale(value: float) -> float:
        return value * RATE

    @component
    def report(value: float) -> str:
        return f"{{value:.0f}}"

    @pipeline
    def train(count: int = 3, rate: float = 0.5, label: str = "it", extra: bool = False) -> str:
        fitted = fit(load(count), rate)
        if extra:
            scale(1.0)
        return report(scale(fitted))

    if __name__ == "__main__":
        import sys
        train(**eval(sys.argv[1]))
"""


class Shared(Workspace):
    """Four runs: a base, one with another rate, one with other code, one with a step more."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write("flow.py", FLOW.format(rate=1))
        for arguments in ([], ["--rate", "0.25"], ["--extra"]):
            assert self.pipekit("run", "flow.py:train", *arguments).code == 0
        self.write("flow.py", FLOW.format(rate=2))
        assert self.pipekit("run", "flow.py:train").code == 0
        runs = self.pipekit("ls", "--json").json
        self.other_code, self.longer, self.slower, self.base = (run["id"] for run in runs)

    def compare(self, a: str, b: str) -> Any:
        return self.pipekit("compare", a, b, "--json").json

    def step(self, run: str, name: str) -> Any:
        return self.pipekit("show", run, name, "--json").json["id"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return Shared(tmp_path_factory.mktemp("compare"))


def named(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


def test_parameters_of_runs_are_compared_by_value(shared: Shared) -> None:
    parameters = named(shared.compare(shared.base, shared.slower)["parameters"])
    assert parameters["rate"] == {"name": "rate", "a": 0.5, "b": 0.25, "equal": False}
    assert [name for name, item in parameters.items() if not item["equal"]] == ["rate"]


def test_steps_say_which_of_inputs_outputs_and_metrics_differ(shared: Shared) -> None:
    steps = named(shared.compare(shared.base, shared.slower)["steps"])
    assert steps["load"]["equal"]
    assert steps["load"]["b"]["reused"]
    fit = steps["fit"]
    assert (fit["equal"], fit["code_equal"]) == (False, True)
    assert {name: item["equal"] for name, item in named(fit["inputs"]).items()} == {
        "numbers": True,
        "rate": False,
    }
    assert not named(fit["outputs"])["value"]["equal"]
    assert named(fit["metrics"])["loss"] == {
        "name": "loss", "a": 0.25, "b": 0.125, "equal": False,
    }  # fmt: skip


def test_changed_code_is_seen_at_the_step_that_reaches_it(shared: Shared) -> None:
    found = shared.compare(shared.base, shared.other_code)
    steps = named(found["steps"])
    assert {name: step["code_equal"] for name, step in steps.items()} == {
        "load": True,
        "fit": True,
        "scale": False,
        "report": True,
    }
    assert steps["fit"]["equal"]
    assert not any(not item["equal"] for item in found["parameters"])


def test_a_step_is_matched_by_its_call_before_its_name(shared: Shared) -> None:
    steps = named(shared.compare(shared.base, shared.longer)["steps"])
    pair = steps["scale / scale-2"]  # the same call, which is the second one there
    assert (pair["matched_by"], pair["equal"]) == ("key", True)
    assert steps["scale"]["a"] is None
    assert steps["scale"]["b"]["status"] == "completed"
    other = named(shared.compare(shared.base, shared.slower)["steps"])
    assert other["fit"]["matched_by"] == "name"


def test_people_are_shown_what_differs_and_told_how_to_see_the_rest(shared: Shared) -> None:
    said = shared.pipekit("compare", shared.base, shared.slower)
    assert said.code == 0
    assert "parameters that differ" in said.out
    assert "label" not in said.out
    assert "load" not in said.out
    assert "Alike, and not shown: 3 parameters, 1 step." in said.err
    everything = shared.pipekit("compare", shared.base, shared.slower, "--all")
    assert "label" in everything.out
    assert "load" in everything.out
    assert everything.err == ""


def test_two_steps_are_compared_by_inputs_and_outputs(shared: Shared) -> None:
    a, b = shared.step(shared.base, "fit"), shared.step(shared.slower, "fit")
    found = shared.compare(a, b)
    assert found["code_equal"] is True
    assert [item["name"] for item in found["inputs"] if not item["equal"]] == ["rate"]
    assert [item["equal"] for item in found["outputs"]] == [False]
    said = shared.pipekit("compare", a, b)
    assert "inputs that differ" in said.out


def test_a_run_and_a_step_cannot_be_compared(shared: Shared) -> None:
    said = shared.pipekit("compare", shared.base, shared.step(shared.base, "fit"))
    assert (said.code, said.out) == (2, "")
    assert "only like and like" in said.err


# --- what `ls` and `show` have beside it -----------------------------------------------------


def test_ls_takes_filters_and_says_what_there_is_where_none_matches(shared: Shared) -> None:
    assert len(shared.pipekit("ls", "--pipeline", "train", "--json").json) == 4
    assert shared.pipekit("ls", "--status", "failed", "--json").json == []
    assert len(shared.pipekit("ls", "--status", "failed", "--status", "completed").out) > 0
    said = shared.pipekit("ls", "--pipeline", "trian")
    assert (said.code, said.out) == (0, "")
    assert "did you mean 'train'?" in said.err
    assert shared.pipekit("ls", "--status", "finished").code == 2


def test_a_reused_step_is_shown_with_the_run_that_it_is_from(shared: Shared) -> None:
    shown = shared.pipekit("show", shared.slower).out
    (line,) = [line for line in shown.splitlines() if " load " in line]
    assert f"train {shared.base[:13]}" in line


def test_a_step_is_shown_with_the_source_that_was_run_whatever_the_file_is_now(
    shared: Shared,
) -> None:
    before = shared.pipekit("show", shared.base, "report", "--json").json["code"]
    text = (shared.folder / "flow.py").read_text()
    start = text.index("@component\ndef report")
    assert before["source"] == text[start : text.index("\n\n", start) + 1]
    assert (before["file"], before["line"]) == ("flow.py", text[:start].count("\n") + 1)
    shared.write("flow.py", "raise RuntimeError")
    assert shared.pipekit("show", shared.base, "report", "--json").json["code"] == before
    shown = shared.pipekit("show", shared.base, "report").out
    assert before["source"] in shown
    assert f"code: {before['file']}, line {before['line']}" in shown


def test_a_run_is_shown_with_its_own_source_and_the_defaults_of_its_parameters(
    shared: Shared,
) -> None:
    shown = shared.pipekit("show", shared.slower).out
    assert "rate = 0.25 (default: 0.5)" in shown
    assert "count = 3 (the default)" in shown
    assert "label = it (the default)" in shown
    assert "def train(count: int = 3" in shown


def test_a_step_is_shown_with_its_metrics(shared: Shared) -> None:
    shown = shared.pipekit("show", shared.base, "fit").out
    assert "metrics" in shown
    assert "loss" in shown


READING = """
    from pathlib import Path
    from pipekit import component, pipeline

    @component
    def read(path: Path) -> str:
        return path.read_text()

    @component
    def join(texts: list[str]) -> int:
        return len("".join(texts))

    @pipeline
    def reading(path: Path = Path("data.txt")) -> int:
        return join([read(path), "end"])
"""


def test_inputs_that_read_alike_differ_by_what_they_lead_to_or_hold(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    space.write("flow.py", READING)
    for text in ("one", "another", "another"):
        space.write("data.txt", text)
        assert space.pipekit("run", "flow.py:reading").code == 0
    last, newer, older = (run["id"] for run in space.pipekit("ls", "--json").json)
    steps = named(space.pipekit("compare", older, newer, "--json").json["steps"])
    assert not named(steps["read"]["inputs"])["path"]["equal"]
    assert not named(steps["join"]["inputs"])["texts"]["equal"]
    steps = named(space.pipekit("compare", newer, last, "--json").json["steps"])
    assert steps["read"]["equal"]
    assert steps["join"]["equal"]
    assert "why       argument 'path' changed" in space.pipekit("show", newer, "read").out
    assert "why       argument 'texts' changed" in space.pipekit("show", newer, "join").out
