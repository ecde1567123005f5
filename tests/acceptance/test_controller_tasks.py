"""Pipelines of tasks: templates that scripts made are cloned, given other parameters, and run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import controlled
import pytest
from controlled import double, give, note_end, note_status, refuse

from pipekit import PipelineController, StepFailed, Task
from pipekit.control.session import close_sessions
from pipekit.errors import TaskNotFound, UsageError

_STAGE = """
    from pipekit import Task

    task = Task.init(project_name="iris", task_name="stage data", tags=["template"])
    args = {"url": "", "rows": 4, "scale": 1.5, "names": ["a"]}
    task.connect(args)
    print("staging", args["url"])
    task.upload_artifact("dataset", artifact_object=list(range(args["rows"])))
    task.upload_artifact("args", artifact_object=dict(args))
"""
_PROCESS = """
    from pipekit import Task

    task = Task.init(project_name="iris", task_name="process data")
    args = {"dataset_task_id": "", "dataset_url": "", "test_size": 0.25, "seed": 42, "extra": None}
    task.connect(args)
    data = [0, 1, 2, 3]
    if args["dataset_task_id"]:
        data = Task.get_task(task_id=args["dataset_task_id"]).artifacts["dataset"].get()
    cut = int(len(data) * args["test_size"])
    task.upload_artifact("X_test", artifact_object=data[:cut])
    task.upload_artifact("X_train", artifact_object=data[cut:])
    task.upload_artifact("args", artifact_object=dict(args))
"""
_TRAIN = """
    from pipekit import Task, log_metric

    task = Task.init(project_name="iris", task_name="train model")
    args = {"task_id": "", "epochs": 2}
    task.connect(args)
    inputs = None
    if args["task_id"]:
        before = Task.get_task(task_id=args["task_id"])
        inputs = before.artifacts["X_train"].get(), before.get_parameters()["General/seed"]
    for epoch in range(args["epochs"]):
        log_metric("loss", 1 / (epoch + 1), step=epoch)
    task.upload_artifact("inputs", artifact_object=inputs)
"""
_HOSTILE = """
    import os, sys, time
    from pathlib import Path
    from pipekit import Task

    task = Task.init(project_name="iris", task_name="hostile")
    args = {"how": "", "path": ""}
    task.connect(args)
    if args["how"] == "raise":
        raise ValueError("as asked for")
    if args["how"] == "exit":
        sys.exit(3)
    if args["how"] == "term":
        os.kill(os.getpid(), 15)
        time.sleep(60)
    if args["how"] == "sleep":
        print("sleeping", os.getpid(), flush=True)
        time.sleep(60)
    if args["how"] == "once":
        with open(args["path"], "a") as file:
            file.write("x")
        if len(Path(args["path"]).read_text()) == 1:
            raise ValueError("the first time")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scripts lie that made the templates."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").touch()
    scripts = {"stage": _STAGE, "process": _PROCESS, "train": _TRAIN, "hostile": _HOSTILE}
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
        run_script(folder, name)
    return folder


def run_script(folder: Path, name: str) -> None:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PIPEKIT_")}
    environment = kept | {"PIPEKIT_HOME": str(folder / "home")}
    subprocess.run([sys.executable, f"{name}.py"], cwd=folder, env=environment, check=True)


