"""`PipelineController` with ClearML's arguments and habits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipekit.api import controller as plain
from pipekit.clearml.component import goes_on
from pipekit.clearml.task import Task, path_meant
from pipekit.clearml.unused import CONNECTS, PLACE, Unused, take_unused
from pipekit.errors import UsageError

if TYPE_CHECKING:
    from pipekit.clearml.logger import Logger

_COMMON = {
    **PLACE,
    "monitor_models": Unused("a model is an artifact: name it in monitor_artifacts"),
    "stage": Unused("it is not shown"),
    "draft": Unused("a step runs when what it needs is there", (None, False)),
}
_MADE = {
    **PLACE,
    "target_project": Unused("steps are listed under their pipeline's project", (None, True)),
    "always_create_from_code": Unused("the code says what the pipeline is", (None, True)),
    "artifact_serialization_function": Unused("pipekit.register_serializer does that"),
    "artifact_deserialization_function": Unused("pipekit.register_serializer does that"),
    "pool_frequency": Unused(""),
    "auto_version_bump": Unused(""),
    "add_run_number": Unused(""),
    "skip_global_imports": Unused(""),
    "enable_local_imports": Unused(""),
}
_STEP = {
    **_COMMON,
    "configuration_overrides": Unused("name what is connected in parameter_override"),
    "task_overrides": Unused("a clone has the template's code and files"),
    "base_task_factory": Unused("make the template first, and name its id"),
    "recursively_parse_parameters": Unused(""),
}
_FUNCTION_STEP = {
    **_COMMON,
    **CONNECTS,
    "project_name": Unused("steps are listed under their pipeline's project"),
    "task_name": Unused("a step's task has the step's name"),
    "helper_functions": Unused(""),
}
_CALLBACKS = {
    "step_task_created_callback": Unused("give each step its pre_execute_callback"),
    "step_task_completed_callback": Unused("give each step its post_execute_callback"),
}


class PipelineController(plain.PipelineController):
    """A pipeline of steps that are declared one by one, with ClearML's arguments.

    Args:
        name: Under which its runs are listed.
        project: Under which they are grouped.
        version: Shown with its runs.
        add_pipeline_tags: Whether its steps are tagged `pipe:<id of the run>`.
        abort_on_failure: Whether a failure stops the steps that do not depend on it.
        retry_on_failure: Further attempts of the steps that say nothing else.
        others: ClearML's other arguments; those that mean nothing here are named once.
    """

    def __init__(
        self, name: str, project: str, version: str | None = None, *,
        add_pipeline_tags: bool = False, abort_on_failure: bool = False,
        retry_on_failure: int | None = None, **others: Any,
    ) -> None:  # fmt: skip
        take_unused("PipelineController", others, _MADE)
        super().__init__(
            name, project, version or "", add_pipeline_tags=add_pipeline_tags,
            on_failure="fail" if abort_on_failure else "continue",
        )  # fmt: skip
        self._retries = _retries(retry_on_failure) or 0

    def add_step(  # type: ignore[override]
        self, name: str, base_task_id: str | None = None, parents: Any = None,
        parameter_override: Mapping[str, Any] | None = None, *,
        execution_queue: str | None = None, monitor_metrics: Any = None,
        monitor_artifacts: Any = None, time_limit: float | None = None,
        base_task_project: str | None = None, base_task_name: str | None = None,
        clone_base_task: bool = True, continue_on_fail: bool = False,
        pre_execute_callback: Callable[..., Any] | None = None,
        post_execute_callback: Callable[..., Any] | None = None,
        cache_executed_step: bool = False, retry_on_failure: int | None = None,
        status_change_callback: Callable[..., Any] | None = None,
        continue_behaviour: dict[str, bool] | None = None, tags: Any = None, **others: Any,
    ) -> bool:  # fmt: skip
        """Add a step that is a clone of a task: see `pipekit.PipelineController.add_step`."""
        take_unused("PipelineController.add_step", others, _STEP)
        return super().add_step(
            name, base_task_id or "", parents, parameter_override, execution_queue,
            base_task_project=base_task_project or "", base_task_name=base_task_name or "",
            clone_base_task=clone_base_task, cache_executed_step=cache_executed_step,
            time_limit=time_limit or None, retries=self._retries_of(retry_on_failure),
            continue_on_fail=continue_on_fail or goes_on(continue_behaviour), tags=tags,
            pre_execute_callback=pre_execute_callback,
            post_execute_callback=post_execute_callback,
            status_change_callback=status_change_callback, monitor_metrics=monitor_metrics,
            monitor_artifacts=monitor_artifacts,
        )  # fmt: skip

    def add_function_step(  # type: ignore[override]
        self, name: str, function: Callable[..., Any],
        function_kwargs: Mapping[str, Any] | None = None, function_return: Any = None, *,
        task_type: str | None = None, parents: Any = None, execution_queue: str | None = None,
        monitor_metrics: Any = None, monitor_artifacts: Any = None,
        time_limit: float | None = None, continue_on_fail: bool = False,
        pre_execute_callback: Callable[..., Any] | None = None,
        post_execute_callback: Callable[..., Any] | None = None,
        cache_executed_step: bool = False, retry_on_failure: int | None = None,
        status_change_callback: Callable[..., Any] | None = None, tags: Any = None,
        continue_behaviour: dict[str, bool] | None = None, **others: Any,
    ) -> bool:  # fmt: skip
        """Add a step that calls a function: see `pipekit.PipelineController.add_function_step`."""
        take_unused("PipelineController.add_function_step", others, _FUNCTION_STEP)
        return super().add_function_step(
            name, function, function_kwargs, function_return, parents=parents,
            execution_queue=execution_queue, task_type=str(task_type or ""),
            cache_executed_step=cache_executed_step, time_limit=time_limit or None,
            retries=self._retries_of(retry_on_failure),
            continue_on_fail=continue_on_fail or goes_on(continue_behaviour), tags=tags,
            pre_execute_callback=pre_execute_callback,
            post_execute_callback=post_execute_callback,
            status_change_callback=status_change_callback, monitor_metrics=monitor_metrics,
            monitor_artifacts=monitor_artifacts,
        )  # fmt: skip

    def add_parameter(
        self, name: str, default: Any = None, description: str | None = None,
        param_type: type | str | None = None,
    ) -> None:  # fmt: skip
        """Add a parameter of the pipeline: see `pipekit.PipelineController.add_parameter`."""
        super().add_parameter(name, default, description or "", param_type)

    def start(
        self, queue: str = plain.SERVICES, step_task_created_callback: Any = None,
        step_task_completed_callback: Any = None, wait: bool = True,
    ) -> bool:  # fmt: skip
        """Put the pipeline on a queue, and wait until it has ended. The script then goes on."""
        given = {
            "step_task_created_callback": step_task_created_callback,
            "step_task_completed_callback": step_task_completed_callback,
        }
        take_unused("PipelineController.start", given, _CALLBACKS)
        return super().start(queue, wait=wait)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, or for so many minutes; whether it has."""
        return super().wait(None if timeout is None else timeout * 60)

    def elapsed(self) -> float:
        """Minutes since it was started; -1.0 where it was not."""
        if not self._is_recorded():
            return -1.0
        return super().elapsed() / 60

    def is_successful(self, fail_on_step_fail: bool = True, fail_condition: str = "all") -> bool:
        """Whether it has completed. Steps that were reused are as good as others."""
        return super().is_successful()

    def get_logger(self) -> Logger:
        """What reports to the run, while it goes on: from a callback, say."""
        return self._task().get_logger()

    def upload_artifact(self, name: str, artifact_object: Any, **others: Any) -> bool:
        """Store a value with the run, while it goes on. A text that is the path of a file or
        folder stores that."""
        take_unused("PipelineController.upload_artifact", others, _UPLOAD)
        return super().upload_artifact(name, path_meant(artifact_object))

    def upload_model(self, model_name: str, model_path: str, upload_uri: str | None = None) -> bool:
        """Store a model's file with the run, as an artifact."""
        return self.upload_artifact(model_name, model_path)

    def add_tags(self, tags: Any) -> None:
        """Add one tag, or several, to the run."""
        self._task().add_tags(tags)

    @property
    def tags(self) -> list[str]:
        """Those of the run."""
        return self._task().get_tags()

    def set_pipeline_execution_time_limit(self, max_execution_minutes: float | None) -> None:
        """Nothing: steps have a time limit each."""
        take_unused(
            "PipelineController.set_pipeline_execution_time_limit",
            {"max_execution_minutes": max_execution_minutes},
            {"max_execution_minutes": Unused("give steps their time_limit")},
        )

    def update_execution_plot(self) -> None:
        """Nothing: `pipekit graph` draws the run as it stands."""

    def _task(self) -> Task:
        found = self.task
        return Task(found._archive, found.id)

    def _retries_of(self, retry: Any) -> int:
        own = _retries(retry)
        return self._retries if own is None else own


_UPLOAD = {
    "metadata": Unused("log it as an artifact of its own"),
    "preview": Unused("previews are made of the value"),
    "delete_after_upload": Unused("files are left where they are", (None, False)),
    "serialization_function": Unused("pipekit.register_serializer does that"),
    "auto_pickle": Unused(""),
    "wait_on_upload": Unused(""),
    "sort_keys": Unused(""),
}


def _retries(retry: Any) -> int | None:
    """
    Raises:
        UsageError: it is no number.
    """
    if retry is None:
        return None
    if isinstance(retry, bool) or not isinstance(retry, int) or retry < 0:
        raise UsageError(
            f"retry_on_failure={retry!r} of a PipelineController is to be a whole number, 0 or "
            "more.",
            hint="a function is asked for the steps of decorated components, and by retry_on= of "
            "pipekit.component.",
        )
    return retry
