"""`pipekit.clearml`: what ClearML's arguments mean here. (Feature rows by their numbers.)"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clearml_flows as flows
import pytest
from workspace import Workspace

import pipekit
from pipekit.clearml import (
    Logger,
    PipelineController,
    PipelineDecorator,
    StorageManager,
    Task,
    TaskTypes,
    unused,
)
from pipekit.clearml import mode as modes
from pipekit.errors import PipekitError, StepFailed, StepSkipped, UsageError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def here() -> Iterator[None]:
    PipelineDecorator.run_locally()
    flows.seen.clear()
    yield
    modes.set_mode(modes.Mode.QUEUED)
    modes.set_default_queue("")


def last_run() -> pipekit.Task:
    return pipekit.Task.get_tasks(kind="pipeline")[0]


# --- decorators ---------------------------------------------------------------------------------


def test_a_component_outside_of_a_pipeline_is_the_plain_function() -> None:
    """Row 71."""
    assert flows.watched(1) == (1, 2)
    assert flows.asked.function(3) == 3


def test_callbacks_are_told_of_pipeline_and_node_and_may_decline() -> None:
    """Rows 40 and 41 for decorated functions."""
    with pytest.raises(StepSkipped, match="its before=decline returned False"):
        flows.flow("asked")
    done, skipped = last_run().steps
    assert ("before", "flow", "asked", done.id, {"number": 2}) in flows.seen
    assert ("after", "asked", done.id, "completed") in flows.seen
    assert ("after", "asked-2", skipped.id, "skipped") in flows.seen


def test_a_callback_cannot_change_what_a_call_passed_and_is_told_so() -> None:
    with pytest.raises(PipekitError, match="changed the parameters of step 'meddled'"):
        flows.flow("meddled")


def test_status_changes_are_told_with_the_previous_one() -> None:
    assert flows.flow("watched") == 3
    assert flows.seen == [("watched", "pending", "running"), ("watched", "running", "completed")]
    assert list(last_run()["watched"].artifacts) == ["one", "two"]  # row 79


def test_a_function_decides_on_each_retry() -> None:
    with pytest.raises(StepFailed):
        flows.flow("never")
    run = last_run()
    assert flows.seen == [("retry", run.id, "never", number) for number in range(3)]
    assert len(run["never"].attempts) == 3


def test_a_pipelines_retries_are_those_of_components_that_name_none(tmp_path: Path) -> None:
    assert flows.flow("counted", tmp_path) == 3
    assert len(last_run()["counted"].attempts) == 3


def test_a_run_completes_although_a_step_failed_that_may() -> None:
    assert flows.flow("may_fail") == "done"
    run = last_run()
    assert (run.status, run["may_fail"].status) == ("completed", "failed")


def test_an_unknown_parent_is_told_with_the_steps_so_far() -> None:
    with pytest.raises(UsageError, match=r"'nobody', which was not called before\."):
        flows.flow("orphan")


@pytest.mark.parametrize("debug", [True, False])
def test_code_finds_its_task_and_its_pipeline(tmp_path: Path, debug: bool) -> None:
    if debug:
        PipelineDecorator.debug_pipeline()
    said = flows.flow("plain", tmp_path)
    assert said == "in_progress plain of flow True ['plain']"
    run = last_run()
    assert run.artifacts["by its path"].get().read_text() == "in a file"
    assert run.artifacts["as it is"].get() == "text that names no file"
    assert list(run["plain"].artifacts) == ["return_object"]


def test_parallel_calls_give_their_values_later() -> None:
    assert [flows.parallel(number) for number in (1, 2)] == [None, None]
    assert PipelineDecorator.wait_for_multi_pipelines() == [2, 4]
    flows.parallel(9)
    with pytest.raises(ValueError, match="nine"):
        PipelineDecorator.wait_for_multi_pipelines()


def test_outside_of_a_run_there_is_no_current_pipeline() -> None:
    assert PipelineDecorator.get_current_pipeline() is None
    with pytest.raises(UsageError, match="was called where no pipeline runs"):
        PipelineDecorator.upload_artifact("late", 1)


# --- arguments that mean nothing here -----------------------------------------------------------


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused, "_told", set())


@pytest.mark.usefixtures("untold")
def test_an_argument_without_effect_is_named_once_with_its_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            line = inspect.currentframe().f_lineno + 1  # type: ignore[union-attr]
            PipelineDecorator.component(docker="python:3.9", helper_functions=[print], repo=None)
    assert [(Path(one.filename).name, one.lineno) for one in caught] == [
        (Path(__file__).name, line)
    ]
    assert "PipelineDecorator.component(docker=…) has no effect" in str(caught[0].message)


@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize(
    ("call", "arguments", "named"),
    [
        (PipelineDecorator.component, {"packages": ["x"], "output_uri": "s3://b"}, 2),
        (PipelineDecorator.component, {"packages": False, "auto_connect_frameworks": False}, 0),
        (PipelineDecorator.pipeline, {"name": "p", "project": "q", "pool_frequency": 0.1}, 0),
        (PipelineDecorator.pipeline, {"name": "p", "project": "q", "args_map": {"a": []}}, 1),
        (PipelineController, {"name": "p", "project": "q", "target_project": "z"}, 1),
        (PipelineController, {"name": "p", "project": "q", "add_run_number": False}, 0),
        (StorageManager.set_cache_file_limit, {"cache_file_limit": 9}, 1),
        (Task.add_requirements, {"package_name": "pandas"}, 1),
    ],
)
def test_only_what_has_no_effect_is_named(call: Any, arguments: Any, named: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(**arguments)
    assert len(caught) == named


def test_an_argument_that_clearml_does_not_know_either_is_an_error() -> None:
    with pytest.raises(TypeError, match="'retry_on_fail'; did you mean 'retry_on_failure'"):
        PipelineDecorator.component(retry_on_fail=3)


# --- Task, Logger, StorageManager ---------------------------------------------------------------


def test_a_name_that_no_task_has_gives_none_and_an_id_an_error() -> None:
    """Row 4."""
    assert Task.get_task(project_name="examples", task_name="none such") is None
    with pytest.raises(PipekitError):
        Task.get_task(task_id="zzz")


def test_tasks_are_found_by_a_part_of_their_name_and_clearmls_statuses() -> None:
    flows.flow("watched")
    found = Task.get_tasks(task_name="^fl", task_filter={"status": ["completed"]})
    assert [task.name for task in found] == ["flow"]
    assert Task.get_tasks(task_name="^fl", task_filter={"status": ["in_progress"]}) == []
    with pytest.raises(UsageError, match="No status is 'complete'"):
        Task.get_tasks(task_filter={"status": ["complete"]})


def test_a_draft_is_made_changed_and_has_clearmls_words(tmp_path: Path) -> None:
    """Rows 5 to 7 and 64."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "base.py").write_text("")
    made = Task.create(
        project_name="examples", task_name="base", script=str(tmp_path / "base.py"),
        task_type=TaskTypes.testing, argparse_args=[("epochs", "3")],
    )  # fmt: skip
    assert (made.status, made.get_status(), made.type) == ("created", "created", "testing")
    assert made.record.spec.argv == ("--epochs", "3")
    made.set_parameters({"General/rate": 0.5, "Args/epochs": 3})
    clone = Task.clone(source_task=made, name="other", parent=made.id)
    clone.set_parameter("rate", 0.25)
    assert clone.get_parameters() == {"General/rate": 0.25, "Args/epochs": 3}
    assert clone.get_parameters_as_dict() == {"General": {"rate": 0.25}, "Args": {"epochs": 3}}
    assert clone.get_parent() == made.id
    clone.set_parameters(depth=2)  # the others are gone
    assert clone.get_parameters() == {"General/depth": 2}
    clone.update_parameters({"General/width": 1})
    assert clone.get_parameters() == {"General/depth": 2, "General/width": 1}
    clone.set_name("renamed")
    clone.move_to_project("elsewhere")
    clone.add_tags(["a"])
    found = Task.get_task(project_name="elsewhere", task_name="renamed")
    assert found == clone
    assert found is not None
    assert found.get_tags() == ["a"]
    assert made.get_parameters() == {"General/rate": 0.5, "Args/epochs": 3}
    assert made.upload_artifact("data", str(tmp_path / "base.py")) is True
    assert Path(made.artifacts["data"].get_local_copy()).read_text() == ""
    assert made.artifacts["data"].hash == made.artifacts["data"].digest


