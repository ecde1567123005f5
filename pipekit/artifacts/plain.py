"""Serializers for plain values: JSON, text and bytes. Only what comes back equal and of the same
type is accepted: no tuple, no key that is not text, no subclass."""

from __future__ import annotations

from json import JSONDecoder, JSONEncoder
from pathlib import Path
from typing import TYPE_CHECKING

from pipekit.artifacts.mapped import read
from pipekit.artifacts.preview import clip, describe

if TYPE_CHECKING:
    from pipekit.ports import Sink

_SCALARS = frozenset({int, float, bool, type(None), str})
_INT_BITS = 14_000
"""Python refuses to write or read decimal integers of more than 4300 digits."""
_DEPTH = 200

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_scan = JSONDecoder().scan_once  # type: ignore[attr-defined]


class JsonSerializer:
    """None, numbers, lists and text-keyed dicts of these and of text; NaN and infinities too."""

    name = "json"

    def accepts(self, value: object) -> bool:
        return _is_json(value, 0)

    def dump(self, value: object, sink: Sink) -> None:
        sink.write(encode_json(value))

    def load(self, source: bytes | Path) -> object:
        # Lone surrogates are text too, and pairs of them must not be joined.
        return _scan(read(source).decode("utf-8", "surrogatepass"), 0)[0]

    def preview(self, value: object) -> str:
        if type(value) in (list, dict) and len(value) > 200:  # type: ignore[arg-type]
            return describe(value)
        text = _encode(value)
        return text if len(text) <= 2000 else describe(value)


def encode_json(value: object) -> bytes:
    """The bytes of a value that `JsonSerializer` accepts."""
    return _encode(value).encode("utf-8", "surrogatepass")


def is_short_int(value: int) -> bool:
    """Whether Python writes the integer in decimal."""
    return value.bit_length() < _INT_BITS


def _is_json(value: object, depth: int) -> bool:
    kind = type(value)
    if kind is int:
        return is_short_int(value)  # type: ignore[arg-type]
    if kind in _SCALARS:
        return True
    if depth == _DEPTH:  # also where a list holds itself: each way down ends here or earlier
        return False
    if kind is list:
        return _are_json(value, depth)  # type: ignore[arg-type]
    if kind is dict:
        keys = set(map(type, value))  # type: ignore[call-overload]
        return keys <= {str} and _are_json(list(value.values()), depth)  # type: ignore[attr-defined]
    return False


def _are_json(items: list[object], depth: int) -> bool:
    kinds = set(map(type, items))
    if int in kinds and not all(is_short_int(item) for item in items if type(item) is int):
        return False
    if kinds <= _SCALARS:
        return True
    return kinds <= _JSON_KINDS and all(
        _is_json(item, depth + 1) for item in items if type(item) is list or type(item) is dict
    )


_JSON_KINDS = _SCALARS | {list, dict}


class TextSerializer:
    """A text, as UTF-8."""

    name = "text"

    def accepts(self, value: object) -> bool:
        return type(value) is str

    def dump(self, value: str, sink: Sink) -> None:
        sink.write(value.encode("utf-8", "surrogatepass"))

    def load(self, source: bytes | Path) -> str:
        return read(source).decode("utf-8", "surrogatepass")

    def preview(self, value: str) -> str:
        return clip(value)


class BytesSerializer:
    """Bytes and byte arrays, as they are."""

    def __init__(self, kind: type[bytes] | type[bytearray]) -> None:
        self.name = kind.__name__
        self._kind = kind

    def accepts(self, value: object) -> bool:
        return type(value) is self._kind

    def dump(self, value: bytes | bytearray, sink: Sink) -> None:
        write = getattr(sink, "write_content", sink.write)
        write(value)

    def load(self, source: bytes | Path) -> bytes | bytearray:
        return self._kind(read(source))

    def preview(self, value: bytes | bytearray) -> str:
        return f"{len(value)} bytes: {bytes(value[:64])!r}"
