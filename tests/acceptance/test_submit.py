"""A submitted pipeline waits on a queue, and runs with the arguments and the code that it was
submitted with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Served

FLOW = """
    from dataclasses import dataclass
    from pathlib import Path

    from pipekit import StepFailed, component, current_task, get, pipeline
    from steps import scaled


    @dataclass(frozen=True)
    class Shape:
        width: int
        names: tuple[str, ...] = ()


    @component
    def read(path: Path) -> int:
        print("reading", path.name)
        return int(path.read_text())


    @component
    def work(number: int, rate: float) -> float:
        return scaled(number) * rate


    @pipeline(project="demo", version="2")
    def train(rate: float = 0.5, data: Path = Path("data/x.txt")) -> float:
        print("the pipeline prints")
        return work(read(data), rate)


    @pipeline
    def shaped(shape: Shape, sizes: list[int]) -> str:
        return f"{shape} {sizes} {type(sizes[0]).__name__}"


    @component
    def fails() -> int:
        raise ValueError("no")


    @pipeline
    def failing() -> float:
        other = work(1, 1.0)
        return get(fails()) + get(other)


    @pipeline
    def outer() -> str:
        return train.submit(rate=8.0).id
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "project"
    folder.mkdir()
    found = Served(folder)
    found.write("flow.py", FLOW)
    found.write("steps.py", "def scaled(number):\n    return 10 * number\n")
    found.write("data/x.txt", "7")
    found.write(".gitignore", "data/\nhome/\n")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    yield found
    found.close()


def value(served: Served, run: str) -> str:
    return served.done("get", run, "value").out.strip()


def test_it_is_recorded_at_once_and_waits(served: Served) -> None:
    """Row 26: the id is printed; arguments are typed; nothing has run."""
    shown = served.done("submit", "flow.py:train", "--rate", "2", "--json").json
    assert (shown["status"], shown["queue"], shown["project"]) == ("queued", "services", "demo")
    assert shown["parameters"] == {"rate": 2.0, "data": "data/x.txt"}
    assert served.show(shown["id"])["steps"] == []


def test_many_are_submitted_with_other_parameters_and_each_runs_with_its_own(
    served: Served,
) -> None:
    """Rows 92 and 88: three runs in a row, all listed under the pipeline."""
    runs = [served.submit("train", "--rate", rate) for rate in ("1", "2", "3")]
    served.drain()
    assert [value(served, run) for run in runs] == ["70.0", "140.0", "210.0"]
    listed = served.done("ls", "--pipeline", "train", "--json").json
    assert [one["id"] for one in listed] == runs[::-1]


def test_it_runs_with_the_code_of_that_time(served: Served) -> None:
    run = served.submit("train")
    served.write("steps.py", "def scaled(number):\n    return 0\n")
    served.write("flow.py", "raise RuntimeError('half edited')\n")
    served.drain()
    assert value(served, run) == "35.0"


def test_it_reuses_what_another_run_computed_where_the_project_lies(served: Served) -> None:
    served.done("run", "flow.py:train")
    run = served.submit("train")
    served.drain()
    assert [step["reused"] for step in served.show(run)["steps"]] == [True, True]
    served.write("data/x.txt", "8")
    again = served.submit("train")
    served.drain()
    assert [step["reused"] for step in served.show(again)["steps"]] == [False, False]
    assert value(served, again) == "40.0"


def test_arguments_of_any_type_travel(served: Served) -> None:
    run = served.submit("shaped", "--shape", '{"width": 3, "names": ["a"]}', "--sizes", "4")
    served.drain()
    assert value(served, run) == "Shape(width=3, names=('a',)) [4] int"


def test_its_console_is_kept_apart_from_those_of_its_steps(served: Served) -> None:
    """Rows 28, 56 and 90."""
    run = served.submit("train")
    served.drain()
    shown = served.done("logs", run, "--json").out.splitlines()
    lines = [json.loads(line) for line in shown]
    own = [line["line"] for line in lines if line["task_id"] == run]
    assert "the pipeline prints" in own
    assert any("read" in line and "completed" in line for line in own)
    assert not any("reading" in line for line in own)
    assert served.done("logs", run, "read").out == "reading x.txt\n"


