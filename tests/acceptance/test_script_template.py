"""Tasks as templates: cloned, changed, given artifacts, run elsewhere; the template stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from script_bench import ScriptBench, bench_in, printed
from workspace import PIPEKIT

from pipekit import Task
from pipekit.api.task_handle import archive_here
from pipekit.control.execute import ScriptProcess, open_attempt
from pipekit.errors import NotRunnable, UsageError
from pipekit.liveness import host_name, started_at
from pipekit.model.records import Claimer
from pipekit.model.status import Transition

TOY = """
    from pipekit import Task
    task = Task.init("examples", "toy base")
    params = task.connect({"Example_Param": 1, "other": "kept"})
    print("Example_Param is", params["Example_Param"])
    task.upload_artifact("made", [1, 2, 3])
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptBench]:
    with bench_in(tmp_path, monkeypatch) as made:
        yield made


def test_a_template_is_cloned_changed_and_run_and_stays_as_it_is(bench: ScriptBench) -> None:
    """Feature rows 5, 6, 7, 8, 9, 10, 34, 63 and 83."""
    bench.run(TOY)
    template = Task.get_task(project_name="examples", task_name="toy base")
    before = bench.shown(template)
    clone = Task.clone(source_task=template, name="Auto generated cloned task")
    assert (clone.name, clone.status, clone.project) == (
        "Auto generated cloned task", "draft", "examples",
    )  # fmt: skip
    assert clone.get_parameters() == template.get_parameters()
    assert dict(clone.artifacts) == {}
    parameters = clone.get_parameters()
    parameters["Example_Param"] = 3
    clone.set_parameters(parameters)
    Task.enqueue(clone.id, queue_name="default")
    assert (clone.status, clone.record.queue) == ("queued", "default")
    said = bench.pipekit("execute", clone.id)
    assert said.out == "Example_Param is 3\n"
    assert "completed" in said.err
    assert clone.get_parameters() == {"General/Example_Param": 3, "General/other": "kept"}
    assert clone.artifacts["made"].get() == [1, 2, 3]
    assert clone.get_reported_console_output() == ["Example_Param is 3\n"]
    assert "General/Example_Param = 3" in bench.pipekit("show", clone.id).out
    assert bench.shown(template) == before


def test_a_chain_ends_while_what_it_has_enqueued_waits(bench: ScriptBench) -> None:
    """Feature rows 11 and 51: and it is said that nobody serves the queue."""
    bench.run(TOY)
    said = bench.run("""
        from pipekit import Task
        task = Task.init("examples", "pipe", task_type=Task.TaskTypes.controller)
        clone = Task.clone(source_task=Task.get_task(project_name="examples", task_name="toy base"))
        Task.enqueue(task=clone, queue_name="default")
    """, name="pipe.py")  # fmt: skip
    clone, pipe = bench.tasks[:2]
    assert (pipe.name, pipe.status) == ("pipe", "completed")
    assert (clone.name, clone.status) == ("Clone of toy base", "queued")
    assert "no agent serves queue 'default'" in said.err
    assert "pipekit agent --queue default" in said.err


def test_what_waits_can_be_taken_off_its_queue(bench: ScriptBench) -> None:
    draft = _draft(bench)
    draft.enqueue("default")
    with pytest.raises(UsageError, match="waits on queue 'default' already"):
        draft.enqueue("other")
    Task.dequeue(draft)
    assert draft.status == "draft"
    with pytest.raises(UsageError, match="waits on no queue"):
        draft.dequeue()


def test_what_has_ended_is_enqueued_only_by_force(bench: ScriptBench) -> None:
    bench.run(TOY)
    task = bench.task
    with pytest.raises(UsageError, match=r"is completed: .* Hint: clone it"):
        task.enqueue("default")
    task.enqueue("default", force=True)
    assert task.status == "queued"
    assert dict(task.artifacts) == {}


