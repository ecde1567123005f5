"""Pipelines of tasks by way of queues: agents run the tasks, and the controller itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from serving import Served, is_gone
from workspace import Said, Started, Workspace

_STAGE = """
    from pipekit import Task

    task = Task.init(project_name="iris", task_name="stage data")
    args = {"rows": 4, "how": "", "path": ""}
    task.connect(args)
    if args["how"] == "raise":
        raise ValueError("as asked for")
    if args["how"] == "once":
        with open(args["path"], "a") as file:
            file.write("x")
        with open(args["path"]) as file:
            if file.read() == "x":
                raise ValueError("the first time")
    if args["how"] == "wait":
        import os, signal

        signal.signal(signal.SIGUSR1, lambda *_: None)
        print("sleeping", os.getpid(), flush=True)
        signal.pause()
    if args["how"] == "sleep":
        import os, time

        print("sleeping", os.getpid(), flush=True)
        time.sleep(60)
    task.upload_artifact("dataset", artifact_object=list(range(args["rows"])))
"""
_PIPE = """
    import os
    import sys

    from pipekit import PipelineController

    if __name__ == "__main__":
        print("the script runs")


    def total(values):
        return sum(values)


    def tell(pipeline, node):
        print("ended", node.name, node.executed, node.status)


    def one_more(pipeline, node, parameters):
        parameters["rows"] += 1


    pipe = PipelineController("flow", "iris", "3")
    pipe.add_parameter("rows", 5)
    pipe.add_parameter("how", os.environ.get("HOW", ""))
    pipe.add_step("stage", base_task_project="iris", base_task_name="stage data",
        parameter_override={"rows": "${pipeline.rows}", "how": "${pipeline.how}",
                            "path": os.path.abspath("marks")},
        retries=int(os.environ.get("RETRIES", "0")),
        time_limit=float(os.environ.get("LIMIT", "600")), pre_execute_callback=one_more,
        post_execute_callback=tell)
    pipe.add_function_step("total", total, {"values": "${stage.artifacts.dataset}"}, "sum")
    if sys.argv[1] == "start":
        pipe.start(queue=sys.argv[2])
    elif sys.argv[1] == "enqueue":
        pipe.start(queue=sys.argv[2], wait=False)
    elif sys.argv[1] == "queues":
        pipe.set_default_execution_queue(sys.argv[2])
        pipe.start_locally()
    else:
        pipe.start_locally(run_pipeline_steps_locally=True)
    print("the script goes on", pipe.id, pipe.is_successful())
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    found = Served(folder)
    found.write("stage.py", _STAGE)
    found.write("pipe.py", _PIPE)
    said = found.python("stage.py")
    assert said.code == 0, said.err
    yield found
    found.close()


def run(served: Served, *arguments: str, **variables: str) -> Said:
    return start(served, *arguments, **variables).end()


def start(served: Served, *arguments: str, **variables: str) -> Started:
    return served.start(sys.executable, "pipe.py", *arguments, **variables)


def newest(served: Served) -> Any:
    """The newest run of the controller, as soon as there is one."""
    found: list[Any] = []

    def is_there() -> bool:
        found[:] = served.done("ls", "--pipeline", "flow", "--json").json
        return bool(found)

    wait_until(is_there)
    return served.show(found[0]["id"])


def steps(shown: Any) -> dict[str, str]:
    return {step["name"]: step["status"] for step in shown["steps"]}


def step_id(shown: Any, name: str) -> str:
    return next(step["id"] for step in shown["steps"] if step["name"] == name)


def value(served: Served, shown: Any) -> str:
    return served.done("get", step_id(shown, "total"), "sum").out.strip()


def test_agents_run_the_tasks_of_a_controller_here(served: Served) -> None:
    """Features 26, 33: on the queue that was set for all steps."""
    served.agent("--queue", "gpu")
    said = run(served, "queues", "gpu")
    assert said.code == 0, said.err
    shown = newest(served)
    assert steps(shown) == {"stage": "completed", "total": "completed"}
    stage = served.show(step_id(shown, "stage"))
    assert (stage["queue"], stage["parameters"]["General/rows"]) == ("gpu", 6)
    assert value(served, shown) == "15"


