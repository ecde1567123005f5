"""A run is cloned with other parameters: all else is the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Served

FLOW = """
    from pathlib import Path

    from pipekit import component, pipeline


    @component
    def load(url: Path) -> str:
        return url.read_text()


    @component
    def scale(text: str, factor: int, sizes: list[int]) -> str:
        return text * factor + str(sizes)


    @pipeline(project="demo", version="3")
    def build(url: Path, factor: int = 2, sizes: list[int] = [1], strict: bool = False) -> str:
        return scale(load(url), factor, sizes)
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "project").mkdir()
    found = Served(tmp_path / "project")
    found.write("flow.py", FLOW)
    found.write("one.txt", "a")
    found.write("two.txt", "b")
    yield found
    found.close()


@pytest.fixture
def run(served: Served) -> str:
    """The id of a run that was run here."""
    done = served.done("run", "flow.py:build", "--url", "one.txt", "--factor", "3", "--json")
    return str(done.json["id"])


def value(served: Served, task_id: str) -> str:
    return served.done("get", task_id, "value").out.strip()


def test_a_clone_has_the_changed_parameters_and_all_else(served: Served, run: str) -> None:
    """Rows 30 and 74: a new run with a changed parameter, the rest identical; a draft at first."""
    clone = served.done("clone", run, "--set", "factor=1").out.strip()
    before, shown = served.show(run), served.show(clone)
    assert shown["status"] == "draft"
    assert shown["parameters"] == before["parameters"] | {"factor": 1}
    same = ("name", "project", "version", "entry", "settings", "kind")
    assert [shown[key] for key in same] == [before[key] for key in same]
    served.done("execute", clone)
    assert value(served, clone) == "a[1]"
    assert value(served, run) == "aaa[1]"


def test_a_clone_runs_with_another_url_and_reuses_what_is_equal(served: Served, run: str) -> None:
    """Row 31."""
    clone = served.done("clone", run, "--set", "url=two.txt", "--run", "--json").out
    assert '"url": "two.txt"' in clone
    newest = served.done("ls", "--limit", "1", "--json").json[0]["id"]
    assert value(served, newest) == "bbb[1]"
    same = served.done("clone", run, "--run", "--json").out
    assert '"url": "one.txt"' in same
    newest = served.done("ls", "--limit", "1", "--json").json[0]["id"]
    assert [step["reused"] for step in served.show(newest)["steps"]] == [True, True]


def test_a_clone_that_an_agent_runs_gives_what_it_gives_here(served: Served, run: str) -> None:
    """Row 36: run locally, then clone that run and have it run elsewhere, with the code of then."""
    clone = served.done("clone", run, "--queue", "services").out.strip()
    served.write("flow.py", "raise RuntimeError('edited')\n")
    served.drain()
    assert value(served, clone) == value(served, run)
    again = served.done("clone", clone, "--set", "factor=2", "--queue", "services").out.strip()
    served.drain()
    assert value(served, again) == "aa[1]"


def test_texts_become_values_of_the_annotated_types(served: Served, run: str) -> None:
    """Row 83."""
    clone = served.done("clone", run, "--set", "sizes=[4, 5]", "--set", "strict=yes").out.strip()
    shown = served.show(clone)["parameters"]
    assert (shown["strict"], shown["sizes"]) == (True, "[4, 5]")
    served.done("execute", clone)
    assert value(served, clone) == "aaa[4, 5]"


def test_all_that_does_not_fit_is_said_and_nothing_is_recorded(served: Served, run: str) -> None:
    said = served.pipekit("clone", run, "--set", "factor=many", "--set", "facter=1")
    assert said.code == 2
    assert "factor was given 'many'; wanted int" in said.err
    assert "it has no parameter 'facter'" in said.err
    assert "factor" in said.err
    assert len(served.done("ls", "--json").json) == 1


def test_a_step_cannot_be_cloned_or_run_by_itself(served: Served, run: str) -> None:
    step = served.show(run)["steps"][0]["id"]
    for said in (served.pipekit("clone", step), served.pipekit("execute", step)):
        assert said.code == 2
        assert "cannot be run by itself" in said.err


def test_a_run_that_has_ended_is_not_run_again_but_cloned(served: Served, run: str) -> None:
    said = served.pipekit("execute", run)
    assert said.code == 2
    assert f"pipekit clone {run[:13]}" in said.err


def test_from_python_values_are_checked_and_never_converted(served: Served, run: str) -> None:
    served.write(
        "again.py",
        f"""
        from pipekit import Task
        from pipekit.errors import UsageError

        if __name__ == "__main__":
            run = Task.get_task({run!r})
            for wrong in ({{"factor": "2"}}, {{"facter": 2}}):
                try:
                    run.clone(parameters=wrong)
                except UsageError as error:
                    print(error)
            clones = [run.clone(parameters={{"factor": n}}) for n in (4, 5)]
            for clone in clones:
                clone.enqueue("services")
            print([(clone.parameters["factor"], clone.status.value) for clone in clones])
        """,
    )
    first, second, last = served.python("again.py").out.splitlines()
    assert "factor='2' is a str, wanted int" in first
    assert "'facter'" in second
    assert last == "[(4, 'queued'), (5, 'queued')]"
    served.drain()
    ids = [one["id"] for one in served.done("ls", "--limit", "2", "--json").json]
    assert [value(served, one) for one in ids] == ["aaaaa[1]", "aaaa[1]"]
