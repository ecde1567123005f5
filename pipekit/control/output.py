"""A stored value as a running session holds it."""

from __future__ import annotations

from typing import NamedTuple

from pipekit.model.value import StoredValue


class Output(NamedTuple):
    """A stored value; `content` holds its bytes where they are inline, small, and at hand."""

    value: StoredValue
    content: bytes | None
