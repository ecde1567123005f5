"""What is known of a stored value without loading it, and the digests that it goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Digest = str
"""64 hexadecimal characters: BLAKE3 with 256 bits."""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A value that an artifact store holds, and all that is known of it without loading it."""

    digest: Digest
    """Of the value in canonical form: equal values, equal digests. Keys are made of these."""
    blob: Digest
    """Of the bytes: the address under which they lie."""
    serializer: str
    """Name of what wrote it; for a user's own followed by `@` and a digest of its code."""
    type: str
    """Qualified name of the value's class, for display."""
    size_bytes: int
    preview: str = ""
    """A line or a few about the value, made when it was stored."""
    inline: bool = False
    """The bytes lie in the store beside the records, not in the blob store."""

    def __reduce__(self) -> tuple[Callable[..., StoredValue], tuple[object, ...]]:
        # One travels with every step; what dataclasses does by itself takes three times as long.
        return StoredValue, (
            self.digest, self.blob, self.serializer, self.type, self.size_bytes, self.preview,
            self.inline,
        )  # fmt: skip
