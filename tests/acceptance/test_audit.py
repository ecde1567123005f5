"""`pipekit run --audit` names what the steps that ran did and what a reused result does not see."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.acceptance.workspace import Said, Workspace

needs_monitoring = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="functions are told of from Python 3.12 on"
)

PLUGINS = """
    from dataclasses import dataclass

    def double(x):
        return inner(x)

    def inner(x):
        return sum(2 * part for part in [x])

    def triple(x):
        return x + inner(x)

    class Base:
        pass

    class Late(Base):
        def go(self, x):
            return x

    @dataclass
    class Config:
        rate: int = 3

        def scaled(self):
            return self.rate * 2
"""

FLOW = """
    import multiprocessing
    import os
    import socket
    import subprocess
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from functools import wraps

    import dyn
    from plugins import Base, Config
    from pipekit import component, log_artifact, pipeline

    def traced(function):
        @wraps(function)
        def wrapper(*args):
            return function(*args)
        return wrapper

    @traced
    def helper(x):
        return [part for part in (x,)][0]

    @component
    def clean(x):
        import late
        log_artifact("seen", {"x": x})
        return helper(x) + Config(2).scaled() + late.VALUE

    @component
    def given(config, function):
        return config.scaled() + function(1)

    @component
    def dynamic(module, name):
        return dyn.find(module, name)(1)

    @component(depends_on=["plugins"])
    def declared(module, name):
        return dyn.find(module, name)(1)

    @component(depends_on=["plugins.py"])
    def declared_by_file(module, name):
        return dyn.find(module, name)(1)

    @component(depends_on=["./found"])
    def declared_by_folder(x):
        return dyn.find("found.part", "hidden")(x) + dyn.find("found.part", "Kept")(x).x

    @component
    def registered(x):
        return [cls().go(x) for cls in Base.__subclasses__()]

    @component
    def in_thread(module, name):
        found = []
        thread = threading.Thread(target=lambda: found.append(dyn.find(module, name)(1)))
        thread.start()
        thread.join()
        return found

    @component
    def connects(port):
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", port))

    @component
    def resolves(x):
        return len(socket.getaddrinfo("localhost", 80))

    @component
    def starts(x):
        subprocess.run(["true", "--password=secret"])
        subprocess.run("true secret", shell=True)
        os.system("true secret")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(subprocess.run, ["false"]).result()
        return x

    @component
    def spawns(x):
        process = multiprocessing.get_context("spawn").Process(target=helper, args=(x,))
        process.start()
        process.join()
        return x

    @component
    def loads(x):
        import ctypes
        return ctypes.CDLL(None).abs(x) + ctypes.CDLL("libc.so.6").abs(x)

    @component(retries=1)
    def fails(x):
        subprocess.run(["true"])
        raise ValueError("no")

    @component
    def dies(x):
        os._exit(3)

    @pipeline
    def tidy(x: int = 1):
        return [clean(x), given(Config(4), lambda v: v + 1)]

    @pipeline
    def hidden():
        return [
            dynamic("plugins", "double"), declared("plugins", "double"), registered(1),
            in_thread("plugins", "double"), partly(1),
            declared_by_file("plugins", "double"), declared_by_folder(1),
        ]

    @component
    def partly(x):
        from late import known
        return known(x) + dyn.find("late", "hidden")(x)

    @component
    def together(module, name):
        dyn.BARRIER.wait(30)
        found = dyn.find(module, name)(1)
        dyn.BARRIER.wait(30)
        return found + dyn.find(module, name)(1)

    @pipeline
    def at_once():
        with ThreadPoolExecutor(2) as pool:
            names = ["double", "triple"]
            return [int(found) for found in pool.map(together, ["plugins"] * 2, names)]

    @pipeline
    def outside():
        return [connects(9), resolves(1), starts(1)]

    @pipeline
    def started():
        return spawns(1)

    @pipeline
    def compiled():
        return loads(1)

    @pipeline
    def failing():
        return fails(1)

    @pipeline
    def dying():
        return dies(1)

    @pipeline
    def inner(x):
        return resolves(x)

    @pipeline
    def outer():
        return [inner(1), clean(1), clean(1)]
"""

LATE = """
    VALUE = 1

    def known(x):
        return list(map(lambda part: helper(part), [x]))[0]

    def helper(x):
        return x

    def hidden(x):
        return x
