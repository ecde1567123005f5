"""Scripts, modules and packages as users start them, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipapp
from pathlib import Path

import pytest

FLOW = """
    import sys
    from dataclasses import dataclass
    from pipekit import component, pipeline

    RATE = 2

    def helper(x):
        return x * RATE

    @dataclass
    class Model:
        weight: int

    @component
    def fit(x):
        print("fitting", x)
        return Model(helper(x))

    @component
    def use(model):
        assert isinstance(model, Model), type(model)
        return model.weight + 1

    @pipeline
    def train(x: int = 3):
        model = fit(x)
        assert isinstance(model, Model)
        return use(model)
"""
GUARDED = (
    FLOW
    + """
    if __name__ == "__main__":
        run = train.run(*map(int, sys.argv[1:]))
        print(run.value, [step.reused for step in run.steps])
"""
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def start(
    folder: Path, *args: str, given: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        input=given,
        cwd=folder,
        env=os.environ
        | {"PIPEKIT_HOME": str(folder / "home"), "PIPEKIT_PROGRESS": "off"}
        | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(folder: Path, *args: str) -> str:
    done = start(folder, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_script_runs_and_a_second_process_reuses_everything(tmp_path: Path) -> None:
    write(tmp_path / "flow.py", GUARDED)
    assert said(tmp_path, "flow.py") == "7 [False, False]"
    assert said(tmp_path, "flow.py") == "7 [True, True]"
    assert said(tmp_path, "flow.py", "4") == "9 [False, False]"


def test_script_module_and_import_share_their_outcomes(tmp_path: Path) -> None:
    write(tmp_path / "flow.py", GUARDED)
    assert said(tmp_path, "flow.py") == "7 [False, False]"
    assert said(tmp_path, "-m", "flow") == "7 [True, True]"
    imported = "import flow; print([s.reused for s in flow.train.run().steps])"
    assert said(tmp_path, "-c", imported) == "[True, True]"


def test_an_edit_of_a_helper_or_a_constant_makes_the_step_run_again(tmp_path: Path) -> None:
    flow = write(tmp_path / "flow.py", GUARDED)
    said(tmp_path, "flow.py")
    flow.write_text(flow.read_text().replace("RATE = 2", "RATE = 5"))
    assert said(tmp_path, "flow.py") == "16 [False, False]"
    flow.write_text(flow.read_text().replace("x * RATE", "x * RATE + 1"))
    assert said(tmp_path, "flow.py") == "17 [False, False]"


def test_a_comment_or_the_line_numbers_do_not_count(tmp_path: Path) -> None:
    flow = write(tmp_path / "flow.py", GUARDED)
    said(tmp_path, "flow.py")
    flow.write_text("# a comment\n\n" + flow.read_text().replace("x * RATE", "x * RATE  # so"))
    assert said(tmp_path, "flow.py") == "7 [True, True]"


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    write(tmp_path / "flow.py", FLOW + "\n    print('value', train())\n    print('after')\n")
    assert said(tmp_path, "flow.py") == "value 7\nafter"


def test_a_script_whose_name_is_no_module_name_works(tmp_path: Path) -> None:
    write(tmp_path / "my flow-1.py", GUARDED)
    assert said(tmp_path, "my flow-1.py") == "7 [False, False]"
    assert said(tmp_path, "my flow-1.py") == "7 [True, True]"


def test_a_script_named_as_a_module_of_the_library_works(tmp_path: Path) -> None:
    write(tmp_path / "statistics.py", GUARDED)
    assert said(tmp_path, "statistics.py") == "7 [False, False]"


def test_a_package_with_relative_imports_works(tmp_path: Path) -> None:
    write(tmp_path / "pkg" / "__init__.py", "")
    write(tmp_path / "pkg" / "tools.py", "def triple(x):\n    return 3 * x\n")
    write(
        tmp_path / "pkg" / "flow.py",
        """
        from pipekit import component, pipeline
        from .tools import triple

        @component
        def go(x):
            return triple(x)

        @pipeline
        def train():
            return go(2) + 0

        if __name__ == "__main__":
            print(train(), train.run().steps[0].reused)
        """,
    )
    assert said(tmp_path, "-m", "pkg.flow") == "6 True"
    tools = tmp_path / "pkg" / "tools.py"
    tools.write_text(tools.read_text().replace("3", "40"))
    assert said(tmp_path, "-m", "pkg.flow") == "80 True"


def test_the_step_sees_the_arguments_folder_and_path_of_the_script(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "extra.py", "NAME = 'extra'\n")
    write(
        tmp_path / "flow.py",
        """
        import os, sys
        sys.path.append("lib")
        from pipekit import component, pipeline

        @component(cache=False)
        def look():
            import extra
            return sys.argv[1:], os.getcwd(), extra.NAME, __name__

        @pipeline
        def train():
            return look()

        if __name__ == "__main__":
            print(train())
        """,
    )
    assert said(tmp_path, "flow.py", "a", "b") == str((["a", "b"], str(tmp_path), "extra", "flow"))


def test_a_function_that_no_name_leads_to_travels_by_value(tmp_path: Path) -> None:
    write(
        tmp_path / "flow.py",
        """
        from pipekit import component, pipeline

        def make(factor):
            @component
            def scale(x):
                return x * factor
            return scale

        double, triple = make(2), make(3)

        @pipeline
        def train():
            return double(10) + triple(10) + component(lambda x: x + 1)(0)

        if __name__ == "__main__":
            print(train(), [s.reused for s in train.run().steps])
        """,
    )
    assert said(tmp_path, "flow.py") == "51 [True, True, True]"


KINDS = """
import enum, pickle, sys
from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple
import attrs
from pydantic import BaseModel
from pipekit import StepFailed, component, get, pipeline

