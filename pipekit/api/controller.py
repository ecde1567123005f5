"""`PipelineController`: a pipeline that is put together step by step, of tasks that exist and of
functions. Its runs are ordinary runs; how one goes is `controller_run`'s matter."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from pipekit.api.controller_parameter import Parameter, make_parameter
from pipekit.console.note import note
from pipekit.control.callback_thread import CALLBACK_THREAD
from pipekit.control.node import (
    Names,
    Node,
    Pairs,
    artifact_pairs,
    check_node_name,
    metric_pairs,
    names_of,
)
from pipekit.errors import CallbackFailed, StepError, Stopped, UsageError, short
from pipekit.model.name import check_name
from pipekit.model.status import TERMINAL, Status

if TYPE_CHECKING:
    from pipekit.api.task import Task
    from pipekit.control.archive import Archive
    from pipekit.control.run import Run

Callback = Callable[..., Any] | None
SERVICES, DEFAULT = "services", "default"


class PipelineController:
    """A pipeline of steps that are declared one by one: clones of tasks, and calls of functions.

    What a step takes of another stands as `${step.…}` in its parameters, at any depth; the order
    of the steps follows from that and from `parents`. Where a text is one reference, the value
    itself stands there, of its own type.

    Args:
        name: Under which its runs are listed.
        project: Under which they are grouped; default: the project folder's name.
        version: Shown with its runs.
        add_pipeline_tags: Give each step the tag `pipe:<id of the run>`.
        on_failure: What a step that failed does to the others: `continue` (default) lets what does
            not depend on it finish, `fail` stops them. The run has failed in any case, but for
            steps with `continue_on_fail`.
    """

    def __init__(
        self, name: str, project: str = "", version: str = "", *, add_pipeline_tags: bool = False,
        on_failure: str = "continue",
    ) -> None:  # fmt: skip
        if not isinstance(name, str) or not check_name(name, "Pipeline"):
            raise UsageError(f"name={name!r} of a pipeline is to be a text.")
        if on_failure not in ("fail", "continue"):
            raise UsageError(f"on_failure={on_failure!r} is to be 'fail' or 'continue'.")
        self.name: str = name
        self.project: str = check_name(project, f"Project of pipeline {name!r}")
        self.version: str = str(version)
        self.on_failure: Any = on_failure
        self.add_pipeline_tags: bool = add_pipeline_tags
        self.nodes: dict[str, Node] = {}
        """The steps by name, in the order of their declaration."""
        self.parameters: list[Parameter] = []
        self.default_queue: str = DEFAULT
        self._runs_tasks_here = False
        self.file: str = _calling_file()
        self._id = ""
        self._archive: Archive | None = None
        self._run: Run | None = None
        self._thread: threading.Thread | None = None

    # what it is made of

    def add_parameter(
        self, name: str, default: Any = None, description: str = "",
        param_type: type | str | None = None,
    ) -> None:  # fmt: skip
        """Add a parameter of the pipeline, `${pipeline.name}` to its steps. A clone of a run may
        be given another value.

        Args:
            name: Its name, as a Python parameter's.
            default: Its value, of any type.
            description: For people.
            param_type: Its type, or the name of it (`"int"`); default: that of `default`.

        Raises:
            UsageError: there is one, or the default is of another type.
        """
        self._check_open("add_parameter")
        if any(one.name == name for one in self.parameters):
            raise UsageError(f"Pipeline {self.name!r} has a parameter {name!r} already.")
        self.parameters.append(make_parameter(name, default, description, param_type))

    def get_parameters(self) -> dict[str, Any]:
        """The parameters of the pipeline: those of its run, where there is one."""
        if self._archive is not None:
            from pipekit.api.run_arguments import load

            found = load(self._archive, self.task.record)
            return {one.name: found.get(one.name, one.default) for one in self.parameters}
        return {one.name: one.default for one in self.parameters}

    def add_step(
        self, name: str, base_task_id: str = "", parents: Names = None,
        parameter_override: Mapping[str, Any] | None = None, execution_queue: str | None = None,
        *, base_task_project: str = "", base_task_name: str = "", clone_base_task: bool = True,
        cache_executed_step: bool = False, time_limit: float | None = None, retries: int = 0,
        retry_delay: float = 0.0, continue_on_fail: bool = False, tags: Names = None,
        pre_execute_callback: Callback = None, post_execute_callback: Callback = None,
        status_change_callback: Callback = None, monitor_metrics: Pairs = None,
        monitor_artifacts: Pairs = None,
    ) -> bool:  # fmt: skip
        """Add a step that is a clone of a task: the task of a script, as a template. The template
        itself is neither run nor changed.

        Args:
            name: Of the step.
            base_task_id: The template's id, or its beginning.
            parents: Names of steps that it waits for, beside those that its parameters name.
            parameter_override: Parameter (`General/rate`, or `rate`) -> value, in place of the
                template's. May hold references: `${pipeline.rate}`, `${load.id}`,
                `${load.parameters.General/url}`, `${load.artifacts.frame.url}`,
                `${load.artifacts.count}`, `${load.metrics.loss}`.
            execution_queue: Where an agent takes it, if not on the pipeline's own queue.
            base_task_project: Without an id: the newest task of this project …
            base_task_name: … and this name that has not failed.
            clone_base_task: Kept for those who write it: a template is always cloned.
            cache_executed_step: Reuse a clone that completed with equal files and parameters.
            time_limit: Seconds after which an attempt is ended.
            retries: Further attempts after a failed one.
            retry_delay: Seconds before the first of them; doubles with each.
            continue_on_fail: The pipeline may complete though this step failed; what depends on
                it is skipped.
            tags: Of the step's task.
            pre_execute_callback: `f(pipeline, node, parameters)`, before the step: may change the
                parameters, which stand resolved; False skips the step and what depends on it.
            post_execute_callback: `f(pipeline, node)`, when the step has ended, however.
            status_change_callback: `f(pipeline, node, previous)`.
            monitor_metrics: Metrics of the step that the pipeline shows as its own: names, or
                `(title, series)`, or two such, from and to.
            monitor_artifacts: The same of artifacts: names, or `(from, to)`.

        Returns:
            True.

        Raises:
            UsageError: there is a step of that name, or an argument cannot be right.
        """
        if not (base_task_id or base_task_name):
            raise UsageError(
                f"Step {name!r} names no template.",
                hint="base_task_id=…, or base_task_project=… and base_task_name=…; for a function "
                "there is add_function_step.",
            )
        if not clone_base_task:
            note(
                f"step {name!r}: clone_base_task=False changes nothing. The template is cloned, "
                "and stays as it is."
            )
        overrides = dict(parameter_override or {})
        for key in overrides:
            if not isinstance(key, str) or not key:
                raise UsageError(f"Step {name!r}: {key!r} is no name of a parameter.")
        self._add(
            Node(
                name, names_of(parents, "parents"), overrides, str(base_task_id or ""),
                base_task_project, base_task_name, queue=_queue(execution_queue),
                cache=cache_executed_step, retries=retries, retry_delay=retry_delay,
                time_limit=time_limit, continue_on_fail=continue_on_fail,
                tags=names_of(tags, "tags"), pre_execute_callback=pre_execute_callback,
                post_execute_callback=post_execute_callback,
                status_change_callback=status_change_callback,
                monitor_metrics=metric_pairs(monitor_metrics),
                monitor_artifacts=artifact_pairs(monitor_artifacts),
            )
        )  # fmt: skip
        return True

    def add_function_step(
        self, name: str, function: Callable[..., Any],
        function_kwargs: Mapping[str, Any] | None = None, function_return: Names = None,
        *, parents: Names = None, execution_queue: str | None = None, task_type: str = "",
        cache_executed_step: bool | None = None, time_limit: float | None = None,
        retries: int | None = None, retry_delay: float | None = None,
        continue_on_fail: bool = False, tags: Names = None, pre_execute_callback: Callback = None,
        post_execute_callback: Callback = None, status_change_callback: Callback = None,
        monitor_metrics: Pairs = None, monitor_artifacts: Pairs = None,
    ) -> bool:  # fmt: skip
        """Add a step that calls a function, or a component, whose own options then hold where none
        is given here. It runs in a worker process of the controller's machine.

        Args:
            name: Of the step.
            function: What is called.
            function_kwargs: Its arguments by name. May hold references at any depth, as for
                `add_step`; `${load.frame}` is what step `load` returns under that name.
            function_return: Names of what it returns; None: one value, `value` (of a function
                annotated `-> tuple[A, B]`: `value_0`, `value_1`).
            execution_queue: Kept for those who write it: functions run with the controller.
            task_type: Of the step's task.
            cache_executed_step: Reuse an outcome of equal code and equal arguments.

        The other arguments are those of `add_step`.

        Returns:
            True.

        Raises:
            UsageError: there is a step of that name, or an argument cannot be right.
        """
        if not callable(function):
            raise UsageError(
                f"Step {name!r} is to call a {type(function).__qualname__}, which is no function."
            )
        self._add(
            Node(
                name, names_of(parents, "parents"), dict(function_kwargs or {}),
                function=function, outputs=names_of(function_return, "function_return"),
                queue=_queue(execution_queue), cache=cache_executed_step, retries=retries,
                retry_delay=retry_delay, time_limit=time_limit,
                continue_on_fail=continue_on_fail, tags=names_of(tags, "tags"),
                task_type=str(task_type), pre_execute_callback=pre_execute_callback,
                post_execute_callback=post_execute_callback,
                status_change_callback=status_change_callback,
                monitor_metrics=metric_pairs(monitor_metrics),
                monitor_artifacts=artifact_pairs(monitor_artifacts),
            )
        )  # fmt: skip
        return True

    def _add(self, node: Node) -> None:
        from pipekit.api.controller_run import options_of

        self._check_open("add a step")
        check_node_name(node.name, self.nodes)
        options_of(node)  # an option that cannot be right is told where it is written
        self.nodes[node.name] = node

    def set_default_execution_queue(self, queue: str | None) -> None:
        """The queue of steps that name none; at first that is `default`."""
        self.default_queue = _queue(queue) or DEFAULT

    def _check_open(self, what: str) -> None:
        if self._run is not None or self._id:
            raise UsageError(
                f"Pipeline {self.name!r} has been started: it is too late to {what}.",
                hint="declare all of it first, then start it.",
            )

    # running

    def start(self, queue: str = SERVICES, *, wait: bool = True) -> bool:
        """Put the pipeline itself on a queue: an agent there runs it, and agents run its tasks. The
        script that calls this goes on when the pipeline has ended.

        Args:
            queue: Where an agent takes the controller.
            wait: Until the pipeline has ended; else this returns at once.

        Returns:
            Whether it was successful; without `wait`, True.

        Raises:
            UsageError, TaskNotFound: it cannot run as it was declared, or not in another process.
            TaskFailed: it failed.
            Stopped: it was stopped.
        """
        from pipekit.api import controller_start

        return controller_start.start(self, queue, wait=wait)

    def start_locally(
        self, run_pipeline_steps_locally: bool = False, *, wait: bool = True, executor: str = ""
    ) -> bool:
        """Run the pipeline in this process; its functions in worker processes of it.

        Args:
            run_pipeline_steps_locally: Run its tasks on this machine too, each in a process of its
                own; else agents take them from their queues.
            wait: Until the pipeline has ended; else it runs in a thread of its own.
            executor: Where functions run: `process`, `process:2`, `inline`.

        Returns:
            Whether it was successful; without `wait`, True.

        Raises:
            UsageError, TaskNotFound: it cannot run as it was declared.
            StepFailed: a step failed, where that ends it.
            Stopped: it was stopped.
        """
        from pipekit.api import controller_start

        return controller_start.start_locally(
            self, here=run_pipeline_steps_locally, wait=wait, executor=executor
        )

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the pipeline, or for so many seconds; whether it has ended. Never
        raises for what failed: see `is_successful`."""
        self._check_started()
        end = None if timeout is None else monotonic() + timeout
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        from pipekit.api.controller_start import wait_for_end

        return wait_for_end(self, end)

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        if self._thread is not None:
            return self._thread.is_alive()
        return self._is_recorded() and self.task.status not in TERMINAL

    def is_successful(self) -> bool:
        """Whether it has completed: each of its steps ran, was reused, was skipped as its callback
        wished, or was free to fail (`continue_on_fail`)."""
        return not self.is_running() and self._is_recorded() and (
            self.task.status is Status.COMPLETED
        )  # fmt: skip

    def stop(self, *, wait: bool = True, timeout: float | None = None) -> bool:
        """Stop it with all its steps, wherever they run; whether it has ended. In a callback it is
        not waited for."""
        self._check_started()
        run = self._run
        if run is None or run.over.is_open:
            return self.task.stop(wait=wait, timeout=timeout)
        from pipekit.api.controller_start import stop_run

        stop_run(run)
        in_callback = threading.current_thread().name == CALLBACK_THREAD
        return self.wait(timeout) if wait and not in_callback else run.over.is_open

    def elapsed(self) -> float:
        """Seconds since its start, up to its end; -1 where it was not started."""
        if not self._is_recorded():
            return -1.0
        return self.task.duration_seconds or 0.0

    @property
    def id(self) -> str:
        """Of its run. Known once it was started.

        Raises:
            UsageError: it was not.
        """
        self._check_started()
        return self._id

    @property
    def task(self) -> Task:
        """Its run.

        Raises:
            UsageError: it was not started.
        """
        from pipekit.api.task import Task

        self._check_started()
        assert self._archive is not None
        return Task.of_running(self._archive, self._id)

    def get_pipeline_dag(self) -> dict[str, Node]:
        """The steps by name: their `parents`, and how they stand."""
        return self._seen()

    def get_processed_nodes(self) -> list[Node]:
        """The steps that have ended."""
        return [node for node in self._seen().values() if node.status in TERMINAL]

    def get_running_nodes(self) -> list[Node]:
        """The steps that run now."""
        return [node for node in self._seen().values() if node.status is Status.RUNNING]

    def upload_artifact(self, name: str, artifact_object: Any) -> bool:
        """Store a value as an artifact of the run, while it goes on: from a callback, say.

        Raises:
            UsageError: it does not go on in this process.
            NotSerializable: no serializer accepts the value.
        """
        if self._run is None or self._run.over.is_open:
            raise UsageError(
                f"Pipeline {self.name!r} does not run in this process now.",
                hint="upload it in a callback.",
            )
        self._run.log.artifact(name, artifact_object)
        return True

    # for those who run it

    def _attach(self, run: Run) -> None:
        """This is its run, in this process."""
        self._run, self._id, self._archive = run, run.task_id, run.session.archive
        if self.add_pipeline_tags:
            tag = f"pipe:{run.task_id}"
            for node in self.nodes.values():
                node.tags = tuple(dict.fromkeys((*node.tags, tag)))

    def _begin(self, archive: Archive, task_id: str) -> None:
        """It is recorded under this id, or about to be."""
        self._archive, self._id = archive, task_id

    def _take(self, nodes: dict[str, Node]) -> None:
        """These are its steps, in an order in which they can run."""
        self.nodes = nodes

    def _run_in(self, work: Callable[[], Any]) -> threading.Thread:
        """Do it in a thread of its own, which the process waits for at its end."""

        def run() -> None:
            try:
                work()
            except (StepError, CallbackFailed, Stopped):
                pass  # its record says so, and `is_successful`
            except BaseException as error:  # noqa: BLE001 - nobody waits for what it raises
                note(f"pipeline {self.name!r} has ended: {type(error).__name__}: {error}")

        self._thread = threading.Thread(target=run, name=f"pipekit-{self.name}")
        self._thread.start()
        return self._thread

    def _check_started(self) -> None:
        if not self._id:
            raise UsageError(
                f"Pipeline {self.name!r} was not started.",
                hint="pipe.start(), or pipe.start_locally(run_pipeline_steps_locally=True).",
            )

    def _is_recorded(self) -> bool:
        return bool(self._id)

    def _seen(self) -> dict[str, Node]:
        """The steps, as the record has them where they run elsewhere."""
        if self._run is not None:
            known = {step.name: step for step in self._run.steps}
            for name, node in self.nodes.items():
                if name in known:
                    node.status, node.executed = known[name].status, known[name].task_id
        elif self._is_recorded() and self._archive is not None:
            for task in self._archive.store.list_tasks(parent=self._id):
                found = self.nodes.get(task.name)
                if found is not None:
                    found.status, found.executed = task.status, task.id
        return dict(self.nodes)

    def __repr__(self) -> str:
        state = f" {short(self._id)}" if self._id else ""
        return f"<PipelineController {self.name!r}{state}, {len(self.nodes)} steps>"


def _queue(name: str | None) -> str:
    if name is None:
        return ""
    if not isinstance(name, str) or not check_name(name, "Queue"):
        raise UsageError(f"{name!r} is no name of a queue.")
    return name


def _calling_file() -> str:
    """The file whose code makes the controller; empty where that is none (a notebook)."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not os.path.abspath(file).startswith(own):
            return os.path.abspath(file) if Path(file).is_file() else ""
        frame = frame.f_back  # type: ignore[assignment]
    return ""
