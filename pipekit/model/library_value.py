"""How values of numpy, pandas, polars, pyarrow, scipy, torch and matplotlib are taken apart.

Imports none of these: a value of theirs shows that its library is loaded. What a value holds
counts, not how it lies in memory: C or Fortran order, slices, chunks, bytes under a mask do not.
"""

from __future__ import annotations

import sys
from typing import Any

from blake3 import blake3

from pipekit.model.hashing import LARGE_BYTES, Form, Walk, combine, hash_buffer


def find_form(cls: type) -> Form | None:
    """The form for the nearest base class that is known here, or None."""
    for base in cls.__mro__:
        root = str(base.__module__).partition(".")[0]
        form = _FORMS.get((root, base.__name__))
        if form is not None:
            return form
    return None


def _owner(walk: Walk, value: object, root: str) -> bytes:
    """A class of the library itself by its name, a user's subclass by its code as well."""
    cls = type(value)
    if str(cls.__module__).partition(".")[0] == root:
        return walk.node(f"{root}.{cls.__name__}")
    state = getattr(value, "__dict__", {}) if root in ("numpy", "torch") else {}
    return combine(b"subclass", walk.code(cls), walk.attributes(state))


# --- numpy ------------------------------------------------------------------------------------


def array_prefix(value: Any) -> bytes | None:
    """What is hashed before the bytes of an array in C order; None for other arrays."""
    numpy = sys.modules["numpy"]
    if type(value) is not numpy.ndarray or not _is_flat(value.dtype) or value.dtype.char in "gG":
        return None
    return _prefix(value) if value.flags.c_contiguous else None


def _prefix(array: Any) -> bytes:
    shape = ",".join(map(str, array.shape))
    return f"array:{array.dtype.str}:{shape}:".encode()


def _is_flat(dtype: Any) -> bool:
    return dtype.names is None and dtype.kind in "biufcmMSUV" and dtype.itemsize > 0


def _ndarray(walk: Walk, value: Any) -> bytes:
    numpy = sys.modules["numpy"]
    if type(value) is numpy.ndarray or type(value) is numpy.memmap:
        return _content(walk, value)
    plain = value.view(numpy.ndarray)
    return combine(b"array subclass", _owner(walk, value, "numpy"), _content(walk, plain))


def _masked(walk: Walk, value: Any) -> bytes:
    ma = sys.modules["numpy.ma"]
    # Not the data under the mask: it is not part of the value, and computing leaves anything there.
    parts = (ma.getmaskarray(value), value.filled(), value.fill_value)
    return combine(b"masked array", _owner(walk, value, "numpy"), *map(walk.node, parts))


def _content(walk: Walk, array: Any) -> bytes:
    dtype = array.dtype
    if dtype.names is not None:
        # Field by field: the padding between fields holds anything.
        fields = (combine(b"field", walk.node(n), _content(walk, array[n])) for n in dtype.names)
        return combine(b"record array", walk.node(array.shape), *fields)
    if not _is_flat(dtype):
        about = walk.node((dtype.str if dtype.kind == "O" else str(dtype), array.shape))
        return combine(b"object array", about, walk.sequence(b"items", array.ravel().tolist()))
    prefix = _prefix(array)
    if array.size == 0:
        return blake3(prefix).digest()
    if array.flags.c_contiguous:
        return hash_buffer(prefix, _as_bytes(array))
    return _in_blocks(prefix, array)


def _as_bytes(array: Any) -> Any:
    if array.dtype.char in "gG":
        return _without_padding(array)
    # By way of uint8: the buffer protocol knows neither datetime64 nor bytes of other libraries.
    return array.reshape(-1).view("u1")


def _without_padding(array: Any) -> Any:
    """The bytes of extended floats that are part of them: x86 pads ten to sixteen with anything."""
    numpy = sys.modules["numpy"]
    raw = array.reshape(-1).view("u1")
    if numpy.finfo(numpy.longdouble).nmant != 63:
        return raw
    size = array.dtype.itemsize // (2 if array.dtype.char == "G" else 1)
    return numpy.ascontiguousarray(raw.reshape(-1, size)[:, :10]).reshape(-1)


