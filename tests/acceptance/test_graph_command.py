"""`pipekit graph`, and what a notebook shows of a run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from workspace import Said, Workspace

from pipekit import component, pipeline

FLOW = """
    from pipekit import component, pipeline

    @component(outputs=["low", "high"])
    def split(numbers):
        return numbers[:2], numbers[2:]

    @component
    def load(n: int):
        return list(range(n))

    @component
    def fit(numbers, rate: int):
        if rate == 2:
            raise ValueError("rate <2>")
        return sum(numbers) * rate

    @component
    def best(scores):
        return max(scores)

    @pipeline
    def inner(n: int):
        low, high = split(load(n))
        return best([fit(low, 0), fit(high, 1)])

    @pipeline
    def outer(n: int = 4):
        return best([inner(n), fit(load(n + 1), 1)])

    @pipeline(on_failure="continue")
    def broken(n: int = 4):
        low, high = split(load(n))
        return best([fit(low, 1), fit(high, 2)])

    @pipeline
    def wide(n: int = 160):
        numbers = load(4)
        return best([fit(numbers, 10 + rate) for rate in range(n)])

    @pipeline
    def bare(n: int = 4):
        return n
"""


class GraphSpace(Workspace):
    """A folder with one run of each pipeline: `ids[name]`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write("flow.py", FLOW)
        for name in ("outer", "broken", "wide", "bare"):
            self.pipekit("run", f"flow.py:{name}")
        self.ids = {run["name"]: run["id"] for run in self.pipekit("ls", "--json").json}

    def graph(self, name: str, *arguments: str, **variables: str) -> Said:
        return self.pipekit("graph", self.ids[name], *arguments, **variables)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> GraphSpace:
    return GraphSpace(tmp_path_factory.mktemp("workspace"))


def without_times(text: str) -> list[str]:
    return [re.sub(r"\d+(\.\d+)? m?s\b", "TIME", line) for line in text.splitlines()]


def test_the_graph_is_a_tree_on_stdout(workspace: GraphSpace) -> None:
    said = workspace.graph("broken")
    head, *lines = without_times(said.out)
    assert (said.code, said.err) == (0, "")
    assert head.startswith("broken ")
    assert re.search(r"failed in TIME, 5 steps: .*1 failed, 1 skipped$", head)
    # What `load` and `split` of an earlier run gave is known.
    assert lines[:2] == ["↺ load  cached", "↺ split  cached"]
    assert lines[3].startswith("│  – best  skipped  ← fit-2")
    assert lines[4:] == ["└─ ✗ fit-2  failed, TIME", "   best ↑"]


def test_without_an_id_the_newest_run_is_drawn_and_named(workspace: GraphSpace) -> None:
    said = workspace.pipekit("graph")
    assert said.out.startswith("bare ")
    assert said.out.rstrip().endswith("no steps")
    assert "The newest run: bare" in said.err


def test_a_step_s_id_draws_its_run(workspace: GraphSpace) -> None:
    steps = workspace.pipekit("show", workspace.ids["broken"], "--json").json["steps"]
    said = workspace.pipekit("graph", steps[0]["id"])
    assert said.out == workspace.graph("broken").out
    assert "'load' is a step of broken" in said.err


def test_a_child_run_is_one_node_unless_asked_for_more_depth(workspace: GraphSpace) -> None:
    shallow = workspace.graph("outer").out
    deep = workspace.graph("outer", "--depth", "2").out
    assert "inner (pipeline)" in shallow
    assert "inner/" not in shallow
    assert "inner/split" in deep


def test_the_edges_are_what_each_step_took(workspace: GraphSpace) -> None:
    graph = workspace.graph("broken", "--json").json
    names = {node["id"]: node["name"] for node in graph["nodes"]}
    edges = {
        (names[edge["source"]], names[edge["target"]], *edge["outputs"]) for edge in graph["edges"]
    }
    assert edges == {
        ("load", "split", "value"),
        ("split", "fit", "low"),
        ("split", "fit-2", "high"),
        ("fit", "best", "value"),
        ("fit-2", "best", "value"),
    }
    assert graph["status"] == "failed"
    assert {node["component"] for node in graph["nodes"]} == {"load", "split", "fit", "best"}


