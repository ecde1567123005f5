"""What a sweep may choose from, for each parameter: lists of choices, ranges of numbers. Pure, and
knows no sampler."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Integral, Real
from typing import Any

from pipekit.errors import UsageError

_MOST_POINTS = 1_000_000
PLAIN = (type(None), bool, int, float, str)
"""Types of choices that can stand for themselves."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """A number between `low` and `high`, both included; with `log`, each order of magnitude is as
    likely as another."""

    low: float
    high: float
    log: bool = False

    @property
    def first(self) -> Any:
        return self.low

    def __repr__(self) -> str:
        return f"{'log_' if self.log else ''}uniform({self.low!r}, {self.high!r})"


@dataclass(frozen=True, slots=True)
class Integers:
    """A whole number from `low` to `high`, both included, in steps of `step`."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    @property
    def first(self) -> Any:
        return self.low

    def __repr__(self) -> str:
        step = f", step={self.step}" if self.step != 1 else ""
        return f"integers({self.low}, {self.high}{step}{', log=True' if self.log else ''})"


@dataclass(frozen=True, slots=True)
class Choices:
    """One of these values."""

    values: tuple[Any, ...]

    @property
    def first(self) -> Any:
        return self.values[0]

    def __repr__(self) -> str:
        return repr([*self.values])

    @property
    def labels(self) -> tuple[Any, ...]:
        """What stands for the values where only plain ones can stand, and no two that are equal."""
        is_plain = all(type(value) in PLAIN for value in self.values)
        if is_plain and len(set(self.values)) == len(self.values):
            return self.values
        return tuple(f"{i}: {_line(value)}" for i, value in enumerate(self.values))


@dataclass(frozen=True, slots=True)
class Foreign:
    """A distribution of Optuna's, taken as it is."""

    distribution: Any

    def __repr__(self) -> str:
        return repr(self.distribution)

    @property
    def first(self) -> Any:
        low = getattr(self.distribution, "low", None)
        return low if low is not None else self.distribution.choices[0]


Domain = Uniform | Integers | Choices | Foreign


def uniform(low: float, high: float) -> Uniform:
    """In the `space` of a sweep: a number between these, both included.

    Raises:
        UsageError: they are no numbers, or in the wrong order.
    """
    return Uniform(*_bounds("uniform", low, high))


def log_uniform(low: float, high: float) -> Uniform:
    """In the `space` of a sweep: a number between these, where each order of magnitude is as likely
    as another: for learning rates and the like.

    Raises:
        UsageError: they are no numbers above 0, or in the wrong order.
    """
    return Uniform(*_bounds("log_uniform", low, high, log=True), log=True)


def integers(low: int, high: int, *, step: int = 1, log: bool = False) -> Integers:
    """In the `space` of a sweep: a whole number from `low` to `high`, both included.

    Args:
        low: The least.
        high: The most.
        step: Only `low`, `low + step` and so on.
        log: Each order of magnitude is as likely as another.

    Raises:
        UsageError: they are no whole numbers, or in the wrong order.
    """
    said = f"integers({low!r}, {high!r})"
    if not all(_is_integer(number) for number in (low, high, step)) or step < 1:
        raise UsageError(f"{said}: low, high and step= are to be whole numbers, step at least 1.")
    if log and step != 1:
        raise UsageError(f"{said}: step= and log=True do not go together.")
    _bounds("integers", low, high, log=log)
    low, high, step = operator.index(low), operator.index(high), operator.index(step)
    return Integers(low, high - (high - low) % step, step, log)


def read_space(space: Mapping[str, Any], *, floats: Sequence[str] = ()) -> dict[str, Domain]:
    """What stands for each parameter, as a domain.

    Args:
        space: Parameter -> a list (choices), a `range`, a tuple `(low, high)` of whole numbers or
            of floats, what `uniform`, `log_uniform` and `integers` give, or a distribution of
            Optuna's.
        floats: Parameters that are floats: `(1, 10)` then means any number between.

    Raises:
        UsageError: something is none of these.
    """
    if not isinstance(space, Mapping) or not space:
        raise UsageError(
            "space= is to say for each parameter what it may be.",
            hint="write space={'rate': (0.1, 1.0), 'kind': ['a', 'b']}.",
        )
    return {name: _domain(name, given, name in floats) for name, given in space.items()}


