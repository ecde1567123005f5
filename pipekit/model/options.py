"""What a component is set to: the arguments of `@component` and of `.options(…)`, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipekit.errors import UsageError, nearest
from pipekit.model.name import check_name

if TYPE_CHECKING:
    from pipekit.model.resources import Resources

DEFAULT_OUTPUT = "value"
BLIND_SPOTS = ("warn", "rerun", "error", "ok")
"""What is done where the code that a step reaches cannot be followed: it is named, the step is not
reused, the run is refused, nothing."""

CALLBACKS = ("before", "after", "on_status")
_NOT_PLAIN = 0x20 | 0x80 | 0x200
"""Flags of the code of generators, coroutines and both at once, as `inspect` has them."""


@dataclass(frozen=True, slots=True)
class ComponentOptions:
    """How a component's steps are named, stored, reused and retried.

    Attributes:
        name: Display name of its steps; the function's name where empty.
        outputs: Names of the returned values. One name, or none, takes the return value whole.
        cache: None reuses a step's outcome where its code and inputs are unchanged, unless it only
            returned None; True reuses that too; False runs the step each time; a timedelta reuses,
            as True does, what is no older than that.
        version: Counts into the key: a change makes every remembered outcome stale.
        retries: Further attempts after one that failed by the user's code or its worker's death.
        retry_delay: Seconds before the first retry; doubles with each one, with jitter.
        retry_delay_max: Seconds at which doubling stops.
        retry_on: Exception types (also their subclasses) that are retried; empty: all. Or a policy
            that is asked: `(error, attempt) -> bool | float`, whether, or after how many seconds.
            The death of a worker and a timeout are no exceptions of the step's: they are retried in
            any case.
        timeout: Seconds after which an attempt is ended; None: never.
        executor: Where its steps run; empty: where the pipeline's do.
        resources: What a step has for itself while it runs; None: one CPU, and what there is.
        memory_retries: Further attempts after one that was ended for its memory, each with twice as
            much as the one before, up to what the machine has.
        depends_on: What else counts into the key: functions, classes, modules or their names, files
            and folders.
        ignore: What does not: arguments by name, and globals, functions or classes as
            `module.NAME`.
        blind_spots: What is done where code cannot be followed, one of `BLIND_SPOTS`; empty: what
            the setting says.
        before: Called with the task before its first attempt; False skips it.
        after: Called with the task when it has ended.
        on_status: Called with the task, its old and its new status.
    """

    name: str = ""
    outputs: tuple[str, ...] = ()
    cache: bool | timedelta | None = None
    version: str = ""
    retries: int = 0
    retry_delay: float = 0.0
    retry_delay_max: float = 3600.0
    retry_on: tuple[type[BaseException], ...] | Callable[[Exception, int], bool | float] = ()
    timeout: float | None = None
    executor: str = ""
    resources: Resources | None = None
    memory_retries: int = 0
    depends_on: tuple[Any, ...] = ()
    ignore: tuple[str, ...] = ()
    blind_spots: str = ""
    before: Callable[[Any], bool | None] | None = None
    after: Callable[[Any], object] | None = None
    on_status: Callable[[Any, Any, Any], object] | None = None

    def __post_init__(self) -> None:
        if len(set(self.outputs)) != len(self.outputs):
            raise UsageError(f"outputs={list(self.outputs)} names one output twice.")
        check_name(self.name, "Component")
        for output in self.outputs:
            if not isinstance(output, str) or not output:
                raise UsageError(f"outputs={list(self.outputs)}: each is to be a name.")
            check_name(output, "Output")
        if not isinstance(self.retries, int) or isinstance(self.retries, bool) or self.retries < 0:
            raise UsageError(f"retries={self.retries!r} is to be a whole number, 0 or more.")
        self._check_memory_retries()
        for name in ("version", "executor"):
            if not isinstance(getattr(self, name), str):
                raise UsageError(f"{name}={getattr(self, name)!r} is to be text.")
        self._check_cache()
        for item in self.ignore:
            if not isinstance(item, str) or not item:
                raise UsageError(
                    f"ignore={list(self.ignore)!r}: each is to be a name.",
                    hint="name an argument, or a global as 'module.NAME'.",
                )
        if self.blind_spots not in ("", *BLIND_SPOTS):
            raise UsageError(
                f"blind_spots={self.blind_spots!r} is to be one of {', '.join(BLIND_SPOTS)}.",
                hint=nearest(str(self.blind_spots), BLIND_SPOTS),
            )
        for name in ("timeout", "retry_delay", "retry_delay_max"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, int | float):
                raise UsageError(f"{name}={value!r} is to be a number of seconds.")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout={self.timeout!r} is to be seconds above 0, or None.")
        if not self.retry_delay >= 0:
            raise UsageError(f"retry_delay={self.retry_delay!r} is to be seconds, 0 or more.")
        if not self.retry_delay_max >= 0:
            raise UsageError(
                f"retry_delay_max={self.retry_delay_max!r} is to be seconds, 0 or more."
            )
        for name in CALLBACKS:
            check_callback(name, getattr(self, name))
        if not isinstance(self.retry_on, tuple):
            check_callback("retry_on", self.retry_on)
            return
        for cls in self.retry_on:
            if not (isinstance(cls, type) and issubclass(cls, BaseException)):
                raise UsageError(f"retry_on takes exception types or a function, not {cls!r}.")

    def _check_memory_retries(self) -> None:
        count = self.memory_retries
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise UsageError(f"memory_retries={count!r} is to be a whole number, 0 or more.")
        if count and (self.resources is None or self.resources.memory is None):
            raise UsageError(
                f"memory_retries={count} gives twice the memory, but none is asked for.",
                hint='say with how much it begins: resources={"memory": "4GiB"}.',
            )

    def _check_cache(self) -> None:
        cache = self.cache
        if not (cache is None or isinstance(cache, bool | timedelta)):
            hint = f"timedelta(seconds={cache!r})?" if isinstance(cache, int | float) else ""
            raise UsageError(
                f"cache={cache!r} is to be True, False, None or a timedelta.", hint=hint
            )
        if isinstance(cache, timedelta) and cache <= timedelta():
            raise UsageError(
                f"cache={cache!r} is to be more than nothing.",
                hint="cache=False runs the step each time.",
            )

    @property
    def most_seconds(self) -> float | None:
        """The age up to which an outcome is reused; None: any."""
        return self.cache.total_seconds() if isinstance(self.cache, timedelta) else None

    @property
    def is_watched(self) -> bool:
        """Whether there is a callback."""
        return not (self.before is None and self.after is None and self.on_status is None)

    def without_callbacks(self) -> ComponentOptions:
        """The same for who only calls the function."""
        if not self.is_watched and isinstance(self.retry_on, tuple):
            return self
        kept = self.retry_on if isinstance(self.retry_on, tuple) else ()
        return replace(self, before=None, after=None, on_status=None, retry_on=kept)

    @property
    def keeps_none(self) -> bool:
        """Whether an outcome that is None alone is remembered too: where caching was asked for."""
        return self.cache is not None and self.cache is not False

    def replaced(self, what: str, given: dict[str, Any]) -> ComponentOptions:
        """These options with others in their place.

        Raises:
            UsageError: an option is unknown, or its value cannot be right.
        """
        known = [field.name for field in fields(self)]
        for name in given:
            if name not in known:
                raise UsageError(
                    f"{what} has no option {name!r}. It has: {', '.join(known)}.",
                    hint=nearest(name, known),
                )
        if "version" in given:
            given["version"] = str(given["version"])
        if "outputs" in given:
            given["outputs"] = _as_tuple(given["outputs"], str)
        if "ignore" in given:
            given["ignore"] = _as_tuple(given["ignore"], str)
        if "depends_on" in given:
            several = isinstance(given["depends_on"], list | tuple | set | frozenset)
            given["depends_on"] = tuple(given["depends_on"]) if several else (given["depends_on"],)
        if "retry_on" in given and not is_policy(given["retry_on"]):
            types = given["retry_on"]
            single = types is not None and not hasattr(types, "__iter__")
            several = not (single or isinstance(types, type))
            given["retry_on"] = _as_tuple(types, type) if several else (types,)
        if given.get("resources") is not None:
            from pipekit.model.resources import parse_resources

            given["resources"] = parse_resources(given["resources"])
        return replace(self, **given)

    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, as plain JSON for the record."""
        shown: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default and field.name not in ("name", "outputs"):
                shown[field.name] = value
                if field.name in ("retry_on", "depends_on", "ignore", *CALLBACKS):
                    several = isinstance(value, tuple)
                    shown[field.name] = [_name(i) for i in value] if several else _name(value)
        if isinstance(self.cache, timedelta):
            shown["cache"] = str(self.cache)
        if self.resources is not None:
            shown["resources"] = self.resources.shown()
        return shown


def check_callback(name: str, given: Any) -> None:
    """
    Raises:
        UsageError: it is nothing that can be called and come to its end there.
    """
    if given is None:
        return
    if not callable(given):
        raise UsageError(f"{name}={given!r} is to be a function.")
    code = getattr(given, "__code__", None) or getattr(given.__call__, "__code__", None)
    if code is not None and code.co_flags & _NOT_PLAIN:
        raise UsageError(
            f"{name}={_name(given)} is to be a plain function: nobody awaits, or goes through, "
            "what it gives."
        )


def is_policy(retry_on: Any) -> bool:
    """Whether it is a function to be asked, not exception types."""
    return callable(retry_on) and not isinstance(retry_on, type)


def _name(item: Any) -> str:
    return str(getattr(item, "__qualname__", None) or getattr(item, "__name__", None) or item)


def _as_tuple(value: Any, single: type) -> tuple[Any, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, single) else tuple(value)
