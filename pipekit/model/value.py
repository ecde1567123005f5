"""What is known of a stored value without loading it, and the digests that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    codes: str = ""
    """The user's code that its digest is made of and that who loads it finds by name: a line each,
    as `write_codes` makes it."""

    def __reduce__(self) -> tuple[Callable[..., StoredValue], tuple[object, ...]]:
        # One travels with every step; what dataclasses does by itself takes three times as long.
        return StoredValue, (
            self.digest, self.blob, self.serializer, self.type, self.size_bytes, self.preview,
            self.inline,
            *((self.codes,) if self.codes else ()),
        )  # fmt: skip


def write_codes(codes: Mapping[str, Digest]) -> str:
    """Digests of code by name, as one text: a line for each."""
    return "\n".join(f"{name} {digest}" for name, digest in sorted(codes.items()))


def read_codes(text: str) -> list[tuple[str, Digest]]:
    """What `write_codes` wrote, of one mapping or several, joined by line ends; each once."""
    found = dict.fromkeys(text.split("\n")) if text else {}
    return [(name, digest) for name, _, digest in (line.rpartition(" ") for line in found)]