def _domain(name: str, given: Any, is_float: bool) -> Domain:
    if isinstance(given, Uniform | Integers | Choices | Foreign):
        return given
    if isinstance(given, range):
        if not given:
            raise _wrong(name, given, "it is empty")
        low, high = sorted((given[0], given[-1]))
        return Integers(low, high, abs(given.step))
    if isinstance(given, list):
        if not given:
            raise _wrong(name, given, "it is empty")
        return Choices(tuple(given))
    if isinstance(given, tuple):
        if len(given) != 2 or not all(_is_number(bound) for bound in given):
            raise _wrong(name, given, "a tuple is to be two numbers, the least and the most")
        if all(_is_integer(bound) for bound in given) and not is_float:
            return integers(*given)
        return uniform(*given)
    if type(given).__module__.startswith("optuna."):
        return Foreign(given)
    raise _wrong(name, given, f"a {type(given).__name__} says nothing here")


def _wrong(name: str, given: Any, reason: str) -> UsageError:
    return UsageError(
        f"space[{name!r}] is {_line(given)}: {reason}.",
        hint="a list is choices, (low, high) or range(…) numbers between; or uniform(a, b), "
        "log_uniform(a, b) and integers(a, b) of pipekit, or a distribution of Optuna's.",
    )


def _bounds(what: str, low: Any, high: Any, *, log: bool = False) -> tuple[float, float]:
    said = f"{what}({low!r}, {high!r})"
    if not (_is_number(low) and _is_number(high)) or not (
        math.isfinite(low) and math.isfinite(high)
    ):
        raise UsageError(f"{said} is to have two numbers.")
    if low > high:
        raise UsageError(f"{said}: the least is to come first.", hint=f"{what}({high!r}, {low!r})")
    if log and low <= 0:
        raise UsageError(f"{said}: on a logarithmic scale the least is to be above 0.")
    return float(low), float(high)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _line(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


# a grid


def count_points(domains: Mapping[str, Domain]) -> int:
    """How many combinations there are.

    Raises:
        UsageError: they cannot be counted, or are too many.
    """
    count = math.prod(len(_values(name, domain)) for name, domain in domains.items())
    if count > _MOST_POINTS:
        raise UsageError(
            f"The grid has {count} points.",
            hint="a sweep by pipekit.tune(…, trials=…) looks at some of them.",
        )
    return count


def points(domains: Mapping[str, Domain]) -> Iterator[dict[str, Any]]:
    """Every combination, the last parameter changing fastest.

    Raises:
        UsageError: a domain has no end of values.
    """
    lists = [_values(name, domain) for name, domain in domains.items()]
    for values in product(*lists):
        yield dict(zip(domains, values, strict=True))


def _values(name: str, domain: Domain) -> Sequence[Any]:
    if isinstance(domain, Choices):
        return domain.values
    if isinstance(domain, Integers) and not domain.log:
        return range(domain.low, domain.high + 1, domain.step)
    raise UsageError(
        f"A grid goes through all values of {name!r}, and between two numbers there is no end of "
        "them.",
        hint=f"list them: space={{{name!r}: [0.1, 0.5, 1.0]}}, or use pipekit.tune(…).",
    )


# as it is typed


def parse_domain(name: str, text: str, *, is_float: bool = False) -> Domain | list[str]:
    """What stands behind `name=` on the command line: `0.1:1`, `0.0001:1:log`, `1:9`, `1:9:2`; or
    the texts of choices, which are still to become values: `a,b,c` or `["a", "b"]`.

    Raises:
        UsageError: it is neither.
    """
    if text.lstrip().startswith("["):
        return _choice_texts(name, text)
    if "," in text:
        return [part.strip() for part in text.split(",")]
    low, colon, rest = text.partition(":")
    high, _, how = rest.partition(":")
    try:
        bounds = _number(low), _number(high)
        if not colon:
            raise ValueError
        if how not in ("", "log"):
            step = int(how)
            return integers(bounds[0], bounds[1], step=step)  # type: ignore[arg-type]
    except ValueError:
        raise UsageError(
            f"--space {name}={text} is no range and no list of choices.",
            hint=f"write {name}=0.1:1.0, {name}=0.001:1:log, {name}=1:9, {name}=1:9:2 or "
            f"{name}=a,b,c; a single value is given as --{name.replace('_', '-')} VALUE.",
        ) from None
    is_whole = all(type(bound) is int for bound in bounds) and not is_float
    if is_whole:
        return integers(int(bounds[0]), int(bounds[1]), log=how == "log")
    return log_uniform(*bounds) if how == "log" else uniform(*bounds)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _choice_texts(name: str, text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--space {name}={text} is no JSON: {error}.") from error
    if not found:
        raise UsageError(f"--space {name}={text} is empty.")
    return [one if isinstance(one, str) else json.dumps(one) for one in found]