@pytest.fixture(autouse=True)
def _there(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PIPEKIT_HOME", str(project / "home"))
    monkeypatch.setenv("PIPEKIT_PROGRESS", "off")
    controlled.seen.clear()
    yield
    close_sessions()


@pytest.fixture
def pipe() -> PipelineController:
    return PipelineController("train flow", "iris")


def add(pipe: PipelineController, name: str, task: str, /, **options: Any) -> None:
    pipe.add_step(name, base_task_project="iris", base_task_name=task, **options)


def run(pipe: PipelineController) -> Task:
    """Here, on this machine; however it ends."""
    try:
        pipe.start_locally(run_pipeline_steps_locally=True, executor="inline")
    except StepFailed:
        pass
    return pipe.task


def artifact(step: Task, name: str) -> Any:
    return step.artifacts[name].get()


def test_three_templates_make_a_pipeline(pipe: PipelineController) -> None:
    """Features 13, 14, 16, 20-23, 25, 37-39, 48: the dataset, its preparation, the training."""
    pipe.add_parameter("url", "http://data/iris.csv", "where the data is")
    add(pipe, "stage", "stage data", parameter_override={"General/url": "${pipeline.url}"})
    add(
        pipe, "process", "process data",
        parents=["stage"],
        parameter_override={
            "General/dataset_task_id": "${stage.id}",
            "General/dataset_url": "${stage.artifacts.dataset.url}",
            "General/test_size": 0.5,
        },
    )  # fmt: skip
    add(pipe, "train", "train model", parameter_override={"task_id": "${process.id}"})
    task = run(pipe)
    assert [step.name for step in task.steps] == ["stage", "process", "train"]
    assert {str(step.status) for step in task.steps} == {"completed"}
    stage, process, train = task.steps
    assert artifact(stage, "args")["url"] == "http://data/iris.csv"
    assert process.parameters["General/dataset_url"] == stage.artifacts["dataset"].url
    assert artifact(process, "args") == {
        "dataset_task_id": stage.id,
        "dataset_url": stage.artifacts["dataset"].url,
        "test_size": 0.5,
        "seed": 42,
        "extra": None,
    }
    assert artifact(train, "inputs") == ([2, 3], 42)
    assert [edge[:2] for edge in task.graph().edges] == [
        (stage.id, process.id),
        (process.id, train.id),
    ]


def test_a_step_is_a_clone_and_the_template_stays_as_it_is(pipe: PipelineController) -> None:
    """Feature 34."""
    template = Task.get_task(project_name="iris", task_name="stage data")
    before = template.record, list(template.artifacts), template.attempts
    add(pipe, "stage", "stage data", parameter_override={"rows": 2}, tags="mine")
    step = run(pipe)["stage"]
    assert (template.record, list(template.artifacts), template.attempts) == before
    record = step.record
    assert record.id != template.id
    assert record.cloned_from == template.id
    assert (record.kind, record.parent, record.tags) == ("script", pipe.id, ("mine",))
    assert record.spec.snapshot == template.record.spec.snapshot
    assert step.log == "staging \n"


def test_a_template_is_found_by_id_or_by_the_beginning_of_it(pipe: PipelineController) -> None:
    """Feature 17."""
    template = Task.get_task(project_name="iris", task_name="stage data")
    pipe.add_step("whole", base_task_id=template.id)
    assert run(pipe)["whole"].record.cloned_from == template.id


def test_of_several_templates_the_newest_is_taken_and_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Feature 18; clones in pipelines are none of them."""
    run_script(project, "process")
    newest = Task.get_task(project_name="iris", task_name="process data")
    for _ in range(2):
        pipe = PipelineController("train flow", "iris")
        add(pipe, "process data", "process data")
        step = run(pipe)["process data"]
        assert step.record.cloned_from == newest.id
    assert f"the newest is taken: {newest.id[:13]}" in capsys.readouterr().err


@pytest.mark.parametrize("value", [7, 0.25, True, None, "", "12", [1, "2", 3.5], {"a": [1]}])
def test_values_keep_their_types_on_their_way_into_a_script(
    pipe: PipelineController, value: Any
) -> None:
    """Features 22, 24, 45."""
    pipe.add_parameter("x", value)
    override = {"extra": "${pipeline.x}"}
    add(pipe, "process", "process data", parameter_override=override)
    found = artifact(run(pipe)["process"], "args")["extra"]
    assert (found, type(found)) == (value, type(value))


def test_a_dict_for_a_group_of_parameters_changes_what_is_in_it(
    project: Path, pipe: PipelineController, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the template's own script has it: the rest of the dict stays."""
    script = """
        from pipekit import Task

        task = Task.init(project_name="iris", task_name="nested")
        args = task.connect({"model": {"net": {"depth": 1}, "rate": 0.5}})
        task.upload_artifact("args", artifact_object=dict(args))
    """
    (project / "nested.py").write_text(textwrap.dedent(script))
    run_script(project, "nested")
    pipe.add_parameter("depth", 5)
    pipe.add_function_step("give", give, {"value": {"net": {"depth": 6}}}, "model")
    override = {"model": {"net": {"depth": "${pipeline.depth}"}}}
    add(pipe, "first", "nested", parameter_override=override)
    add(pipe, "second", "nested", parameter_override={"General/model": "${give.model}"})
    done = run(pipe)
    for name, depth in (("first", 5), ("second", 6)):
        assert artifact(done[name], "args") == {"model": {"net": {"depth": depth}, "rate": 0.5}}
    assert "is added" not in capsys.readouterr().err


def test_references_stand_in_lists_and_dicts_and_in_longer_texts(
    pipe: PipelineController,
) -> None:
    add(pipe, "stage", "stage data", parameter_override={"rows": 3})
    override = {
        "extra": {
            "list": ["${stage.artifacts.dataset}", "${stage.parameters.General/rows}"],
            "text": "${stage.name}: ${stage.artifacts.dataset.size} bytes, ${stage.status}",
            "unqualified": "${stage.parameters.scale}",
            "itself": "$${stage.id}",
        }
    }
    add(pipe, "process", "process data", parameter_override=override)
    size = run(pipe)["stage"].artifacts["dataset"].size_bytes
    assert artifact(pipe.task["process"], "args")["extra"] == {
        "list": [[0, 1, 2], 3],
        "text": f"stage: {size} bytes, completed",
        "unqualified": 1.5,
        "itself": "${stage.id}",
    }


def test_functions_take_what_tasks_made_and_tasks_what_functions_return(
    pipe: PipelineController,
) -> None:
    """Features 14, 58, 60, 65, 76."""
    pipe.add_function_step("rows", give, {"value": 6}, "rows")
    add(pipe, "stage", "stage data", parameter_override={"rows": "${rows.rows}"})
    add(pipe, "train", "train model", parameter_override={"epochs": 4})
    pipe.add_function_step(
        "report", give,
        {"value": {"data": "${stage.artifacts.dataset}", "loss": "${train.metrics.loss}"}},
    )  # fmt: skip
    task = run(pipe)
    assert task["report"].value == {"data": [0, 1, 2, 3, 4, 5], "loss": 0.25}


def test_a_missing_artifact_fails_the_step_that_wants_it_and_says_what_there_is(
    pipe: PipelineController,
) -> None:
    """Feature 38."""
    add(pipe, "stage", "stage data")
    override = {"dataset_url": "${stage.artifacts.datset.url}"}
    add(pipe, "process", "process data", parameter_override=override)
    pipe.add_function_step("report", give, {"value": "${stage.artifacts.datset}"})
    task = run(pipe)
    assert task["stage"].status == "completed"
    for name in ("process", "report"):
        error = str(task[name].error)
        assert task[name].status == "failed"
        assert "'stage'" in error
        assert "no artifact 'datset'" in error
        assert "'dataset', 'args'" in error
        assert "did you mean 'dataset'?" in error


def test_an_artifact_that_is_no_parameter_is_refused_with_the_way_out(
    pipe: PipelineController,
) -> None:
    pipe.add_function_step("made", give, {"value": b"bytes"})
    override = {"dataset_url": "${made.value}"}
    add(pipe, "process", "process data", parameter_override=override)
    error = str(run(pipe)["process"].error)
    assert "is a bytes" in error
    assert "${made.artifacts.value.url}" in error


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"rows": "many"}, "'General/rows' cannot be 'many'"),
        ({"General/scale": []}, "'General/scale' cannot be []"),
        ({"names": "${stage.id}"}, "names step 'stage'"),
    ],
)
def test_an_override_that_does_not_fit_is_refused_before_anything_starts(
    pipe: PipelineController, override: dict[str, Any], words: str
) -> None:
    add(pipe, "data", "stage data", parameter_override=override)
    count = len(Task.get_tasks(task_name="train flow"))
    with pytest.raises(UsageError, match="Step 'data'") as caught:
        pipe.start_locally(True)
    assert words in str(caught.value)
    assert len(Task.get_tasks(task_name="train flow")) == count