def test_json_has_each_step_of_a_wide_run(workspace: GraphSpace) -> None:
    assert len(workspace.graph("wide", "--json").json["nodes"]) == 162


def test_a_picture_is_written_to_a_file_and_that_is_said_on_stderr(workspace: GraphSpace) -> None:
    said = workspace.graph("broken", "--svg", "graph.svg")
    assert (said.code, said.out, said.err) == (0, "", "Wrote graph.svg\n")
    svg = ElementTree.parse(workspace.folder / "graph.svg").getroot()
    tasks = {g.attrib["data-task"] for g in svg.iter() if "data-task" in g.attrib}
    assert len(tasks) == 5


def test_many_alike_are_one_box_unless_all_are_asked_for(workspace: GraphSpace) -> None:
    said = workspace.graph("wide", "--svg", "wide.svg")
    assert said.err == "Wrote wide.svg: 162 steps in 3 boxes; --all draws each\n"
    assert "✓ fit ×160 (160 completed)" in workspace.graph("wide").out
    assert workspace.graph("wide", "--all").out.count("✓ fit") == 160
    assert workspace.graph("wide", "--all", "--svg", "all.svg").err == "Wrote all.svg\n"
    assert (workspace.folder / "all.svg").read_text().count("data-task") == 162


def test_svg_and_mermaid_go_to_stdout(workspace: GraphSpace) -> None:
    svg = workspace.graph("broken", "--format", "svg")
    assert ElementTree.fromstring(svg.out).tag.endswith("svg")
    mermaid = workspace.graph("broken", "--format", "mermaid")
    assert mermaid.out.startswith("flowchart TD\n")
    assert 'n1 -->|"high"| n3' in mermaid.out


def test_a_terminal_that_knows_ascii_alone_is_given_no_more(workspace: GraphSpace) -> None:
    said = workspace.graph("broken", PYTHONIOENCODING="ascii")
    assert said.code == 0
    assert "`- x fit-2  failed" in said.out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--json", "--format", "svg"], 2, "two forms"),
        (["--format", "dot"], 2, "dot"),
        (["--depth", "0"], 2, "depth"),
        (["--svg", "no/such/folder.svg"], 1, "cannot be written"),
    ],
)
def test_wrong_use_is_said(
    workspace: GraphSpace, arguments: list[str], code: int, text: str
) -> None:
    said = workspace.graph("broken", *arguments)
    assert (said.code, said.out) == (code, "")
    assert text in said.err
    assert "Traceback" not in said.err


# --- in a notebook ---------------------------------------------------------------------------


@component
def halve(number: float) -> float:
    return number / 2


@component
def refuse(number: float) -> float:
    raise ValueError("no <b>number</b>")


@pipeline
def halves(number: float = 8.0) -> float:
    return halve(halve(number))


@pipeline
def refused(number: float = 8.0) -> list[float]:
    return [refuse(halve(number))]


def test_a_notebook_shows_a_run_with_its_graph_and_steps(home: Path) -> None:
    run = halves.options(executor="inline").run()
    page = run._repr_html_()
    again = halves.options(executor="inline").run()._repr_html_()
    assert page.count("data-task") == 2
    assert "0 of 2 steps cached" in page
    assert "2 of 2 steps cached" in again
    assert f"halves {run.id[:13]}" in again
    ElementTree.fromstring(again)


def test_a_notebook_shows_a_step_with_what_it_was_given_and_made(home: Path) -> None:
    step = halves.options(executor="inline").run()["halve-2"]
    page = step._repr_html_()
    for text in ("halve-2", "${halve.artifacts.value}", "4.0", "2.0"):
        assert text in page


def test_a_notebook_shows_why_a_run_failed(home: Path) -> None:
    run = refused.options(executor="inline").run()
    assert run.status == "failed"
    page = run._repr_html_()
    assert "ValueError: no &lt;b&gt;number&lt;/b&gt;" in page
    assert "<b>" not in page


def test_a_notebook_shows_the_plain_repr_where_the_store_is_gone(home: Path) -> None:
    run = halves.options(executor="inline").run()
    run._archive.store.close()
    shutil.rmtree(home)
    page = type(run)(run._archive, run.id)._repr_html_()
    assert page == f"<pre>&lt;Task {run.id[:13]}&gt;</pre>"
