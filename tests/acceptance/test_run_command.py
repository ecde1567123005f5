"""`pipekit run` as it is typed: parameters, files of them, where it stops, what a failure says."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pipekit import pipeline
from pipekit.errors import UsageError

PIPEKIT = str(Path(sys.executable).with_name("pipekit"))

FLOW = """
    from __future__ import annotations

    import json
    from dataclasses import dataclass
    from enum import Enum
    from typing import Annotated

    from pydantic import BaseModel, Field

    from pipekit import component, pipeline

    class Colour(Enum):
        RED = "red"
        BLUE = "blue"

    @dataclass
    class Point:
        x: int
        y: float = 0.5

    class Model(BaseModel):
        depth: int
        at: Point = Point(0)

    @component
    def load(n: int) -> list[int]:
        return list(range(n))

    @component(cache=False)
    def fit(numbers, rate=0.5, ready=""):
        weight = sum(numbers)
        if rate > 0.9:
            json.loads("{")
        return weight

    @component(cache=False)
    def score(number):
        with open("scored", "a") as file:
            file.write("x")
        return number

    @component(cache=False)
    def sleep():
        import time
        time.sleep(600)

    @pipeline
    def typed(
        n: int = 1,
        colour: Colour = Colour.RED,
        at: Point | None = None,
        model: Model | None = None,
        sizes: list[int] = [],
        deep: Annotated[int, Field(gt=0)] = 1,
        until: str = "end",
    ) -> str:
        print("ran")
        return repr((n, colour.name, at, model, sizes, deep, until))

    @pipeline
    def placed(first: int, /, second: int = 2, *more: int, **named: str) -> list:
        return [first, second, *more, named]

    @pipeline
    def several() -> int:
        asleep = sleep()
        numbers = load(3)
        one = fit(numbers)
        try:
            two = fit(numbers, rate=0.25)
            three = score(two)
        except Exception:
            three = score(1)
        return three + asleep

    @pipeline
    def broken(rate: float = 1.0) -> int:
        share = rate / 2
        weight = fit(load(3), rate)
        return weight + 1

    @pipeline
    def outer() -> int:
        return broken() + 1

    @component
    def stop() -> int:
        breakpoint()
        return 1

    @pipeline
    def stops_in_a_step() -> int:
        return stop() + 1

    @pipeline
    def stops_itself() -> int:
        breakpoint()
        return 1

    @pipeline
    def handled(n: int = 0) -> float:
        try:
            fit(load(3), 1.0) + 1
        except Exception:
            pass
        return 1 / n
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)["value"]