def test_an_override_that_does_not_fit_when_it_is_known_fails_its_step(
    pipe: PipelineController,
) -> None:
    pipe.add_function_step("text", give, {"value": "many"})
    add(pipe, "data", "stage data", parameter_override={"rows": "${text.value}"})
    task = run(pipe)
    assert task["data"].status == "failed"
    assert "'General/rows' cannot be 'many'" in str(task["data"].error)


def test_a_parameter_that_the_template_does_not_know_is_added_with_a_note(
    pipe: PipelineController, capsys: pytest.CaptureFixture[str]
) -> None:
    add(pipe, "data", "stage data", parameter_override={"General/row": 3, "Other/x": 1})
    parameters = run(pipe)["data"].parameters
    assert parameters["General/row"] == 3
    assert parameters["Other/x"] == 1
    said = capsys.readouterr().err
    assert "no parameter 'General/row'; it is added. did you mean 'General/rows'?" in said


def test_an_unknown_parameter_of_a_template_is_refused(pipe: PipelineController) -> None:
    add(pipe, "data", "stage data")
    pipe.add_function_step("one", give, {"value": "${data.parameters.General/rowz}"})
    with pytest.raises(UsageError, match="General/rowz") as caught:
        pipe.start_locally(True)
    assert "did you mean 'General/rows'?" in str(caught.value)


