"""The serializer for every other object: pickle 5 with large buffers apart, which come back mapped,
and cloudpickle for what has no importable name. What it writes is signed, and the store checks that
before anything here reads it.

The bytes: buffers (each at a multiple of 64), the pickle, the buffers' places, the trailer; then
the store's signature.
"""

from __future__ import annotations

import io
import operator
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pipekit.artifacts import by_value
from pipekit.artifacts.mapped import writable
from pipekit.artifacts.name import has_name, reduce_name, steps_to
from pipekit.artifacts.path import PathSerializer
from pipekit.artifacts.preview import describe
from pipekit.origin import find_imported

if TYPE_CHECKING:
    from pipekit.ports import Sink

SIGNATURE_BYTES = 32

_ALIGNMENT = 64
_APART_BYTES = 4096
"""Smaller buffers stand within the pickle."""
_PLACE = struct.Struct("<QQ")
_TRAILER = struct.Struct("<QQI4s")
_MAGIC = b"PKP5"


class PickleSerializer:
    """Any object that pickle or cloudpickle takes.

    Args:
        paths: Carries the content of paths that stand within a value.
    """

    name = "pickle"
    signed = True

    def __init__(self, paths: PathSerializer) -> None:
        self._paths = paths

    def accepts(self, value: object) -> bool:
        return True

    def dump(self, value: object, sink: Sink) -> None:
        write_pickle(value, sink, 0, self._paths)

    def load(self, source: bytes | Path) -> object:
        return read_pickle(source, self._paths)

    def preview(self, value: object) -> str:
        return describe(value)


def write_pickle(value: object, sink: Sink, position: int, paths: PathSerializer) -> None:
    """Write a value behind the `position` bytes that the sink has already."""
    buffers: list[memoryview] = []
    stream = _pickle(value, buffers, paths)
    places = []
    for buffer in buffers:
        padding = -position % _ALIGNMENT
        if padding:
            sink.write(bytes(padding))
        places.append(_PLACE.pack(position + padding, buffer.nbytes))
        position += padding + buffer.nbytes
        sink.write(buffer)
    trailer = _TRAILER.pack(position, len(stream), len(places), _MAGIC)
    sink.write(stream)
    sink.write(b"".join((*places, trailer)))


def read_pickle(
    source: bytes | Path,
    paths: PathSerializer,
    missing: Callable[[str, str], Any] | None = None,
) -> object:
    """The value that `write_pickle` wrote. The caller has checked the signature; `missing` gives
    what stands for a class, of a module and a name, that cannot be found."""
    view = writable(source)
    end = len(view) - SIGNATURE_BYTES - _TRAILER.size
    start, length, count, magic = _TRAILER.unpack_from(view, end)
    if magic != _MAGIC or start + length + count * _PLACE.size != end:
        raise ValueError("it does not end as a pickle of pipekit's")
    places = [_PLACE.unpack_from(view, start + length + i * _PLACE.size) for i in range(count)]
    buffers = [view[offset : offset + size] for offset, size in places]
    return _Unpickler(io.BytesIO(view[start : start + length]), buffers, paths, missing).load()


# --- writing ----------------------------------------------------------------------------------


def _pickle(value: object, buffers: list[memoryview], paths: PathSerializer) -> bytes:
    def keep_apart(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _APART_BYTES:
            return True
        buffers.append(raw)
        return False

    out = io.BytesIO()
    try:
        pickler = _NamePickler(out, protocol=5, buffer_callback=keep_apart)
        pickler.reduction = _Reduction(paths)
        pickler.dump(value)
    except (pickle.PicklingError, AttributeError, TypeError):
        # No importable name, or no way at all: cloudpickle finds out, and says so if need be.
        buffers.clear()
        out = io.BytesIO()
        _by_value_pickler(out, keep_apart, _Reduction(paths)).dump(value)
    return out.getvalue()  # shares the buffer, and leaves no view of it behind an error


class _Reduction:
    """What is written otherwise than pickle would: names of the main module, and paths."""

    def __init__(self, paths: PathSerializer) -> None:
        self._paths = paths

    def reduce(self, obj: Any) -> Any:
        if isinstance(obj, type | FunctionType):
            return reduce_named(obj)
        if isinstance(obj, Path) and self._paths.accepts(obj) and obj.exists():
            out = _Parts()
            self._paths.dump(obj, out)
            return _restore_path, (pickle.PickleBuffer(b"".join(out.parts)),)
        return NotImplemented


class _Parts:
    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: Any, /) -> int:
        self.parts.append(bytes(data))
        return len(self.parts[-1])


def reduce_named(obj: Any) -> Any:
    """For a pickler's `reducer_override`: how a class or function is written where its plain name
    would not lead to it in another process; `NotImplemented` where it would, or where nothing but
    cloudpickle can tell (lambdas, functions in functions)."""
    if has_name(obj):
        return reduce_name(obj)
    generic = vars(obj).get("__pydantic_generic_metadata__")
    if generic and generic["args"]:  # `Model[int]` is the same class whenever it is asked for
        return operator.getitem, (generic["origin"], generic["args"])
    if isinstance(obj, type) or steps_to(obj) is not None:
        return by_value.reduce(obj)
    return NotImplemented


class _NamePickler(pickle.Pickler):
    """Python's pickler; fails where something has no name."""

    reduction: _Reduction

    def reducer_override(self, obj: Any) -> Any:
        return self.reduction.reduce(obj)


def _by_value_pickler(out: io.BytesIO, keep_apart: Any, reduction: _Reduction) -> Any:
    import cloudpickle  # 22 ms, for lambdas, local functions and notebooks only

    class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            reduced = reduction.reduce(obj)
            return super().reducer_override(obj) if reduced is NotImplemented else reduced

    return ByValuePickler(out, protocol=5, buffer_callback=keep_apart)


# --- reading ----------------------------------------------------------------------------------


def _restore_path(packed: Any) -> Path:
    raise RuntimeError("a path within a pickle is restored by the unpickler that meets it")


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, stream: Any, buffers: list[memoryview], paths: PathSerializer,
        missing: Callable[[str, str], Any] | None,
    ) -> None:  # fmt: skip
        super().__init__(stream, buffers=buffers)
        self._paths = paths
        self._missing = missing

    def find_class(self, module: str, name: str) -> Any:
        if name == "_restore_path" and module == __name__:
            return self._restore
        found = find_imported(module, name)
        if found is not None:
            return found
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            if self._missing is None:
                raise
            return self._missing(module, name)

    def _restore(self, packed: Any) -> Path:
        return self._paths.load(bytes(packed))
