"""Scripts as ClearML's documents describe them run with their import lines changed: here, and with
agents where they enqueue. (Feature rows are told by their numbers.)"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workspace import PIPEKIT, Said, Workspace

from pipekit import Task
from pipekit.api.task import Task as TaskView
from pipekit.control.session import close_sessions

SCRIPTS = Path(__file__).with_name("clearml_scripts")


class Project(Workspace):
    """A project with the scripts in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
        (folder / "pyproject.toml").write_text("")

    def script(self, name: str, *arguments: str) -> Said:
        said = self.start(sys.executable, f"{name}.py", *arguments).end()
        assert said.code == 0, said.err
        return said

    @contextmanager
    def agent(self, *queues: str, slots: int = 1) -> Iterator[None]:
        """An agent that serves queues while the block goes on."""
        named = [word for queue in queues for word in ("--queue", queue)]
        started = self.start(PIPEKIT, "agent", *named, "--slots", str(slots))
        started.wait_for("Serving", "err")
        try:
            yield
        finally:
            started.process.send_signal(signal.SIGTERM)
            try:
                assert started.end().code == 0
            except subprocess.TimeoutExpired:
                started.process.kill()
                raise

    def drain(self, *queues: str) -> None:
        """Have all that waits run."""
        named = [word for queue in queues for word in ("--queue", queue)]
        said = self.pipekit("agent", *named, "--drain")
        assert said.code == 0, said.err


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    made = Project(tmp_path)
    monkeypatch.setenv("PIPEKIT_HOME", str(made.home))
    yield made
    close_sessions()


def named(name: str) -> TaskView:
    return Task.get_task(task_name=name)


# --- programmatic orchestration -----------------------------------------------------------------


def test_a_script_is_a_template_that_another_clones_changes_and_enqueues(project: Project) -> None:
    """Rows 1 to 12 and 63."""
    assert "Example_Param is 1" in project.script("toy_base_task").out
    template = named("Toy Base Task")
    before = template.record
    assert template.parameters == {
        "General/Example_Param": 1,
        "General/Late_Param": "written after connect",
    }
    said = project.script("toy_controller").out
    assert "created" in said
    assert "enqueued queued" in said
    clone, controller = named("Auto generated cloned task"), named("Toy Controller")
    assert (controller.status, controller.type) == ("completed", "controller")
    assert (clone.status, clone.record.queue) == ("queued", "default")
    assert clone.record.cloned_from == template.id
    project.drain("default")
    assert clone.status == "completed"
    assert clone.parameters == {**template.parameters, "General/Example_Param": 3}
    assert "Example_Param is 3" in clone.log
    assert clone.get_last_scalar_metrics()["toy"]["squared"]["last"] == 9
    assert "3" in project.pipekit("show", clone.id).out
    assert named("Toy Base Task").record == before


def test_random_search_runs_clones_and_reads_their_last_scalars(project: Project) -> None:
    """Rows 65 and 69."""
    project.script("random_search_base")
    with project.agent("default", slots=2):
        said = project.script("random_search").out
    search = named("random search")
    best = search.artifacts["best"].get()
    trials = [task for task in Task.get_tasks() if task.name.startswith("trial ")]
    losses = [task.metrics["evaluate/loss"] for task in trials]
    assert len(trials) == 3
    assert best["loss"] == min(losses)
    assert f"Experiment {best['id']} is the best" in said
    found = Task.get_task(best["id"]).parameters
    assert {name: found[name] for name in best["parameters"]} == best["parameters"]
    assert [type(found[name]) for name in ("Args/layer_1", "Args/rate")] == [int, float]
    assert len(search.metrics.history("search/loss")) == 3


# --- a pipeline from tasks ----------------------------------------------------------------------


def _stage(project: Project) -> None:
    """The three templates: the first has run, the others are drafts."""
    project.script("step_one_dataset")
    project.script("step_two_process")
    project.script("step_three_train")


def _check_flowers(project: Project) -> None:
    run = named("flowers")
    assert (run.status, run.error) == ("completed", None)
    _, process, train = run.steps
    assert [step.name for step in run.steps] == ["stage_data", "stage_process", "stage_train"]
    assert process.parameters["General/test_size"] == 0.25
    assert process.parameters["General/random_state"] == 7
    assert train.parameters["General/dataset_task_id"] == process.id
    assert len(process.artifacts["X_test"].get()) == 15
    assert train.metrics["accuracy/test"] == run.metrics["accuracy/test"] > 0.8
    assert len(run.metrics.history("accuracy/test")) == 15
    assert [row[0] for row in train.artifacts["middles/by kind"].get()] == [
        "long", "middle", "short",
    ]  # fmt: skip
    assert "short" in train.artifacts["model"].get().read_text()
    assert "Done" in train.log
    template = named("step 2 process dataset")
    assert (template.status, template.parameters["General/random_state"]) == ("draft", 42)


