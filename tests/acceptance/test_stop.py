"""What is told to stop stops, with all that it has started, and is recorded so."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workspace import PIPEKIT, Said, Started, Workspace

from pipekit.model.records import Task
from pipekit.ports import Store
from pipekit.stores import open_store

FLOW = Path(__file__).with_name("stopping.py")
_SECONDS = 30


class Going:
    """A run of a pipeline in `stopping.py` that goes on in a process of its own."""

    def __init__(self, workspace: Workspace, pipeline: str, *arguments: str, **variables: str):
        self.workspace = workspace
        self.started: Started = workspace.start(
            sys.executable, "stopping.py", pipeline, *arguments,
            **{"PIPEKIT_PROGRESS": "off", "PIPEKIT_STOP_SECONDS": "0.3"} | variables,
        )  # fmt: skip

    def began(self, lines: int = 1) -> Going:
        """Waits until so many pieces of it say that they have begun, and until it is recorded."""
        pids = self.workspace.folder / "pids"
        until(lambda: pids.exists() and pids.read_text().count("\n") >= lines)
        until(lambda: "running" in {str(task.status) for task in self.tasks()})
        return self

    def tasks(self) -> list[Task]:
        """The run and its steps as they are recorded, steps of child runs among them."""
        return tasks_of(self.workspace)

    @property
    def id(self) -> str:
        return self.tasks()[0].id

    def stop(self, *arguments: str) -> Said:
        return self.workspace.pipekit("stop", self.id, *arguments)

    def signal(self, number: int) -> None:
        self.started.process.send_signal(number)

    def end(self) -> Said:
        said = self.started.end()
        assert left_by(self.workspace) == []
        return said

    def statuses(self) -> dict[str, str]:
        return {task.name: str(task.status) for task in self.tasks()}

    def attempts(self) -> dict[str, list[str]]:
        """Name of a task -> how each of its attempts ended."""
        with opened(self.workspace) as store:
            return {
                task.name: [attempt.exit for attempt in store.list_attempts(task.id)]
                for task in self.tasks()
            }


Go = Callable[..., Going]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path)
    found.write("stopping.py", FLOW.read_text())
    return found


@pytest.fixture
def go(workspace: Workspace) -> Go:
    return lambda *arguments, **variables: Going(workspace, *arguments, **variables)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def opened(workspace: Workspace) -> Iterator[Store]:
    store = open_store(f"sqlite:///{workspace.home / 'pipekit.db'}", durability="normal")
    try:
        yield store
    finally:
        store.close()


def tasks_of(workspace: Workspace) -> list[Task]:
    with opened(workspace) as store:
        return store.list_tasks()[::-1]


def left_by(workspace: Workspace) -> list[str]:
    """What still runs of all that was started with this home, as far as the system tells."""
    wanted = f"PIPEKIT_HOME={workspace.home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


# runs


def test_a_run_is_stopped_with_everything_that_its_steps_have_started(go: Go) -> None:
    run = go("one", "trees").began()
    said = run.stop()
    assert said.code == 0
    assert "Run 'one'" in said.err
    assert "was stopped.\nStopped with it: 'trees', 'plus_one'." in said.err
    err = run.end().err
    assert "pipekit.errors.Stopped: Run 'one'" in err
    assert "was stopped by 'pipekit stop'." in err
    assert run.statuses() == {"one": "stopped", "trees": "stopped", "plus_one": "stopped"}
    assert run.workspace.pipekit("show", "--json").json["error"] == "stopped by 'pipekit stop'"


def test_pipekit_run_exits_with_130_where_its_run_is_stopped_from_elsewhere(
    workspace: Workspace,
) -> None:
    started = workspace.start(PIPEKIT, "run", "stopping.py:one", "--step", "trees")
    until((workspace.folder / "pids").exists)
    assert workspace.pipekit("stop", tasks_of(workspace)[0].id).code == 0
    said = started.end()
    assert said.code == 130
    assert "was stopped by 'pipekit stop'." in said.err
    assert "Traceback" not in said.err
    assert left_by(workspace) == []


@pytest.mark.parametrize("step", ["stubborn", "in_c", "in_threads"])
def test_a_step_that_does_not_obey_is_made_to_end(go: Go, step: str) -> None:
    run = go("one", step).began()
    assert run.stop().code == 0
    run.end()
    assert run.statuses() == {"one": "stopped", step: "stopped", "plus_one": "stopped"}


def test_a_step_has_time_to_clean_up(go: Go) -> None:
    run = go("one", "cleans_up", PIPEKIT_STOP_SECONDS="30").began()
    assert run.stop().code == 0
    run.end()
    assert (run.workspace.folder / "cleaned").read_text() == "up"


def test_steps_that_wait_are_stopped_before_they_begin(go: Go) -> None:
    run = go("many", PIPEKIT_EXECUTOR="process:2").began(2)
    said = run.stop()
    assert "and 188 more" in said.err
    run.end()
    tasks = run.tasks()
    assert {task.status for task in tasks} == {"stopped"}
    assert len(tasks) == 201
    assert sorted(map(len, run.attempts().values())) == [0] * 198 + [1, 1, 1]


def test_a_step_that_waits_for_its_next_attempt_is_stopped(go: Go) -> None:
    run = go("one", "fails").began()
    until(lambda: run.attempts()["fails"] == ["error"])
    assert run.stop().code == 0
    run.end()
    assert run.statuses()["fails"] == "stopped"


def test_a_pipeline_function_that_computes_in_the_main_thread_is_interrupted(go: Go) -> None:
    run = go("busy").began()
    assert run.stop().code == 0
    assert "was stopped by 'pipekit stop'." in run.end().err
    assert run.statuses() == {"busy": "stopped"}


def test_a_pipeline_function_that_swallows_the_interrupt_gets_no_further(go: Go) -> None:
    run = go("swallows").began()
    assert run.stop().code == 0
    assert "was stopped by 'pipekit stop'." in run.end().err
    assert run.statuses() == {"swallows": "stopped"}


def test_a_run_that_is_storing_an_argument_is_stopped(go: Go) -> None:
    run = go("stores").began()
    assert run.stop().code == 0
    run.end()
    assert run.statuses()["stores"] == "stopped"


def test_child_runs_are_stopped_with_their_parent(go: Go) -> None:
    run = go("outer").began()
    assert "'inner/trees'" in run.stop().err
    run.end()
    assert set(run.statuses().values()) == {"stopped"}


@pytest.mark.parametrize("pipeline", ["one", "handles"])
def test_inline_steps_in_the_main_thread_are_interrupted(go: Go, pipeline: str) -> None:
    run = go(pipeline, "cleans_up", PIPEKIT_EXECUTOR="inline").began()
    assert run.stop().code == 0
    assert "was stopped by 'pipekit stop'." in run.end().err
    assert (run.workspace.folder / "cleaned").exists()
    assert set(run.statuses().values()) == {"stopped"}


def test_a_run_is_stopped_while_its_first_workers_start(workspace: Workspace) -> None:
    workspace.write("slow_import.py", "import time, stopping\nstopping.tell()\ntime.sleep(1000)\n")
    workspace.write("flow.py", """
        import os
        from pipekit import component, pipeline

        @component(cache=False)
        def work():
            return 1

        @pipeline
        def train():
            return work() + 1

        if __name__ == "__main__":
            print(train())
        else:
            import slow_import
    """)  # fmt: skip
    started = workspace.start(
        sys.executable, "flow.py", PIPEKIT_PROGRESS="off", PIPEKIT_STOP_SECONDS="0.3"
    )
    until((workspace.folder / "pids").exists)
    assert workspace.pipekit("stop", tasks_of(workspace)[0].id).code == 0
    assert "was stopped by 'pipekit stop'." in started.end().err
    assert left_by(workspace) == []
    assert [task.status for task in tasks_of(workspace)] == ["stopped", "stopped"]


# one step


def test_a_step_that_is_stopped_alone_is_a_failure_that_the_pipeline_may_handle(go: Go) -> None:
    run = go("handles").began()
    said = run.stop("trees")
    assert "Step 'trees'" in said.err
    end = run.end()
    assert end.out.startswith("2 Step 'trees'")
    assert "was stopped by 'pipekit stop'." in end.out
    assert run.statuses() == {"handles": "completed", "trees": "stopped", "plus_one": "completed"}


def test_what_depends_on_a_stopped_step_is_skipped_for_it(go: Go) -> None:
    run = go("one", "trees").began()
    assert "Skipped for it: 'plus_one'." in run.stop("trees").err
    err = run.end().err
    assert "StepSkipped: Step 'plus_one' was skipped: 'trees' was stopped" in err
    assert run.statuses() == {"one": "failed", "trees": "stopped", "plus_one": "skipped"}


def test_a_stopped_step_that_nobody_looked_at_fails_the_run(go: Go) -> None:
    run = go("untouched").began()
    assert run.stop("trees").code == 0
    assert "was stopped by 'pipekit stop'" in run.end().err
    assert run.statuses() == {"untouched": "failed", "trees": "stopped"}


def test_a_child_run_is_stopped_alone(go: Go) -> None:
    run = go("outer").began()
    said = run.stop("inner")
    assert "Stopped with it: 'trees'." in said.err
    assert "Skipped for it: 'plus_one'." in said.err
    run.end()
    assert run.statuses() == {"outer": "failed", "inner": "stopped"} | {
        "trees": "stopped",
        "plus_one": "skipped",
    }


def test_a_child_run_whose_function_cannot_be_interrupted_is_left_behind(go: Go) -> None:
    run = go("outer_of_busy").began()
    assert run.stop("busy_inner").code == 0
    assert "was stopped by 'pipekit stop'." in run.end().out
    assert run.statuses() == {"outer_of_busy": "completed", "busy_inner": "stopped"}


def test_an_inline_step_that_is_stopped_alone_leaves_its_pipeline_going(go: Go) -> None:
    run = go("handles", "cleans_up", PIPEKIT_EXECUTOR="inline").began()
    assert run.stop("cleans_up").code == 0
    assert run.end().out.startswith("2 Step 'cleans_up'")
    assert run.statuses()["handles"] == "completed"


def test_a_step_that_completes_although_it_was_to_stop_has_completed(go: Go) -> None:
    run = go("handles", "completes_all_the_same").began()
    said = run.stop("completes_all_the_same")
    assert "came to its own end first: completed." in said.err
    assert run.end().out == "5\n"


def test_a_step_that_raises_something_else_when_it_is_to_stop_is_not_tried_again(go: Go) -> None:
    run = go("handles", "raises_instead").began()
    assert run.stop("raises_instead").code == 0
    run.end()
    assert run.statuses()["raises_instead"] == "stopped"
    assert run.attempts()["raises_instead"] == ["stopped"]


def test_the_pool_goes_on_with_another_worker(go: Go) -> None:
    run = go("goes_on_after", PIPEKIT_EXECUTOR="process:1").began()
    assert run.stop("trees").code == 0
    run.end()
    assert run.statuses()["plus_one"] == "completed"


# the command


def test_what_has_ended_is_said_to_have_ended(workspace: Workspace) -> None:
    assert workspace.pipekit("run", "stopping.py:stops_its_own_step").code == 0
    said = workspace.pipekit("stop", tasks_of(workspace)[0].id)
    assert (said.code, said.out) == (0, "")
    assert "had ended already: completed." in said.err


def test_without_an_id_the_runs_that_go_on_are_listed(go: Go) -> None:
    run = go("busy").began()
    said = run.workspace.pipekit("stop")
    assert said.code == 2
    assert "(busy)" in said.err
    run.stop()
    run.end()


def test_two_who_stop_at_once_both_see_it_stopped(go: Go) -> None:
    run = go("one", "stubborn").began()
    both = [run.workspace.start(PIPEKIT, "stop", run.id) for _ in range(2)]
    for one in both:
        said = one.end()
        assert said.code == 0
        assert "was stopped." in said.err
    run.end()


def test_who_does_not_wait_long_enough_is_told_so(go: Go) -> None:
    run = go("one", "in_c", PIPEKIT_STOP_SECONDS="1.5").began()
    said = run.stop("--no-wait")
    assert (said.code, "was asked to stop." in said.err) == (0, True)
    said = run.stop("--timeout", "0")
    assert said.code == 1
    assert f"pid {run.started.process.pid} on" in said.err
    run.stop()
    run.end()


def test_no_such_task_is_wrong_use(workspace: Workspace) -> None:
    workspace.pipekit("run", "stopping.py:stops_its_own_step")
    assert workspace.pipekit("stop", "zzz").code == 2


# signals


def test_a_second_ctrl_c_ends_all_at_once_and_is_recorded(go: Go) -> None:
    run = go("one", "stubborn", PIPEKIT_STOP_SECONDS="1000").began()
    run.signal(signal.SIGINT)
    until(lambda: run.statuses().get("plus_one") == "stopped")  # the first has come
    until(lambda: run.statuses()["stubborn"] == "running")
    run.signal(signal.SIGINT)
    assert run.end().code != 0
    assert run.statuses() == {"one": "stopped", "stubborn": "stopped", "plus_one": "stopped"}
    assert run.attempts()["stubborn"] == ["stopped"]


def test_two_ctrl_c_in_a_row_leave_no_open_record(go: Go) -> None:
    run = go("outer", PIPEKIT_STOP_SECONDS="1000").began()
    run.signal(signal.SIGINT)
    run.signal(signal.SIGINT)
    run.end()
    assert set(run.statuses().values()) == {"stopped"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("pipeline", [("one", "trees"), ("busy",)])
def test_a_script_that_is_told_to_end_has_its_run_recorded_and_ends_by_the_signal(
    go: Go, pipeline: tuple[str, ...], number: signal.Signals
) -> None:
    run = go(*pipeline).began()
    run.signal(number)
    assert run.end().code == -number
    assert set(run.statuses().values()) == {"stopped"}
    shown = run.workspace.pipekit("show", "--json").json
    assert shown["error"] == f"stopped by {number.name}"


def test_a_handler_of_the_users_own_is_left_alone(workspace: Workspace) -> None:
    workspace.write("flow.py", """
        import signal, os
        from pipekit import component, pipeline

        @component(cache=False)
        def work():
            return 1

        @pipeline
        def train():
            os.kill(os.getpid(), signal.SIGTERM)
            return work() + 1

        handled = []
        if __name__ == "__main__":
            signal.signal(signal.SIGTERM, lambda number, frame: handled.append(number))
            print(train(), handled == [signal.SIGTERM])
    """)  # fmt: skip
    assert workspace.python("flow.py").out == "2 True\n"


def test_after_a_run_the_signals_do_what_they_did_before(workspace: Workspace) -> None:
    workspace.write("flow.py", """
        import signal
        from pipekit import pipeline

        NUMBERS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGURG)

        @pipeline
        def train():
            return [signal.getsignal(number) is signal.SIG_DFL for number in NUMBERS]

        if __name__ == "__main__":
            before = [signal.getsignal(number) for number in NUMBERS]
            print(train(), before == [signal.getsignal(number) for number in NUMBERS])
    """)  # fmt: skip
    assert workspace.python("flow.py").out == "[False, False, False, False] True\n"


# from Python


def test_a_step_is_stopped_by_its_own_process(workspace: Workspace) -> None:
    said = workspace.start(sys.executable, "stopping.py", "stops_its_own_step").end()
    assert said.out == "True stopped\n"
    assert left_by(workspace) == []


def test_a_task_is_stopped_from_another_process(go: Go) -> None:
    run = go("one", "trees").began()
    run.workspace.write("other.py", """
        from pipekit import Task

        task = Task.get_task(task_name="one")
        print(task.stop(timeout=0), task.stop(), task.status, task.stop())
    """)  # fmt: skip
    assert run.workspace.python("other.py").out == "False True stopped True\n"
    run.end()


# dead controllers


def test_a_run_whose_process_was_killed_is_closed_with_its_steps(go: Go) -> None:
    run = go("outer").began()
    run_id = run.id
    run.signal(signal.SIGKILL)
    run.started.process.wait()
    until(lambda: left_by(run.workspace) == [])
    said = run.workspace.pipekit("stop", run_id)
    assert said.code == 0
    assert f"Its process (pid {run.started.process.pid} on" in said.err
    assert f"Hint: pipekit resume {run_id[:13]}" in said.err
    assert run.statuses() == {"outer": "failed", "inner": "stopped"} | {
        "trees": "stopped",
        "plus_one": "stopped",
    }
    assert run.attempts() == {
        "outer": ["lost"],
        "inner": ["lost"],
        "trees": ["lost"],
        "plus_one": [],
    }
    run.started.process.communicate()


def test_a_run_whose_process_dies_while_someone_waits_for_its_stop_is_closed(go: Go) -> None:
    run = go("one", "stubborn", PIPEKIT_STOP_SECONDS="1000").began()
    waiting = run.workspace.start(PIPEKIT, "stop", run.id)
    until(lambda: run.statuses()["plus_one"] == "stopped")
    os.kill(run.started.process.pid, signal.SIGKILL)
    run.started.process.communicate()
    said = waiting.end()
    assert said.code == 0
    assert "ended without recording an end" in said.err
    assert run.statuses()["stubborn"] == "stopped"