class Folder:
    """A folder with a flow, and a home."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "flow.py").write_text(textwrap.dedent(FLOW))
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PIPEKIT_")}
        self.environment = {**kept, "PIPEKIT_HOME": str(path / "home")}

    def write(self, name: str, text: str) -> str:
        (self.path / name).write_text(text)
        return name

    def pipekit(self, *arguments: str, stdin: str = "") -> Said:
        done = subprocess.run(
            [PIPEKIT, *arguments],
            cwd=self.path,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def run(self, target: str, *arguments: str, stdin: str = "") -> Said:
        return self.pipekit("run", f"flow.py:{target}", *arguments, stdin=stdin)

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.pipekit("ls", "--json").out)
        return found

    def debug(self, *arguments: str, typed: str) -> Said:
        """Run on a terminal, where a person types what stands in `typed`."""
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [PIPEKIT, "run", *arguments],
            cwd=self.path,
            env={**self.environment, "NO_COLOR": "1", "TERM": "dumb"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        os.write(controller, typed.encode())
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
        return Said(process.wait(timeout=30), shown.decode().replace("\r\n", "\n"), "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("run"))


# --- parameters -------------------------------------------------------------------------------


def test_structures_enums_and_lists_are_given_as_text(folder: Folder) -> None:
    said = folder.run(
        "typed", "--colour", "BLUE", "--at", '{"x": 2}', "--model", '{"depth": 3, "at": {"x": 1}}',
        "--sizes", "1", "--sizes", "2", "-p", "until=noon", "--json",
    )  # fmt: skip
    assert said.value == (
        "(1, 'BLUE', Point(x=2, y=0.5), Model(depth=3, at=Point(x=1, y=0.5)), [1, 2], 1, 'noon')"
    )


def test_all_that_is_wrong_is_said_at_once_and_nothing_runs(folder: Folder) -> None:
    before = folder.runs() if (folder.path / "home").exists() else []
    said = folder.run(
        "typed", "--n", "x", "--colour", "green", "--at", '{"x": 1, "z": 2}', "--deep", "0",
        "--size", "3", "-p", "elsewhere=1", "--sizes", "4",
    )  # fmt: skip
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        "Error: Pipeline 'typed' was not run: 6 parameters are wrong.",
        "  --size is no parameter of it; did you mean '--sizes'?",
        "  --elsewhere is no parameter of it",
        "  --n was given 'x'; wanted int, such as --n 3",
        "  --colour was given 'green'; wanted 'red' or 'blue'",
        '  --at was given \'{"x": 1, "z": 2}\'; wanted Point or none: it has no z, such as '
        "--at '{\"x\": 3}'",
        "  --deep was given '0'; wanted int: input should be greater than 0, such as --deep 3",
        "Hint: 'pipekit run flow.py:typed --help' lists its parameters.",
    ]
    assert (folder.runs() if before else []) == before


def test_places_stars_and_free_names_are_options_too(folder: Folder) -> None:
    said = folder.run("placed", "--first", "1", "--more", "3", "--more", "4", "--x", "y", "--json")
    assert said.value == [1, 2, 3, 4, {"x": "y"}]
    said = folder.run("placed", "--second", "a", "--more", "b")
    assert [line.split()[0] for line in said.err.splitlines()[1:-1]] == [
        "--second", "--more", "--first",
    ]  # fmt: skip


def test_a_value_behind_a_flag_is_told_how_to_be_written(folder: Folder) -> None:
    folder.write("flag.py", "from pipekit import pipeline\n@pipeline\ndef f(on: bool = False): ...")
    said = folder.pipekit("run", "flag.py", "--on", "false")
    assert said.code == 2
    assert "write --on=false, or --on or --no-on alone." in said.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"n": 5, "colour": "blue", "at": {"x": 1}, "sizes": [1, 2]}'),
        ("p.toml", 'n = 5\ncolour = "blue"\nsizes = [1, 2]\n[at]\nx = 1\n'),
        (".env", "N=5\ncolour=BLUE\nexport sizes='[1, 2]'\nat='{\"x\": 1}'\n"),
    ],
)
def test_a_file_gives_parameters_and_the_command_line_beats_it(
    folder: Folder, name: str, text: str
) -> None:
    said = folder.run("typed", "--n", "7", "--params", folder.write(name, text), "--json")
    assert said.value == "(7, 'BLUE', Point(x=1, y=0.5), None, [1, 2], 1, 'end')"


def test_parameters_come_from_stdin_and_a_later_file_beats_an_earlier_one(folder: Folder) -> None:
    name = folder.write("first.json", '{"n": 2, "deep": 2}')
    said = folder.run("typed", "--params", name, "--params", "-", "--json", stdin='{"n": 3}')
    assert said.value == "(3, 'RED', None, None, [], 2, 'end')"


def test_what_is_wrong_in_a_file_is_named_with_the_file(folder: Folder) -> None:
    name = folder.write("wrong.json", '{"n": "x", "color": "red", "at": {"x": 1, "z": 2}}')
    said = folder.run("typed", "--params", name)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[1:4] == [
        "  n in wrong.json was given 'x'; wanted int, such as 3",
        "  'color' in wrong.json is no parameter of it; did you mean 'colour'?",
        '  at in wrong.json was given {"x": 1, "z": 2}; wanted Point or none: it has no z, such as '
        '{"x": 3}',
    ]


def test_plain_values_are_cast_without_pydantic(folder: Folder) -> None:
    folder.write(
        "plain.py",
        "from pathlib import Path\n"
        "from pipekit import pipeline\n"
        "@pipeline\n"
        "def f(n: int, rate: float, on: bool, path: Path, name: str, sizes: list[int]) -> list:\n"
        "    import sys\n"
        "    return [n, rate, on, str(path), name, sizes, 'pydantic' in sys.modules]\n",
    )
    said = folder.pipekit(
        "run", "plain.py", "--n", "3", "--rate", "0.5", "--on", "--path", "a", "--name", "b",
        "--sizes", "1", "--json",
    )  # fmt: skip
    assert said.value == [3, 0.5, True, "a", "b", [1], False]


# --- --until ----------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_until_a_step_runs_what_comes_before_it_and_stops(folder: Folder, executor: str) -> None:
    (folder.path / "scored").unlink(missing_ok=True)
    until = "load" if executor == "inline" else "fit-2"  # inline, the step before it would sleep
    target = "broken" if executor == "inline" else "several"
    said = folder.run(target, "--until", until, "--executor", executor, "--json")
    assert said.code == 0, said.err
    run = json.loads(said.out)
    assert (run["status"], run["value"]) == ("stopped", None)
    assert run["settings"]["until"] == until
    assert f"stopped after step '{until}'" in run["error"]
    assert run["steps"][-1]["name"] == until
    assert run["steps"][-1]["status"] == "completed"
    assert not (folder.path / "scored").exists()


def test_until_a_step_that_fails_the_run_has_failed(folder: Folder) -> None:
    said = folder.run("broken", "--until", "fit", "--json")
    assert said.code == 1
    assert json.loads(said.out)["status"] == "failed"
    assert "Error: Step 'fit'" in said.err


def test_until_a_step_that_is_never_called_says_so(folder: Folder) -> None:
    said = folder.run("typed", "--until", "fit")
    assert said.code == 2
    assert "for it called no step 'fit'. It called none." in said.err
    assert folder.runs()[0]["status"] == "completed"


# --- failures ---------------------------------------------------------------------------------


def test_a_failure_shows_the_user_s_frames_and_what_to_type_next(folder: Folder) -> None:
    said = folder.run("broken", "--rate", "0.95")
    assert said.code == 1
    run = folder.runs()[0]["id"][:13]
    lines = said.err.splitlines()
    frames = [line.split('"')[1] for line in lines if 'File "' in line]
    assert frames[0] == str(folder.path / "flow.py")
    assert not [frame for frame in frames if "/pipekit/" in frame]
    (error,) = [line for line in lines if line.startswith("Error: ")]
    assert error.startswith("Error: Step 'fit' (")
    assert "failed in attempt 1 of 1 with JSONDecodeError" in error
    assert lines[-5].endswith(", in broken")
    assert lines[-4:] == [
        f"See: pipekit show {run}",
        f"     pipekit logs {run} fit",
        "     pipekit run flow.py:broken --rate 0.95 --pdb",
        f"     pipekit resume {run}",
    ]


# --- --pdb ------------------------------------------------------------------------------------


def test_the_debugger_opens_at_the_user_s_line_of_the_step(folder: Folder) -> None:
    said = folder.debug("flow.py:broken", "--pdb", typed="p weight * 100\nq\n")
    assert said.code == 1
    assert "(Pdb) 300\n" in said.out.replace("p weight * 100\n", "")
    _, _, opened = said.out.partition("Post mortem: ")
    assert 'json.loads("{")' in opened  # of the user's, not of the library that raised
    assert folder.runs()[0]["status"] == "failed"


def test_the_debugger_opens_in_the_step_of_a_pipeline_called_in_a_pipeline(folder: Folder) -> None:
    said = folder.debug("flow.py:outer", "--pdb", typed="p weight * 100\nq\n")
    assert said.code == 1
    assert "(Pdb) 300\n" in said.out.replace("p weight * 100\n", "")


def test_the_debugger_opens_in_the_pipeline_function_where_that_failed(folder: Folder) -> None:
    said = folder.debug("flow.py:handled", "--pdb", typed="p n + 41\nq\n")
    assert said.code == 1
    assert "(Pdb) 41\n" in said.out.replace("p n + 41\n", "")


@pytest.mark.parametrize(
    ("pipeline", "where"),
    [("stops_in_a_step", "The debugger was quit in step 'stop'."),
     ("stops_itself", "The debugger was quit.")],
)  # fmt: skip
def test_who_quits_a_debugger_at_a_breakpoint_has_stopped_the_run(
    folder: Folder, pipeline: str, where: str
) -> None:
    said = folder.debug(f"flow.py:{pipeline}", "--executor", "inline", typed="q\n")
    assert said.code == 130
    assert f"Stopped: {where}" in said.out
    assert "stopped in the debugger" in said.out
    assert folder.runs()[0]["status"] == "stopped"


def test_a_breakpoint_in_a_worker_says_what_to_do_instead(folder: Folder) -> None:
    said = folder.debug("flow.py:stops_in_a_step", typed="")
    assert said.code == 1
    assert "a breakpoint was reached in a worker, which has no terminal." in said.out
    assert "    Hint: run the pipeline with .debug()" in said.out
    assert "bdb.py" not in said.out


def test_the_debugger_stays_away_where_nothing_fails(folder: Folder) -> None:
    said = folder.debug("flow.py:typed", "--pdb", typed="")
    assert said.code == 0
    assert "(Pdb)" not in said.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["--pdb"], "--pdb needs a terminal"),
     (["--pdb", "--executor", "process:2"], "it does not go with --executor process:2")],
)  # fmt: skip
def test_the_debugger_is_refused_where_it_cannot_be_used(
    folder: Folder, arguments: list[str], expected: str
) -> None:
    said = folder.run("broken", *arguments)
    assert said.code == 2
    assert expected in said.err


# --- called from Python -----------------------------------------------------------------------


def test_the_call_of_a_pipeline_is_checked_before_anything_runs(home: Path) -> None:
    ran = []

    @pipeline
    def train(test_size: float, name: str = "it") -> None:
        ran.append(test_size)

    with pytest.raises(UsageError, match=r"test_size='0.3' is a str, wanted float"):
        train(test_size="0.3")  # type: ignore[arg-type]
    assert not ran
    assert not home.exists()


def test_values_are_passed_on_as_they_are(home: Path) -> None:
    given = np.float32(0.5)

    @pipeline
    def train(test_size: float, number: float) -> bool:
        return test_size is given and type(number) is int

    assert train(given, 3)
