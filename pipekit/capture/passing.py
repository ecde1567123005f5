"""The reach of a function or class that stands in a function's body. What it holds on to changes as
the pipeline function goes on, and travels as it is at the call: so it is looked at each time. What
has a name is seen as the run has seen it first.
"""

from __future__ import annotations

from typing import Any

from pipekit.capture.node import Node
from pipekit.capture.ownership import Owner
from pipekit.capture.reach import Reach
from pipekit.capture.source_module import Found


def is_passing(obj: Any) -> bool:
    """Whether a function or class stands in a function's body, or is a lambda."""
    return "<" in getattr(obj, "__qualname__", "")


class PassingReach(Reach):
    """The nodes behind one such function or class, at this moment. Not thread-safe."""

    def __init__(self, seen: Reach) -> None:
        super().__init__(seen.root, seen.facts)
        self._seen = seen

    def of(self, obj: Any) -> Node:
        return super().of(obj) if is_passing(obj) else self._seen.of(obj)

    def of_module(self, found: Found) -> Node:
        return self._seen.of_module(found)

    def of_import(self, found: Found) -> Node:
        return self._seen.of_import(found)

    def of_definition(self, found: Found, name: str) -> Node:
        return self._seen.of_definition(found, name)

    def of_package(self, owner: Owner) -> Node:
        return self._seen.of_package(owner)

    def of_file(self, path: str) -> Node:
        return self._seen.of_file(path)

    def settle(self) -> None:
        super().settle()
        self._seen.settle()
