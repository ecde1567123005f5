"""`PipelineDecorator`: ClearML's decorators, and the run that code is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipekit.clearml import mode
from pipekit.clearml.component import component
from pipekit.clearml.decorated import pipeline, wait_for_parallel
from pipekit.clearml.mode import Mode
from pipekit.control.current import current_run
from pipekit.errors import UsageError
from pipekit.model.status import TERMINAL, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipekit.clearml.logger import Logger
    from pipekit.clearml.task import Task
    from pipekit.control.node import Node
    from pipekit.control.run import Run


class PipelineDecorator:
    """Pipelines from decorated functions, with ClearML's names.

    An instance is a run of one: what `get_current_pipeline()` gives, and what callbacks get.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        """The run's task."""

    @classmethod
    def of_run(cls, run: Run) -> PipelineDecorator:
        """A run that goes on in this process."""
        from pipekit.clearml.task import Task

        return cls(Task.of_running(run.session.archive, run.task_id))

    @classmethod
    def component(cls, _func: Any = None, **arguments: Any) -> Any:
        """Turn a function into a component: `@PipelineDecorator.component(…)`.

        Its calls in a pipeline function are steps; elsewhere it is the plain function.

        Args:
            return_values: A name, or several, under which what it returns is stored.
            name: Of its steps; default: the function's.
            cache: Whether a step is reused whose code and inputs are unchanged; default: not.
            parents: Names of steps, called before, that its steps wait for.
            execution_queue: Taken, and named where it has no effect.
            continue_on_fail: Whether the run may complete although a step of it failed.
            task_type: What its steps are for, in a word.
            monitor_metrics: `(title, series)` of metrics that the run is to have too, or two of
                these, from and to.
            monitor_artifacts: Names of artifacts that the run is to have too, or `(from, to)`.
            retry_on_failure: Further attempts; or a function `(pipeline, node, retries) -> bool`.
            pre_execute_callback: `(pipeline, node, parameters)`; False skips the step.
            post_execute_callback: `(pipeline, node)`, when the step has ended.
            status_change_callback: `(pipeline, node, previous status)`.
            tags: By which its steps are found.
            continue_behaviour: With `{"continue_on_fail": True}` as `continue_on_fail`.
            others: ClearML's other arguments; those that mean nothing here are named once.

        Raises:
            UsageError: a value cannot be right.
            TypeError: ClearML has no such argument.
        """
        return component(_func, **arguments)

    @classmethod
    def pipeline(cls, _func: Any = None, **arguments: Any) -> Any:
        """Turn a function into a pipeline: `@PipelineDecorator.pipeline(name=…, project=…)`.

        Args:
            name: Under which its runs are listed.
            project: Under which they are grouped.
            version: Shown with them.
            return_value: Name of the artifact that holds what the function returns.
            default_queue: As `set_default_execution_queue` has it.
            add_pipeline_tags: Whether its steps are tagged `pipe:<id of the run>`.
            abort_on_failure: Whether a failure stops the steps that do not depend on it.
            pipeline_execution_queue: Where its runs wait for an agent; None: they run here.
            multi_instance_support: `"parallel"`: a call returns None at once, and
                `wait_for_multi_pipelines()` gives the values.
            start_controller_locally: As `pipeline_execution_queue=None`.
            retry_on_failure: That of the components that name none.
            others: ClearML's other arguments; those that mean nothing here are named once.

        Raises:
            UsageError: a value cannot be right.
            TypeError: ClearML has no such argument.
        """
        return pipeline(_func, **arguments)

    # where pipelines run

    @classmethod
    def run_locally(cls) -> None:
        """From here on, pipelines run here when called, their steps in worker processes."""
        mode.set_mode(Mode.HERE)

    @classmethod
    def debug_pipeline(cls) -> None:
        """From here on, pipelines run here when they are called, each step at its call in this
        thread: breakpoints work."""
        mode.set_mode(Mode.DEBUG)

    @classmethod
    def set_default_execution_queue(cls, default_execution_queue: str | None) -> None:
        """The queue of the steps whose components name none."""
        mode.set_default_queue(default_execution_queue or "")

    @classmethod
    def wait_for_multi_pipelines(cls) -> list[Any]:
        """The values of the pipelines that were called with `multi_instance_support="parallel"`, in
        the order of the calls; raises what the first of them raised that failed."""
        return wait_for_parallel()

    # the run that code is in

    @classmethod
    def get_current_pipeline(cls) -> PipelineDecorator | None:
        """The run of the pipeline function, or of the step, that is running; None outside of
        both."""
        from pipekit.clearml.task import Task

        task = Task.current_task()
        if task is not None and current_run.get() is None:
            task = Task.get_task(task.parent) if task.parent is not None else None
        return None if task is None else cls(task)

    @classmethod
    def _current(cls, what: str) -> PipelineDecorator:
        found = cls.get_current_pipeline()
        if found is None:
            raise UsageError(
                f"PipelineDecorator.{what}() was called where no pipeline runs.",
                hint="call it in a pipeline function or in a component that one calls.",
            )
        return found

    @classmethod
    def get_logger(cls) -> Logger:
        """The logger of the run, in the pipeline function and in its steps.

        Raises:
            UsageError: no pipeline runs here.
        """
        return cls._current("get_logger").task.get_logger()

    @classmethod
    def upload_artifact(cls, name: str, artifact_object: Any, **others: Any) -> bool:
        """Store a value with the run, in the pipeline function and in its steps. A text that names
        a file, or a folder, stores that.

        Raises:
            UsageError: no pipeline runs here.
            NotSerializable: the value cannot be stored.
        """
        return cls._current("upload_artifact").task.upload_artifact(name, artifact_object, **others)

    @classmethod
    def upload_model(cls, model_name: str, model_path: str, upload_uri: str | None = None) -> bool:
        """Store a model's file with the run, as an artifact.

        Raises:
            UsageError: no pipeline runs here.
        """
        return cls.upload_artifact(model_name, model_path)

    # of a run

    @property
    def id(self) -> str:
        return self.task.id

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def version(self) -> str:
        return self.task.version

    @property
    def tags(self) -> list[str]:
        return list(self.task.get_tags())

    def add_tags(self, tags: str | Iterable[str]) -> None:
        """Add one tag, or several, to the run."""
        self.task.add_tags(tags)

    def get_parameters(self) -> dict[str, Any]:
        """The arguments of the run, each of its type."""
        return self.task.parameters

    def elapsed(self) -> float:
        """Minutes since the run began; -1.0 where it did not."""
        seconds = self.task.duration_seconds
        return -1.0 if seconds is None else seconds / 60

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.task.record.status not in TERMINAL

    def is_successful(self) -> bool:
        """Whether it has completed. Steps that were reused are as good as others."""
        return self.task.record.status is Status.COMPLETED

    def stop(self, timeout: float | None = None) -> None:
        """Have it stopped, with its steps."""
        self.task.stop(wait=False)

    def get_pipeline_dag(self) -> dict[str, Node]:
        """Name -> node of the steps that were called so far."""
        from pipekit.control.node import Node

        steps = {step.id: step for step in self.task.steps}
        return {
            step.name: Node(
                step.name,
                parents=tuple(steps[need].name for need, _ in step.record.needs if need in steps),
                parameters=step.parameters,
                tags=tuple(step.record.tags),
                task_type=step.type,
                status=step.record.status,
                executed=step.id,
            )
            for step in steps.values()
        }

    def get_running_nodes(self) -> list[Node]:
        """Those that run now."""
        return [n for n in self.get_pipeline_dag().values() if n.status is Status.RUNNING]

    def get_processed_nodes(self) -> list[Node]:
        """Those that have ended."""
        return [n for n in self.get_pipeline_dag().values() if n.status in TERMINAL]

    def __repr__(self) -> str:
        return f"<pipeline run {self.task.name!r} {self.task.id}>"
