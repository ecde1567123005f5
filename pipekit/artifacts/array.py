"""Serializers for numpy arrays (`.npy`, mapped copy-on-write) and numpy scalars. Never unpickles.

Imports numpy only where there is an array to write or read.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.artifacts.mapped import read, writable
from pipekit.artifacts.preview import describe_array

if TYPE_CHECKING:
    from pipekit.ports import Sink

_FLAT = frozenset("biufcmMSUV")
_SIMPLE = frozenset("biufcmMSU")


class NumpySerializer:
    """Arrays of every dtype without objects, in C or Fortran order."""

    name = "npy"
    maps = True

    def accepts(self, value: Any) -> bool:
        numpy = sys.modules.get("numpy")
        if numpy is None or type(value) is not numpy.ndarray:
            return False
        dtype = value.dtype
        if dtype.hasobject or dtype.kind not in _FLAT or dtype.itemsize == 0:
            return False
        return dtype.metadata is None and (dtype.names is None or _survives(dtype))

    def dump(self, value: Any, sink: Sink) -> None:
        flags = value.flags
        fortran = flags.f_contiguous and not flags.c_contiguous
        sink.write(_header(value, fortran))
        if value.size == 0:
            return
        if flags.c_contiguous and value.dtype.names is None:
            # The hasher takes the same bytes, so they are read once for both.
            getattr(sink, "write_content", sink.write)(_as_bytes(value))
        elif flags.c_contiguous or fortran:
            sink.write(_as_bytes(value.T if fortran else value))
        else:
            _write_rows(value, sink)

    def load(self, source: bytes | Path) -> Any:
        import numpy

        view = writable(source)
        shape, fortran, dtype, start = _read_header(view)
        count = 1
        for length in shape:
            count *= length
        if count * dtype.itemsize != len(view) - start:
            raise ValueError(f"{len(view) - start} bytes for an array of {shape} {dtype}")
        if count == 0:
            return numpy.empty(shape, dtype, order="F" if fortran else "C")
        flat = numpy.frombuffer(view, dtype, count, start)
        return flat.reshape(shape, order="F" if fortran else "C")

    def preview(self, value: Any) -> str:
        return describe_array(value)


class NumpyScalarSerializer:
    """numpy's scalars: the dtype's text, a line end, the bytes."""

    name = "numpy-scalar"

    def accepts(self, value: Any) -> bool:
        numpy = sys.modules.get("numpy")
        return (
            numpy is not None
            and isinstance(value, numpy.generic)
            and type(value).__module__ == "numpy"
            and value.dtype.kind in _SIMPLE
            and value.dtype.itemsize > 0
        )

    def dump(self, value: Any, sink: Sink) -> None:
        sink.write(value.dtype.str.encode() + b"\n" + value.tobytes())

    def load(self, source: bytes | Path) -> Any:
        import numpy

        dtype, _, data = read(source).partition(b"\n")
        return numpy.frombuffer(data, numpy.dtype(dtype.decode()))[0]

    def preview(self, value: Any) -> str:
        return str(value)[:200]


def _survives(dtype: Any) -> bool:
    import numpy.lib.format as npy

    return bool(npy.descr_to_dtype(npy.dtype_to_descr(dtype)) == dtype)


def _header(array: Any, fortran: bool) -> bytes:
    import numpy.lib.format as npy

    about = {
        "descr": npy.dtype_to_descr(array.dtype),
        "fortran_order": fortran,
        "shape": array.shape,
    }
    out = BytesIO()
    try:
        npy.write_array_header_1_0(out, about)
    except ValueError:  # more than 64 KB of field names
        out = BytesIO()
        npy.write_array_header_2_0(out, about)
    return out.getvalue()


def _read_header(view: memoryview) -> tuple[tuple[int, ...], bool, Any, int]:
    import numpy.lib.format as npy

    # Only the beginning: magic, version and length say how long the header is.
    longest = 12 + int.from_bytes(view[8 : 12 if view[6] > 1 else 10], "little")
    stream = BytesIO(bytes(view[:longest]))
    read_header = (
        npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
    )
    shape, fortran, dtype = read_header(stream, max_header_size=longest)
    if dtype.hasobject:
        raise ValueError("an array of objects is never stored as .npy")
    return shape, fortran, dtype, stream.tell()


def _as_bytes(array: Any) -> memoryview:
    return memoryview(array.reshape(-1).view("u1"))


def _write_rows(array: Any, sink: Sink) -> None:
    import numpy

    while array.ndim > 1 and len(array) == 1:
        array = array[0]
    rows = max(1, (4 << 20) * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        sink.write(_as_bytes(numpy.ascontiguousarray(array[start : start + rows])))
