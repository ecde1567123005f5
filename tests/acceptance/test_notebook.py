"""Notebooks: components, pipelines and classes in cells that are run, edited and run again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook import Notebook

IMPORTS = "from pipekit import StepFailed, component, get, pipeline"
CLASSES = """
import collections, enum, typing
from dataclasses import dataclass, field
import attrs
from pydantic import BaseModel

class Plain:
    def __init__(self, value):
        self.value = value
    def double(self):
        return 2 * self.value

@dataclass
class Data:
    value: int
    others: list = field(default_factory=list)

@dataclass(frozen=True, slots=True)
class Frozen:
    value: int

class Color(enum.Enum):
    RED = 1
    ROUGE = 1

class Model(BaseModel):
    value: int

Pair = collections.namedtuple("Pair", "left right")

class Point(typing.NamedTuple):
    x: int

@attrs.define
class Attrs:
    value: int
"""
MADE = (
    "[Plain(1), Data(2, [Plain(3)]), Frozen(4), Color.ROUGE, Model(value=5), Pair(6, 7),"
    " Point(8), Attrs(9)]"
)
KINDS = "[Plain, Data, Frozen, Color, Model, Pair, Point, Attrs]"
USED = f"""
@component
def make():
    return {MADE}

@component
def check(values):
    assert [type(value) for value in values] == {KINDS}
    assert type(values[1].others[0]) is Plain
    assert values[2:] == {MADE}[2:]
    assert values[3] is Color.RED
    return values[0].double()

@pipeline
def classes():
    made = make()
    values = get(made)
    assert [type(value) for value in values] == {KINDS}
    assert type(values[1].others[0]) is Plain
    assert values[2:] == {MADE}[2:]
    assert values[3] is Color.RED
    return check(made), check({MADE}), made

run = classes.run()
if run.error:
    print(run.error)
first, second, values = run.value
print(first, second, [type(value) for value in values] == {KINDS})
print([step.reused for step in run.steps])
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    opened = Notebook(tmp_path_factory.mktemp("kernel"))
    yield opened
    opened.end()


@pytest.fixture(params=["process", "inline"])
def notebook(request: pytest.FixtureRequest, kernel: Notebook, tmp_path: Path) -> Notebook:
    kernel.clear(tmp_path, executor=request.param)
    kernel.run(IMPORTS)
    return kernel


@pytest.fixture
def workers(kernel: Notebook, tmp_path: Path) -> Notebook:
    kernel.clear(tmp_path, executor="process")
    kernel.run(IMPORTS)
    return kernel


def pipekit(folder: Path, *args: str) -> str:
    """What the command prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pipekit", *args],
        env=os.environ | {"PIPEKIT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SUMS = """
@component
def scale(number):
    return helper(number) * RATE

@pipeline
def sums(number=3):
    return scale(number) + 1
