"""What a component is set to: the arguments of `@component` and of `.options(…)`, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from pipekit.errors import UsageError, nearest
from pipekit.model.name import check_name

DEFAULT_OUTPUT = "value"


@dataclass(frozen=True, slots=True)
class ComponentOptions:
    """How a component's steps are named, stored, reused and retried.

    Attributes:
        name: Display name of its steps; the function's name where empty.
        outputs: Names of the returned values. One name, or none, takes the return value whole.
        cache: None reuses a step's outcome where its code and inputs are unchanged, unless it only
            returned None; True reuses that too; False runs the step each time.
        version: Counts into the key: a change makes every remembered outcome stale.
        retries: Further attempts after one that failed by the user's code or its worker's death.
        retry_delay: Seconds before the first retry; doubles with each one, with jitter.
        retry_on: Exception types (also their subclasses) that are retried; empty: all. The death of
            a worker and a timeout are no exceptions of the step's: they are retried in any case.
        timeout: Seconds after which an attempt is ended; None: never.
        executor: Where its steps run; empty: where the pipeline's do.
    """

    name: str = ""
    outputs: tuple[str, ...] = ()
    cache: bool | None = None
    version: str = ""
    retries: int = 0
    retry_delay: float = 0.0
    retry_on: tuple[type[BaseException], ...] = ()
    timeout: float | None = None
    executor: str = ""

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
        if self.cache not in (None, True, False):
            raise UsageError(f"cache={self.cache!r} is to be True, False or None.")
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
        if "retry_on" in given:
            given["retry_on"] = _as_tuple(given["retry_on"], type)
        return replace(self, **given)

    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, as plain JSON for the record."""
        shown: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default and field.name not in ("name", "outputs"):
                shown[field.name] = (
                    [cls.__qualname__ for cls in value] if field.name == "retry_on" else value
                )
        return shown


def _as_tuple(value: Any, single: type) -> tuple[Any, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, single) else tuple(value)