def test_waiting_for_a_failure_is_a_runtime_error_as_in_clearml(tmp_path: Path) -> None:
    with pytest.raises(StepFailed):
        flows.flow("never")
    task = Task.get_task(task_id=last_run().id)
    assert task is not None
    assert task.status == "failed"
    with pytest.raises(RuntimeError, match="failed"):
        task.wait_for_status()
    assert task.wait_for_status(status="failed", raise_on_status=None) == "failed"


def test_settings_of_any_object_are_connected(tmp_path: Path) -> None:
    """Rows 2, 3, 45."""
    work = Workspace(tmp_path)
    work.write("pyproject.toml", "")
    work.write(
        "script.py",
        """
        from pipekit.clearml import Logger, Task

        class Settings:
            rate = 0.5
            _hidden = 1

        class Of:
            def __init__(self):
                self.depth, self.name = 3, ""

        task = Task.init("examples", "objects", auto_connect_arg_parser=True)
        settings, of = task.connect(Settings), task.connect(Of(), name="Of")
        config = task.connect_configuration({"layers": [1, 2]}, name="config")
        print(settings.rate, of.depth, repr(of.name), config["layers"])
        print(Task.running_locally(), Task.current_task() == task)
        task.get_logger().report_confusion_matrix("matrix", "all", matrix=[[1, 0], [0, 1]])
        task.connect_configuration(__file__, name="the file")
        """,
    )
    said = work.python("script.py")
    assert said.out.splitlines() == ["0.5 3 '' [1, 2]", "True True"], said.err
    task = pipekit.Task.get_task(task_name="objects")
    assert task.parameters == {
        "General/rate": 0.5, "Of/depth": 3, "Of/name": "", "config/layers": [1, 2],
    }  # fmt: skip
    assert task.artifacts["matrix/all"].get() == [[1, 0], [0, 1]]
    again = task.clone(parameters={"rate": 0.25, "Of/depth": "4", "Of/name": "12"})
    executed = work.pipekit("execute", again.id)
    assert executed.code == 0, executed.err
    assert again.log.splitlines()[:2] == ["0.25 4 '12' [1, 2]", "False True"]


