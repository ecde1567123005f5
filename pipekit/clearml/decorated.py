"""`PipelineDecorator.pipeline`: a pipeline with ClearML's arguments, and where calls run."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pipekit.api.pipeline import SERVICES_QUEUE, Pipeline
from pipekit.clearml import mode
from pipekit.clearml.mode import Mode
from pipekit.clearml.step_wish import Retry, retry_options
from pipekit.clearml.unused import PLACE, Unused, take_unused
from pipekit.control.current import current_run
from pipekit.errors import TaskFailed, UsageError
from pipekit.model.options import DEFAULT_OUTPUT
from pipekit.model.status import Status
from pipekit.worker import loading
from pipekit.worker.task_log import current_step

if TYPE_CHECKING:
    from pipekit.api.task import Task

_CALL = "PipelineDecorator.pipeline"
_UNUSED = {
    **PLACE,
    "target_project": Unused("steps are listed under their pipeline's project", (None, True)),
    "args_map": Unused("parameters have no sections here"),
    "artifact_serialization_function": Unused("pipekit.register_serializer does that"),
    "artifact_deserialization_function": Unused("pipekit.register_serializer does that"),
    # Nothing is polled, runs have ids, and modules are imported as they are.
    "pool_frequency": Unused(""),
    "add_run_number": Unused(""),
    "skip_global_imports": Unused(""),
    "enable_local_imports": Unused(""),
}
_parallel: list[_Parallel] = []


class DecoratedPipeline(Pipeline[..., Any]):
    """A pipeline that was decorated with ClearML's arguments.

    A call runs where the script has asked for: by itself on a queue, for an agent; after
    `run_locally()` or `debug_pipeline()` here. It waits in any case, and gives the value.
    """

    def __init__(
        self, function: Callable[..., Any], *,
        return_value: str = "", add_pipeline_tags: bool = False, retry: Retry = None,
        is_parallel: bool = False, runs_here: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        """`runs_here`: a call of it waits on no queue."""
        super().__init__(function, **options)
        self.runs_here = runs_here
        self.return_value = return_value
        self.add_pipeline_tags = add_pipeline_tags
        self.retry = retry
        self.is_parallel = is_parallel

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, wait, and give its value; in a pipeline function: a future, at once.

        Raises:
            StepFailed, Exception: it runs here, and failed.
            TaskFailed: it ran elsewhere, and did not complete.
        """
        if current_run.get() is not None or current_step() is not None:
            return super().__call__(*args, **kwargs)
        if loading.importing:
            raise loading.ImportEnded
        if self.is_parallel:
            _parallel.append(_Parallel(self, args, kwargs))
            return None
        return self.call_now(*args, **kwargs)

    def call_now(self, *args: Any, **kwargs: Any) -> Any:
        """The same in this thread, whatever `multi_instance_support` says."""
        if mode.mode() is Mode.DEBUG:
            return Pipeline.__call__(self.options(executor="inline"), *args, **kwargs)
        if mode.mode() is Mode.HERE or self.runs_here:
            return Pipeline.__call__(self, *args, **kwargs)
        return _value_of(self.submit(*args, **kwargs))

    def options(self, **options: Any) -> Any:
        """The same pipeline with other options, pipekit's own: see `pipekit.Pipeline.options`."""
        changed = vars(super().options(**options))
        made = copy.copy(self)
        vars(made).update(changed)
        return made

    def call_function(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        run = current_run.get()
        if run is not None:
            mode.conducted[run] = self
        value = super().call_function(args, kwargs)
        if run is not None and self.return_value not in ("", DEFAULT_OUTPUT):
            from pipekit.api.future import get

            value = get(value)
            run.log.artifact(self.return_value, value)
        return value


def pipeline(
    function: Any = None, *, name: str = "", project: str = "", version: str | None = None,
    return_value: str | None = None, default_queue: str | None = None,
    add_pipeline_tags: bool = False, abort_on_failure: bool = False,
    pipeline_execution_queue: str | None = SERVICES_QUEUE,
    multi_instance_support: bool | str = False, start_controller_locally: bool = False,
    retry_on_failure: Retry = None, **others: Any,
) -> Any:  # fmt: skip
    """See `PipelineDecorator.pipeline`."""
    take_unused(_CALL, others, _UNUSED, pipeline.__kwdefaults__ or ())
    if multi_instance_support not in (True, False, "parallel"):
        raise UsageError(
            f"multi_instance_support={multi_instance_support!r} is to be True, False or 'parallel'."
        )
    retry_options(retry_on_failure)  # checked where it was written
    if default_queue:
        mode.set_default_queue(default_queue)

    def decorate(decorated: Any) -> DecoratedPipeline:
        return DecoratedPipeline(
            decorated,
            name=name,
            project=project,
            version=version or "",
            on_failure="fail" if abort_on_failure else "continue",
            queue=pipeline_execution_queue or SERVICES_QUEUE,
            runs_here=start_controller_locally or not pipeline_execution_queue,
            return_value=return_value or "",
            add_pipeline_tags=add_pipeline_tags,
            retry=retry_on_failure,
            is_parallel=multi_instance_support == "parallel",
        )

    return decorate if function is None else decorate(function)


def _value_of(task: Task) -> Any:
    """What a run that goes on elsewhere gives, once it has ended."""
    status = task.wait_for_status(status=tuple(_ENDED), raise_on_status=())
    if status != Status.COMPLETED:
        raise TaskFailed(task=task.name, task_id=task.id, status=status, reason=task.error or "")
    return task.value


_ENDED = (Status.COMPLETED, Status.FAILED, Status.STOPPED, Status.SKIPPED)


class _Parallel:
    """A call that goes on in a thread of its own; Python's exit waits for it."""

    def __init__(
        self, called: DecoratedPipeline, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._call: Callable[[], Any] = partial(called.call_now, *args, **kwargs)
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"pipekit {called.name}")
        self._thread.start()

    def _work(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:  # noqa: BLE001 - user code; raised where it is waited for
            self._error = error

    def result(self) -> Any:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value


def wait_for_parallel() -> list[Any]:
    """The values of the calls that go on, in the order of the calls, once all have ended; raises
    the error of the first that failed."""
    waited = _parallel[:]
    _parallel.clear()
    for one in waited:
        one._thread.join()
    return [one.result() for one in waited]