class Plain:
    def __init__(self, value):
        self.value = value

@dataclass
class Data:
    value: int

class Color(enum.Enum):
    RED = 1

class Model(BaseModel):
    value: int

Pair = namedtuple("Pair", "left right")

class Point(NamedTuple):
    x: int

@attrs.define
class Attrs:
    value: int

CLASSES = [Plain, Data, Color, Model, Pair, Point, Attrs]

def made():
    return [Plain(1), Data(2), Color.RED, Model(value=3), Pair(4, 5), Point(6), Attrs(7)]

def check(values):
    assert [type(value) for value in values] == CLASSES, [type(value) for value in values]
    assert values[1:] == made()[1:]
    assert values[2] is Color.RED
    assert type(pickle.loads(pickle.dumps(values[0]))) is Plain

@component
def make():
    return made()

@component
def use(values):
    check(values)
    return True

@pipeline
def kinds():
    values = make()
    check(get(values))
    return use(values), use(made())

if __name__ == "__main__":
    run = kinds.run()
    print(run.error or run.value, [step.reused for step in run.steps])
"""


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_classes_of_a_script_come_back_as_themselves(tmp_path: Path, executor: str) -> None:
    write(tmp_path / "flow.py", KINDS)
    first = start(tmp_path, "flow.py", PIPEKIT_EXECUTOR=executor)
    assert first.stdout.strip() == "(True, True) [False, False, True]", first.stderr
    second = start(tmp_path, "flow.py", PIPEKIT_EXECUTOR=executor)
    assert second.stdout.strip() == "(True, True) [True, True, True]", second.stderr


def test_a_script_is_the_same_by_every_path_that_leads_to_it(tmp_path: Path) -> None:
    flow = write(tmp_path / "sub" / "flow.py", KINDS)
    (tmp_path / "link.py").symlink_to(flow)
    (tmp_path / "alias").symlink_to(tmp_path / "sub")
    assert said(tmp_path, "sub/flow.py") == "(True, True) [False, False, True]"
    for path in ("./sub/flow.py", "sub/../sub/flow.py", str(flow), "link.py", "alias/flow.py"):
        assert said(tmp_path, path) == "(True, True) [True, True, True]", path


@pytest.mark.parametrize("way", ["-c", "stdin", "exec", "run_path", "zipapp", "folder", "package"])
def test_a_script_may_be_started_in_any_way(tmp_path: Path, way: str) -> None:
    flow = write(tmp_path / "flow.py", KINDS)
    arguments: tuple[str, ...] = ("start.py",)
    given = None
    if way == "-c":
        arguments = ("-c", KINDS)
    elif way == "stdin":
        arguments, given = ("-",), KINDS
    elif way == "exec":
        write(tmp_path / "start.py", "exec(open('flow.py').read())")
    elif way == "run_path":
        write(tmp_path / "start.py", "import runpy; runpy.run_path('flow.py', run_name='__main__')")
    else:
        write(tmp_path / "pkg" / "__main__.py", KINDS)
        if way == "package":
            write(tmp_path / "pkg" / "__init__.py", "")
            arguments = ("-m", "pkg")
        elif way == "folder":
            arguments = ("pkg",)
        else:
            zipapp.create_archive(tmp_path / "pkg", tmp_path / "pkg.pyz")
            arguments = ("pkg.pyz",)
    flow.touch()
    for expected in ("[False, False, True]", "[True, True, True]"):
        done = start(tmp_path, *arguments, given=given)
        assert done.stdout.strip() == f"(True, True) {expected}", done.stderr


@pytest.mark.parametrize("name", ["numpy.py", "site.py", "пример.py", "1 flow.py", "class.py"])
def test_a_script_may_have_any_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, GUARDED)
    assert said(tmp_path, name) == "7 [False, False]"
    assert said(tmp_path, name) == "7 [True, True]"


def test_a_namespace_that_no_import_finds_may_hold_a_pipeline(tmp_path: Path) -> None:
    write(tmp_path / "flow.py", FLOW)
    write(
        tmp_path / "start.py",
        """
        import runpy
        space = {"__name__": "elsewhere"}
        exec(open("flow.py").read(), space)
        print(space["train"]())
        print(runpy.run_path("flow.py")["train"]())
        """,
    )
    assert said(tmp_path, "start.py") == "7\n7"


def test_pipelines_called_at_the_top_level_run_as_often_as_they_are_called(tmp_path: Path) -> None:
    write(
        tmp_path / "flow.py",
        FLOW
        + """
    def main():
        print(train())
        try:
            print(train(4))
        except Exception:
            print("not reached")

    for _ in range(2):
        main()
    print("after")
    """,
    )
    assert said(tmp_path, "flow.py") == "7\n9\n7\n9\nafter"


def test_what_stands_below_a_call_at_the_top_level_is_one_clear_error(tmp_path: Path) -> None:
    write(
        tmp_path / "flow.py",
        FLOW
        + """
    train()

    @component
    def later():
        return 1

    @pipeline
    def second():
        return later()

    print(second.run().error)
    """,
    )
    error = said(tmp_path, "flow.py")
    assert "has no function 'later' once it is imported" in error
    assert "Hint: define it at the top level" in error


def test_a_script_that_reads_its_input_when_imported_says_what_to_do(tmp_path: Path) -> None:
    write(tmp_path / "flow.py", FLOW + "\n    print(input(), train.run(3).error)\n")
    done = start(tmp_path, "flow.py", given="one\ntwo\n")
    assert "flow.py raised EOFError" in done.stdout, done.stderr
    assert "Hint: what is to run in the script alone belongs under" in done.stdout


def test_a_class_under_the_main_guard_says_why_it_is_not_found(tmp_path: Path) -> None:
    write(
        tmp_path / "flow.py",
        """
        from pipekit import component, pipeline

        @component
        def use(thing):
            return thing.value

        @pipeline
        def uses(thing):
            return use(thing)

        if __name__ == "__main__":
            class Thing:
                value = 1
            print(uses.run(Thing()).error)
        """,
    )
    assert "'flow' has no 'Thing' once it is imported; what stands under" in said(
        tmp_path, "flow.py"
    )


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_an_exception_of_a_script_is_retried_and_comes_back_by_its_class(
    tmp_path: Path, executor: str
) -> None:
    write(
        tmp_path / "flow.py",
        """
        from pipekit import StepFailed, component, get, pipeline

        class Broken(Exception):
            def __init__(self, code, place):
                super().__init__(f"{code} at {place}")
                self.code = code

        @component(cache=False, retries=1, retry_on=Broken)
        def fail():
            raise Broken(7, "here")

        @pipeline
        def failing():
            try:
                get(fail())
            except StepFailed as error:
                cause = error.__cause__
                return str((type(cause) is Broken, cause.code, str(cause), error.attempt))

        if __name__ == "__main__":
            print(failing())
        """,
    )
    done = start(tmp_path, "flow.py", PIPEKIT_EXECUTOR=executor)
    assert done.stdout.strip() == "(True, 7, '7 at here', 2)", done.stderr


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_what_is_defined_in_a_function_keeps_the_classes_of_the_script(
    tmp_path: Path, executor: str
) -> None:
    write(
        tmp_path / "flow.py",
        FLOW
        + """
    from pipekit import get

    def build(factor):
        @dataclass
        class Local:
            value: int

        @component
        def scale(model):
            assert type(model) is Model
            return Model(model.weight * factor), Local(factor)

        @component
        def check(local):
            assert type(local) is Local
            return local.value

        @pipeline
        def built():
            model, local = get(scale(Model(4)))
            assert (type(model), type(local)) == (Model, Local)
            return model, check(local)

        return built

    if __name__ == "__main__":
        print(build(2)(), build(3)(), [step.reused for step in build(2).run().steps])
    """,
    )
    done = start(tmp_path, "flow.py", PIPEKIT_EXECUTOR=executor)
    assert done.stdout.strip() == "(Model(weight=8), 2) (Model(weight=12), 3) [True, True]", (
        done.stderr
    )


def test_a_module_that_cannot_be_imported_by_the_worker_is_one_clear_error(tmp_path: Path) -> None:
    write(
        tmp_path / "flow.py",
        """
        import os
        if os.environ.get("CONTROLLER") != str(os.getpid()):
            import no_such_package
        from pipekit import component, pipeline

        @component
        def one():
            return 1

        @pipeline
        def train():
            return one()

        def main():
            print(train.run().error)
        """,
    )
    runner = "import os; os.environ['CONTROLLER'] = str(os.getpid()); import flow; flow.main()"
    done = start(tmp_path, "-c", runner)
    assert "No module named 'no_such_package'" in done.stdout, done.stderr


def test_code_that_differs_in_the_worker_does_not_run(tmp_path: Path) -> None:
    write(
        tmp_path / "flow.py",
        """
        import os
        from pipekit import component, pipeline

        RATE = 3

        @component
        def one():
            return RATE

        @pipeline
        def train():
            return one()

        if __name__ == "__main__":
            RATE = 4
            print(train.run().error)
        """,
    )
    error = said(tmp_path, "flow.py")
    assert "is not the same code in the worker" in error
    assert "flow.RATE" in error
    assert "4" in error
    assert "3" in error


def test_ctrl_c_stops_the_steps_records_it_and_leaves_no_process(tmp_path: Path) -> None:
    write(
        tmp_path / "flow.py",
        """
        import os, subprocess, time
        from pipekit import component, pipeline, get

        @component
        def sleep(x):
            child = subprocess.Popen(["sleep", "60"])
            with open(f"pid-{x}", "w") as file:
                file.write(f"{os.getpid()} {child.pid}")
            time.sleep(60)

        @pipeline
        def train():
            get([sleep(i) for i in range(3)])

        if __name__ == "__main__":
            train()
        """,
    )
    environment = os.environ | {"PIPEKIT_HOME": str(tmp_path / "home"), "PIPEKIT_PROGRESS": "off"}
    flow = subprocess.Popen(
        [sys.executable, "flow.py"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: any(p.read_text() for p in tmp_path.glob("pid-*")))
    flow.send_signal(signal.SIGINT)
    _, error = flow.communicate(timeout=20)
    assert "KeyboardInterrupt" in error
    pids = [int(pid) for p in tmp_path.glob("pid-*") for pid in p.read_text().split()]
    wait_until(lambda: not any(alive(pid) for pid in pids))
    shown = """if True:
        import json
        from pipekit.control.archive import Archive
        from pipekit.settings import read_settings
        print(json.dumps([task.status for task in Archive(read_settings()).store.list_tasks()]))
    """
    assert set(json.loads(said(tmp_path, "-c", shown))) == {"stopped"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_the_controller_ends_its_workers(tmp_path: Path, number: int) -> None:
    write(
        tmp_path / "flow.py",
        """
        import os, subprocess, time
        from pipekit import component, pipeline

        @component
        def sleep():
            child = subprocess.Popen(["sleep", "60"])
            with open("pid", "w") as file:
                file.write(f"{os.getpid()} {child.pid}")
            time.sleep(60)

        @pipeline
        def train():
            return sleep() is None or sleep() + 1

        if __name__ == "__main__":
            train()
        """,
    )
    flow = subprocess.Popen(
        [sys.executable, "flow.py"],
        cwd=tmp_path,
        env=os.environ | {"PIPEKIT_HOME": str(tmp_path / "home"), "PIPEKIT_PROGRESS": "off"},
    )
    pid_file = tmp_path / "pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text())
    flow.send_signal(number)
    flow.wait(20)
    pids = [int(pid) for pid in pid_file.read_text().split()]
    wait_until(lambda: not any(alive(pid) for pid in pids))


def wait_until(condition: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