def test_a_pipeline_of_three_tasks_runs_here(project: Project) -> None:
    """Rows 13, 15, 16, 19 to 25, 50."""
    _stage(project)
    said = project.script("pipeline_of_tasks", "--local")
    _check_flowers(project)
    assert "cloning" in said.out
    assert "completed stage_process, its task is" in said.out
    assert "done True" in said.out


def test_a_pipeline_of_three_tasks_runs_on_queues(project: Project) -> None:
    """Rows 26 and 66 as ClearML's script has it: controller on `services`, steps on `default`."""
    _stage(project)
    with project.agent("services"), project.agent("default"):
        said = project.script("pipeline_of_tasks")
    _check_flowers(project)
    assert "done True" in said.out
    assert "completed stage_process" in named("flowers").log


# --- a pipeline from functions ------------------------------------------------------------------


def test_a_pipeline_of_functions_runs_here_and_reuses_what_it_may(project: Project) -> None:
    """Rows 16, 40, 79."""
    said = project.script("pipeline_of_functions", "--local")
    assert "PipelineController.add_function_step(packages=…) has no effect" in said.err
    run = named("functions")
    assert run["load"].artifacts["source"].get() == "memory://numbers"
    assert run["train"].artifacts["model"].get() == sum(n * n for n in range(2, 8)) / 6
    assert run["train"].tags == ("last", f"pipe:{run.id}")
    assert run["train"].type == "training"
    assert run.artifacts["tested"].get() == [[0.0, 0.0], [1.0, 1.0]]
    project.script("pipeline_of_functions", "--local")
    again = named("functions")
    assert [step.reused for step in again.steps] == [True, True, False]


def test_a_pipeline_of_functions_runs_on_a_queue(project: Project) -> None:
    with project.agent("services"):
        assert "done True" in project.script("pipeline_of_functions").out
    assert named("functions")["train"].status == "completed"


# --- a pipeline from decorated functions --------------------------------------------------------


@pytest.mark.parametrize("mode", ["--local", "--debug"])
def test_a_decorated_pipeline_runs_here(project: Project, mode: str) -> None:
    """Rows 14, 49, 65, 71, 79."""
    said = project.script("pipeline_of_decorators", mode)
    assert "pipeline args: 12 '' '12'" in said.out
    assert "process completed 100.0" in said.out
    assert said.err.count("PipelineDecorator.component(docker=…) has no effect") == 1
    run = named("decorated")
    assert (run.version, run.parameters["number"]) == ("0.0.5", "12")
    assert run.artifacts["accuracy"].get() == 100.0
    assert run.artifacts["right"].get() == {"right": 3, "of": 3}
    assert run.artifacts["text"].get() == "right: 3"
    assert run.artifacts["last accuracy"].get() == 1.0
    assert run.metrics["accuracy/share"] == 1.0
    assert run["load"].type == "data_processing"
    assert run["train"].metrics["model/slope"] == 2.0
    assert run["train"].artifacts["model"].get() == 2.0
    project.script("pipeline_of_decorators", mode)
    assert [step.reused for step in named("decorated").steps] == [True, True, False, False]


def test_a_decorated_pipeline_waits_on_a_queue_and_gives_its_value(project: Project) -> None:
    """Row 26 with decorators."""
    with project.agent("services"):
        said = project.script("pipeline_of_decorators")
    assert "process completed 100.0" in said.out
    assert "pipeline args" not in said.out
    run = named("decorated")
    assert "pipeline args: 12" in run.log
    assert "Steps do not wait on queue 'gpu'" in run.log


def test_decorated_functions_are_steps_of_plain_logic(project: Project) -> None:
    """Rows 71, 79."""
    said = project.script("steps_of_functions")
    assert said.out.splitlines() == ["handled StepFailed", "best: 0.9"]
    run = named("functions as steps")
    assert run.status == "completed"
    assert [(step.name, step.status.value) for step in run.steps] == [
        ("fit", "completed"), ("fit-2", "completed"), ("fit-3", "completed"),
        ("fit-4", "completed"), ("fit-5", "completed"), ("fragile", "failed"),
        ("second_time", "completed"), ("report", "completed"),
    ]  # fmt: skip
    assert run["fit"].tags == ("trained", f"pipe:{run.id}")
    assert len(run["second_time"].attempts) == 2
    waited_for = {task_id for task_id, _ in run["report"].record.needs}
    assert run["second_time"].id in waited_for
