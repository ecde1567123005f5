"""A script that calls `Task.init` is recorded, and is found again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook import Notebook
from script_bench import ScriptBench, bench_in, printed

from pipekit import Task
from pipekit.errors import NotRunnable, TaskFailed, TaskNotFound, UsageError

TOY = """
    from pipekit import Task
    task = Task.init(project_name="examples", task_name="toy base")
    params = task.connect({"Example_Param": 1, "rate": 0.25, "text": "", "digits": "12"})
    params["later"] = [1, 2]
    print("Example_Param is", params["Example_Param"])
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptBench]:
    with bench_in(tmp_path, monkeypatch) as made:
        yield made


def test_a_script_that_runs_once_is_stored_and_found_by_project_and_name(
    bench: ScriptBench,
) -> None:
    """Feature rows 1, 2, 3, 4, 10, 12 and 29."""
    bench.write("jobs/toy.py", TOY)
    bench.write("jobs/part.py", "print('imported')")
    said = bench.start(sys.executable, "jobs/toy.py", "--fast", "a b").end()
    assert said.out == "Example_Param is 1\n"
    task = Task.get_task(project_name="examples", task_name="toy base")
    assert task == bench.task
    assert (task.status, task.type, task.get_project_name()) == (
        "completed",
        "training",
        "examples",
    )
    assert task.get_parameters() == {
        "General/Example_Param": 1, "General/rate": 0.25, "General/text": "",
        "General/digits": "12", "General/later": [1, 2],
    }  # fmt: skip
    shown = bench.shown(task)
    assert shown["entry"] == "script:jobs/toy.py"
    assert shown["arguments"] == ["--fast", "a b"]
    assert shown["code"]["source"] == (bench.folder / "jobs/toy.py").read_text()
    text = bench.pipekit("show", task.id).out
    assert "General/Example_Param = 1" in text
    assert "Example_Param is 1" in text
    assert "examples" in bench.pipekit("ls").out


def test_a_task_says_what_it_is_for_and_is_tagged(bench: ScriptBench) -> None:
    """Feature row 12: the type is chosen at init, stored and shown."""
    bench.run("""
        from pipekit import Task
        task = Task.init("p", "n", task_type=Task.TaskTypes.controller, tags=["nightly"])
        task.add_tags("big")
        task.add_tags(["big", "new"])
        task.set_comment("first try")
        task.set_progress(40)
    """)
    task = bench.task
    assert (task.type, task.comment, task.get_progress()) == ("controller", "first try", 40)
    assert task.tags == ("nightly", "big", "new")
    task.set_tags(["old"])
    assert Task.get_tasks(tags=["old"]) == [task]
    assert Task.get_tasks(tags="-old", kind="script") == []
    assert "controller" in bench.pipekit("show", task.id).out


def test_called_twice_it_is_the_same_task(bench: ScriptBench) -> None:
    said = bench.run("""
        import json
        from pipekit import Task, current_task, log_metric
        first = Task.init("p", "n")
        log_metric("loss", 0.5)
        try:
            Task.init("p", "other")
        except Exception as error:
            refused = str(error)
        print(json.dumps([first == Task.init(), first == Task.init("p", "n"),
                          Task.current_task() == first == current_task(), refused]))
    """)
    same, again, current, refused = printed(said)
    assert same
    assert again
    assert current
    assert "This process has a task already, 'n'" in refused
    assert [task.name for task in bench.tasks] == ["n"]
    assert bench.task.metrics["loss"] == 0.5


def test_the_names_are_those_of_the_script_and_its_folder_by_default(bench: ScriptBench) -> None:
    bench.run("from pipekit import Task\nTask.init()", name="fit.py")
    assert (bench.task.name, bench.task.project) == ("fit", bench.folder.name)


def test_the_last_task_of_a_name_may_begin_anew(bench: ScriptBench) -> None:
    text = """
        import sys
        from pipekit import Task, log_metric
        task = Task.init("p", "n", reuse_last=True)
        task.connect({sys.argv[0] and "run": "RUN"})
        task.upload_artifact("only RUN", 1)
        log_metric("RUN", 1)
        print("RUN")
    """
    bench.run(text.replace("RUN", "first"))
    first = bench.task
    bench.run(text.replace("RUN", "second"))
    assert bench.tasks == [first]
    assert len(first.attempts) == 2
    assert first.get_parameters() == {"General/run": "second"}
    assert list(first.artifacts) == ["only second"]
    assert list(first.metrics) == ["second"]
    assert first.get_reported_console_output() == ["second\n"]
    assert [one["name"] for one in bench.shown(first)["artifacts"]] == ["only second"]