def test_a_controller_is_run_by_an_agent_and_its_script_waits_and_goes_on(served: Served) -> None:
    """Features 26, 42, 52, 86: three lines say where to look; the script is not run again."""
    served.agent("--queue", "services", "--queue", "default", "--slots", "2")
    said = run(served, "start", "services")
    assert said.code == 0, said.err
    shown = newest(served)
    assert said.out == f"the script runs\nthe script goes on {shown['id']} True\n"
    lines = [line for line in said.err.splitlines() if line.startswith("pipekit: ")]
    assert len(lines) == 3
    assert shown["id"] in lines[0]
    assert "'services'" in lines[0]
    assert f"pipekit show {shown['id'][:13]}" in lines[1]
    assert f"pipekit logs -f {shown['id'][:13]}" in lines[2]
    assert (shown["status"], shown["version"], shown["type"]) == ("completed", "3", "controller")
    assert value(served, shown) == "15"
    console = served.done("logs", shown["id"]).out
    assert f"ended stage {step_id(shown, 'stage')} completed" in console


def test_another_queue_is_honoured_and_one_that_nobody_serves_is_said(served: Served) -> None:
    """Features 42, 51."""
    said = run(served, "enqueue", "mine")
    assert said.code == 0
    assert "no agent serves queue 'mine'" in said.err
    assert "no agent serves queue 'default'" in said.err
    shown = newest(served)
    assert (shown["status"], shown["queue"], shown["steps"]) == ("queued", "mine", [])
    served.agent("--queue", "default")
    served.drain("--queue", "mine")
    assert newest(served)["status"] == "completed"


def test_where_it_failed_the_script_ends_with_code_1(served: Served) -> None:
    served.agent("--queue", "services", "--queue", "default", "--slots", "2")
    said = run(served, "start", "services", HOW="raise")
    assert said.code == 1
    assert "as asked for" in said.err.splitlines()[-1]
    assert steps(newest(served)) == {"stage": "failed", "total": "skipped"}


def test_a_task_that_failed_waits_again_where_there_are_retries(served: Served) -> None:
    served.agent("--queue", "default")
    said = run(served, "queues", "default", HOW="once", RETRIES="1")
    assert said.code == 0, said.err
    stage = served.show(step_id(newest(served), "stage"))
    assert [attempt["exit"] for attempt in stage["attempts"]] == ["error", "completed"]


def test_a_time_limit_holds_on_an_agent_too(served: Served) -> None:
    served.agent("--queue", "default")
    said = run(served, "queues", "default", HOW="sleep", LIMIT="1.5")
    assert said.code == 1
    stage = served.show(step_id(newest(served), "stage"))
    assert [attempt["exit"] for attempt in stage["attempts"]] == ["timeout"]
    assert "time limit of 1.5 s" in stage["error"]


def test_a_task_that_waits_is_stopped_with_its_pipeline(served: Served) -> None:
    started = start(served, "queues", "default")
    started.wait_for("▶", "err")
    wait_for_status(served, "queued")
    run_id = newest(served)["id"]
    served.done("stop", run_id)
    assert started.end().code != 0
    assert steps(newest(served))["stage"] == "stopped"
    assert served.drain("--queue", "default").code == 0
    assert served.show(step_id(newest(served), "stage"))["attempts"] == []


def test_a_task_that_an_agent_runs_is_stopped_with_its_pipeline(served: Served) -> None:
    served.agent("--queue", "default")
    started = start(served, "queues", "default", HOW="sleep")
    pid = wait_for_sleeper(served)
    served.done("stop", newest(served)["id"])
    started.end()
    shown = newest(served)
    assert (shown["status"], steps(shown)["stage"]) == ("stopped", "stopped")
    assert is_gone(pid)


def test_one_task_is_stopped_and_what_needs_it_is_skipped(served: Served) -> None:
    served.agent("--queue", "default")
    started = start(served, "queues", "default", HOW="sleep")
    wait_for_sleeper(served)
    served.done("stop", step_id(newest(served), "stage"))
    assert started.end().code == 1
    shown = newest(served)
    assert (shown["status"], steps(shown)["stage"]) == ("failed", "stopped")


