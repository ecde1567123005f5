"""The address at which the parts of a code fingerprint are recorded among the contents, and which
other contents that record refers to. Who collects what nothing refers to must know both."""

from __future__ import annotations

import json
from typing import Any

from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest

_SCHEME = "code-parts-1"


def address_of(code: Digest) -> Digest:
    """Where the parts of a fingerprint are recorded."""
    return digest_bytes(_SCHEME, code)


def encode_parts(rows: list[list[str]]) -> bytes:
    """Rows of kind, name, digest, text, file, and the address of the source (empty: none)."""
    return json.dumps(rows, separators=(",", ":")).encode("utf-8", "backslashreplace")


def decode_parts(content: bytes) -> list[list[str]]:
    """The rows again; none where the content is damaged."""
    try:
        rows: Any = json.loads(content)
    except ValueError:
        return []
    return rows if isinstance(rows, list) else []


def sources_in(content: bytes) -> set[Digest]:
    """The addresses of the sources that a record of parts refers to."""
    return {row[5] for row in decode_parts(content) if row[5]}