def test_in_a_step_and_in_a_pipeline_it_is_their_task(bench: ScriptBench) -> None:
    said = bench.run("""
        import json
        from pipekit import Task, component, pipeline
        script = Task.init("p", "script")

        @component(cache=False)
        def step():
            return Task.init().name, script.id == Task.init().id

        @pipeline
        def train():
            return Task.init().name, step()

        if __name__ == "__main__":
            print(json.dumps([train(), Task.init().name, Task.current_task().name]))
    """, PIPEKIT_PROGRESS="off")  # fmt: skip
    assert printed(said) == [["train", ["step", False]], "script", "script"]
    assert [task.name for task in bench.tasks] == ["script"]


def test_loading_its_module_again_makes_no_task(bench: ScriptBench) -> None:
    """Workers, processes of `multiprocessing` and commands load it for its functions."""
    said = bench.run("""
        import json, multiprocessing
        from pipekit import Task, component, pipeline
        task = Task.init("p", "n")
        params = task.connect({"rate": 0.5})

        def double(number):
            return number * 2

        @component
        def step():
            return params["rate"]

        @pipeline
        def train():
            return step()

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(json.dumps([pool.map(double, [1, 2]), train()]))
    """, PIPEKIT_PROGRESS="off")  # fmt: skip
    assert printed(said) == [[2, 4], 0.5]
    assert bench.pipekit("run", "job.py:train", PIPEKIT_PROGRESS="off").code == 0
    assert len(bench.tasks) == 1


def test_the_newest_of_several_is_taken_and_that_is_said(bench: ScriptBench) -> None:
    """Feature row 18."""
    for _ in range(2):
        bench.run("from pipekit import Task\nTask.init('p', 'n')")
    said = bench.run("""
        from pipekit import Task
        print(Task.get_task(project_name="p", task_name="n").id)
        Task.get_task(tags=["-old"])
        Task.get_task()
    """, name="look.py")  # fmt: skip
    assert said.out.strip() == bench.task.id
    assert "2 tasks are of project 'p' and name 'n': the newest was taken" in said.err
    assert "2 tasks are of tags '-old': the newest was taken" in said.err
    assert "2 tasks are recorded: the newest was taken" in said.err


def test_tasks_are_listed_with_the_steps_of_pipelines(bench: ScriptBench) -> None:
    """Feature row 87: controller and steps, under one project."""
    bench.run("""
        from pipekit import Task, component, pipeline
        Task.init("p", "script").connect({"rate": 0.5})

        @component
        def fit():
            return 1

        @pipeline(project="p")
        def train():
            return fit()

        if __name__ == "__main__":
            train()
    """, PIPEKIT_PROGRESS="off")  # fmt: skip
    found = Task.get_tasks(project_name="p")
    assert [(task.kind, task.name) for task in found] == [
        ("step", "fit"), ("pipeline", "train"), ("script", "script"),
    ]  # fmt: skip
    assert Task.query(kind=["step", "script"], status="completed") == [found[0].id, found[2].id]
    assert Task.get_tasks(parent=found[1].id) == found[:1]
    frame = found.to_frame()
    assert list(frame["name"]) == ["fit", "train", "script"]
    assert frame["parameters.General/rate"].iloc[-1] == 0.5
    with pytest.raises(UsageError, match="No kind is 'scripts'"):
        Task.get_tasks(kind="scripts")


def test_what_is_not_there_is_told_with_what_is(bench: ScriptBench) -> None:
    bench.run("from pipekit import Task\nTask.init('p', 'toy base')")
    with pytest.raises(TaskNotFound, match=r"did you mean 'toy base'\?"):
        Task.get_task(project_name="p", task_name="toy bas")


