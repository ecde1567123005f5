"""A stored value as a running session holds it."""

from __future__ import annotations

from typing import NamedTuple

from pipekit.model.value import StoredValue

KEPT_BYTES = 1024
"""Inline values up to this size stay in memory once they are recorded or read."""


class Output(NamedTuple):
    """A stored value; `content` holds its bytes where they are inline, small, and at hand."""

    value: StoredValue
    content: bytes | None
