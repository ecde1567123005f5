"""What a component is set to: the arguments of `@component` and of `.options(…)`, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from pipekit.errors import UsageError, nearest
from pipekit.model.name import check_name

DEFAULT_OUTPUT = "value"
BLIND_SPOTS = ("warn", "rerun", "error", "ok")
"""What is done where the code that a step reaches cannot be followed: it is named, the step is not
reused, the run is refused, nothing."""


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
        retry_on: Exception types (also their subclasses) that are retried; empty: all. The death of
            a worker and a timeout are no exceptions of the step's: they are retried in any case.
        timeout: Seconds after which an attempt is ended; None: never.
        executor: Where its steps run; empty: where the pipeline's do.
        depends_on: What else counts into the key: functions, classes, modules or their names, files
            and folders.
        ignore: What does not: arguments by name, and globals, functions or classes as
            `module.NAME`.
        blind_spots: What is done where code cannot be followed, one of `BLIND_SPOTS`; empty: what
            the setting says.
    """

    name: str = ""
    outputs: tuple[str, ...] = ()
    cache: bool | timedelta | None = None
    version: str = ""
    retries: int = 0
    retry_delay: float = 0.0
    retry_on: tuple[type[BaseException], ...] = ()
    timeout: float | None = None
    executor: str = ""
    depends_on: tuple[Any, ...] = ()
    ignore: tuple[str, ...] = ()
    blind_spots: str = ""

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
        for name in ("timeout", "retry_delay"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, int | float):
                raise UsageError(f"{name}={value!r} is to be a number of seconds.")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout={self.timeout!r} is to be seconds above 0, or None.")
        if not self.retry_delay >= 0:
            raise UsageError(f"retry_delay={self.retry_delay!r} is to be seconds, 0 or more.")
        for cls in self.retry_on:
            if not (isinstance(cls, type) and issubclass(cls, BaseException)):
                raise UsageError(f"retry_on takes exception types, not {cls!r}.")

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
        if "retry_on" in given:
            given["retry_on"] = _as_tuple(given["retry_on"], type)
        return replace(self, **given)

    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, as plain JSON for the record."""
        shown: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default and field.name not in ("name", "outputs"):
                shown[field.name] = value
                if field.name in ("retry_on", "depends_on", "ignore"):
                    shown[field.name] = [_name(item) for item in value]
        if isinstance(self.cache, timedelta):
            shown["cache"] = str(self.cache)
        return shown


def _name(item: Any) -> str:
    return str(getattr(item, "__qualname__", None) or getattr(item, "__name__", None) or item)


def _as_tuple(value: Any, single: type) -> tuple[Any, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, single) else tuple(value)
