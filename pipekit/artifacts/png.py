"""Arrays of numbers as PNG files. Owns what counts as an image; draws nothing."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

from pipekit.errors import UsageError

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""By the number of colours: grey, RGB, RGB with alpha."""


def write_png(image: Any, path: Path, what: str) -> None:
    """Write a Pillow image, or an array of height × width (× 1, 3 or 4).

    Args:
        image: Whole numbers from 0 to 255, floats from 0 to 1, or truth values.
        path: The file.
        what: Whose it is, as an error begins: `Image 'digits/7'`.

    Raises:
        UsageError: it is no image.
    """
    if hasattr(image, "save") and hasattr(image, "getbands"):
        image.save(path, format="PNG")
        return
    pixels = _pixels(image, what)
    height, width, colours = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[colours], 0, 0, 0)
    # Each row begins with the number of its filter: none.
    rows = b"".join(b"\0" + pixels[row].tobytes() for row in range(height))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows, 6))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _pixels(image: Any, what: str) -> Any:
    """Bytes by height, width and colour."""
    try:
        import numpy as np
    except ImportError:
        raise UsageError(
            f"{what}: a {type(image).__qualname__} is no image that can be stored without NumPy.",
            hint="write it to a file, and pass local_path='image.png'.",
        ) from None
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _COLOUR_TYPES or 0 in array.shape:
        shape = " × ".join(map(str, np.shape(image))) or "no dimension"
        raise UsageError(
            f"{what}: a {type(image).__qualname__} of {shape} is no image.",
            hint="pass an array of height × width, or of height × width × 3 colours.",
        )
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * 255
    most = 1.0 if array.dtype.kind == "f" else 255
    if array.dtype.kind not in "uif" or not ((array >= 0) & (array <= most)).all():
        raise UsageError(
            f"{what}: its numbers are to be floats from 0 to 1, or whole numbers from 0 to 255, "
            f"and are {array.dtype} from {array.min()} to {array.max()}.",
            hint="scale them: (a - a.min()) / (a.max() - a.min()).",
        )
    if array.dtype.kind == "f":
        array = (array * 255).round()
    return np.ascontiguousarray(array.astype(np.uint8))