def test_a_template_that_is_not_there_is_refused_with_those_that_are(
    pipe: PipelineController,
) -> None:
    add(pipe, "data", "stage date")
    with pytest.raises(TaskNotFound, match="Step 'data'") as caught:
        pipe.start_locally(True)
    assert "did you mean 'iris/stage data'?" in str(caught.value)


def test_a_run_is_no_template(pipe: PipelineController) -> None:
    add(pipe, "data", "stage data")
    other = PipelineController("other", "iris")
    other.add_step("one", base_task_id=run(pipe).id)
    with pytest.raises(UsageError, match="is a pipeline"):
        other.start_locally(True)


def test_an_equal_clone_is_reused_where_that_is_asked_for(project: Path) -> None:
    """Its files and its parameters are what counts; what follows from it is reused too."""
    tasks = []
    for rows in (5, 5, 6):
        pipe = PipelineController("cached flow", "iris")
        add(pipe, "data", "stage data", parameter_override={"rows": rows},
            cache_executed_step=True)  # fmt: skip
        add(pipe, "process", "process data", parameter_override={"dataset_task_id": "${data.id}"},
            cache_executed_step=True)  # fmt: skip
        pipe.add_function_step("report", give, {"value": "${process.artifacts.X_train}"})
        tasks.append(run(pipe))
        assert pipe.is_successful()
    first, second, third = tasks
    assert [step.reused for step in first.steps] == [False, False, False]
    assert [step.reused for step in second.steps] == [True, True, False]
    assert [step.reused for step in third.steps] == [False, False, False]
    assert second["data"].reused_from == first["data"].id
    assert second["report"].value == first["report"].value == [1, 2, 3, 4]


def test_callbacks_are_called_with_what_is_resolved_and_may_change_it(
    pipe: PipelineController,
) -> None:
    """Features 40, 41."""
    add(pipe, "stage", "stage data", status_change_callback=note_status)
    override = {"General/value": "${stage.artifacts.dataset}"}
    add(pipe, "process", "process data", parameter_override=override,
        pre_execute_callback=double_value, post_execute_callback=note_end)  # fmt: skip
    add(pipe, "no", "train model", pre_execute_callback=refuse)
    task = run(pipe)
    assert sorted(map(str, controlled.seen)) == sorted(
        map(
            str,
            [
                ("stage", "pending", "running"),
                ("stage", "running", "completed"),
                ("process", {"General/value": [0, 1, 2, 3]}),
                ("train flow", "process", task["process"].id, "completed"),
            ],
        )
    )
    assert task["process"].parameters["General/value"] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert task["no"].status == "skipped"
    assert task["no"].attempts == []