def test_the_code_is_run_as_it_was_in_a_copy_of_its_own(bench: ScriptBench) -> None:
    """Feature row 36: what is changed in the project since changes nothing, and the run changes
    nothing in the project."""
    bench.write("lib/part.py", "WORD = 'then'")
    bench.write("jobs/data.txt", "data")
    bench.write(
        "jobs/job.py",
        """
        import os, sys
        from pathlib import Path
        from pipekit import Task
        Task.init("p", "n")
        sys.path.append("lib")
        from part import WORD
        Path("jobs/made.txt").write_text("made")
        print(WORD, Path(__file__).with_name("data.txt").read_text(), *sys.argv[1:])
        """,
    )
    assert (
        bench.start(sys.executable, "jobs/job.py", "--x", "a b").end().out == "then data --x a b\n"
    )
    (bench.folder / "jobs/made.txt").unlink()
    bench.write("lib/part.py", "WORD = 'now'")
    (bench.folder / "jobs/data.txt").unlink()
    said = bench.pipekit("clone", bench.task.id, "--run")
    assert said.out == "then data --x a b\n", said.err
    assert not (bench.folder / "jobs/made.txt").exists()


def test_a_draft_is_made_without_running_the_script(bench: ScriptBench) -> None:
    """Feature row 35."""
    bench.script(TOY, "toy.py")
    said = bench.pipekit(
        "task", "create", "--script", "toy.py", "--name", "template", "--project", "made",
        "--set", "Example_Param=5", "--tag", "base", "--json", "--", "--fast",
    )  # fmt: skip
    draft = bench.task
    assert said.json["id"] == draft.id
    assert (draft.name, draft.project, draft.status) == ("template", "made", "draft")
    assert draft.tags == ("base",)
    assert bench.shown(draft)["arguments"] == ["--fast"]
    clone = draft.clone("run of it", parameters={"other": "given"})
    assert bench.pipekit("execute", clone.id).out == "Example_Param is 5\n"
    assert clone.get_parameter("other") == "given"
    assert draft.status == "draft"
    assert bench.pipekit("task", "create", "--script", "nothing.py").code == 2


def test_a_function_becomes_a_task(bench: ScriptBench) -> None:
    bench.write(
        "functions.py",
        """
        def fit(rate: float = 0.5, *, words: str = "a"):
            print("fitting")
            if rate > 1:
                raise ValueError("too fast")
            return {"rate": rate, "words": words}
        """,
    )
    said = bench.run("""
        from functions import fit
        from pipekit import Task
        print(Task.create(function=fit, project_name="p").id)
    """)
    template = Task.get_task(said.out.strip())
    assert template.get_parameters() == {"Args/rate": 0.5, "Args/words": "a"}
    assert bench.pipekit("clone", template.id, "--set", "rate=1", "--run").out == "fitting\n"
    assert bench.task.value == {"rate": 1.0, "words": "a"}
    assert bench.pipekit("clone", template.id, "--set", "rate=2", "--run").code == 1
    assert bench.task.error == "ValueError: too fast"
    with pytest.raises(NotRunnable, match="top level"):
        Task.create(function=lambda: 1)


def test_artifacts_are_uploaded_and_read_by_their_task_s_id(bench: ScriptBench) -> None:
    """Feature rows 44, 46 and 48."""
    bench.write("iris.csv", "a,b\n1,2\n")
    bench.run("""
        from pathlib import Path
        import numpy, pandas
        from pipekit import Task
        task = Task.init("p", "data")
        task.upload_artifact("dataset", artifact_object=Path("iris.csv"))
        task.upload_artifact("X_train", numpy.arange(6).reshape(2, 3))
        task.upload_artifact("frame", pandas.DataFrame({"a": [1, 2]}))
        task.upload_artifact("X_train", numpy.arange(4))
    """)
    task = bench.task
    shown = {one["name"]: one for one in bench.shown(task)["artifacts"]}
    assert list(shown) == ["dataset", "X_train", "frame"]
    assert "iris.csv" in shown["dataset"]["preview"]
    assert "8 bytes" in shown["dataset"]["preview"]
    assert len(shown["dataset"]["digest"]) == 64
    assert task.artifacts["dataset"].get_local_copy().read_text() == "a,b\n1,2\n"
    other = bench.run(f"""
        import json
        from pipekit import Task
        task = Task.init("p", "model")
        data = Task.get_task(task_id="{task.id}").artifacts
        print(json.dumps([data["X_train"].get().tolist(), data["frame"].get().a.tolist(),
                          data["dataset"].url.split(":")[0]]))
    """, name="model.py")  # fmt: skip
    assert printed(other) == [[0, 1, 2, 3], [1, 2], "file"]