def test_a_pipeline_that_cannot_be_imported_any_more_fails_with_the_traceback(
    served: Served,
) -> None:
    served.write("steps.py", "import os\nif 'BROKEN' in os.environ: raise OSError('no licence')\n"
                             "def scaled(number): return number\n")  # fmt: skip
    run = served.submit("train")
    agent = served.start_agent("--drain", BROKEN="1")
    assert "OSError: no licence" in agent.end().err
    shown = served.show(run)
    assert shown["status"] == "failed"
    assert "no licence" in shown["traceback"]


def test_parameters_that_do_not_fit_are_said_and_nothing_is_recorded(served: Served) -> None:
    said = served.pipekit("submit", "flow.py:train", "--rate", "fast")
    assert said.code == 2
    assert "--rate was given 'fast'; wanted float" in said.err
    assert not served.home.exists()


def test_a_failing_run_fails_as_it_does_here(served: Served) -> None:
    run = served.submit("failing")
    served.drain()
    assert served.status(run) == "failed"
    served.write("flow.py", FLOW.replace("raise ValueError", "return 1 or str"))
    served.done("resume", run)
    assert value(served, run) == "11.0"


def test_a_submitted_run_may_submit_others(served: Served) -> None:
    run = served.submit("outer")
    served.drain()
    other = value(served, run).strip("'\"")
    assert value(served, other) == "560.0"
    assert served.show(other)["parameters"]["rate"] == 8.0


def test_from_python_it_returns_its_task_at_once(served: Served) -> None:
    served.write(
        "start.py",
        """
        from flow import train

        if __name__ == "__main__":
            task = train.options(queue="gpu", on_failure="continue").submit(rate=4.0)
            print(task.id, task.status, task.parameters["rate"])
        """,
    )
    said = served.python("start.py")
    run, status, rate = said.out.split()
    assert (status, rate) == ("queued", "4.0")
    served.drain("--queue", "gpu")
    assert value(served, run) == "280.0"
    assert served.show(run)["settings"]["on_failure"] == "continue"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train.submit(rate='x')", "rate='x' is a str, wanted float"),
        ("train.options(after=print).submit()", "after=… of .options()"),
        ("local().submit()", "no import finds it"),
        ("taking.submit(open(__file__))", "argument 'file' is a TextIOWrapper"),
    ],
)
def test_what_cannot_travel_is_refused(served: Served, line: str, words: str) -> None:
    served.write(
        "start.py",
        f"""
        from flow import train
        from pipekit import pipeline

        def local():
            @pipeline
            def inner(): ...
            return inner

        @pipeline
        def taking(file): ...

        if __name__ == "__main__":
            try:
                {line}
            except Exception as error:
                print(error)
        """,
    )
    assert words in served.python("start.py").out


def test_a_module_of_a_package_is_found_in_the_copy(served: Served) -> None:
    served.write("pyproject.toml", "[project]\nname = 'served'\n")
    served.write("src/pack/__init__.py", "")
    served.write("src/pack/parts.py", "WORD = 'then'\n")
    served.write(
        "src/pack/flows.py",
        """
        from pack.parts import WORD
        from pipekit import component, pipeline

        @component
        def say() -> str:
            return WORD

        @pipeline
        def saying() -> str:
            return say()
        """,
    )
    source = str(served.folder / "src")
    said = served.pipekit("submit", "pack.flows:saying", PYTHONPATH=source)
    assert said.code == 0, said.err
    served.write("src/pack/parts.py", "WORD = 'now'\n")
    served.drain()
    assert value(served, said.out.strip()) == "then"


def test_without_a_snapshot_it_runs_where_it_lies_and_that_is_said(served: Served) -> None:
    said = served.pipekit("submit", "flow.py:train", PIPEKIT_SNAPSHOT_LIMIT_BYTES="10")
    assert said.code == 0
    assert "will be run where it lies" in said.err
    served.drain()
    assert value(served, said.out.strip()) == "35.0"
