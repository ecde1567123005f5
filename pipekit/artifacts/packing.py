"""The pickler that takes classes and functions apart, with cloudpickle. What has a name goes by it;
classes go with their tags. Owns the stream, not what becomes of it where it arrives."""

from __future__ import annotations

import dataclasses
import functools
import linecache
import os
from collections.abc import Callable
from enum import Enum
from io import BytesIO
from types import FunctionType
from typing import Any

import cloudpickle

from pipekit.artifacts.name import reduce_name
from pipekit.model.value import Digest

_SENTINELS = {
    id(value): name
    for name, value in vars(dataclasses).items()
    if type(value).__module__ == "dataclasses" and not isinstance(value, FunctionType)
}
"""What `dataclasses` compares by identity, which cloudpickle would copy; by address."""


def _cached_property(function: Any, name: str | None) -> Any:
    made: Any = functools.cached_property(function)
    made.attrname = name
    return made


class Packer(cloudpickle.Pickler):  # type: ignore[misc]
    """Writes one class or function, and all that it refers to.

    Args:
        out: Where to.
        tag_of: The tag of a class.
        arrival: What begins a class where it arrives, and what finishes it.
    """

    def __init__(
        self,
        out: BytesIO,
        tag_of: Callable[[Any], Digest],
        arrival: tuple[Callable[..., Any], Callable[..., Any]],
    ) -> None:
        super().__init__(out, protocol=5)
        self._tag_of = tag_of
        self._begin, self._finish = arrival
        self._files: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | FunctionType):
            named = reduce_name(obj)
            if named is not NotImplemented:
                return named
        elif type(obj) is functools.cached_property:  # holds a lock, in Python 3.11
            return _cached_property, (obj.func, obj.attrname)
        elif type(obj).__module__ == "dataclasses" and id(obj) in _SENTINELS:
            return _SENTINELS[id(obj)]
        reduced = super().reducer_override(obj)
        if type(reduced) is not tuple or len(reduced) != 6:
            return reduced
        if isinstance(obj, FunctionType):
            self._files.add(obj.__code__.co_filename)
            return reduced
        return self._class(obj, *reduced) if isinstance(obj, type) else reduced

    def _class(self, cls: type, make: Any, args: Any, state: Any, _: Any, __: Any, set_state: Any
    ) -> Any:  # fmt: skip
        # The last but one is cloudpickle's own identity for a class: another one in each process.
        *made_of, _, extra = args
        if issubclass(cls, Enum):
            # With the aliases, which cloudpickle leaves out.
            members: Any = cls.__members__
            made_of[3] = {name: member.value for name, member in members.items()}
            for name in members:
                state[0].pop(name, None)
        elif "__slots__" in vars(cls) and not issubclass(cls, tuple):
            made_of[3]["__slots__"] = vars(cls)["__slots__"]  # has no effect later
        tag = self._tag_of(cls)
        return (
            self._begin,
            (tag, cls.__qualname__, make, (*made_of, tag, extra)),
            (cls.__qualname__, set_state, state),
            None,
            None,
            self._finish,
        )

    def sources(self) -> dict[str, list[str]]:
        """The text of what was written and is in no file: for tracebacks. By file name."""
        found = {file: linecache.getlines(file) for file in sorted(self._files)}
        return {file: lines for file, lines in found.items() if lines and not os.path.exists(file)}