def test_a_controller_that_is_killed_leaves_no_process_and_is_resumed(
    served: Served, tmp_path: Path
) -> None:
    """Its run is another's after that: what completed is kept. Nor are copies of the project left
    once someone has looked."""
    copies = tmp_path / "copies"
    started = start(served, "here", HOW="sleep")
    pid = wait_for_sleeper(served)
    started.process.kill()
    started.end()
    assert is_gone(pid)
    assert len(list(copies.glob("pipekit-*"))) == 1
    shown = newest(served)
    assert (shown["status"], steps(shown)["stage"]) == ("failed", "stopped")
    assert list(copies.glob("pipekit-*")) == []
    cloned = served.done("clone", shown["id"], "--set", "how=").out.strip()
    assert served.done("execute", cloned).code == 0
    assert steps(served.show(cloned)) == {"stage": "completed", "total": "completed"}


def test_where_the_agent_of_a_controller_dies_another_goes_on_and_no_task_runs_twice(
    served: Served,
) -> None:
    first = served.agent("--queue", "services")
    served.agent("--queue", "default")
    run(served, "enqueue", "services", HOW="wait")
    pid = wait_for_sleeper(served)
    first.process.kill()
    first.process.wait()
    served.agent("--queue", "services")
    wait_for_attempts(served, 2)
    os.kill(pid, signal.SIGUSR1)
    wait_for_status(served, "completed", of="total")
    shown = newest(served)
    assert shown["status"] == "completed"
    assert len(served.show(step_id(shown, "stage"))["attempts"]) == 1


@pytest.mark.parametrize("queues", [("services", "default"), ("default",)])
def test_one_agent_with_one_place_runs_controllers_and_their_tasks(
    served: Served, queues: tuple[str, ...]
) -> None:
    """A controller gives up its place while a task of its waits: else both would wait for ever."""
    for _ in range(2):
        run(served, "enqueue", queues[0])
    served.drain(*(word for queue in queues for word in ("--queue", queue)))
    shown = served.done("ls", "--pipeline", "flow", "--json").json
    assert [one["status"] for one in shown] == ["completed", "completed"]


def test_a_run_is_cloned_with_other_parameters_and_enqueued(served: Served) -> None:
    """Features 30, 36, 74, 83: the same outputs for the same parameters, here and by agents."""
    here = run(served, "here")
    assert here.code == 0, here.err
    local = newest(served)
    served.agent("--queue", "services", "--queue", "default", "--slots", "2")
    run(served, "start", "services")
    remote = newest(served)
    assert value(served, local) == value(served, remote) == "15"
    clone = served.done("clone", remote["id"], "--set", "rows=2", "--queue", "services")
    run_id = clone.out.strip()
    wait_until(lambda: served.status(run_id) == "completed")
    assert value(served, served.show(run_id)) == "3"
    assert served.show(run_id)["parameters"] == {"rows": 2, "how": ""}


def wait_for_sleeper(served: Served) -> int:
    """The pid of the process that sleeps for the step."""
    found: list[str] = []

    def sleeps() -> bool:
        shown = newest(served)
        if "stage" not in steps(shown):
            return False
        log = served.pipekit("logs", step_id(shown, "stage")).out
        found[:] = re.findall(r"sleeping (\d+)", log)
        return bool(found)

    wait_until(sleeps)
    return int(found[0])


def wait_for_status(served: Served, status: str, of: str = "stage") -> None:
    wait_until(lambda: steps(newest(served)).get(of) == status)


def wait_for_attempts(served: Served, count: int) -> None:
    wait_until(lambda: len(newest(served)["attempts"]) == count)


def wait_until(holds: Callable[[], bool]) -> None:
    end = monotonic() + 60
    while not holds():
        assert monotonic() < end, "it did not come"
        sleep(0.05)


def test_the_examples_commands_work_as_they_are_written(tmp_path: Path) -> None:
    """Feature 50."""
    examples = Path(__file__).parents[2] / "examples"
    folder = tmp_path / "examples"
    shutil.copytree(examples, folder)
    (tmp_path / "pyproject.toml").touch()
    example = Workspace(folder / "11_pipeline_of_tasks")
    for script in ("stage_data.py", "split_data.py", "train_model.py", "controller.py"):
        said = example.python(script)
        assert said.code == 0, said.err
    assert "split is given" in said.out
    assert "good enough; it knows setosa, versicolor, virginica" in said.out