def test_a_draft_is_given_artifacts_that_its_script_and_its_clones_have(bench: ScriptBench) -> None:
    """Feature row 64: the artifact of a task that is launched is replaced."""
    bench.run("""
        import json
        from pipekit import Task
        task = Task.init("p", "n")
        given = task.artifacts["input"].get() if "input" in task.artifacts else "own"
        task.upload_artifact("output", [given])
        print(json.dumps(given))
    """)
    first = bench.task.clone()
    first.upload_artifact("input", "first")
    second = first.clone()
    second.upload_artifact("input", "second")
    assert printed(bench.pipekit("execute", first.id)) == "first"
    assert printed(bench.pipekit("execute", second.id)) == "second"
    assert first.artifacts["output"].get() == ["first"]
    with pytest.raises(UsageError, match="it is completed"):
        first.upload_artifact("input", "late")
    first.reset()
    assert list(first.artifacts) == ["input"]


def test_a_local_script_goes_on_elsewhere_as_the_same_task(bench: ScriptBench) -> None:
    """Feature row 47: the process ends at that line, and another goes on behind it."""
    said = bench.run("""
        from pipekit import Task
        task = Task.init("p", "n")
        params = task.connect({"rate": 1})
        print("before")
        task.execute_remotely(queue_name="default")
        print("after", params["rate"])
    """)
    task = bench.task
    assert (said.code, said.out) == (0, "before\n")
    assert "waits on queue 'default'" in said.err
    assert task.status == "queued"
    assert bench.pipekit("execute", task.id).out == "before\nafter 1\n"
    assert task.status == "completed"
    assert task.get_reported_console_output(2) == ["before\n", "before\nafter 1\n"]


def test_without_a_queue_it_leaves_a_draft(bench: ScriptBench) -> None:
    said = bench.run("""
        from pipekit import Task
        task = Task.init("p", "n")
        task.connect({"rate": 1})
        task.execute_remotely()
        print("after")
    """)
    assert (said.code, said.out) == (0, "")
    assert (bench.task.status, bench.task.get_parameter("rate")) == ("draft", 1)
    assert bench.pipekit("clone", bench.task.id, "--run").out == "after\n"


def test_a_clone_of_it_may_go_on_elsewhere(bench: ScriptBench) -> None:
    bench.run("""
        from pipekit import Task
        task = Task.init("p", "n")
        task.connect({"rate": 1})
        task.execute_remotely("default", clone=True, exit_process=False)
        print("after")
    """)
    clone, task = bench.tasks
    assert task.status == "completed"
    assert task.log.endswith("after\n")
    assert (clone.status, clone.get_parameters()) == ("queued", {"General/rate": 1})


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(4)", "it ended with exit code 4"),
        ("import os; os._exit(5)", "exit code 5"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
    ],
)
def test_how_what_is_executed_ends_is_recorded(bench: ScriptBench, end: str, error: str) -> None:
    bench.script(f"from pipekit import Task\nTask.init()\nprint('said')\n{end}")
    task = Task.create(script="job.py")
    assert bench.pipekit("execute", task.id).code == 1
    assert task.status == "failed"
    assert error in (task.error or "")


def test_a_script_that_knows_nothing_of_pipekit_is_a_task_too(bench: ScriptBench) -> None:
    bench.script("import sys\nprint(sys.argv[1:])\nsys.exit(int(sys.argv[1]))")
    good, bad = (Task.create(script="job.py", argv=[code]) for code in ("0", "3"))
    assert bench.pipekit("execute", good.id).out == "['0']\n"
    assert good.status == "completed"
    assert bench.pipekit("execute", bad.id).code == 1
    assert "exit code 3" in (bad.error or "")


