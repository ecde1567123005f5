"""What is left of a value whose class has moved or is gone: a record that says so, with the state
that was stored. For people who look at a value; a step is never given one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from pipekit.artifacts.mapped import read
from pipekit.artifacts.path import PathSerializer
from pipekit.artifacts.pickling import read_pickle
from pipekit.artifacts.tree import Decoder, find_class
from pipekit.model.excerpt import excerpt
from pipekit.ports import Serializer

SERIALIZERS = frozenset({"pickle", "record"})
"""Those that name classes."""
_SHOWN_CHARACTERS = 500
_SIGNATURE_BYTES = 32


class Inert:
    """A value without its class. Shows what was stored, and does nothing.

    Attributes:
        class_name: `module.qualname` of the class that was not found.
        state: What was stored of the value: mostly a dict of its attributes.
    """

    class_name: str = ""
    state: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        made = super().__new__(cls)
        if args or kwargs:
            made.state = {**dict(enumerate(args)), **kwargs}
        return made

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
            state = {**(state[0] or {}), **state[1]}  # of a class with slots
        if isinstance(self.state, dict) and isinstance(state, dict):
            state = {**self.state, **state}
        self.state = state

    # What a pickle adds to an instance of a list or a dict.

    def append(self, item: Any) -> None:
        self.extend([item])

    def extend(self, items: Any) -> None:
        held = self.state if isinstance(self.state, dict) else {}
        self.state = {**held, "items": [*held.get("items", ()), *items]}

    def __setitem__(self, key: Any, value: Any) -> None:
        held = self.state if isinstance(self.state, dict) else {}
        self.state = {**held, key: value}

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"There is no {name!r}: this is what is left of a {self.class_name}, whose class "
            "cannot be found any more. Its .state is what was stored."
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"it is what is left of a {self.class_name}, whose class is gone")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Inert):
            return NotImplemented
        return (self.class_name, self.state) == (other.class_name, other.state)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        state = excerpt(repr(self.state), _SHOWN_CHARACTERS)
        return f"<what is left of a {self.class_name}, a class that cannot be found: {state}>"


def stand_in(module: str, name: str) -> type[Inert]:
    """The class of what is left of the values of a class that is gone."""
    return type("Inert", (Inert,), {"class_name": f"{module}.{name}", "__module__": __name__})


def read_inert(serializer: str, source: bytes | Path, paths: Serializer) -> Any:
    """A value with what is left of those in it whose classes are gone. The caller has checked the
    signature.

    Args:
        serializer: One of `SERIALIZERS`, that wrote it.
        source: What was written.
        paths: Restores the paths in it.
    """
    if serializer == "pickle":
        assert isinstance(paths, PathSerializer)
        return read_pickle(source, paths, missing=stand_in)
    data = read(source)[:-_SIGNATURE_BYTES]
    return _InertDecoder(classes=True).decode(json.loads(data.decode("utf-8", "surrogatepass")))


class _InertDecoder(Decoder):
    def decode_named(self, kind: str, name: str, rest: list[Any]) -> Any:
        try:
            cls = find_class(name)
        except (ImportError, AttributeError):
            module, _, qualname = name.partition(":")
            made = stand_in(module, qualname)()
            made.state = self._state(kind, rest)
            return made
        return self.decode_instance(kind, cls, rest)

    def _state(self, kind: str, rest: list[Any]) -> Any:
        if kind == "enum":
            return rest[0]
        if kind == "namedtuple":
            return tuple(map(self.decode, rest))
        if kind == "model":
            return self.decode(rest[0])
        return {name: self.decode(held) for name, held in rest}
