"""A controller's steps as a `Pipeline`, so that they run, are resumed and cloned as the runs of
decorated pipelines are: its function takes the parameters and calls the steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.api.controller_checks import check_graph, find_templates
from pipekit.api.controller_record import CONTROLLER, GRAPH, nodes_of
from pipekit.api.controller_run import ControllerRun
from pipekit.api.pipeline import Pipeline
from pipekit.api.run_arguments import missing_of
from pipekit.control.current import current_run
from pipekit.control.executor_set import parse_executor
from pipekit.control.project_copy import find_original
from pipekit.errors import NotResumable, UsageError, short

if TYPE_CHECKING:
    from pipekit.api.controller import PipelineController
    from pipekit.control.run import Run
    from pipekit.model.records import Task


class ControllerPipeline(Pipeline[Any, Any]):
    """The pipeline of one controller."""

    def __init__(self, controller: PipelineController, *, executor: str = "") -> None:
        super().__init__(
            _function_of(controller), name=controller.name, project=controller.project,
            version=controller.version, on_failure=controller.on_failure, executor=executor,
        )  # fmt: skip
        self._controller = controller

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        graph = {name: value for name, value in kwargs.items() if name == GRAPH}
        given = {name: value for name, value in kwargs.items() if name != GRAPH}
        return super().bind(args, given) | graph

    def options(self, **given: Any) -> ControllerPipeline:
        """The same with another `executor` or `on_failure`; nothing else applies."""
        executor, on_failure = given.get("executor"), given.get("on_failure")
        if on_failure is not None:
            self._controller.on_failure = on_failure
        if executor is not None:
            parse_executor(executor)
        return ControllerPipeline(
            self._controller, executor=self.executor if executor is None else executor
        )

    @property
    def entry(self) -> str:
        return f"{CONTROLLER}{self.name}"

    @property
    def file(self) -> str:
        return self._controller.file

    @property
    def folder(self) -> Path:
        folder = Path(self.file).parent
        return folder if self.file and folder.is_dir() else Path.cwd()


def _function_of(controller: PipelineController) -> Callable[..., None]:
    """A function with the parameters of the pipeline."""

    def conduct(**given: Any) -> None:
        run = current_run.get()
        if run is None:
            raise UsageError("A controller's pipeline is run with start() or start_locally().")
        record = given.pop(GRAPH, None)
        given = {one.name: given.get(one.name, one.default) for one in controller.parameters}
        if record is not None:
            _adopt(controller, record, run)
        controller._attach(run)
        ControllerRun(
            controller, controller.nodes, run, given, is_here=controller._runs_tasks_here,
            stops_on_failure=controller.on_failure == "fail",
        ).go()  # fmt: skip

    made: Any = conduct
    # No source of the user's: what is shown of a run is the script that made it.
    made.__code__ = conduct.__code__.replace(co_filename="<controller>")
    made.__name__ = made.__qualname__ = controller.name
    declared = controller.parameters
    made.__annotations__ = {one.name: one.type for one in declared if one.type is not None}
    made.__signature__ = inspect.Signature(
        [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=one.default,
                annotation=inspect.Parameter.empty if one.type is None else one.type,
            )
            for one in declared
        ]
    )
    return conduct


def pipeline_of(task: Task) -> ControllerPipeline:
    """The pipeline of a recorded run, which takes its steps from the arguments of the run.

    Raises:
        NotResumable: they are not recorded.
    """
    from pipekit.api.controller import PipelineController

    if GRAPH in missing_of(task):
        raise NotResumable(
            f"Run {task.name!r} ({short(task.id)}) can be run by the process alone that made it: "
            "functions or callbacks of its steps are lambdas, or were defined inside of functions "
            "or in a notebook.",
            hint="define them at the top level of a module.",
        )
    settings = task.spec.settings
    controller = PipelineController(
        task.name, task.project, task.version, on_failure=settings.get("on_failure", "continue")
    )
    controller.file = task.spec.file
    stored = {name: value.type for name, value in task.arguments}
    types = settings.get("types", {})
    for name, value in task.spec.parameters.items():
        default = None if name in stored else value
        controller.add_parameter(name, default, param_type=types.get(name))
    return ControllerPipeline(controller)


def _adopt(controller: PipelineController, record: Mapping[str, Any], run: Run) -> None:
    """Have a controller take the steps that are recorded of a run.

    Raises:
        PipekitError: they cannot be had any more.
    """
    root = run.session.settings.project_root
    original = find_original(root)

    def moved(path: str) -> str:
        if original is None or not Path(path).is_relative_to(original.root):
            return path
        return str(root / Path(path).relative_to(original.root))

    nodes = check_graph(nodes_of(record, moved), [one.name for one in controller.parameters])
    find_templates(run.session.archive, nodes, lambda text: None)
    controller._take(nodes)
    controller._runs_tasks_here = bool(record["is_here"])
    controller.default_queue = record["default_queue"]
    controller.add_pipeline_tags = bool(record["add_pipeline_tags"])