"""

PART = """
    from dataclasses import dataclass

    @dataclass
    class Kept:
        x: int

    def hidden(x):
        return x
"""

DYN = """
    import importlib
    import threading

    BARRIER = threading.Barrier(2)

    def find(module, name):
        return getattr(importlib.import_module(module), name)
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("audit"))
    for name, text in {"flow": FLOW, "plugins": PLUGINS, "dyn": DYN, "late": LATE}.items():
        workspace.write(f"{name}.py", text)
    workspace.write("found/part.py", PART)
    return workspace


@pytest.fixture(params=["inline", "process:1"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def audited(space: Workspace, target: str, executor: str, *more: str) -> Said:
    return space.pipekit(
        "run", f"flow.py:{target}", "--audit", "--json", "--executor", executor,
        *(more or ("--no-cache",)),
    )  # fmt: skip


def seen(said: Said, name: str) -> list[dict[str, Any]]:
    """What the step of that name was seen to do."""
    steps = json.loads(said.out)["audit"]["steps"]
    return next(step["seen"] for step in steps if step["name"] == name)


def seen_as(said: Said, name: str, kind: str) -> list[tuple[str, str]]:
    """What of it is of one kind, and the text of its line."""
    return [(sight["what"], sight["file"]) for sight in seen(said, name) if sight["kind"] == kind]


def line_of(text: str) -> int:
    lines = FLOW.split("\n")
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_run_that_does_nothing_unseen_is_said_to_be_clean(
    space: Workspace, executor: str
) -> None:
    said = audited(space, "tidy", executor)
    assert said.code == 0, said.err
    assert [seen(said, "clean"), seen(said, "given")] == [[], []]
    if sys.version_info >= (3, 12):
        assert "2 steps looked at, and clean: no code outside of the keys" in said.err


def test_without_the_flag_nothing_is_said_of_it(space: Workspace) -> None:
    said = space.pipekit("run", "flow.py:outside", "--json", "--no-cache")
    assert json.loads(said.out)["audit"] is None
    assert "Audit" not in said.err


def test_without_the_flag_nothing_of_it_is_imported(space: Workspace) -> None:
    program = (
        "import sys, flow; flow.tidy.debug(); "
        "print([m for m in sys.modules if m.startswith('pipekit.') and m.endswith('worker.audit')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=space.folder, env=space.environment(),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"


@needs_monitoring
def test_code_that_runs_outside_of_the_key_is_named_with_the_way_out(
    space: Workspace, executor: str
) -> None:
    said = audited(space, "hidden", executor)
    assert said.code == 0, said.err
    names = [what for what, _ in seen_as(said, "dynamic", "code")]
    assert names == ["plugins.double", "plugins.inner"]
    assert seen(said, "declared") == []
    assert seen_as(said, "in_thread", "code")[0] == ("plugins.double", "plugins.py")
    assert "plugins.double (plugins.py:4)" in said.err
    assert "Hint: @component(depends_on=[plugins.double])" in said.err


@needs_monitoring
def test_steps_that_share_a_process_are_told_apart(space: Workspace) -> None:
    said = audited(space, "at_once", "inline")
    assert said.code == 0, said.err
    steps = json.loads(said.out)["audit"]["steps"]
    found = sorted([sight["what"] for sight in step["seen"]] for step in steps)
    assert found == [["plugins.double", "plugins.inner"], ["plugins.triple", "plugins.inner"]]


@needs_monitoring
def test_of_a_module_that_a_function_imports_only_what_it_takes_counts(
    space: Workspace, executor: str
) -> None:
    said = audited(space, "hidden", executor)
    assert seen_as(said, "partly", "code") == [("late.hidden", "late.py")]


@needs_monitoring
def test_files_and_folders_that_are_declared_count_with_all_that_is_in_them(
    space: Workspace, executor: str
) -> None:
    said = audited(space, "hidden", executor)
    assert seen(said, "declared_by_file") == []
    assert seen(said, "declared_by_folder") == []


@needs_monitoring
def test_classes_that_are_found_by_a_registry_are_named(space: Workspace, executor: str) -> None:
    said = audited(space, "hidden", executor)
    assert seen_as(said, "registered", "code") == [("plugins.Late.go", "plugins.py")]
    assert "depends_on=[plugins.Late]" in said.err


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="functions are told of here")
def test_an_older_python_says_what_is_not_looked_at(space: Workspace) -> None:
    said = audited(space, "outside", "inline")
    assert "Code outside of the key was not looked at: this needs Python 3.12" in said.err
    assert seen_as(said, "connects", "network")
    said = audited(space, "tidy", "inline")
    assert "2 steps looked at, and nothing found of network" in said.err
    assert "clean" not in said.err.partition("Audit of")[2]


def test_connections_are_named_with_the_users_line(space: Workspace, executor: str) -> None:
    said = audited(space, "outside", executor)
    assert seen(said, "connects") == [
        {
            "kind": "network",
            "what": "127.0.0.1:9",
            "file": "flow.py",
            "line": line_of("connect_ex"),
            "depends_on": "",
        }
    ]
    assert seen_as(said, "resolves", "network") == [("localhost:80", "flow.py")]


def test_programs_are_named_without_their_arguments(space: Workspace, executor: str) -> None:
    said = audited(space, "outside", executor)
    found = seen(said, "starts")
    assert {sight["kind"] for sight in found} == {"program"}
    lines = [sight["line"] for sight in found if sight["file"] == "flow.py"]
    assert lines == [line_of('["true", '), line_of("shell=True"), line_of("os.system")]
    assert [sight["what"] for sight in found] == ["true", "true", "true", "false"]
    assert "secret" not in said.err.partition("Audit of")[2]


def test_a_process_that_is_not_forked_is_seen_too(space: Workspace, executor: str) -> None:
    said = audited(space, "started", executor)
    assert set(seen_as(said, "spawns", "program")) == {("another Python process", "flow.py")}


@pytest.mark.skipif(sys.platform != "linux", reason="the name of a library of this system")
def test_compiled_code_that_the_users_own_code_loads_is_named(
    space: Workspace, executor: str
) -> None:
    said = audited(space, "compiled", executor)
    assert seen_as(said, "loads", "library") == [("libc.so.6", "flow.py")]


def test_a_failed_step_is_looked_at_and_the_exit_code_stays(
    space: Workspace, executor: str
) -> None:
    said = audited(space, "failing", executor)
    assert said.code == 1
    assert seen_as(said, "fails", "program") == [("true", "flow.py")]


def test_a_step_whose_process_dies_is_named_as_not_looked_at(space: Workspace) -> None:
    said = audited(space, "dying", "process:1")
    assert json.loads(said.out)["audit"]["not_looked_at"] == ["dies"]
    assert "they came to no end of their own: dies" in said.err


def test_reused_steps_are_counted_with_how_to_look_at_them(space: Workspace) -> None:
    assert space.pipekit("run", "flow.py:tidy", "--x", "7").code == 0
    said = audited(space, "tidy", "inline", "--x", "7")
    assert json.loads(said.out)["audit"] == {"steps": [], "reused": 2, "not_looked_at": []}
    assert "2 reused steps did not run, so they were not looked at. Hint: pipekit run" in said.err
    assert said.err.rstrip().endswith("--x 7 --no-cache")


def test_runs_below_a_run_are_audited_with_it_and_equal_calls_once(
    space: Workspace, executor: str
) -> None:
    said = audited(space, "outer", executor)
    report = json.loads(said.out)["audit"]
    assert seen_as(said, "inner/resolves", "network") == [("localhost:80", "flow.py")]
    assert sorted(step["name"] for step in report["steps"]) == ["clean", "inner/resolves"]
    assert report["reused"] == 0


def test_what_was_seen_is_recorded_with_the_step(space: Workspace) -> None:
    run = json.loads(audited(space, "outside", "inline").out)
    assert run["settings"]["audit"] is True
    shown = space.pipekit("show", run["id"], "connects")
    assert "127.0.0.1:9" in shown.out
    record = space.pipekit("show", run["id"], "connects", "--json").json
    assert [sight["what"] for sight in record["audit"]["seen"]] == ["127.0.0.1:9"]


def test_a_plan_runs_nothing_and_so_refuses_it(space: Workspace) -> None:
    said = space.pipekit("plan", "flow.py:tidy", "--audit")
    assert said.code == 2
    assert "--audit" in said.err
