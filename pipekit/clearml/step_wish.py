"""What ClearML's component says of its steps beside what pipekit's own does: parents by name, tags,
what is mirrored, callbacks that are told of pipeline and node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipekit.errors import UsageError, listed, nearest
from pipekit.model.status import Status

if TYPE_CHECKING:
    from pipekit.api.task import Task
    from pipekit.control.node import Node
    from pipekit.control.run import Run
    from pipekit.control.step import Mark, Step

Retry = int | Callable[..., Any] | None
MOST_RETRIES = 1000
"""Where a function decides on each."""


@dataclass(frozen=True, slots=True)
class StepWish:
    """The part of a component's arguments that its steps are looked after by."""

    parents: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    task_type: str = ""
    queue: str = ""
    continue_on_fail: bool = False
    metrics: tuple[tuple[str, str], ...] = ()
    artifacts: tuple[tuple[str, str], ...] = ()
    pre_execute: Callable[..., Any] | None = None
    post_execute: Callable[..., Any] | None = None
    status_change: Callable[..., Any] | None = None

    def mark(self, run: Run, *, with_run: bool) -> Mark:
        """What is said of its steps; `with_run`: a tag tells which run they are of."""
        from pipekit.control.step import Mark  # a worker has no need of it

        tags = (*self.tags, f"pipe:{run.task_id}") if with_run else self.tags
        return Mark(self.task_type, tags)

    def before_steps(self, run: Run) -> list[Any]:
        """Futures of the steps that are its parents, so far.

        Raises:
            UsageError: no step of a name was called yet.
        """
        from pipekit.api.future import Future

        found: list[Any] = []
        for name in self.parents:
            steps = [step for step in run.steps if name in (step.name, step.use.name)]
            if not steps:
                known = [step.name for step in run.steps]
                so_far = f"So far there are: {listed(known)}." if known else "So far there is none."
                raise UsageError(
                    f"parents={list(self.parents)} names the step {name!r}, which was not called "
                    f"before. {so_far}",
                    hint=nearest(name, known),
                )
            found += [Future(step, "") for step in steps]
        return found

    def options(self) -> dict[str, Any]:
        """The callbacks that see to it, as options of a component."""
        given: dict[str, Any] = {}
        if self.pre_execute is not None:
            given["before"] = _named(self._before, self.pre_execute)
        if self.post_execute or self.metrics or self.artifacts or self.continue_on_fail:
            given["after"] = _named(self._after, self.post_execute)
        if self.status_change is not None:
            given["on_status"] = _named(self._on_status, self.status_change)
        return given

    def _before(self, task: Task) -> bool | None:
        assert self.pre_execute is not None
        node = self._node(task)
        shown = dict(node.parameters)
        agreed: bool | None = self.pre_execute(_pipeline_of(task), node, shown)
        if shown != node.parameters:
            raise UsageError(
                f"A pre_execute_callback changed the parameters of step {task.name!r}: those of a "
                "component are what its call passed.",
                hint="pass another value in the pipeline function, or use PipelineController.",
            )
        return agreed

    def _after(self, task: Task) -> None:
        from pipekit.api.task_handle import step_of

        step = step_of(task)
        node = self._node(task)
        if step is not None:
            self._mirror(node, step)
            if self.continue_on_fail and task.status in (Status.FAILED, Status.STOPPED):
                step.run.tell_failure(step)
        if self.post_execute is not None:
            self.post_execute(_pipeline_of(task), node)

    def _on_status(self, task: Task, old: Status, new: Status) -> None:
        assert self.status_change is not None
        self.status_change(_pipeline_of(task), self._node(task), old)

    def _mirror(self, node: Node, step: Step) -> None:
        if node.monitor_metrics or node.monitor_artifacts:
            from pipekit.api.mirror import Mirror

            run: Any = step.run
            Mirror(run).look(node, step)

    def _node(self, task: Task) -> Node:
        from pipekit.control.node import Node

        return Node(
            task.name,
            parents=self.parents,
            parameters=task.parameters,
            queue=self.queue,
            continue_on_fail=self.continue_on_fail,
            tags=self.tags,
            task_type=self.task_type,
            monitor_metrics=self.metrics,
            monitor_artifacts=self.artifacts,
            status=task.status,
            executed=task.id,
        )


def retry_options(retry: Retry) -> dict[str, Any]:
    """What `retry_on_failure` means: a number of further attempts, or a function that is asked
    `(pipeline, node, retries so far)`.

    Raises:
        UsageError: it is neither.
    """
    if retry is None:
        return {}
    if callable(retry):
        return {"retries": MOST_RETRIES, "retry_on": _policy(retry)}
    if isinstance(retry, bool) or not isinstance(retry, int) or retry < 0:
        raise UsageError(
            f"retry_on_failure={retry!r} is to be a whole number, 0 or more, or a function."
        )
    return {"retries": retry}


def _policy(asked: Callable[..., Any]) -> Callable[[Exception, int], bool]:
    def policy(error: Exception, attempt: int) -> bool:
        from pipekit.api.task import Task
        from pipekit.control.node import Node
        from pipekit.control.watching import asked_step

        step = asked_step.get()
        assert step is not None

        task = Task.of_watched(step)
        node = Node(
            step.name, parameters=task.parameters, status=Status.FAILED, executed=step.task_id
        )
        return bool(asked(_pipeline_of(task), node, attempt - 1))

    policy.__name__ = getattr(asked, "__name__", "retry_on_failure")
    return policy


def _named(method: Callable[..., Any], after: Callable[..., Any] | None) -> Callable[..., Any]:
    """The method as a function that errors name as the user's own."""

    def told(*arguments: Any) -> Any:
        return method(*arguments)

    told.__name__ = getattr(after, "__name__", method.__name__.strip("_"))
    return told


def _pipeline_of(task: Task) -> Any:
    """What callbacks are given as the pipeline."""
    from pipekit.api.task_handle import step_of
    from pipekit.clearml.decorator import PipelineDecorator

    step = step_of(task)
    if step is None:
        return None
    return PipelineDecorator.of_run(step.run)