def test_waiting_for_a_task_ends_with_its_end(bench: ScriptBench) -> None:
    bench.run("from pipekit import Task\nTask.init('p', 'good')")
    good = bench.task
    assert good.wait_for_status() == "completed"
    bench.run("from pipekit import Task\nTask.init('p', 'bad')\n1/0")
    with pytest.raises(TaskFailed, match=r"'bad' .* is failed: ZeroDivisionError") as raised:
        bench.task.wait_for_status()
    assert raised.value.status == "failed"
    bench.task.reset()
    assert bench.task.get_status() == "draft"
    with pytest.raises(TimeoutError, match="is draft after 0"):
        bench.task.wait_for_status(timeout=0)
    with pytest.raises(TaskFailed, match="is completed"):
        good.wait_for_status("queued")


def test_a_task_is_deleted_with_what_it_made(bench: ScriptBench) -> None:
    bench.run("from pipekit import Task\nTask.init('p', 'n').upload_artifact('x', 'y' * 100)")
    task = bench.task
    task.delete()
    assert bench.tasks == []
    assert bench.pipekit("show", task.id).code == 2


def test_a_module_that_is_run_by_its_name_is_one_too(bench: ScriptBench) -> None:
    bench.write("pkg/__init__.py", "")
    bench.write("pkg/part.py", "WORD = 'found'")
    bench.write(
        "pkg/main.py",
        "from pipekit import Task\nTask.init()\nfrom . import part\nprint(part.WORD)\n",
    )
    said = bench.start(sys.executable, "-m", "pkg.main", "x").end()
    assert said.out == "found\n"
    assert bench.shown(bench.task)["entry"] == "module:pkg.main"
    assert bench.pipekit("clone", bench.task.id, "--run").out == "found\n"


def test_a_project_that_is_too_large_is_recorded_and_cannot_be_run_elsewhere(
    bench: ScriptBench,
) -> None:
    bench.write("data.bin", "x" * 5000)
    said = bench.run(
        "from pipekit import Task\nTask.init('p', 'n')", PIPEKIT_SNAPSHOT_LIMIT_BYTES="1000"
    )
    assert "the task cannot be run from its record" in said.err
    assert "data.bin" in said.err
    assert bench.task.status == "completed"
    refused = bench.pipekit("clone", bench.task.id, "--run")
    assert refused.code == 2
    assert "has no snapshot of its project's files" in refused.err


def test_what_is_typed_into_a_prompt_is_recorded_too(bench: ScriptBench) -> None:
    started = bench.start(
        sys.executable, "-c", "from pipekit import Task\nTask.init('p', 'n').connect({'a': 1})"
    )
    assert started.end().code == 0
    assert (bench.task.status, bench.task.get_parameter("a")) == ("completed", 1)
    assert bench.shown(bench.task)["entry"] == "interactive"


def test_a_notebook_is_recorded_and_cannot_be_run_from_its_record(bench: ScriptBench) -> None:
    notebook = Notebook(bench.folder)
    try:
        notebook.cell("from pipekit import Task\ntask = Task.init('p', 'nb')")
        notebook.cell("params = task.connect({'a': 1})")
        notebook.cell("params['a'] = 2\nprint('said')")
        assert notebook.cell("Task.init('p', 'nb') == task").shown == "True"
        assert "ZeroDivisionError" in notebook.cell("1/0").error
        notebook.cell("task.close()")
    finally:
        notebook.end()
    task = bench.task
    assert (task.status, task.get_parameters()) == ("completed", {"General/a": 2})
    assert task.log == "said\n"
    with pytest.raises(NotRunnable, match="no snapshot"):
        task.clone().enqueue("default")


def test_a_fork_and_a_thread_change_nothing_of_whose_task_it_is(bench: ScriptBench) -> None:
    said = bench.run("""
        import os, threading
        from pipekit import Task, log_metric
        task = Task.init("p", "n")
        thread = threading.Thread(target=log_metric, args=("from thread", 1))
        thread.start()
        thread.join()
        pid = os.fork()
        if pid == 0:
            try:
                log_metric("from fork", 1)
            except Exception as error:
                print(error)
            os._exit(0 if Task.init() == task else 1)
        print(os.waitpid(pid, 0)[1])
    """)
    assert said.out.splitlines()[-1] == "0"
    assert "Nothing can be logged from a process" in said.out
    assert list(bench.task.metrics) == ["from thread"]
