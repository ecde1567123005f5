"""Serializers for trees of plain values that JSON alone would not give back: tuples, sets, bytes,
any keys; and instances of importable dataclasses, pydantic models, named tuples and enums.

A class is named by module and qualified name. Reading such a name imports it, so what holds one is
signed; what holds none is not, and anyone may read it.
"""

from __future__ import annotations

import enum
import functools
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.artifacts.mapped import read
from pipekit.artifacts.plain import is_short_int
from pipekit.artifacts.preview import describe
from pipekit.artifacts.unfit import Unfit
from pipekit.model.object_value import reduces_plainly
from pipekit.origin import find_imported, origin_of

if TYPE_CHECKING:
    from pipekit.ports import Sink

MOST_NODES = 20_000
"""Larger trees are pickled: that is faster."""

_LEAVES = frozenset({float, bool, type(None), str})
_SEQUENCES: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_MAKERS: dict[str, Callable[[Any], Any]] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset,
}  # fmt: skip


class TreeSerializer:
    """Nested plain values, without classes."""

    name = "tree"
    signed = False

    def accepts(self, value: object) -> bool:
        return type(value) in _SEQUENCES or type(value) is dict or type(value) is complex

    def dump(self, value: object, sink: Sink) -> None:
        tree = _Encoder(classes=self.signed).encode(value)
        text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
        sink.write(text.encode("utf-8", "surrogatepass"))

    def load(self, source: bytes | Path) -> object:
        # `raw_decode`: a signature follows what is signed.
        data = read(source)
        if self.signed:
            data = data[:-32]
        return Decoder(classes=self.signed).decode(
            json.loads(data.decode("utf-8", "surrogatepass"))
        )

    def preview(self, value: object) -> str:
        return describe(value)


class RecordSerializer(TreeSerializer):
    """Nested plain values with instances of classes that have a name."""

    name = "record"
    signed = True

    def accepts(self, value: object) -> bool:
        return super().accepts(value) or _kind_of(type(value)) is not None


class _Encoder:
    def __init__(self, *, classes: bool) -> None:
        self._classes = classes
        self._left = MOST_NODES
        self._path: set[int] = set()

    def encode(self, value: Any) -> Any:
        self._left -= 1
        cls = type(value)
        if cls in _LEAVES:
            return value
        if cls is int and is_short_int(value):
            return value
        if cls is bytes:
            return ["bytes", b64encode(value).decode()]
        if cls is complex:
            return ["complex", value.real, value.imag]
        if self._left < 0 or id(value) in self._path or len(self._path) > 100:
            raise Unfit("large, deep or recursive")
        self._path.add(id(value))
        try:
            return self._encode_node(value, cls)
        finally:
            self._path.discard(id(value))

    def _encode_node(self, value: Any, cls: type) -> list[Any]:
        if cls is dict:
            return ["dict", *([self.encode(k), self.encode(v)] for k, v in value.items())]
        if cls is set or cls is frozenset:
            # Sorted by their text, so that equal sets have equal bytes in every process.
            return [_SEQUENCES[cls], *sorted(map(self.encode, value), key=_text)]
        if cls in _SEQUENCES:
            return [_SEQUENCES[cls], *map(self.encode, value)]
        kind = _kind_of(cls) if self._classes else None
        if kind is None:
            raise Unfit(f"a {cls.__name__}")
        return self._encode_instance(value, cls, kind)

    def _encode_instance(self, value: Any, cls: type, kind: str) -> list[Any]:
        name = _name_of(cls)
        if kind == "enum":
            if value.name is None or cls.__members__.get(value.name) is not value:  # type: ignore[attr-defined]
                raise Unfit("a combination of flags")
            return [kind, name, value.name]
        if kind == "namedtuple":
            if getattr(value, "__dict__", None):
                raise Unfit("a named tuple with attributes")
            return [kind, name, *map(self.encode, value)]
        if kind == "model":
            return [kind, name, self.encode(value.__getstate__())]
        state = {f.name: getattr(value, f.name) for f in fields(value) if hasattr(value, f.name)}
        if not getattr(value, "__dict__", state).keys() <= state.keys():
            raise Unfit("a dataclass with further attributes")
        return [kind, name, *([key, self.encode(held)] for key, held in state.items())]


class Decoder:
    """Makes values of what `_Encoder` wrote."""

    def __init__(self, *, classes: bool) -> None:
        self._classes = classes

    def decode(self, node: Any) -> Any:
        if type(node) is not list:
            return node
        kind, *rest = node
        if kind in _MAKERS:
            return _MAKERS[kind](map(self.decode, rest))
        if kind == "dict":
            return {self.decode(key): self.decode(value) for key, value in rest}
        if kind == "bytes":
            return b64decode(rest[0])
        if kind == "complex":
            return complex(*rest)
        if not self._classes:
            raise ValueError(f"a class in a tree without classes: {kind!r}")
        return self.decode_named(kind, rest[0], rest[1:])

    def decode_named(self, kind: str, name: str, rest: list[Any]) -> Any:
        """An instance of the class of that name."""
        return self.decode_instance(kind, find_class(name), rest)

    def decode_instance(self, kind: str, cls: Any, rest: list[Any]) -> Any:
        """An instance of this class."""
        if kind == "enum":
            return cls.__members__[rest[0]]
        if kind == "namedtuple":
            return tuple.__new__(cls, map(self.decode, rest))
        made = cls.__new__(cls)
        if kind == "model":
            made.__setstate__(self.decode(rest[0]))
            return made
        for name, held in rest:
            object.__setattr__(made, name, self.decode(held))
        return made


def find_class(name: str) -> Any:
    """The class named `module:qualname`, imported."""
    module, _, qualname = name.partition(":")
    found = find_imported(module, qualname)
    if found is not None:
        return found
    return functools.reduce(getattr, qualname.split("."), import_module(module))


def _kind_of(cls: type) -> str | None:
    if issubclass(cls, enum.Enum):
        return "enum"
    if any(base.__module__ == "pydantic.main" for base in cls.__mro__):
        return "model" if _keeps(cls, "__reduce__", "__reduce_ex__") else None
    if is_dataclass(cls):
        return "dataclass" if _is_plain_dataclass(cls) else None
    is_named_tuple = issubclass(cls, tuple) and hasattr(cls, "_fields")
    return "namedtuple" if is_named_tuple and reduces_plainly(cls) else None


def _keeps(cls: type, *names: str) -> bool:
    return all(getattr(cls, name) is getattr(object, name) for name in names)


def _is_plain_dataclass(cls: type) -> bool:
    """Whether the fields are all there is to an instance."""
    if not _keeps(cls, "__new__", "__reduce__", "__reduce_ex__"):
        return False
    fields = set(cls.__dataclass_fields__)  # type: ignore[attr-defined]
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        if not fields.issuperset((slots,) if isinstance(slots, str) else slots):
            return False  # a base has room for more than the fields
    # A frozen dataclass with slots has the two below from `dataclasses`.
    get, set_ = cls.__getstate__, getattr(cls, "__setstate__", None)
    makers = {getattr(each, "__module__", "") for each in (get, set_) if each is not None}
    plain: Any = object.__getstate__
    return makers == {"dataclasses"} or (get is plain and set_ is None)


def _name_of(cls: type) -> str:
    origin = origin_of(cls)
    if origin is None or (origin.module and ":" in origin.module):
        raise Unfit(f"{cls.__qualname__} cannot be imported")
    return str(origin)


def _text(node: Any) -> str:
    return json.dumps(node)