"""
SHOW = "run = sums.run(); print(run.error or run.value, run.steps[0].reused)"


def test_a_step_runs_again_when_a_cell_that_it_reaches_was_edited(notebook: Notebook) -> None:
    notebook.run("RATE = 10\ndef helper(x): return x + 1")
    notebook.run(SUMS)
    assert notebook.run(SHOW) == "41 False"
    assert notebook.run(SHOW) == "41 True"
    notebook.run("def helper(x):  # the same\n    return x + 1")
    assert notebook.run(SHOW) == "41 True"
    notebook.run("def helper(x): return x + 2")
    assert notebook.run(SHOW) == "51 False"
    notebook.run("RATE = 100")
    assert notebook.run(SHOW) == "501 False"
    notebook.run(SUMS.replace("* RATE", "* RATE * 2"))
    assert notebook.run(SHOW) == "1001 False"
    notebook.run(SUMS)
    assert notebook.run(SHOW) == "501 True"


def test_classes_of_cells_come_back_as_themselves(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(CLASSES)
    assert notebook.run(USED) == "2 2 True\n[False, False, True]"
    assert notebook.run(USED) == "2 2 True\n[True, True, True]"
    notebook.run(CLASSES)  # other class objects, of the same code
    assert notebook.run(USED) == "2 2 True\n[True, True, True]"
    notebook.run(CLASSES.replace("2 * self.value", "3 * self.value"))
    assert notebook.run(USED) == "3 3 True\n[False, False, True]"


def test_what_was_computed_outlives_the_kernel(tmp_path: Path) -> None:
    first = Notebook(tmp_path)
    try:
        for cell in (IMPORTS, CLASSES):
            first.run(cell)
        assert first.run(USED) == "2 2 True\n[False, False, True]"
    finally:
        first.end()
    second = Notebook(tmp_path)
    try:
        for cell in (IMPORTS, CLASSES):
            second.run(cell)
        assert second.run(USED) == "2 2 True\n[True, True, True]"
    finally:
        second.end()


def test_the_value_of_an_edited_class_keeps_the_class_that_it_had(notebook: Notebook) -> None:
    notebook.run("class Plain:\n    def number(self): return 1")
    notebook.run("@component\ndef make(): return Plain()\n@pipeline\ndef one(): return make()")
    notebook.run("old = one.run()")
    notebook.run("class Plain:\n    def number(self): return 2")
    assert notebook.run("print(old.value.number(), one().number())") == "1 2"


def test_a_class_of_a_cell_is_read_where_it_is_not_defined(
    notebook: Notebook, tmp_path: Path
) -> None:
    notebook.run(CLASSES)
    notebook.run(
        "@component\ndef make(): return Data(5)\n@pipeline\ndef one(): return make()\none()"
    )
    assert "Data(value=5, others=[])" in pipekit(tmp_path, "get")


def test_classes_that_refer_to_each_other_arrive_whole(workers: Notebook) -> None:
    workers.run(
        """
        from __future__ import annotations
        import typing
        from dataclasses import dataclass

        class Base:
            def name(self): return "base"

        class Derived(Base):
            def name(self): return super().name() + "+"
            def twin(self): return Other(self)

        @dataclass
        class Other:
            one: Derived

        class Outer:
            class Inner:
                pass

        @component
        def make():
            return Derived().twin(), Outer.Inner()

        @component
        def look(other, inner):
            hints = typing.get_type_hints(Other)
            return (other.one.name(), isinstance(other.one, Base), hints["one"] is Derived,
                    type(inner) is Outer.Inner)

        @pipeline
        def names():
            other, inner = get(make())
            assert type(other) is Other and type(other.one) is Derived
            assert type(inner) is Outer.Inner
            return look(other, inner)
        """
    )
    assert workers.run("print(names())") == "('base+', True, True, True)"


def test_a_step_may_pickle_what_a_cell_defines(workers: Notebook) -> None:
    workers.run(
        """
        import multiprocessing, pickle

        class Thing:
            pass

        def work(x):
            return 2 * x

        @component
        def pool():
            copied = pickle.loads(pickle.dumps(Thing()))
            with multiprocessing.get_context("fork").Pool(2) as pool:
                return pool.map(work, [1, 2]), type(copied) is Thing

        @pipeline
        def pools():
            return pool()
        """
    )
    assert workers.run("print(pools())") == "([2, 4], True)"


def test_functions_of_cells_are_values(notebook: Notebook) -> None:
    notebook.run(
        """
        def twice(x): return 2 * x

        @component
        def apply(function, x): return function(x)

        @component
        def give(): return twice

        @pipeline
        def values():
            function = get(give())
            called = get([apply(twice, 4), apply(lambda x: twice(x) + 1, 4)])
            return called, function is twice, function(3)
        """
    )
    assert notebook.run("print(values())") == "([8, 9], True, 6)"


def test_an_error_shows_the_lines_of_the_cell_and_its_own_class(notebook: Notebook) -> None:
    notebook.run(
        """
        class Broken(Exception):
            def __init__(self, code):
                super().__init__(f"code {code}")
                self.code = code

        @component
        def fail(code):
            reason = code
            raise Broken(reason)  # here

        @pipeline
        def failing(code):
            try:
                get(fail(code))
            except StepFailed as error:
                print(type(error.__cause__) is Broken, error.__cause__.code)
            return fail(code + 1)
        """
    )
    cell = notebook.cell("failing(7)")
    assert cell.printed.strip() == "True 7"
    assert "raise Broken(reason)  # here" in cell.error
    assert "Broken: code 8" in cell.error


def test_a_step_may_run_an_event_loop_where_the_cell_has_one(notebook: Notebook) -> None:
    notebook.run(
        """
        import asyncio

        @component
        async def wait(x):
            await asyncio.sleep(0)
            return x + 1

        @component
        async def count(n):
            for i in range(n):
                yield i

        @component
        def inside():
            async def five(): return 5
            return asyncio.run(five())

        @pipeline
        def loops():
            return get([wait(1), count(3), inside()])
        """
    )
    assert notebook.run("await asyncio.sleep(0)\nprint(loops())\nawait asyncio.sleep(0)") == (
        "[2, [0, 1, 2], 5]"
    )
    assert notebook.run("await asyncio.sleep(0); print('goes on')") == "goes on"


def test_an_edited_module_is_seen_where_it_is_loaded_again(
    notebook: Notebook, tmp_path: Path
) -> None:
    name = f"tools_{tmp_path.name[-1]}"  # one kernel imports a name once
    module = tmp_path / f"{name}.py"
    module.write_text("def add(x):\n    return x + 1\n")
    notebook.run("%load_ext autoreload\n%autoreload 2")
    notebook.run(f"import {name} as tools\nfrom {name} import add")
    notebook.run(
        "@component\ndef use(x): return tools.add(x), add(x)\n@pipeline\ndef adds(): return use(1)"
    )
    assert notebook.run("print(adds())") == "(2, 2)"
    module.write_text("def add(x):\n    return x + 1000\n")
    later = time.time() + 5
    os.utime(module, (later, later))
    assert notebook.run("print(adds())") == "(1001, 1001)"


def test_a_script_may_be_run_in_a_cell_edited_and_imported(
    notebook: Notebook, tmp_path: Path
) -> None:
    name = f"ran_{tmp_path.name[-1]}"
    script = tmp_path / f"{name}.py"
    script.write_text(
        f"""{IMPORTS}
