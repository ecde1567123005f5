"""What a task's code can ask and log while it runs, on every executor of this machine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import logging_flows as flows
import pytest

from pipekit import Pipeline, Task, current_task, log_artifact, log_metric, report_progress
from pipekit.errors import MetricNotFound, TaskNotFound, UsageError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(params=["inline", "process:2"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(pipeline: Pipeline[Any, Any], executor: str, *args: Any, **kwargs: Any) -> Task:
    task = pipeline.options(executor=executor).run(*args, **kwargs)
    assert task.error is None
    return task


def test_a_metric_has_its_last_value_and_its_history(executor: str) -> None:
    step = run(flows.training, executor)["fit"]
    assert dict(step.metrics) == {"loss": 0.5 / 3, "accuracy": 0.5}
    history = step.metrics.history("loss")
    assert [(one.step, one.value) for one in history] == [(0, 0.5), (1, 0.25), (2, 0.5 / 3)]


def test_a_logged_artifact_lies_beside_what_was_returned(executor: str) -> None:
    step = run(flows.training, executor)["fit"]
    assert {name: one.get() for name, one in step.artifacts.items()} == {
        "weights": {"rate": 0.5},
        "value": 0.5,
    }
    assert step.value == 0.5


def test_what_a_pipeline_function_logs_is_the_runs(executor: str) -> None:
    task = run(flows.training, executor)
    assert dict(task.metrics) == {"rate": 0.5}
    assert task.artifacts["note"].get() == "rate 0.5"
    assert task.value == 0.5


def test_what_a_child_run_logs_is_its_own(executor: str) -> None:
    task = run(flows.parent, executor)
    assert dict(task.metrics) == {}
    assert dict(task["training"].metrics) == {"rate": 0.5}


def test_a_reused_step_has_what_was_logged_when_it_ran(executor: str) -> None:
    run(flows.training, executor)
    again = run(flows.training, executor)["fit"]
    assert again.reused
    assert again.metrics["accuracy"] == 0.5
    assert again.artifacts["weights"].get() == {"rate": 0.5}
    assert again.value == 0.5


def test_no_number_is_lost_when_they_come_quickly(executor: str) -> None:
    history = run(flows.many_numbers, executor)["many"].metrics.history("number")
    assert [one.value for one in history] == list(range(5000))


def test_numbers_that_are_none_survive(executor: str) -> None:
    metrics = run(flows.odd, executor)["odd_numbers"].metrics
    assert math.isnan(metrics["nan"])
    assert metrics["infinite"] == math.inf
    assert metrics["true"] == 1.0


def test_of_a_retried_step_the_last_attempts_numbers_count(executor: str, tmp_path: Path) -> None:
    step = run(flows.retried, executor, str(tmp_path))["second_time"]
    assert len(step.attempts) == 2
    assert step.metrics["tries"] == 2
    assert step.metrics["only in the first"] == 1
    assert step.artifacts["seen"].get() == 2


def test_current_task_is_the_step_in_a_component_and_the_run_in_a_pipeline(executor: str) -> None:
    task = run(flows.introspective, executor)
    run_id, said = task.value
    assert run_id == task.id
    assert said == {
        "id": task["who_am_i"].id, "name": "who_am_i", "status": "running", "parent": task.id,
        "attempts": 1, "parameters": {},
    }  # fmt: skip


def test_a_thread_that_a_step_starts_logs_to_the_step() -> None:
    assert run(flows.with_a_thread, "process:1")["threaded"].metrics["from a thread"] == 1


def test_a_process_that_a_step_starts_is_told_that_it_cannot_log(executor: str) -> None:
    assert run(flows.with_a_child, executor).value is True


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("text", "loss='0.3' cannot be logged: it is to be a number, not a str"),
        ("name", "The name of a logged metric is to be text, not 3"),
        ("step", "step=0.5 is to be a whole number"),
        ("output", "cannot be logged as 'value': that is the name of what the component returns"),
        ("figure", "takes a matplotlib figure, not a int"),
    ],
)
def test_what_cannot_be_logged_fails_the_step_with_the_reason(
    executor: str, what: str, said: str
) -> None:
    task = flows.wrongly.options(executor=executor).run(what)
    assert said in str(task["wrong"].error)


def test_a_figure_is_stored_by_itself_or_by_its_axes(executor: str) -> None:
    artifacts = run(flows.drawing, executor)["drawn"].artifacts
    for name in ("by figure", "by axes"):
        assert artifacts[name].get_local_copy().read_bytes().startswith(b"\x89PNG")


def test_outside_of_a_run_logging_does_nothing() -> None:
    assert current_task() is None
    log_metric("loss", 0.5)
    log_artifact("weights", [1])
    report_progress(1, 2)
    assert flows.fit(0.5) == 0.5


def test_an_unknown_metric_is_told_with_those_that_exist() -> None:
    step = run(flows.training, "inline")["fit"]
    with pytest.raises(MetricNotFound, match=r"It has: 'loss', 'accuracy'\. Hint: .*'loss'"):
        step.metrics["los"]


# --- finding tasks again ------------------------------------------------------------------------


def test_a_task_is_found_by_its_id_by_a_part_of_it_and_by_name() -> None:
    older, newer = run(flows.training, "inline"), run(flows.training, "inline", 0.25)
    assert Task.get_task(older.id) == older
    assert Task.get_task(older["fit"].id).name == "fit"
    assert Task.get_task(task_name="training") == newer
    assert Task.get_task(task_name="training", project_name=newer.project).value == 0.25


def test_tasks_are_listed_newest_first_by_what_is_given() -> None:
    first, second = run(flows.training, "inline"), run(flows.parent, "inline")
    found = Task.get_tasks(kind="pipeline")
    assert [task.name for task in found] == ["training", "parent", "training"]
    assert [task.name for task in Task.get_tasks(kind="step")] == ["fit", "fit"]
    assert Task.get_tasks(task_name="parent") == [second]
    assert found[0].parent == second.id
    assert Task.get_tasks(limit=1) == Task.get_tasks()[:1]
    assert first in Task.get_tasks(status="completed")
    assert Task.get_tasks(status="failed") == []


def test_what_is_not_found_is_told_with_what_exists() -> None:
    with pytest.raises(TaskNotFound, match=r"There are no runs\."):
        Task.get_task(task_name="training")
    run(flows.training, "inline")
    with pytest.raises(
        TaskNotFound, match=r"name 'trainin'\. .*'training'|did you mean 'training'"
    ):
        Task.get_task(task_name="trainin")
    with pytest.raises(TaskNotFound, match="No task has the id 'zzz'"):
        Task.get_task("zzz")
    with pytest.raises(UsageError, match=r"No status is 'complete'.*'completed'"):
        Task.get_tasks(status="complete")
