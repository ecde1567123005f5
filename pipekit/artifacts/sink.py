"""Where serializers write: bytes are hashed as they pass, and kept in memory while they are few,
else in a staged file. Knows no serializer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from pipekit.artifacts.blob import unavailable
from pipekit.errors import StoreUnavailable
from pipekit.model.value import Digest

if TYPE_CHECKING:
    from pipekit.ports import BlobStore

_CHUNK = 8 << 20
"""Bytes that are hashed twice and written in one go: enough for two threads to hash."""
_RESERVED_FROM = 8 << 20


class BlobSink:
    """Takes one value's bytes. To be closed.

    Args:
        blobs: Where larger values go.
        inline_bytes: How much is kept in memory.
        open_content: Gives the value digest in progress, or None; see `Hasher.open_content`.
    """

    def __init__(
        self, blobs: BlobStore, inline_bytes: int, open_content: Callable[[], Any | None]
    ) -> None:
        self._blobs = blobs
        self._inline_bytes = inline_bytes
        self._open_content = open_content
        self._hash = blake3()
        self._parts: list[bytes] = []
        self._staging: Any = None
        self._file: Any = None
        self.size = 0
        self.content: Digest | None = None
        """The value's digest, where the serializer wrote the value's own bytes."""
        self.failure: StoreUnavailable | None = None
        """Why nothing could be written, whatever the serializer made of it."""

    def write(self, data: Any, /) -> int:
        """Take any contiguous buffer. Raises `StoreUnavailable`."""
        view = memoryview(data)
        if view.format != "B" or view.ndim != 1:
            view = view.cast("B")
        self._take(view, None)
        return view.nbytes

    def write_content(self, data: Any, /) -> int:
        """The same for the value's own bytes, in the order in which the hasher takes them."""
        view = memoryview(data)
        running = self._open_content() if self.content is None else None
        self._take(view, running)
        if running is not None:
            self.content = running.hexdigest()
        return view.nbytes

    def digest(self) -> bytes:
        """BLAKE3 of all that was written so far."""
        return self._hash.digest()

    def inline(self) -> bytes | None:
        """All that was written, or None where it is in a file."""
        return None if self._file is not None else b"".join(self._parts)

    def adopt(self) -> Digest:
        """Make what was written a blob, and give its digest. Raises `StoreUnavailable`."""
        digest = self._hash.hexdigest()
        if self._file is not None:
            self._blobs.adopt(self._file, digest)
        return digest

    def close(self) -> None:
        """Remove what was staged and not adopted."""
        if self._staging is not None:
            staging, self._staging = self._staging, None
            staging.__exit__(None, None, None)

    def _take(self, view: memoryview, running: Any | None) -> None:
        self.size += view.nbytes
        if self._file is None:
            if self.size <= self._inline_bytes:
                self._hash.update(view)
                if running is not None:
                    running.update(view)
                self._parts.append(bytes(view))
                return
            self._spill()
        if view.nbytes >= _RESERVED_FROM:
            self._reserve(view.nbytes)
        for start in range(0, view.nbytes, _CHUNK):
            chunk = view[start : start + _CHUNK]
            self._hash.update(chunk)
            if running is not None:
                running.update(chunk)
            self._write(chunk)

    def _spill(self) -> None:
        try:
            self._staging = self._blobs.stage()
            self._file = self._staging.__enter__()
        except StoreUnavailable as error:
            self._staging = None
            self.failure = error
            raise
        self._hash = blake3(max_threads=2)  # starts threads: 45 µs, too long for a small value
        for part in self._parts:
            self._hash.update(part)
            self._write(part)
        self._parts.clear()

    def _reserve(self, size: int) -> None:
        """Have the file system set the space aside: writing is then twice as fast, and a full disk
        is found before it is filled."""
        if not hasattr(os, "posix_fallocate"):
            return
        try:
            self._file.flush()
            os.posix_fallocate(self._file.fileno(), self._file.tell(), size)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self.failure = unavailable(self._file.name, error)
                raise self.failure from error
            # Otherwise the file system cannot do it: write without.

    def _write(self, data: bytes | memoryview) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self.failure = unavailable(self._file.name, error)
            raise self.failure from error
