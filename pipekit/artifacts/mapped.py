"""Bytes of a stored value as memory that may be written to without changing what is stored."""

from __future__ import annotations

import mmap
import os
from pathlib import Path


def writable(source: bytes | Path) -> memoryview:
    """A writable view: a copy of inline bytes, or a file mapped copy-on-write, page by page."""
    if isinstance(source, bytes):
        return memoryview(bytearray(source))
    fd = os.open(source, os.O_RDONLY)
    try:
        if os.fstat(fd).st_size == 0:
            return memoryview(bytearray())
        return memoryview(mmap.mmap(fd, 0, access=mmap.ACCESS_COPY))
    finally:
        os.close(fd)


def read(source: bytes | Path) -> bytes:
    """The bytes themselves."""
    return source if isinstance(source, bytes) else source.read_bytes()