def test_what_is_executed_is_stopped_by_ctrl_c_and_from_elsewhere(bench: ScriptBench) -> None:
    bench.script(
        "from pipekit import Task\nTask.init()\nimport time\nprint('begun', flush=True)\n"
        "time.sleep(60)"
    )
    for stop in ("ctrl-c", "command"):
        task = Task.create(script="job.py")
        started = bench.start(PIPEKIT, "execute", task.id)
        started.wait_for("begun")
        if stop == "ctrl-c":
            started.process.send_signal(signal.SIGINT)
        else:
            assert bench.pipekit("stop", task.id).code == 0
        assert started.end().code == 130
        assert task.status == "stopped"


def test_what_is_executed_ends_with_whoever_executes_it(bench: ScriptBench) -> None:
    bench.script(
        "from pipekit import Task\nTask.init()\nimport os, time\nprint(os.getpid(), flush=True)\n"
        "print('begun', flush=True)\ntime.sleep(60)"
    )
    task = Task.create(script="job.py")
    started = bench.start(PIPEKIT, "execute", task.id)
    started.wait_for("begun")
    started.process.kill()
    started.process.wait()
    pid = int(task.log.split()[0])
    end = time.monotonic() + 20
    while started_at(pid) is not None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert Task.get_task(task.id).status == "failed"
    assert task.attempts[0].exit == "lost"


def test_an_attempt_that_was_claimed_is_executed(bench: ScriptBench) -> None:
    """As an agent does, which keeps the console itself."""
    draft = _draft(bench)
    draft.enqueue("default")
    archive = archive_here()
    claimer = Claimer("agent", host_name(), os.getpid(), started_at(os.getpid()) or 0.0)
    claimed = archive.store.claim(["default"], claimer, now=time.time(), until=time.time() + 30)
    assert claimed is not None
    assert bench.pipekit("execute", draft.id).code == 2
    said = bench.pipekit("execute", f"{draft.id}:1")
    assert (said.code, said.out) == (0, "")
    assert (draft.status, draft.log) == ("completed", "ran\n")


def _draft(bench: ScriptBench) -> Task:
    bench.script("print('ran')", "draft.py")
    return Task.create(script="draft.py")


def test_a_draft_stays_and_keeps_nothing_else_from_being_collected(bench: ScriptBench) -> None:
    draft = _draft(bench)
    bench.run(
        "from pipekit import Task\nTask.init('p', 'old').upload_artifact('x', b'0' * 100_000)"
    )
    assert bench.pipekit("gc", "--runs-older-than", "0s", "--grace", "0s").code == 0
    assert bench.tasks == [draft]
    blobs = [path for path in (bench.home / "blobs").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in blobs) < 100_000
    assert bench.pipekit("execute", draft.id).out == "ran\n"


def test_what_is_stopped_has_each_signal_once(
    bench: ScriptBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does at its end is not interrupted again and again."""
    monkeypatch.setenv("PIPEKIT_STOP_SECONDS", "0.3")
    bench.script("""
        import signal
        import sys
        import time

        def end(number, _):
            with open(sys.argv[1], "a") as file:
                file.write(f"{number} ")

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, end)
        open(sys.argv[1], "w").close()
        signal.pause()
        end_at = time.monotonic() + 1
        while time.monotonic() < end_at:
            time.sleep(0.1)
    """)
    heard = bench.folder / "heard"
    task = Task.create(script="job.py", argv=[str(heard)])
    archive = archive_here()
    number = open_attempt(archive, task.record, log_path="")
    process = ScriptProcess(archive, task.record, number, log=bench.folder / "log")

    def look() -> None:
        if heard.exists():
            process.stop("enough")

    ended = process.wait(look)
    assert heard.read_text().split() == [str(int(signal.SIGTERM))]
    assert ended.transition is Transition.COMPLETED


def test_what_is_executed_is_stopped_when_nobody_reads_its_output_any_more(
    bench: ScriptBench,
) -> None:
    bench.script("""
        while True:
            print("line")
    """)
    task = Task.create(script="job.py")
    with subprocess.Popen(
        [PIPEKIT, "execute", task.id], cwd=bench.folder, stdout=subprocess.PIPE
    ) as executing:
        assert executing.stdout is not None
        assert executing.stdout.readline() == b"line\n"
        executing.stdout.close()
        assert executing.wait(60) == 130
    assert task.status == "stopped"
    assert task.error == "stopped by the end of what read its output"
