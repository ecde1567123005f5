"""`@component`: turns a function that exists into one whose calls in a pipeline are steps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from pipekit.api.signature import Binder, outputs_from_annotation
from pipekit.control.current import current_run
from pipekit.errors import UsageError
from pipekit.model.options import ComponentOptions

if TYPE_CHECKING:
    from pipekit.control.run import Run
    from pipekit.control.use import Use

P = ParamSpec("P")
R = TypeVar("R")


class Component(Generic[P, R]):
    """A function whose calls in a pipeline function are steps; elsewhere it is the plain function.

    Attributes:
        function: The original.
    """

    def __init__(self, function: Callable[P, R], options: ComponentOptions) -> None:
        if not callable(function):
            raise UsageError(
                f"component takes a function, not a {type(function).__qualname__}.",
                hint="write '@component' or '@component(…)' above a def.",
            )
        self.function = function
        self._options = options
        self._binder: Binder | None = None
        self._outputs: tuple[str, ...] | None = None
        self._closure: tuple[Any, ...] = getattr(function, "__closure__", None) or ()
        self.__name__: str = getattr(function, "__name__", type(function).__name__)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        run = current_run.get()
        if run is None:
            return self.function(*args, **kwargs)
        from pipekit.api.call import call

        binder = self._binder
        if binder is None:
            binder = self._binder = self._bind()
        bound = binder.bind(args, kwargs)
        given, named = binder.without_defaults(args, kwargs)
        return cast(R, call(run, self._use(run, binder), bound, given, named))

    def options(self, **options: Any) -> Component[P, R]:
        """The same component with other options (those of `component`) for the calls made
        through it.

        Raises:
            UsageError: an option is unknown, or its value cannot be right.
        """
        changed = self._options.replaced(f"Component {self.__name__!r}", options)
        return Component(self.function, changed)

    @property
    def name(self) -> str:
        """Display name of its steps."""
        return self._options.name or self.__name__

    def __repr__(self) -> str:
        return f"<component {self.name}>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method: bound to its instance, as the function would be."""
        if instance is None:
            return self
        return functools.partial(self, instance)

    def __reduce__(self) -> Any:
        from pipekit.origin import origin_of

        origin = origin_of(self.function)
        if origin is None:
            return (Component, (self.function, self._options))
        return (_find, (origin.module, origin.qualname, self._options))

    def _bind(self) -> Binder:
        try:
            return Binder(self.function, self.__name__)
        except ValueError as error:
            raise UsageError(
                f"The parameters of {self.__name__!r} cannot be read, so it cannot be a component.",
                hint=f"wrap it in a function of your own: def {self.__name__}(…): ….",
            ) from error

    def _held(self, run: Run) -> str:
        """The digest of what the function's closure holds now."""
        try:
            held = tuple(cell.cell_contents for cell in self._closure)
            if any(callable(one) for one in held):
                # What that holds in turn may have changed as well.
                return run.session.fingerprinter.fresh().fingerprint(self.function).digest
            return run.session.archive.hasher.digest(held)
        except (TypeError, ValueError):
            return ""  # an empty cell, or nothing that can be hashed: the fingerprint names it

    def _use(self, run: Run, binder: Binder) -> Use:
        # What a closure holds may change between two calls: then it is other code.
        held = self._held(run) if self._closure else ""
        use = run.uses.get((self, held))
        if use is None:
            with run.lock:
                use = run.uses.get((self, held))
                if use is None:
                    use = run.uses[(self, held)] = self._make_use(run, binder)
        return use

    def _make_use(self, run: Run, binder: Binder) -> Use:
        from pipekit.control.use import Use

        fingerprinter = run.session.fingerprinter
        if self._closure:
            fingerprinter = fingerprinter.fresh()  # what it holds may differ from run to run
        if self._outputs is None:
            self._outputs = self._options.outputs or outputs_from_annotation(self.function)
        use = Use(
            self.function,
            self._options,
            outputs=self._outputs,
            defaults=binder.defaults,
            fingerprinter=fingerprinter,
            executor=run.executor,
        )
        if self._options.cache is not False:
            run.session.warn_of_blind_spots(run, use)
        return use


def _find(module: str, qualname: str, options: ComponentOptions) -> Component[..., Any]:
    """The component of a name, in whatever process."""
    from importlib import import_module

    from pipekit.origin import walk

    found = walk(import_module(module), qualname)
    function = found.function if isinstance(found, Component) else found
    return Component(function, options)


@overload
def component(function: Callable[P, R], /) -> Component[P, R]: ...


@overload
def component(
    *,
    name: str = ...,
    outputs: str | Iterable[str] | None = ...,
    cache: bool | None = ...,
    version: str = ...,
    retries: int = ...,
    retry_delay: float = ...,
    retry_on: type[BaseException] | Iterable[type[BaseException]] = ...,
    timeout: float | None = ...,
    executor: str = ...,
) -> Callable[[Callable[P, R]], Component[P, R]]: ...


@overload
def component(
    function: Callable[P, R],
    /,
    *,
    name: str = ...,
    outputs: str | Iterable[str] | None = ...,
    cache: bool | None = ...,
    version: str = ...,
    retries: int = ...,
    retry_delay: float = ...,
    retry_on: type[BaseException] | Iterable[type[BaseException]] = ...,
    timeout: float | None = ...,
    executor: str = ...,
) -> Component[P, R]: ...


def component(function: Any = None, /, **options: Any) -> Any:
    """Turn a function into a component: `@component`, `@component(…)` or `component(f, …)`.

    Args:
        function: The function; its body is not changed, and `component(f).function is f`.
        name: Display name of its steps; default: the function's name.
        outputs: Names of the returned values, each stored under its name. A call then gives a tuple
            of futures. One name, or none, takes the return value whole (as `value` without a
            name); `-> tuple[A, B]` without `outputs` gives `value_0`, `value_1`.
        cache: None (default) reuses an outcome whose code and inputs are unchanged, unless the
            step only returned None; True reuses that too; False runs the step each time.
        version: Counts into the cache key; change it to make remembered outcomes stale.
        retries: Further attempts after a failed one.
        retry_delay: Seconds before the first retry; doubles with each.
        retry_on: Exception types that are retried; default: all. A worker's death and a timeout
            are retried in any case.
        timeout: Seconds after which an attempt is ended.
        executor: Where its steps run, if not where the pipeline's do.

    Raises:
        UsageError: an option is unknown, or its value cannot be right.
    """
    if isinstance(function, Component):
        function, base = function.function, function._options
    else:
        base = ComponentOptions()
    checked = base.replaced("component", options)
    if function is None:
        return lambda decorated: component(decorated, **options)
    return Component(function, checked)