def _in_blocks(prefix: bytes, array: Any) -> bytes:
    """C order content of an array that does not lie so, with copies of a few megabytes only."""
    numpy = sys.modules["numpy"]
    while array.ndim > 1 and len(array) == 1:
        array = array[0]
    running = blake3(prefix, max_threads=2 if array.nbytes >= LARGE_BYTES else 1)
    rows = max(1, 4 * LARGE_BYTES * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        running.update(_as_bytes(numpy.ascontiguousarray(array[start : start + rows])))
    return running.digest()


def _scalar(walk: Walk, value: Any) -> bytes:
    array = sys.modules["numpy"].asarray(value)
    if array.dtype.kind in "fc" and value != value:
        return combine(b"scalar nan", walk.node(str(array.dtype)), walk.node(repr(value)))
    return combine(b"scalar", _owner(walk, value, "numpy"), _content(walk, array))


def _dtype(walk: Walk, value: Any) -> bytes:
    about = repr(value) if value.names is not None else value.str
    return combine(b"dtype", walk.node(about), walk.node(str(value)))


# --- scipy ------------------------------------------------------------------------------------


def _sparse(walk: Walk, value: Any) -> bytes:
    # Not by `__dict__`: flags such as "has sorted indices" are kept there once they were asked for.
    parts: tuple[Any, ...]
    if value.format in ("csr", "csc", "bsr"):
        parts = (value.data, value.indices, value.indptr)
    elif value.format == "dia":
        parts = (value.data, value.offsets)
    else:
        coordinates = value.tocoo()
        parts = (coordinates.data, *coordinates.coords)
    about = walk.node((value.format, tuple(map(int, value.shape)), str(value.dtype)))
    return combine(b"sparse", _owner(walk, value, "scipy"), about, *map(walk.node, parts))


# --- pandas -----------------------------------------------------------------------------------


def _frame(walk: Walk, value: Any) -> bytes:
    dtypes = list(value.dtypes)
    if dtypes and _is_numeric(dtypes[0]) and all(dtype == dtypes[0] for dtype in dtypes):
        columns = [combine(b"block", walk.node(value.to_numpy().T))]
    else:
        columns = [_column(walk, value.iloc[:, i].array) for i in range(value.shape[1])]
    return combine(
        b"frame", _pandas_owner(walk, value), walk.node(value.index), walk.node(value.columns),
        *columns,
    )  # fmt: skip


def _is_numeric(dtype: Any) -> bool:
    return isinstance(dtype, sys.modules["numpy"].dtype) and dtype.kind in "biufc"


def _series(walk: Walk, value: Any) -> bytes:
    parts = (walk.node(value.index), walk.node(value.name), _column(walk, value.array))
    return combine(b"series", _pandas_owner(walk, value), *parts)


def _pandas_owner(walk: Walk, value: Any) -> bytes:
    about = _pandas_class(walk, value)
    attributes = getattr(value, "attrs", None)
    flags = getattr(value, "flags", None)
    if attributes or (flags is not None and not flags.allows_duplicate_labels):
        about = combine(b"attrs", about, walk.node(attributes), walk.node(repr(flags)))
    return about


def _pandas_class(walk: Walk, value: Any) -> bytes:
    cls = type(value)
    if str(cls.__module__).partition(".")[0] == "pandas":
        return walk.node(cls.__name__)
    extra = {name: getattr(value, name, None) for name in cls._metadata}
    return combine(b"subclass", walk.code(cls), walk.attributes(extra))


def _index(walk: Walk, value: Any) -> bytes:
    name = type(value).__name__
    if name == "RangeIndex":
        return combine(b"range index", *map(walk.node, (value.start, value.stop, value.step,
                                                        value.name)))  # fmt: skip
    if name == "MultiIndex":
        levels = [_column(walk, value.get_level_values(i).array) for i in range(value.nlevels)]
        return combine(b"multi index", walk.node(list(value.names)), *levels)
    frequency = getattr(value, "freqstr", None)
    about = walk.node((value.name, frequency))
    return combine(b"index", _owner(walk, value, "pandas"), about, _column(walk, value.array))


def _column(walk: Walk, array: Any) -> bytes:
    """A pandas array: its dtype, where it is missing, and the rest."""
    dtype = array.dtype
    name = type(dtype).__name__
    parts: tuple[bytes, ...]
    if name == "CategoricalDtype":
        parts = (walk.node(array.codes), walk.node(array.categories), walk.node(array.ordered))
    elif name == "StringDtype":
        missing = array.isna()
        # The storage does not count, but what stands for a missing text does.
        about = walk.node((str(dtype), repr(dtype.na_value)))
        parts = (about, walk.node(missing), walk.sequence(b"text", array[~missing].tolist()))
    elif name == "ArrowDtype":
        parts = (_arrow_array(walk, array.__arrow_array__()),)
    elif hasattr(dtype, "numpy_dtype") and hasattr(array, "_mask"):
        plain = array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        parts = (walk.node(array.isna()), walk.node(plain))
    elif name in ("DatetimeTZDtype", "PeriodDtype"):
        parts = (walk.node(str(dtype)), walk.node(array.asi8))
    elif name == "IntervalDtype":
        ends = (_column(walk, array.left.array), _column(walk, array.right.array))
        parts = (walk.node(str(dtype)), *ends)
    elif isinstance(dtype, sys.modules["numpy"].dtype) or name == "NumpyEADtype":
        return combine(b"numpy column", walk.node(array.to_numpy()))
    else:
        parts = (walk.node(str(dtype)), walk.sequence(b"items", list(array)))
    return combine(b"column", walk.node(name), *parts)


# --- polars -----------------------------------------------------------------------------------


def _polars_frame(walk: Walk, value: Any) -> bytes:
    columns = (_polars_series(walk, column) for column in value.get_columns())
    return combine(b"polars frame", _owner(walk, value, "polars"), walk.node(value.height),
                   *columns)  # fmt: skip


def _polars_series(walk: Walk, value: Any) -> bytes:
    about = walk.node((value.name, repr(value.dtype)))
    missing = value.is_null()
    inner = _polars_content(walk, value.drop_nulls())
    return combine(b"polars series", about, walk.node(missing.to_numpy()), inner)


def _polars_content(walk: Walk, content: Any) -> bytes:
    kind = content.dtype.base_type().__name__
    if kind in ("Date", "Datetime", "Duration", "Time"):
        content = content.to_physical()
    if content.dtype.is_numeric() and kind not in ("Decimal", "Int128", "UInt128"):
        return walk.node(content.to_numpy())
    # Not as Python values, which have no nanoseconds.
    if kind == "Struct":
        return combine(b"struct", *(_polars_series(walk, f) for f in content.struct.unnest()))
    if kind == "Array":
        content, kind = content.arr.to_list(), "List"
    if kind == "List":
        lengths = content.list.len()
        items = content.filter(lengths > 0).explode()
        return combine(b"lists", walk.node(lengths.to_numpy()), _polars_series(walk, items))
    return walk.sequence(b"items", content.to_list())


# --- pyarrow ----------------------------------------------------------------------------------


def _arrow_table(walk: Walk, value: Any) -> bytes:
    schema = value.schema
    fields = [(f.name, str(f.type), f.nullable, _metadata(f.metadata)) for f in schema]
    columns = (_arrow_array(walk, value.column(i)) for i in range(value.num_columns))
    about = walk.node((fields, _metadata(schema.metadata), value.num_rows))
    return combine(b"arrow", walk.node(type(value).__name__), about, *columns)


def _metadata(metadata: Any) -> list[tuple[bytes, bytes]]:
    return sorted((metadata or {}).items())


def _arrow_value(walk: Walk, value: Any) -> bytes:
    kind = "ChunkedArray" if type(value).__name__ == "ChunkedArray" else "Array"
    return combine(b"arrow value", walk.node(kind), _arrow_array(walk, value))


def _arrow_array(walk: Walk, value: Any) -> bytes:
    arrow = sys.modules["pyarrow"]
    about = walk.node((str(value.type), len(value)))
    missing = _arrow_buffer(value.is_null().cast(arrow.uint8()))
    if value.null_count:
        value = value.drop_null()
    types, kind = arrow.types, value.type
    if types.is_boolean(kind):
        value, kind = value.cast(arrow.uint8()), arrow.uint8()
    if types.is_string(kind) or types.is_binary(kind) or types.is_large_string(kind):
        value = value.cast(arrow.large_binary())
    if types.is_large_binary(value.type):
        content = _arrow_texts(walk, value)
    elif types.is_primitive(kind):
        content = hash_buffer(b"primitive:", _arrow_buffer(value))
    else:
        content = _arrow_nested(walk, _one_array(value))
    return combine(b"arrow array", about, hash_buffer(b"missing:", missing), content)


def _arrow_nested(walk: Walk, array: Any) -> bytes:
    import pyarrow.compute as compute

    types, kind = sys.modules["pyarrow"].types, array.type
    # Not as Python values, which have no nanoseconds.
    if types.is_dictionary(kind):
        return _arrow_array(walk, array.dictionary_decode())
    if types.is_struct(kind):
        fields = (_arrow_array(walk, compute.struct_field(array, i)) for i in range(len(kind)))
        return combine(b"struct", *fields)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        lengths = _arrow_array(walk, compute.list_value_length(array))
        return combine(b"lists", lengths, _arrow_array(walk, compute.list_flatten(array)))
    if "[ns" in str(kind):
        raise TypeError(f"nanoseconds inside a {kind} cannot be digested")
    return walk.sequence(b"items", array.to_pylist())


def _arrow_texts(walk: Walk, value: Any) -> bytes:
    import pyarrow.compute  # its library is loaded, or there would be no such value

    array = _one_array(value)
    if not len(array):
        return walk.node(())
    # Lengths, not offsets: those of a slice begin where its parent's do.
    lengths = hash_buffer(b"lengths:", _arrow_buffer(pyarrow.compute.binary_length(array)))
    _, offsets, data = array.buffers()
    ends = memoryview(offsets).cast("q")
    first, last = ends[array.offset], ends[array.offset + len(array)]
    body = memoryview(data)[first:last] if data is not None else b""
    return combine(b"texts", lengths, hash_buffer(b"body:", body))


def _one_array(value: Any) -> Any:
    if not hasattr(value, "combine_chunks"):
        return value
    arrow = sys.modules["pyarrow"]
    combined = value.combine_chunks()
    if isinstance(combined, arrow.ChunkedArray):  # a chunk holds no more than its offsets can say
        return arrow.concat_arrays(combined.chunks)
    return combined


def _arrow_buffer(value: Any) -> Any:
    """The bytes of an array of fixed width without nulls."""
    array = _one_array(value)
    data = array.buffers()[1]
    if data is None or not len(array):
        return b""
    width = array.type.bit_width // 8
    return memoryview(data)[array.offset * width : (array.offset + len(array)) * width]


# --- torch ------------------------------------------------------------------------------------


def _tensor(walk: Walk, value: Any) -> bytes:
    torch = sys.modules["torch"]
    if value.layout is not torch.strided or value.is_quantized:
        raise TypeError("sparse and quantized tensors cannot be digested")
    plain = value.detach().cpu().contiguous().reshape(-1)
    about = walk.node((str(value.dtype), tuple(value.shape), bool(value.requires_grad)))
    content = plain.view(torch.uint8).numpy() if plain.numel() else b""
    owner = _owner(walk, value, "torch")
    return combine(b"tensor", owner, about, hash_buffer(b"content:", content))


# --- matplotlib -------------------------------------------------------------------------------


def _figure(walk: Walk, value: Any) -> bytes:
    """What it shows, and the numbers behind that. Not its state: addresses are part of it."""
    from io import BytesIO

    out = BytesIO()
    value.savefig(out, format="rgba")  # first: drawing settles ticks and limits
    artists = [_artist(walk, artist) for artist in value.findobj()]
    return combine(b"figure", walk.node(out.getvalue()), *artists)


def _artist(walk: Walk, artist: Any) -> bytes:
    label = artist.get_label()  # of an axis, that is an artist of its own
    parts = [walk.node(type(artist).__name__), walk.node(str(label) if type(label) is str else "")]
    for name in ("get_xydata", "get_array", "get_offsets", "get_text", "get_xlim", "get_ylim"):
        get = getattr(artist, name, None)
        if get is not None:
            parts.append(combine(b"shown", walk.node(name), walk.node(get())))
    return combine(b"artist", *parts)


_FORMS: dict[tuple[str, str], Form] = {
    ("numpy", "MaskedArray"): _masked,
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "generic"): _scalar,
    ("numpy", "dtype"): _dtype,
    ("scipy", "_spbase"): _sparse,
    ("pandas", "DataFrame"): _frame,
    ("pandas", "Series"): _series,
    ("pandas", "Index"): _index,
    ("pandas", "ExtensionArray"): _column,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    ("pyarrow", "Table"): _arrow_table,
    ("pyarrow", "RecordBatch"): _arrow_table,
    ("pyarrow", "Array"): _arrow_value,
    ("pyarrow", "ChunkedArray"): _arrow_value,
    ("torch", "Tensor"): _tensor,
    ("matplotlib", "FigureBase"): _figure,
}