def double_value(pipeline: Any, node: Any, parameters: dict[str, Any]) -> None:
    parameters["value"] = parameters.pop("General/value")
    double(pipeline, node, parameters)
    controlled.seen[-1] = (node.name, {"General/value": controlled.seen[-1][1]["value"]})
    parameters["General/value"] = parameters.pop("value")


def test_metrics_and_artifacts_are_mirrored_on_the_pipeline(pipe: PipelineController) -> None:
    """Feature 93."""
    add(pipe, "train", "train model", parameter_override={"epochs": 3}, monitor_metrics=["loss"],
        monitor_artifacts=[("inputs", "from train")])  # fmt: skip
    task = run(pipe)
    assert [one.value for one in task.metrics.history("loss")] == [1, 1 / 2, 1 / 3]
    assert task.artifacts["from train"].get() is None


@pytest.mark.parametrize(
    ("how", "words"), [("raise", "ValueError: as asked for"), ("exit", "exit code 3")]
)
def test_a_script_that_fails_fails_its_step(pipe: PipelineController, how: str, words: str) -> None:
    add(pipe, "bad", "hostile", parameter_override={"how": how})
    add(pipe, "next", "stage data", parents=["bad"])
    task = run(pipe)
    assert task.status == "failed"
    assert words in str(task["bad"].error)
    assert task["next"].status == "skipped"
    assert task["next"].attempts == []


def test_a_script_that_someone_ends_was_stopped_and_what_needs_it_is_skipped(
    pipe: PipelineController,
) -> None:
    add(pipe, "bad", "hostile", parameter_override={"how": "term"})
    add(pipe, "next", "stage data", parents=["bad"])
    task = run(pipe)
    assert (task.status, task["bad"].status, task["next"].status) == (
        "failed",
        "stopped",
        "skipped",
    )


def test_retries_run_the_script_again_as_the_same_task(
    pipe: PipelineController, tmp_path: Path
) -> None:
    override = {"how": "once", "path": str(tmp_path / "marks")}
    add(pipe, "flaky", "hostile", parameter_override=override, retries=1)
    task = run(pipe)
    assert task.status == "completed"
    assert [attempt.exit for attempt in task["flaky"].attempts] == ["error", "completed"]


def test_a_time_limit_ends_the_process(pipe: PipelineController) -> None:
    add(pipe, "slow", "hostile", parameter_override={"how": "sleep"}, time_limit=1.0)
    task = run(pipe)
    failure = task["slow"].failure
    assert failure is not None
    assert failure.kind == "timeout"
    assert "time limit of 1 s" in failure.message
    until_gone(pid_of(task["slow"]))


def test_a_stopped_pipeline_stops_the_process(pipe: PipelineController) -> None:
    add(pipe, "slow", "hostile", parameter_override={"how": "sleep"})
    pipe.start_locally(True, wait=False, executor="inline")
    until(lambda: bool(pipe.task.steps) and "sleeping" in pipe.task["slow"].log)
    assert pipe.stop(timeout=30)
    assert pipe.task["slow"].status == "stopped"
    until_gone(pid_of(pipe.task["slow"]))


def test_a_pipeline_of_tasks_is_resumed(pipe: PipelineController, tmp_path: Path) -> None:
    add(pipe, "stage", "stage data", parameter_override={"rows": 2})
    add(pipe, "flaky", "hostile", parents=["stage"],
        parameter_override={"how": "once", "path": str(tmp_path / "marks")})  # fmt: skip
    add(pipe, "last", "process data", parents=["flaky"],
        parameter_override={"dataset_task_id": "${stage.id}"})  # fmt: skip
    task = run(pipe)
    assert task.status == "failed"
    before = task["stage"].record
    resumed = task.resume()
    assert resumed.status == "completed"
    assert resumed["stage"].record == before
    assert [(step.name, len(step.attempts)) for step in resumed.steps] == [
        ("stage", 1),
        ("flaky", 2),
        ("last", 1),
    ]


def pid_of(step: Task) -> int:
    return int(step.log.split()[1])


def until_gone(pid: int) -> None:
    def is_gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(is_gone)


def until(holds: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
