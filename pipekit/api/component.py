"""`@component`: turns a function that exists into one whose calls in a pipeline are steps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from pipekit.api.holding import Holding, holding_of
from pipekit.api.signature import Binder, outputs_from_annotation
from pipekit.control.current import current_run
from pipekit.errors import UsageError
from pipekit.model.options import ComponentOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from typing import Concatenate, TypeAlias, Unpack

    from pipekit.api.options import CallKeywords, ComponentKeywords
    from pipekit.control.run import Run
    from pipekit.control.use import Use

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
S = TypeVar("S")

if TYPE_CHECKING:
    # What a step does not return as it is: it waits for the one, and makes a list of the other.
    Awaited: TypeAlias = Coroutine[Any, Any, T]
    Yielded: TypeAlias = Iterator[T] | AsyncIterator[T]

_MISSING = object()
"""Stands where one iterable of a map has no more items."""


class Component(Generic[P, R_co]):
    """A function whose calls in a pipeline function are steps; elsewhere it is the plain function.

    For type checkers a call gives what it gives in a pipeline: of an `async def` what it returns,
    of a generator a list. `function` has the types of the plain function: `await f.function(x)`.

    Attributes:
        function: The original.
    """

    def __init__(self, function: Callable[P, R_co], options: ComponentOptions) -> None:
        if not callable(function):
            raise UsageError(
                f"component takes a function, not a {type(function).__qualname__}.",
                hint="write '@component' or '@component(…)' above a def.",
            )
        self.function = function
        self._options = options
        self._binder: Binder | None = None
        self._outputs: tuple[str, ...] | None = None
        self._after: tuple[Any, ...] = ()
        self._key = ""
        self._used_as: Component[P, R_co] = self
        """The component whose `Use` its steps share: calls differ by `after` and `key` alone."""
        self._holding: Holding | None = holding_of(function)
        self.__name__: str = getattr(function, "__name__", type(function).__name__)
        functools.update_wrapper(self, function, updated=())

    @overload
    def __call__(self: Component[P, Awaited[T]], *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def __call__(self: Component[P, Yielded[T]], *args: P.args, **kwargs: P.kwargs) -> list[T]: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = current_run.get()
        if run is None:
            return self.function(*args, **kwargs)
        from pipekit.api.call import call

        binder = self._binder
        if binder is None:
            binder = self._binder = Binder(self.function, self.__name__)
        bound = binder.bind(args, kwargs)
        given, named = binder.without_defaults(args, kwargs)
        use = self._use(run, binder)
        return call(run, use, bound, given, named, self._after, self._key)

    @overload
    def map(
        self: Component[P, Awaited[T]], *iterables: Iterable[Any], **constants: Any
    ) -> list[T]: ...
    @overload
    def map(
        self: Component[P, Yielded[T]], *iterables: Iterable[Any], **constants: Any
    ) -> list[list[T]]: ...
    @overload
    def map(self, *iterables: Iterable[Any], **constants: Any) -> list[R_co]: ...

    def map(self, *iterables: Any, **constants: Any) -> Any:
        """Call it once for each item, or for the items of several iterables side by side.

        In a pipeline this gives a list of futures at once, and the steps run in parallel; elsewhere
        it gives the list of results.

        Args:
            iterables: Each gives a value for one positional parameter; all of one length.
            constants: Passed to every call as they are.

        Raises:
            UsageError: no iterable is given, or their lengths differ.
        """
        if not iterables:
            raise UsageError(
                f"{self.__name__}.map() needs something to go through.",
                hint=f"write {self.__name__}.map([…], name=constant); what is named is passed to "
                "every call as it is.",
            )
        rows = zip_longest(*iterables, fillvalue=_MISSING)
        results: list[Any] = []
        for number, row in enumerate(rows):
            # By identity: a future of an array would be compared element by element.
            short = [place for place, value in enumerate(row, 1) if value is _MISSING]
            if short:
                raise UsageError(
                    f"{self.__name__}.map() was given iterables of different lengths: number "
                    f"{short[0]} ends after {number}.",
                    hint="what is the same for every call is passed by name.",
                )
            results.append(self(*row, **constants))
        return results

    def options(
        self, *, after: Any = None, key: str | None = None, **options: Unpack[CallKeywords]
    ) -> Component[P, R_co]:
        """The same component with other options for the calls made through it.

        Args:
            after: A future, or a list of them: the steps wait for these, without taking their
                values. Where one of them fails, they are skipped. Or a function: the callback
                `after` of `component`.
            key: Tells equal calls apart where their order is not the same in each run, as for
                calls from several threads.
            options: Those of `component`.

        Raises:
            UsageError: an option is unknown, or its value cannot be right.
        """
        given: dict[str, Any] = dict(options)
        if _is_callback(after):
            given["after"], after = after, None
        replaced = self._options.replaced(f"Component {self.__name__!r}", given)
        changed = Component(self.function, replaced)
        if not given:
            changed._used_as = self._used_as
        changed._after = self._after if after is None else self._steps(after)
        changed._key = self._key if key is None else self._checked_key(key)
        return changed

    def _steps(self, after: Any) -> tuple[Any, ...]:
        from pipekit.api.future import find_futures

        found = tuple(find_futures(after))
        if not found and after not in ([], ()):
            raise UsageError(
                f"{self.__name__}.options(after={after!r}) names no step.",
                hint="pass what component calls gave, before their values are used.",
            )
        return found

    def _checked_key(self, key: Any) -> str:
        if not isinstance(key, str) or not key:
            raise UsageError(f"{self.__name__}.options(key={key!r}) is to be a text.")
        return key

    @property
    def name(self) -> str:
        """Display name of its steps."""
        return self._options.name or self.__name__

    def __repr__(self) -> str:
        return f"<component {self.name}>"

    # The first two are told apart by pyright; mypy takes the first for every method, and does not
    # look at the arguments of a call like `Model.fit(model)` then.
    @overload
    def __get__(
        self: Component[Concatenate[type[S], Q], R], instance: None, owner: type[S]
    ) -> Component[..., R]: ...
    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Component[P, R_co]: ...
    @overload
    def __get__(
        self: Component[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = ...
    ) -> Component[Q, R]: ...
    @overload
    def __get__(
        self: Component[Concatenate[type[S], Q], R], instance: S, owner: type[S] | None = ...
    ) -> Component[Q, R]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = ...) -> Component[P, R_co]: ...

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """As a method: bound to its instance, as the function would be."""
        if instance is None:
            return self
        from pipekit.api.bound_component import BoundComponent

        return BoundComponent(self, instance)

    def __counts_as__(self) -> object:
        """What it is in the digest of a value: the code of its function, and its options."""
        return self.function, self._options.without_callbacks()

    def __reduce__(self) -> Any:
        from pipekit.origin import origin_of

        origin = origin_of(self.function)
        if origin is None:
            return (Component, (self.function, self._options.without_callbacks()))
        return (_find, (origin.module, origin.qualname, self._options.without_callbacks()))

    def _held(self, run: Run, holding: Holding) -> str:
        """The digest of what the function holds on to now."""
        try:
            held = holding()
            if any(callable(one) for one in held):
                # What that holds in turn may have changed as well.
                return run.session.fingerprinter.fresh().fingerprint(self.function).digest
            return run.session.archive.hasher.digest(held)
        except (TypeError, ValueError):
            return ""  # an empty cell, or nothing that can be hashed: the fingerprint names it

    def _use(self, run: Run, binder: Binder) -> Use:
        # What it holds on to may change between two calls: then it is other code.
        held = self._held(run, self._holding) if self._holding else ""
        known = (self._used_as, held)
        use = run.uses.get(known)
        if use is None or self._has_changed(use):
            if run.fatal is not None:
                raise run.fatal
            with run.lock:
                use = run.uses.get(known)
                if use is None or self._has_changed(use):
                    use = run.uses[known] = self._make_use(run, binder, again=use is not None)
        return use

    def _has_changed(self, use: Use) -> bool:
        # Variables may have been set between two calls. A worker has its own, and refuses what was
        # called with others; in this process what is large is compared too.
        return bool(use.find_change(quick=use.executor != "inline"))

    def _make_use(self, run: Run, binder: Binder, *, again: bool) -> Use:
        from pipekit.control.use import Use

        fingerprinter = run.session.fingerprinter
        if self._holding or again:
            fingerprinter = fingerprinter.fresh()  # what it holds may differ from run to run
        if self._outputs is None:
            self._outputs = self._options.outputs or outputs_from_annotation(self.function)
        make = partial(
            Use,
            self.function,
            self._options,
            outputs=self._outputs,
            defaults=binder.defaults,
            executor=run.executor,
            parameters=binder.parameters,
            blind_spots=run.session.settings.blind_spots,
        )
        use = make(fingerprinter=fingerprinter)
        if self._has_changed(use):  # after other components of the module were looked at
            use = make(fingerprinter=fingerprinter.fresh())
        run.session.keep_source(run, use.source)
        if self._options.cache is not False:
            run.session.warn_of_blind_spots(run, use)
        run.session.keep_code(run, use.fingerprint)
        return use


def _is_callback(after: Any) -> bool:
    """Whether it is a function to call, not something to wait for. (A future is callable too, and a
    component in its place is a mistake.)"""
    from pipekit.api.future import is_future

    return not (is_future(after) or hasattr(after, "map")) and callable(after)


def _find(module: str, qualname: str, options: ComponentOptions) -> Component[..., Any]:
    """The component of a name, in whatever process."""
    from importlib import import_module

    from pipekit.origin import find_imported, walk

    found = find_imported(module, qualname)
    if found is None:
        found = walk(import_module(module), qualname)
    function = found.function if isinstance(found, Component) else found
    return Component(function, options)


@overload
def component(
    function: Component[P, R], /, **options: Unpack[ComponentKeywords]
) -> Component[P, R]: ...
@overload
def component(
    function: Callable[P, R], /, **options: Unpack[ComponentKeywords]
) -> Component[P, R]: ...
@overload
def component(
    **options: Unpack[ComponentKeywords],
) -> Callable[[Callable[P, R]], Component[P, R]]: ...


def component(function: Any = None, /, **options: Any) -> Any:
    """Turn a function into a component: `@component`, `@component(…)` or `component(f, …)`.

    Args:
        function: The function; its body is not changed, and `component(f).function is f`.
        name: Display name of its steps; default: the function's name.
        outputs: Names of the returned values, each stored under its name. A call then gives a tuple
            of futures. One name, or none, takes the return value whole (as `value` without a
            name); `-> tuple[A, B]` without `outputs` gives `value_0`, `value_1`.
        cache: None (default) reuses an outcome whose code and inputs are unchanged, unless the
            step only returned None; True reuses that too; False runs the step each time; a
            timedelta reuses, as True does, what is no older than that.
        version: Counts into the cache key; change it to make remembered outcomes stale.
        retries: Further attempts after a failed one.
        retry_delay: Seconds before the first retry; doubles with each, and varies by a quarter.
        retry_delay_max: Seconds at which doubling stops.
        retry_on: Exception types that are retried; default: all. Or a policy, called as
            `policy(error, attempt)` for each attempt that raised while `retries` allows another:
            True, False, or the seconds to wait. A worker's death and a timeout are retried in any
            case.
        timeout: Seconds after which an attempt is ended.
        executor: Where its steps run, if not where the pipeline's do.
        resources: What a step has for itself while it runs in a worker process, a dict with some of
            `"cpu"` (a number), `"gpu"` (a whole number) and `"memory"` (`"4GiB"`, or bytes); it
            waits until there is so much. What uses more than its memory is ended.
        memory_retries: Further attempts after one that was ended for its memory, each with twice as
            much as the one before, up to what the machine has.
        depends_on: What else counts into the key, one or a list: functions, classes, modules (or
            their names), files and folders (by content, relative to the project).
        ignore: What does not count: arguments by name, and globals, functions or classes that its
            code reaches as `"module.NAME"`.
        blind_spots: What is done where the code that it reaches cannot be followed: `"warn"` names
            it, `"rerun"` runs the step each time, `"error"` refuses the run, `"ok"` is silent;
            default: the setting `PIPEKIT_BLIND_SPOTS`.
        before: Called with the step's `Task` before its first attempt (not where it is reused).
            False skips the step, and so what depends on it.
        after: Called with the `Task` when its end is recorded, whatever it is.
        on_status: Called with the `Task`, its old and its new status.

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
    if isinstance(function, classmethod):
        from pipekit.api.bound_component import ComponentOfClass

        return ComponentOfClass(component(function.__func__, **options))
    if isinstance(function, staticmethod):
        return staticmethod(component(function.__func__, **options))
    return Component(function, checked)
