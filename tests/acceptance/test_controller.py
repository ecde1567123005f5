"""Pipelines that are put together step by step, of functions."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import controlled
import pytest
from controlled import (
    bounds,
    count,
    double,
    explode,
    fail,
    fail_until,
    give,
    note_end,
    note_status,
    process_of,
    refuse,
    rest,
    split,
    total,
    train,
)

from pipekit import PipelineController, Status, StepFailed, Stopped, Task
from pipekit.errors import CallbackFailed, NotResumable, TaskNotFound, UsageError


@pytest.fixture(autouse=True)
def _fresh(home: Path) -> None:
    controlled.seen.clear()


@pytest.fixture
def pipe() -> PipelineController:
    return PipelineController("flow", "iris", "1.2")


def run(pipe: PipelineController, **options: Any) -> Task:
    """Here, in this process; however it ends."""
    try:
        pipe.start_locally(True, executor=options.pop("executor", "inline"), **options)
    except (StepFailed, CallbackFailed):
        pass
    return pipe.task


def test_the_pipeline_is_recorded_under_its_name_project_and_version_as_a_controller(
    pipe: PipelineController,
) -> None:
    """Features 15, 32, 59."""
    pipe.add_function_step("one", give, {"value": 1})
    task = run(pipe)
    assert (task.name, task.project, task.version) == ("flow", "iris", "1.2")
    assert (task.kind, task.type, task.status) == ("pipeline", "controller", "completed")
    assert Task.get_task(task_name="flow", project_name="iris").id == pipe.id


def test_a_step_takes_what_another_returns_by_name_and_the_order_follows(
    pipe: PipelineController,
) -> None:
    """Feature 19, for functions: declared in whatever order."""
    pipe.add_function_step("sum", total, {"values": "${parts.right}"}, "sum")
    pipe.add_function_step("parts", split, {"values": [1, 2, 3, 4]}, ["left", "right"])
    task = run(pipe)
    assert task["sum"].artifacts["sum"].get() == 7
    assert [step.name for step in task.steps] == ["parts", "sum"]
    assert task["sum"].parameters["values"] == "${parts.artifacts.right}"


@pytest.mark.parametrize("value", [5, 0.25, True, None, "", "12", [1, "2"], {"a": {"b": 1.5}}])
def test_a_reference_to_a_parameter_keeps_its_type(pipe: PipelineController, value: Any) -> None:
    """Features 16, 20, 22."""
    pipe.add_parameter("x", value)
    pipe.add_function_step("one", give, {"value": "${pipeline.x}"})
    pipe.add_function_step("two", give, {"value": ["${pipeline.x}", {"deep": "${pipeline.x}"}]})
    task = run(pipe)
    found = task["one"].artifacts["value"].get()
    assert (found, type(found)) == (value, type(value))
    assert task["two"].artifacts["value"].get() == [value, {"deep": value}]
    assert pipe.get_parameters() == {"x": value}


def test_every_form_of_a_reference_to_a_function_step(pipe: PipelineController) -> None:
    pipe.add_function_step("one", give, {"value": 7})
    pipe.add_function_step(
        "two",
        give,
        {
            "value": {
                "value": "${one.value}",
                "artifact": "${one.artifacts.value}",
                "id": "${one.id}",
                "name": "${one.name}",
                "status": "${one.status}",
                "type": "${one.artifacts.value.type}",
                "parameter": "${one.parameters.value}",
                "text": "<${one.value}/${one.name}>",
                "itself": "$${one.value}",
            }
        },
    )
    task = run(pipe)
    assert task["two"].artifacts["value"].get() == {
        "value": 7,
        "artifact": 7,
        "id": task["one"].id,
        "name": "one",
        "status": "completed",
        "type": "int",
        "parameter": 7,
        "text": "<7/one>",
        "itself": "${one.value}",
    }


def test_a_reference_to_an_address_and_to_a_metric(pipe: PipelineController) -> None:
    """Features 14, 21, 58, 65."""
    pipe.add_function_step("fit", train, {"losses": [3.0, 1.0, 2.0]}, "model")
    pipe.add_function_step("url", give, {"value": "${fit.artifacts.model.url}"})
    pipe.add_function_step("loss", give, {"value": "${fit.metrics.train/loss}"})
    task = run(pipe)
    assert task["url"].artifacts["value"].get() == task["fit"].artifacts["model"].url
    assert task["loss"].artifacts["value"].get() == 2.0


def test_parents_hold_a_step_back(pipe: PipelineController) -> None:
    """Feature 19."""
    pipe.add_function_step("late", process_of, parents=["early"])
    pipe.add_function_step("early", process_of)
    task = run(pipe, executor="process:2")
    early, late = (task[name].value for name in ("early", "late"))
    assert late[1] >= early[2]


def test_independent_steps_run_at_once_in_processes_of_their_own(pipe: PipelineController) -> None:
    """Feature 68."""
    pipe.add_function_step("one", process_of)
    pipe.add_function_step("two", process_of, {"number": 1})
    task = run(pipe, executor="process:2")
    one, two = (task[name].value for name in ("one", "two"))
    assert len({one[0], two[0], os.getpid()}) == 3
    assert one[1] < two[2]
    assert two[1] < one[2]


# what is refused before anything starts


def refused(pipe: PipelineController) -> str:
    with pytest.raises((UsageError, TaskNotFound)) as caught:
        pipe.start_locally(True)
    assert Task.get_tasks(task_name="flow") == []
    return str(caught.value)


def test_a_pipeline_without_steps_is_refused(pipe: PipelineController) -> None:
    assert "has no steps" in refused(pipe)


def test_two_steps_of_one_name_are_refused(pipe: PipelineController) -> None:
    pipe.add_function_step("one", give, {"value": 1})
    with pytest.raises(UsageError, match="two steps named 'one'"):
        pipe.add_function_step("one", give, {"value": 2})


@pytest.mark.parametrize("name", ["", "pipeline", "a/b", "${x}", 3])
def test_a_name_that_references_could_not_be_read_with_is_refused(
    pipe: PipelineController, name: Any
) -> None:
    with pytest.raises(UsageError):
        pipe.add_function_step(name, give, {"value": 1})


def test_an_unknown_parent_is_refused_with_the_nearest_name(pipe: PipelineController) -> None:
    """Feature 19."""
    pipe.add_function_step("prepare", give, {"value": 1})
    pipe.add_function_step("train", give, {"value": 1}, parents=["prepair"])
    text = refused(pipe)
    assert "'train' waits for 'prepair'" in text
    assert "did you mean 'prepare'?" in text


def test_a_cycle_is_refused_with_its_path(pipe: PipelineController) -> None:
    """Feature 19."""
    pipe.add_function_step("free", give, {"value": 1})
    pipe.add_function_step("one", give, {"value": "${three.value}"}, parents=["free"])
    pipe.add_function_step("two", give, {"value": "${one.value}"})
    pipe.add_function_step("three", give, {"value": 1}, parents=["two"])
    assert "one <- three <- two <- one" in refused(pipe)


def test_a_step_that_waits_for_itself_is_refused(pipe: PipelineController) -> None:
    pipe.add_function_step("one", give, {"value": 1}, parents=["one"])
    assert "one <- one" in refused(pipe)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("${stage.value}", "names step 'stage', which is not there"),
        ("${pipeline.ur}", "did you mean 'url'?"),
        ("${split.lefd}", "did you mean 'left'?"),
        ("${split.parameters.valuse}", "did you mean 'values'?"),
        ("${split}", "names no part of a task"),
    ],
)
def test_an_unknown_reference_is_refused_with_the_nearest_name(
    pipe: PipelineController, reference: str, words: str
) -> None:
    pipe.add_parameter("url", "")
    pipe.add_function_step("split", split, {"values": [1]}, ["left", "right"])
    pipe.add_function_step("two", give, {"value": [{"deep": reference}]})
    text = refused(pipe)
    assert "'two'" in text
    assert words in text


def test_arguments_that_the_function_does_not_take_are_refused(pipe: PipelineController) -> None:
    pipe.add_function_step("one", give, {"valeu": 1})
    assert "Step 'one' cannot call give()" in refused(pipe)


@pytest.mark.parametrize(
    "options",
    [
        {"retries": -1},
        {"time_limit": 0},
        {"pre_execute_callback": 3},
        {"monitor_metrics": [("a", "b", "c")]},
        {"monitor_artifacts": [3]},
        {"execution_queue": ""},
        {"parents": [3]},
    ],
)
def test_an_option_that_cannot_be_right_is_refused_where_it_is_written(
    pipe: PipelineController, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        pipe.add_function_step("one", give, {"value": 1}, **options)


def test_a_parameter_is_checked_against_its_type(pipe: PipelineController) -> None:
    pipe.add_parameter("a", 1, "a number", "int")
    pipe.add_parameter("b", 1, param_type=float)
    for wrong in ({"default": "1", "param_type": int}, {"param_type": "integre"}, {"default": 1}):
        with pytest.raises(UsageError):
            pipe.add_parameter("a" if len(wrong) == 1 else "c", **wrong)  # type: ignore[arg-type]


def test_a_template_that_is_not_there_is_refused(pipe: PipelineController) -> None:
    """Feature 17."""
    pipe.add_step("one", base_task_id="01j9zk7")
    assert "Step 'one': No task has the id '01j9zk7'" in refused(pipe)


def test_a_step_without_a_template_is_refused(pipe: PipelineController) -> None:
    with pytest.raises(UsageError, match="names no template"):
        pipe.add_step("one")


# failures


def test_a_failed_step_fails_the_pipeline_and_what_needs_it_is_skipped(
    pipe: PipelineController,
) -> None:
    pipe.add_function_step("bad", fail)
    pipe.add_function_step("next", give, {"value": "${bad.value}"})
    pipe.add_function_step("last", give, {"value": "${next.id}"})
    pipe.add_function_step("free", give, {"value": 1})
    with pytest.raises(StepFailed, match="'bad'"):
        pipe.start_locally(True, executor="inline")
    task = pipe.task
    assert {step.name: str(step.status) for step in task.steps} == {
        "bad": "failed",
        "next": "skipped",
        "last": "skipped",
        "free": "completed",
    }
    assert task.status == "failed"
    assert not pipe.is_successful()
    assert not pipe.is_running()
    assert "(last <- next <- bad)" in str(task["last"].error)


def test_with_continue_on_fail_the_pipeline_completes_and_the_branch_is_skipped(
    pipe: PipelineController,
) -> None:
    pipe.add_function_step("bad", fail, continue_on_fail=True)
    pipe.add_function_step("next", give, {"value": "${bad.value}"})
    pipe.add_function_step("free", give, {"value": 1})
    task = run(pipe)
    assert task.status == "completed"
    assert pipe.is_successful()
    assert {step.name: str(step.status) for step in task.steps} == {
        "bad": "failed",
        "next": "skipped",
        "free": "completed",
    }


def test_on_failure_fail_stops_the_others() -> None:
    pipe = PipelineController("flow", "iris", on_failure="fail")
    pipe.add_function_step("slow", rest, {"seconds": 60})
    pipe.add_function_step("bad", fail)
    task = run(pipe, executor="process:2")
    assert task.status == "failed"
    assert task["slow"].status == "stopped"


def test_retries_give_a_step_further_attempts(pipe: PipelineController, tmp_path: Path) -> None:
    pipe.add_function_step("bad", fail, retries=2)
    task = run(pipe)
    assert len(task["bad"].attempts) == 3


def test_a_time_limit_ends_a_step(pipe: PipelineController) -> None:
    pipe.add_function_step("slow", rest, {"seconds": 60}, time_limit=0.3)
    task = run(pipe, executor="process:1")
    assert task["slow"].failure is not None
    assert task["slow"].failure.kind == "timeout"


def test_a_component_keeps_its_own_options(pipe: PipelineController) -> None:
    pipe.add_function_step("ends", bounds, {"values": [3, 1, 2]}, ["low", "high"])
    pipe.add_function_step("sum", total, {"values": ["${ends.low}", "${ends.high}"]})
    task = run(pipe)
    assert task["sum"].artifacts["value"].get() == 4
    assert task["ends"].record.spec.settings["retries"] == 1


def test_a_function_step_is_reused_where_that_is_asked_for(tmp_path: Path, home: Path) -> None:
    """Cached steps count as successful."""
    marks = [str(tmp_path / "always"), str(tmp_path / "once")]
    for _ in range(2):
        pipe = PipelineController("flow", "iris")
        pipe.add_function_step("always", count, {"marks": marks[0]})
        pipe.add_function_step("once", give, {"value": "x"}, cache_executed_step=True)
        task = run(pipe)
        assert pipe.is_successful()
    assert (tmp_path / "always").read_text() == "xx"
    assert task["once"].reused
    assert not task["always"].reused


# callbacks


def test_a_pre_execute_callback_sees_and_changes_the_resolved_arguments(
    pipe: PipelineController,
) -> None:
    """Feature 40."""
    pipe.add_function_step("one", give, {"value": 3})
    pipe.add_function_step("two", give, {"value": "${one.value}"}, pre_execute_callback=double)
    task = run(pipe)
    assert controlled.seen == [("two", {"value": 3})]
    assert task["two"].artifacts["value"].get() == 6


def test_a_pre_execute_callback_that_says_false_skips_the_step_and_what_needs_it(
    pipe: PipelineController,
) -> None:
    """Feature 40."""
    pipe.add_function_step("one", give, {"value": 3}, pre_execute_callback=refuse)
    pipe.add_function_step("two", give, {"value": "${one.value}"})
    task = run(pipe)
    assert [str(step.status) for step in task.steps] == ["skipped", "skipped"]
    assert "its pre_execute_callback=refuse returned False" in str(task["one"].error)
    assert task.status == "completed"


def test_a_callback_that_raises_fails_the_pipeline(pipe: PipelineController) -> None:
    pipe.add_function_step("one", give, {"value": 3}, pre_execute_callback=explode)
    with pytest.raises(CallbackFailed, match="pre_execute_callback=explode"):
        pipe.start_locally(True, executor="inline")
    assert pipe.task.status == "failed"


def test_a_post_execute_callback_is_told_of_each_end_once(pipe: PipelineController) -> None:
    """Feature 41."""
    pipe.add_function_step("one", give, {"value": 3}, post_execute_callback=note_end)
    pipe.add_function_step("bad", fail, post_execute_callback=note_end, retries=1)
    task = run(pipe)
    assert sorted(controlled.seen) == [
        ("flow", "bad", task["bad"].id, "failed"),
        ("flow", "one", task["one"].id, "completed"),
    ]


def test_a_status_change_callback_is_told_of_each_change(pipe: PipelineController) -> None:
    pipe.add_function_step("one", give, {"value": 3}, status_change_callback=note_status)
    run(pipe)
    assert controlled.seen == [
        ("one", "pending", "running"),
        ("one", "running", "completed"),
    ]


# what the pipeline shows of its steps


def test_metrics_are_mirrored_as_they_are_falling_ones_and_nan_too(
    pipe: PipelineController,
) -> None:
    """Feature 93."""
    pipe.add_function_step(
        "fit", train, {"losses": [3.0, float("nan"), 1.0, 2.0]},
        monitor_metrics=[("train", "loss"), (("train", "loss"), ("all", "loss"))],
    )  # fmt: skip
    task = run(pipe)
    for name in ("train/loss", "all/loss"):
        history = task.metrics.history(name)
        assert [repr(one.value) for one in history] == ["3.0", "nan", "1.0", "2.0"]
        assert [one.step for one in history] == [0, 1, 2, 3]


def test_artifacts_are_mirrored(pipe: PipelineController) -> None:
    pipe.add_function_step(
        "fit", train, {"losses": []}, "model", monitor_artifacts=["model", ("model", "best")]
    )
    task = run(pipe)
    assert task.artifacts["model"].get() == task.artifacts["best"].get() == "the model"


def test_tags_and_types_are_those_of_the_steps_task() -> None:
    """Feature 32: the tag of the pipeline only where it is asked for."""
    pipe = PipelineController("flow", "iris", add_pipeline_tags=True)
    pipe.add_function_step("one", give, {"value": 1}, tags="mine", task_type="qc")
    task = run(pipe)
    assert task["one"].tags == ("mine", f"pipe:{pipe.id}")
    assert task["one"].type == "qc"


# while it runs


def test_in_the_background_it_can_be_waited_for(pipe: PipelineController, tmp_path: Path) -> None:
    """Feature 61."""
    gate = tmp_path / "gate"
    assert not pipe.is_running()
    assert pipe.elapsed() == -1.0
    pipe.add_function_step("one", give, {"value": 1})
    pipe.add_function_step("wait", wait_for_file, {"path": str(gate)}, parents=["one"])
    assert pipe.start_locally(True, wait=False, executor="process:1")
    until(lambda: pipe.get_running_nodes() and pipe.get_running_nodes()[0].name == "wait")
    assert pipe.is_running()
    assert not pipe.is_successful()
    assert not pipe.wait(0.05)
    assert [node.name for node in pipe.get_processed_nodes()] == ["one"]
    gate.touch()
    assert pipe.wait(30)
    assert pipe.is_successful()
    assert pipe.elapsed() > 0
    dag = pipe.get_pipeline_dag()
    assert {name: (node.parents, str(node.status)) for name, node in dag.items()} == {
        "one": ((), "completed"),
        "wait": (("one",), "completed"),
    }
    assert dag["one"].executed == pipe.task["one"].id


def test_it_can_be_stopped(pipe: PipelineController) -> None:
    pipe.add_function_step("slow", rest, {"seconds": 60})
    pipe.start_locally(True, wait=False, executor="process:1")
    until(lambda: bool(pipe.get_running_nodes()))
    assert pipe.stop(timeout=30)
    assert pipe.wait(30)
    assert pipe.task.status is Status.STOPPED
    assert not pipe.is_successful()


def test_an_artifact_can_be_uploaded_while_it_runs(pipe: PipelineController) -> None:
    """Also by the callback of the last step, which may take its time."""
    pipe.add_function_step("one", give, {"value": 1}, post_execute_callback=upload)
    task = run(pipe)
    assert task.artifacts["from callback"].get() == {"one": "completed"}
    with pytest.raises(UsageError, match="does not run in this process now"):
        pipe.upload_artifact("late", 1)


def test_what_was_started_cannot_be_changed_or_started_again(pipe: PipelineController) -> None:
    pipe.add_function_step("one", give, {"value": 1})
    run(pipe)
    with pytest.raises(UsageError, match="has been started"):
        pipe.add_function_step("two", give, {"value": 1})
    with pytest.raises(UsageError, match="has been started"):
        pipe.start_locally(True)


def test_before_its_start_it_has_no_id(pipe: PipelineController) -> None:
    for ask in (lambda: pipe.id, lambda: pipe.task, pipe.wait, pipe.stop):
        with pytest.raises(UsageError, match="was not started"):
            ask()


# resume


def test_a_failed_pipeline_is_resumed_and_what_completed_is_kept(
    pipe: PipelineController, tmp_path: Path
) -> None:
    marks, gate = tmp_path / "marks", tmp_path / "gate"
    pipe.add_function_step("count", count, {"marks": str(marks)})
    pipe.add_function_step("gate", fail_until, {"path": str(gate)}, parents=["count"])
    pipe.add_function_step("last", give, {"value": "${gate.value} after ${count.value}"})
    task = run(pipe)
    assert task.status == "failed"
    gate.touch()
    resumed = task.resume()
    assert resumed.status == "completed"
    assert marks.read_text() == "x"
    assert [(step.name, len(step.attempts)) for step in resumed.steps] == [
        ("count", 1),
        ("gate", 2),
        ("last", 1),
    ]
    assert resumed["last"].artifacts["value"].get() == "passed after 1"


def test_one_with_a_lambda_runs_here_and_cannot_be_resumed(
    pipe: PipelineController, tmp_path: Path
) -> None:
    pipe.add_function_step("bad", fail, pre_execute_callback=lambda *_: True)
    task = run(pipe)
    assert task.status == "failed"
    with pytest.raises(NotResumable, match="lambdas"):
        task.resume()


def test_one_with_a_lambda_cannot_be_enqueued(pipe: PipelineController) -> None:
    pipe.add_function_step("one", give, {"value": 1}, pre_execute_callback=lambda *_: True)
    with pytest.raises(UsageError, match="pre_execute_callback of step 'one'"):
        pipe.start()
    assert Task.get_tasks(task_name="flow") == []


def test_it_is_not_started_in_a_run(pipe: PipelineController) -> None:
    from pipekit import pipeline

    pipe.add_function_step("one", give, {"value": 1})

    @pipeline
    def outer() -> None:
        pipe.start_locally(True)

    with pytest.raises(UsageError, match="in a pipeline function"):
        outer()


def test_a_callback_can_stop_it(pipe: PipelineController) -> None:
    pipe.add_function_step("stop", give, {"value": 1}, pre_execute_callback=stop_it)
    with pytest.raises((Stopped, KeyboardInterrupt)):
        pipe.start_locally(True, executor="inline")
    assert pipe.task.status == "stopped"


def upload(pipeline: PipelineController, node: Any) -> None:
    time.sleep(0.1)  # the function of the run ends meanwhile
    pipeline.upload_artifact("from callback", {node.name: str(node.status)})


def stop_it(pipeline: PipelineController, node: Any, parameters: Any) -> None:
    pipeline.stop()


def wait_for_file(path: str) -> None:
    until(Path(path).exists)


def until(holds: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
