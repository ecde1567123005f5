"""`PipelineDecorator.component`: a component with ClearML's arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pipekit.api.component import Component
from pipekit.clearml import mode
from pipekit.clearml.step_wish import Retry, StepWish, retry_options
from pipekit.clearml.unused import CONNECTS, PLACE, Unused, take_unused
from pipekit.control.current import current_run
from pipekit.control.node import artifact_pairs, metric_pairs, names_of
from pipekit.errors import UsageError
from pipekit.model.options import ComponentOptions

DEFAULT_RETURN = "return_object"
_CALL = "PipelineDecorator.component"
_BEHAVIOUR = ("continue_on_fail", "continue_on_abort", "skip_children_on_fail",
              "skip_children_on_abort")  # fmt: skip
_UNUSED = {
    **PLACE,
    **CONNECTS,
    # What a step calls is followed and travels with it, so that nothing need be listed.
    "helper_functions": Unused(""),
    "monitor_models": Unused("a model is an artifact: return it, and name it in monitor_artifacts"),
    "draft": Unused("a step runs when what it needs is there", (None, False)),
    "stage": Unused("it is not shown"),
}


class DecoratedComponent(Component[..., Any]):
    """A component that was decorated with ClearML's arguments."""

    def __init__(
        self, function: Callable[..., Any], options: ComponentOptions, wish: StepWish, *,
        has_retry: bool,
    ) -> None:  # fmt: skip
        super().__init__(function, options)
        self._wish = wish
        self._has_retry = has_retry
        self._with_retry: dict[int, tuple[Retry, DecoratedComponent]] = {}
        """The same with the retries of a pipeline, by the id of what that says, which is held."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = current_run.get()
        if run is None:
            return self.function(*args, **kwargs)
        pipeline = mode.conducted.get(run)
        tells_run = pipeline is not None and pipeline.add_pipeline_tags
        wish = self._wish
        if wish.task_type or wish.tags or tells_run:
            run.marks[self.name] = wish.mark(run, with_run=tells_run)
        made: Any = self
        if pipeline is not None and pipeline.retry is not None and not self._has_retry:
            made = self._retried(pipeline.retry)
        mode.say_queue_unused(wish.queue)
        if wish.parents:
            made = made.options(after=wish.before_steps(run))
        return Component.__call__(made, *args, **kwargs)

    def options(self, **options: Any) -> Any:
        """The same component with pipekit's own options for the calls made through it: see
        `pipekit.Component.options`."""
        changed = super().options(**options)
        made = DecoratedComponent(
            self.function, changed._options, self._wish, has_retry=self._has_retry
        )
        vars(made).update(
            {name: value for name, value in vars(changed).items() if name in vars(made)}
        )
        return made

    def _retried(self, retry: Retry) -> DecoratedComponent:
        known = self._with_retry.get(id(retry))
        if known is None:
            made = self.options(**retry_options(retry))
            known = self._with_retry[id(retry)] = (retry, made)
        return known[1]


def component(
    function: Any = None, *, return_values: str | Iterable[str] | None = (DEFAULT_RETURN,),
    name: str | None = None, cache: bool = False, parents: Iterable[str] | None = None,
    execution_queue: str | None = None, continue_on_fail: bool = False,
    task_type: str | None = None, monitor_metrics: Any = None, monitor_artifacts: Any = None,
    retry_on_failure: Retry = None, pre_execute_callback: Callable[..., Any] | None = None,
    post_execute_callback: Callable[..., Any] | None = None,
    status_change_callback: Callable[..., Any] | None = None,
    tags: str | Iterable[str] | None = None, continue_behaviour: dict[str, bool] | None = None,
    **others: Any,
) -> Any:  # fmt: skip
    """See `PipelineDecorator.component`."""
    take_unused(_CALL, others, _UNUSED, component.__kwdefaults__ or ())
    wish = StepWish(
        parents=names_of(_listed(parents), "parents"),
        tags=names_of(_listed(tags), "tags"),
        task_type=str(task_type or ""),
        queue=execution_queue or "",
        continue_on_fail=continue_on_fail or goes_on(continue_behaviour),
        metrics=metric_pairs(monitor_metrics),
        artifacts=artifact_pairs(monitor_artifacts),
        pre_execute=pre_execute_callback,
        post_execute=post_execute_callback,
        status_change=status_change_callback,
    )
    given: dict[str, Any] = {
        "name": name or "",
        "outputs": return_values or (DEFAULT_RETURN,),
        "cache": cache,
        **retry_options(retry_on_failure),
        **wish.options(),
    }
    options = ComponentOptions().replaced(_CALL, given)

    def decorate(decorated: Any) -> DecoratedComponent:
        plain = decorated.function if isinstance(decorated, Component) else decorated
        return DecoratedComponent(plain, options, wish, has_retry=retry_on_failure is not None)

    return decorate if function is None else decorate(function)


def _listed(names: str | Iterable[str] | None) -> Any:
    return names if names is None or isinstance(names, str) else list(names)


def goes_on(behaviour: dict[str, bool] | None) -> bool:
    """Whether the pipeline goes on after a failure, by the words of `continue_behaviour`."""
    if behaviour is None:
        return False
    for word in behaviour:
        if word not in _BEHAVIOUR:
            raise UsageError(
                f"continue_behaviour has no {word!r}. It has: {', '.join(_BEHAVIOUR)}."
            )
    return bool(behaviour.get("continue_on_fail", True))
