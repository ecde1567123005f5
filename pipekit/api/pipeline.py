"""`@pipeline`: turns a function that calls components into one whose calls are recorded runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from pipekit.api.signature import Binder
from pipekit.control.current import current_run
from pipekit.errors import UsageError, nearest
from pipekit.origin import origin_of

if TYPE_CHECKING:
    from pipekit.api.task import Task

P = ParamSpec("P")
R = TypeVar("R")

OnFailure = Literal["fail", "continue"]
_OPTIONS = ("name", "project", "version", "on_failure", "executor")


class Pipeline(Generic[P, R]):
    """A function whose calls are runs: recorded, with its component calls as parallel steps.

    Attributes:
        function: The original.
        name: Under which its runs are listed.
        project: Under which its runs are grouped.
    """

    def __init__(
        self, function: Callable[P, R], *, name: str = "", project: str = "", version: str = "",
        on_failure: OnFailure = "fail", executor: str = "",
    ) -> None:  # fmt: skip
        if not callable(function):
            raise UsageError(
                f"pipeline takes a function, not a {type(function).__qualname__}.",
                hint="write '@pipeline' or '@pipeline(…)' above a def.",
            )
        if on_failure not in ("fail", "continue"):
            raise UsageError(f"on_failure={on_failure!r} is to be 'fail' or 'continue'.")
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.project = project
        self.version = version
        self.on_failure: OnFailure = on_failure
        self.executor = executor
        self._binder: Binder | None = None
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run now, and return the plain value; in a pipeline function: a future, at once.

        Raises:
            StepFailed: a step failed, and the pipeline did not handle it.
            Exception: what the pipeline function raised.
        """
        from pipekit.api import conductor

        run = current_run.get()
        if run is not None:
            return cast(R, conductor.call_child(self, run, args, kwargs))
        return cast(R, conductor.run_now(self, args, kwargs).result())

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Task:
        """Run now, and return the run's `Task`, however it ended: see its `status` and `error`."""
        from pipekit.api import conductor

        return conductor.run_now(self, args, kwargs).task()

    def debug(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run now, with each step at its call in this thread, so that breakpoints work."""
        return self.options(executor="inline")(*args, **kwargs)

    def options(
        self, *, executor: str | None = None, name: str | None = None, project: str | None = None,
        version: str | None = None, on_failure: OnFailure | None = None,
    ) -> Pipeline[P, R]:  # fmt: skip
        """The same pipeline with other options.

        Raises:
            UnknownExecutor: `executor` is none of the known.
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
        )

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Parameter name -> value, defaults filled in.

        Raises:
            TypeError: as the call itself would.
        """
        if self._binder is None:
            self._binder = Binder(self.function, self.name)
        return self._binder.bind(args, kwargs)

    @property
    def defaults(self) -> dict[str, Any]:
        """Parameter name -> default, of those that have one."""
        if self._binder is None:
            self._binder = Binder(self.function, self.name)
        return self._binder.defaults

    @property
    def entry(self) -> str:
        """`module:qualname` of the function."""
        origin = origin_of(self.function)
        return str(origin) if origin else f"{self.name} (by value)"

    @property
    def folder(self) -> Path:
        """Where its file lies; the working folder where it has none (a notebook)."""
        try:
            file = inspect.getfile(inspect.unwrap(self.function))
        except TypeError:
            return Path.cwd()
        folder = Path(file).parent
        return folder if folder.is_dir() and not file.startswith("<") else Path.cwd()

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


@overload
def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]: ...


@overload
def pipeline(
    *, name: str = ..., project: str = ..., version: str = ..., on_failure: OnFailure = ...,
    executor: str = ...,
) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...  # fmt: skip


@overload
def pipeline(
    function: Callable[P, R], /, *, name: str = ..., project: str = ..., version: str = ...,
    on_failure: OnFailure = ..., executor: str = ...,
) -> Pipeline[P, R]: ...  # fmt: skip


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

    Raises:
        UsageError: an option is unknown, or its value cannot be right.
    """
    for name, value in options.items():
        if name not in _OPTIONS:
            raise UsageError(
                f"pipeline has no option {name!r}. It has: {', '.join(_OPTIONS)}.",
                hint=nearest(name, _OPTIONS),
            )
        if not isinstance(value, str):
            raise UsageError(f"{name}={value!r} is to be text.")
    if function is None:
        return lambda decorated: Pipeline(decorated, **options)
    return Pipeline(function, **options)