class Thing:
    value = 2

@component
def make():
    return Thing()

@pipeline
def one():
    made = make()
    assert type(get(made)) is Thing
    return made.value

if __name__ == "__main__":
    print(one())
"""
    )
    assert notebook.run(f"%run {name}.py") == "2"
    assert notebook.run("print(one(), one.run().steps[0].reused)") == "2 True"
    assert notebook.run(f"%run {name}.py") == "2"
    assert notebook.run(f"import {name} as ran, importlib\nprint(ran.one())") == "2"
    script.write_text(script.read_text().replace("value = 2", "value = 3 + 4"))
    assert notebook.run("importlib.reload(ran)\nprint(ran.one())") == "7"


def test_an_interrupt_stops_the_steps_and_the_kernel_goes_on(
    workers: Notebook, tmp_path: Path
) -> None:
    workers.run(
        """
        import os, pathlib, time

        @component(cache=False)
        def sleep(seconds):
            pathlib.Path("pid").write_text(str(os.getpid()))
            time.sleep(seconds)
            return seconds

        @pipeline
        def sleeping(seconds):
            return sleep(seconds)
        """
    )
    pid = tmp_path / "pid"
    error = workers.interrupted("sleeping(60)", lambda: pid.exists() and bool(pid.read_text()))
    assert "KeyboardInterrupt" in error
    assert workers.run("print(sleeping(0))") == "0"
    listed = pipekit(tmp_path, "ls")
    assert "stopped" in listed
    assert "completed" in listed


def test_a_class_that_holds_on_to_a_lock_works_inline_and_says_why_not_elsewhere(
    notebook: Notebook,
) -> None:
    notebook.run(
        """
        import threading
        lock = threading.Lock()

        class Holder:
            def value(self):
                with lock:
                    return 1

        @component(cache=False)
        def use(holder): return holder.value()

        @pipeline
        def holding(executor): return use.options(executor=executor)(Holder())
        """
    )
    assert notebook.run("print(holding('inline'))") == "1"
    error = notebook.run("print(holding.run('process').error)")
    assert "'Holder'" in error
    assert "cannot pickle '_thread.lock'" in error
    assert "Hint: define it in a module" in error
