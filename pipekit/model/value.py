"""What is known of a stored value without loading it, and the digests that it goes by."""

from __future__ import annotations

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
    type: str
    """Qualified name of the value's class, for display."""
    size_bytes: int
    preview: str = ""
    """A line or a few about the value, made when it was stored."""
    inline: bool = False
    """The bytes lie in the store beside the records, not in the blob store."""
