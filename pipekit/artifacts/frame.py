"""Serializers for tables: Arrow and polars (mapped, not copied), pandas (through Arrow, arrives
writable). Each as Arrow IPC. Imports a library only where there is a value of it."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.artifacts.preview import clip, describe_frame
from pipekit.artifacts.unfit import Unfit

if TYPE_CHECKING:
    from pipekit.ports import Sink


class ArrowSerializer:
    """`pyarrow.Table`."""

    name = "arrow"
    maps = True

    def accepts(self, value: Any) -> bool:
        arrow = sys.modules.get("pyarrow")
        return arrow is not None and type(value) is getattr(arrow, "Table", None)

    def dump(self, value: Any, sink: Sink) -> None:
        import pyarrow as arrow

        # The file format has one dictionary a column; chunks may have come with one each.
        table = value.unify_dictionaries()
        with arrow.ipc.new_file(_ArrowFile(sink), table.schema) as writer:
            writer.write_table(table)

    def load(self, source: bytes | Path) -> Any:
        return _read_table(source)

    def preview(self, value: Any) -> str:
        return clip(f"table, {value.num_rows} rows × {value.num_columns} columns\n{value.schema}")


class PolarsSerializer:
    """`polars.DataFrame`."""

    name = "polars"
    maps = True

    def accepts(self, value: Any) -> bool:
        polars = sys.modules.get("polars")
        if polars is None or type(value) is not getattr(polars, "DataFrame", None):
            return False
        return not any("Object" in repr(dtype) for dtype in value.dtypes)

    def dump(self, value: Any, sink: Sink) -> None:
        value.write_ipc(_BinaryFile(sink), compression="uncompressed")

    def load(self, source: bytes | Path) -> Any:
        import polars

        # The lazy reader maps files in every version; `read_ipc` has changed its mind about it.
        return polars.scan_ipc(source).collect()

    def preview(self, value: Any) -> str:
        return describe_frame(value)


class PandasSerializer:
    """`pandas.DataFrame`, where Arrow gives an equal frame back; other frames are pickled, which
    with buffers out of band costs no copy either."""

    name = "pandas"

    def accepts(self, value: Any) -> bool:
        pandas = sys.modules.get("pandas")
        if pandas is None or type(value) is not getattr(pandas, "DataFrame", None):
            return False
        # Without rows no dictionary is written, and with it go the categories.
        plain = not value.attrs and value.flags.allows_duplicate_labels
        return plain and _has_arrow() and len(value) > 0 and _fits(value)

    def dump(self, value: Any, sink: Sink) -> None:
        import pyarrow as arrow

        table = arrow.Table.from_pandas(value)
        if not _is_same(table.slice(0, 0).to_pandas(), value.iloc[:0]):
            raise Unfit("Arrow would change its types")
        with arrow.ipc.new_file(_ArrowFile(sink), table.schema) as writer:
            writer.write_table(table)

    def load(self, source: bytes | Path) -> Any:
        frame = _read_table(source).to_pandas()
        # Arrow lends read-only memory where a column needs no conversion.
        return frame.copy()

    def preview(self, value: Any) -> str:
        return describe_frame(value)


def _has_arrow() -> bool:
    if "pyarrow" in sys.modules:
        return True
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def _fits(frame: Any) -> bool:
    """Whether labels and dtypes are among those that Arrow keeps."""
    columns = frame.columns
    if type(columns).__name__ != "Index" or not columns.is_unique or columns.name is not None:
        return False
    if not all(type(label) is str for label in columns):
        return False
    index = frame.index
    if type(index).__name__ == "RangeIndex":
        index_fits = index.name is None or type(index.name) is str
    else:
        index_fits = (
            type(index).__name__ == "Index"
            and _dtype_fits(index.dtype)
            and (index.name is None or (type(index.name) is str and index.name not in columns))
        )
    return index_fits and all(map(_dtype_fits, frame.dtypes))


def _dtype_fits(dtype: Any) -> bool:
    kind = type(dtype).__name__
    if kind == "CategoricalDtype":
        return bool(dtype.categories.dtype.kind in "iu") or _is_text(dtype.categories.dtype)
    if kind in ("Int8Dtype", "Int16Dtype", "Int32Dtype", "Int64Dtype", "BooleanDtype"):
        return True
    if kind == "DatetimeTZDtype":
        return type(dtype.tz).__name__ == "ZoneInfo" or str(dtype.tz) == "UTC"
    if _is_text(dtype):
        return True
    # Not float16, not durations in units that Arrow lacks, not objects, not big endian.
    return bool(getattr(dtype, "str", "") in _NUMPY)


_NUMPY = frozenset(
    {"|b1", "|i1", "|u1"}
    | {f"<{kind}" for kind in ("i2", "i4", "i8", "u2", "u4", "u8", "f4", "f8")}
    | {f"<{kind}8[{unit}]" for kind in "mM" for unit in ("s", "ms", "us", "ns")}
)


def _is_text(dtype: Any) -> bool:
    return type(dtype).__name__ == "StringDtype"


def _is_same(mine: Any, theirs: Any) -> bool:
    return bool(
        list(mine.dtypes) == list(theirs.dtypes)
        and mine.columns.dtype == theirs.columns.dtype
        and list(mine.columns) == list(theirs.columns)
        and type(mine.index) is type(theirs.index)
        # A range is kept as its numbers, which do not fit a table without rows.
        and (type(mine.index).__name__ == "RangeIndex" or _is_same_index(mine.index, theirs.index))
    )


def _is_same_index(mine: Any, theirs: Any) -> bool:
    return bool(mine.dtype == theirs.dtype and mine.name == theirs.name)


def _read_table(source: bytes | Path) -> Any:
    import pyarrow as arrow

    if isinstance(source, bytes):
        return arrow.ipc.open_file(arrow.py_buffer(source)).read_all()
    return arrow.ipc.open_file(arrow.memory_map(str(source))).read_all()


class _ArrowFile:
    """What pyarrow asks of a file that it writes."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self.write = sink.write

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The sink is closed by who opened it."""


class _BinaryFile(BytesIO):
    """What polars asks of a file that it writes: `io` classes only."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def write(self, data: Any, /) -> int:
        return self._sink.write(data)
