"""pipekit's own objects in user code: components and pipelines count as the function that
they wrap. Imports none of them.
"""

from __future__ import annotations

import functools
from typing import Any


def unwrap(value: Any) -> Any:
    """The user's function behind pipekit's own objects, which count as that function."""
    while is_wrapper(value):
        value = value.function
    return value


def is_wrapper(value: object) -> bool:
    """Whether a value is pipekit's own object around a user's function."""
    cls: Any = type(value)
    return is_ours(cls) and "function" in _attributes(value)


@functools.lru_cache(maxsize=1024)
def is_ours(cls: type) -> bool:
    """Whether instances are pipekit's own callables (components, pipelines, futures)."""
    return any(
        "__call__" in vars(base) and str(base.__module__).startswith("pipekit.")
        for base in cls.__mro__
    )


def _attributes(value: object) -> dict[str, Any]:
    # Not by `getattr`: a future would wait for its value.
    try:
        found: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found