def test_a_script_that_is_loaded_for_its_functions_reports_once(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    work.write("pyproject.toml", "")
    work.write(
        "script.py",
        """
        from pipekit.clearml import PipelineDecorator, Task

        task = Task.init("examples", "loaded")
        task.get_logger().report_scalar("top", "level", 1, 0)
        task.upload_artifact("given", [1])

        @PipelineDecorator.component
        def one(number):
            task.get_logger().report_scalar("in a", "step", number, 0)
            return number

        @PipelineDecorator.pipeline(name="beside", project="examples")
        def beside():
            return one(3)

        if __name__ == "__main__":
            PipelineDecorator.run_locally()
            print(beside())
        """,
    )
    said = work.python("script.py")
    assert said.out == "3\n", said.err
    task = pipekit.Task.get_task(task_name="loaded")
    assert dict(task.metrics) == {"top/level": 1.0, "in a/step": 3.0}
    assert len(task.metrics.history("top/level")) == 1


def test_files_are_had_and_put_by_url(tmp_path: Path) -> None:
    """Row 43."""
    import shutil

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("inside")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "folder")
    unpacked = StorageManager.get_local_copy(Path(archive).as_uri())
    assert isinstance(unpacked, str)
    assert (Path(unpacked) / "a.txt").read_text() == "inside"
    whole = StorageManager.get_local_copy(archive, extract_archive=False)
    assert whole == archive
    url = StorageManager.upload_file(archive, (tmp_path / "copy.zip").as_uri())
    got = StorageManager.download_file(url, local_folder=str(tmp_path / "got"))
    assert Path(got).read_bytes() == Path(archive).read_bytes()
    with pytest.raises(PipekitError, match=r"no file or folder .*gone\.csv"):
        StorageManager.get_local_copy((tmp_path / "gone.csv").as_uri())


def test_a_logger_outside_of_a_task_records_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    logger = Logger.current_logger()
    logger.report_scalar("t", "s", 1, 0)
    logger.report_text("printed all the same")
    assert capsys.readouterr().out == "printed all the same\n"


# --- PipelineController -------------------------------------------------------------------------


def test_a_controllers_times_are_minutes(home: Path) -> None:
    pipe = PipelineController("minutes", "examples")
    pipe.add_function_step("one", flows.asked.function, {"number": 1}, retry_on_failure=1)
    assert pipe.elapsed() == -1.0
    pipe.start_locally(run_pipeline_steps_locally=True)
    assert pipe.wait(timeout=1)
    assert pipe.elapsed() == pipe.task.duration_seconds / 60  # type: ignore[operator]
    assert pipe.is_successful()


def test_a_controller_whose_step_failed_raises_at_its_end(home: Path) -> None:
    pipe = PipelineController("failing", "examples")
    pipe.add_function_step("breaks", flows.never.function)
    pipe.add_function_step("goes on", flows.watched.function, {"number": 1})
    with pytest.raises(StepFailed):
        pipe.start_locally(run_pipeline_steps_locally=True)
    assert not pipe.is_successful()
    assert [step.status for step in pipe.task.steps] == ["failed", "completed"]


def test_a_controllers_retries_are_a_number() -> None:
    pipe = PipelineController("retries", "examples")
    with pytest.raises(UsageError, match="is to be a whole number"):
        pipe.add_function_step("one", print, retry_on_failure=lambda *told: True)  # type: ignore[arg-type]
