"""`@pipeline`: turns a function that calls components into one whose calls are recorded runs."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
    overload,
)

from pipekit.api.signature import Binder
from pipekit.control.current import current_run
from pipekit.errors import UsageError, nearest
from pipekit.model.name import check_name
from pipekit.model.options import CALLBACKS, ComponentOptions
from pipekit.origin import origin_of

if TYPE_CHECKING:
    from typing import Unpack

    from pipekit.api.check import Checker
    from pipekit.api.options import After, Before, OnFailure, OnStatus, PipelineKeywords
    from pipekit.api.task import Task
    from pipekit.model.plan import Plan

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)

__tracebackhide__ = True
"""For pytest: where a run raises, a test's traceback ends at the user's line."""
_OPTIONS = ("name", "project", "version", "on_failure", "executor", "cache", "queue", *CALLBACKS)
SERVICES_QUEUE = "services"
"""Where submitted pipelines wait: who serves it runs them, and lets others have the other
queues."""


class Pipeline(Generic[P, R_co]):
    """A function whose calls are runs: recorded, with its component calls as parallel steps.

    Attributes:
        function: The original.
        name: Under which its runs are listed.
        project: Under which its runs are grouped.
    """

    task_type = "controller"
    """What its runs are recorded as."""

    def __init__(
        self, function: Callable[P, R_co], *, name: str = "", project: str = "", version: str = "",
        on_failure: OnFailure = "fail", executor: str = "", cache: bool = True,
        refresh: Iterable[str] = (), before: Before | None = None, after: After | None = None,
        on_status: OnStatus | None = None, queue: str = SERVICES_QUEUE,
    ) -> None:  # fmt: skip
        if not callable(function):
            raise UsageError(
                f"pipeline takes a function, not a {type(function).__qualname__}.",
                hint="write '@pipeline' or '@pipeline(…)' above a def.",
            )
        if on_failure not in ("fail", "continue"):
            raise UsageError(f"on_failure={on_failure!r} is to be 'fail' or 'continue'.")
        if not isinstance(cache, bool):
            raise UsageError(f"cache={cache!r} of a pipeline is to be True or False.")
        _check_plain(function)
        self.function = function
        self.name: str = check_name(name, "Pipeline") or getattr(
            function, "__name__", type(function).__name__
        )
        self.project: str = check_name(project, f"Project of pipeline {self.name!r}")
        self.version = version
        self.on_failure: OnFailure = on_failure
        self.executor = executor
        self.cache: bool = cache
        self.refresh: tuple[str, ...] = _names(refresh)
        self.queue: str = check_name(queue, f"Queue of pipeline {self.name!r}") or SERVICES_QUEUE
        self.callbacks: ComponentOptions = ComponentOptions(
            name=self.name, before=before, after=after, on_status=on_status
        )
        self._binder: Binder | None = None
        self._checker: Checker | None = None
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run now, and return the plain value; in a pipeline function: a future, at once.

        Raises:
            StepFailed: a step failed, and the pipeline did not handle it.
            Exception: what the pipeline function raised.
        """
        from pipekit.api import conductor

        run = current_run.get()
        if run is not None:
            return cast(R_co, conductor.call_child(self, run, args, kwargs))
        return cast(R_co, conductor.run_now(self, args, kwargs).warned().result())

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Task:
        """Run now, and return the run's `Task`, however it ended: see its `status` and `error`."""
        from pipekit.api import conductor

        return conductor.run_now(self, args, kwargs).warned().task()

    def resume(
        self, run: Task | str, *, from_: str | Iterable[str] = (), accept_changes: bool = False,
        executor: str = "", **arguments: Any,
    ) -> Task:  # fmt: skip
        """Go on with a run of this pipeline, as `Task.resume` does, where the record does not lead
        to it: in a notebook, or since it was moved.

        Args:
            run: Its Task, or its id.
            from_: Names of steps that run again although they completed.
            accept_changes: Keep also what was computed by code that has changed since.
            executor: Where its steps run; default: where they did.
            arguments: Those that the run has no record of, because they could not be stored.

        Raises:
            NotResumable, NotFound: as `Task.resume` does.
            UsageError: the run is one of another pipeline.
        """
        from pipekit.api.resume import resume_by

        return resume_by(
            self, run, again=from_, accepts=accept_changes, executor=executor, given=arguments
        )

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Task:
        """Put a run on the queue `services`, or that of `.options(queue=…)`, and return its `Task`
        at once. An agent that serves the queue runs it, with the project's files as they are now:
        `pipekit agent`.

        Raises:
            NotRunnable: another process could not run it: it is not found by name, or an argument
                or a callback cannot travel.
        """
        from pipekit.api.submit import submit_now
        from pipekit.api.task import Task

        archive, task = submit_now(self, args, kwargs)
        return Task(archive, task.id)

    def plan(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """What a run would do now: which steps must run, which may, which are cached. Runs no step
        and records no run; the pipeline function itself is called.

        Raises:
            Exception: what the pipeline function raised.
        """
        from pipekit.api.planning import plan_now

        return plan_now(self, args, kwargs)

    def debug(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run now, with each step at its call in this thread, so that breakpoints work."""
        return self.options(executor="inline")(*args, **kwargs)

    def options(
        self, *, executor: str | None = None, name: str | None = None, project: str | None = None,
        version: str | None = None, on_failure: OnFailure | None = None, cache: bool | None = None,
        refresh: str | Iterable[str] | None = None, before: Before | None = None,
        after: After | None = None, on_status: OnStatus | None = None, queue: str | None = None,
    ) -> Pipeline[P, R_co]:  # fmt: skip
        """The same pipeline with other options: those of `pipeline`, and `refresh`.

        Args:
            refresh: Names of steps (`fit-2`) or of components (`fit`: all its steps) that run
                whatever is remembered of them. What follows runs again where their value changed.

        Raises:
            UnknownExecutor: `executor` is none of the known.
            UsageError: another value cannot be right.
        """
        if executor is not None:
            from pipekit.control.executor_set import parse_executor

            parse_executor(executor)
        return Pipeline(
            self.function,
            name=self.name if name is None else name,
            project=self.project if project is None else project,
            version=self.version if version is None else version,
            on_failure=self.on_failure if on_failure is None else on_failure,
            executor=self.executor if executor is None else executor,
            cache=self.cache if cache is None else cache,
            refresh=self.refresh if refresh is None else refresh,
            before=self.callbacks.before if before is None else before,
            after=self.callbacks.after if after is None else after,
            on_status=self.callbacks.on_status if on_status is None else on_status,
            queue=self.queue if queue is None else queue,
        )

    def call_function(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, in the context of a run; what it returns."""
        return self.function(*args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Pipeline[P, R_co]: ...
    @overload
    def __get__(
        self: Pipeline[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = ...
    ) -> Pipeline[Q, R]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = ...) -> Pipeline[P, R_co]: ...

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """As a method: bound to its instance, as the function would be."""
        if instance is None:
            return self
        bound = self.options()
        bound.function = MethodType(self.function, instance)
        functools.update_wrapper(bound, bound.function, updated=())
        return bound

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Parameter name -> value, defaults filled in; the values are checked, never changed.

        Raises:
            TypeError: as the call itself would.
            UsageError: a value is of another type than its parameter's annotation says.
        """
        if self._binder is None:
            self._binder = Binder(self.function, self.name)
        bound = self._binder.bind(args, kwargs)
        if self._checker is None:
            from pipekit.api.check import Checker  # at the first call, not at the import
            from pipekit.api.future_misuse import warn_of_misuse

            warn_of_misuse(self.function, Pipeline)
            self._checker = Checker(self.function, self._binder.defaults)
        self._checker.check(self.name, bound)
        return bound

    @property
    def defaults(self) -> dict[str, Any]:
        """Parameter name -> default, of those that have one."""
        if self._binder is None:
            self._binder = Binder(self.function, self.name)
        return self._binder.defaults

    @property
    def _found_by(self) -> Callable[..., Any]:
        """The function whose name and file its record has."""
        return self.function

    @property
    def entry(self) -> str:
        """`module:qualname` of the function."""
        origin = origin_of(self._found_by)
        return str(origin) if origin else f"{self.name} (by value)"

    @property
    def file(self) -> str:
        """The absolute path of its file; empty where it has none (a notebook)."""
        try:
            file = inspect.getfile(inspect.unwrap(self._found_by))
        except TypeError:
            return ""
        return "" if file.startswith("<") else os.path.abspath(file)

    @property
    def folder(self) -> Path:
        """Where its file lies; the working folder where it has none (a notebook)."""
        folder = Path(self.file).parent
        return folder if self.file and folder.is_dir() else Path.cwd()

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    """
    Raises:
        UsageError: these are no names of steps.
    """
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str) or not name:
            raise UsageError(
                f"refresh={given!r} is to be names of steps.", hint="write refresh=['fit']."
            )
    return names


def _check_plain(function: Callable[..., Any]) -> None:
    """
    Raises:
        UsageError: it does not run through when it is called.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"Pipeline {name!r} is an async function, but a pipeline function is a plain one: "
            "component calls in it do not wait anyhow.",
            hint=f"write 'def {name}(…)', and put what needs 'await' into a component: "
            "'@component' takes an 'async def'.",
        )
    if inspect.isgeneratorfunction(function):
        raise UsageError(
            f"Pipeline {name!r} is a generator, but a run has one value.",
            hint="return a list; components may yield, and give a list too.",
        )


@overload
def pipeline(
    function: Callable[P, R], /, **options: Unpack[PipelineKeywords]
) -> Pipeline[P, R]: ...
@overload
def pipeline(
    **options: Unpack[PipelineKeywords],
) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...


def pipeline(function: Any = None, /, **options: Any) -> Any:
    """Turn a function into a pipeline: `@pipeline` or `@pipeline(…)`.

    Args:
        function: The pipeline function: plain Python that calls components.
        name: Under which its runs are listed; default: the function's name.
        project: Under which its runs are grouped; default: the project folder's name.
        version: Shown with its runs.
        on_failure: What a failure that leaves the function does to the other steps: `fail`
            (default) stops them, `continue` lets what does not depend on it finish.
        executor: Where its steps run: `process` (default), `process:8`, `inline`.
        cache: False reuses nothing that an earlier run has computed. What its steps give is
            remembered all the same.
        before: Called with the run's `Task` before the function. False skips the run: nothing of
            it is called.
        after: Called with the `Task` when the run's end is recorded, whatever it is.
        on_status: Called with the `Task`, its old and its new status.
        queue: Where its runs wait that are submitted: `services` (default).

    Raises:
        UsageError: an option is unknown, or its value cannot be right.
    """
    for name, value in options.items():
        if name not in _OPTIONS:
            raise UsageError(
                f"pipeline has no option {name!r}. It has: {', '.join(_OPTIONS)}.",
                hint=nearest(name, _OPTIONS),
            )
        if name not in ("cache", *CALLBACKS) and not isinstance(value, str):
            raise UsageError(f"{name}={value!r} is to be text.")
    if function is None:
        return lambda decorated: Pipeline(decorated, **options)
    return Pipeline(function, **options)
