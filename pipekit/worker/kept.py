"""What functions and modules of the user's may have kept of what they once read in this process,
for later steps that reach them. A process that is warm must not answer from what has changed since.
"""

from __future__ import annotations

import os
import threading

from pipekit.artifacts.place import Places
from pipekit.model.trace import (
    ABSENT,
    ENVIRONMENT,
    FILE,
    LISTING,
    STATUS,
    THERE,
    VARIABLE,
    Read,
)

_INPUTS = frozenset({FILE, ABSENT, THERE, STATUS, LISTING, VARIABLE, ENVIRONMENT})


class KeptReads:
    """Reads by the names of those who may have kept them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, set[Read]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def add(self, kept: dict[str, set[Read]]) -> None:
        """Remember what one step has read."""
        with self._lock:
            for name, reads in kept.items():
                inputs = {read for read in reads if read.kind in _INPUTS}
                if inputs:
                    self._by_name.setdefault(name, set()).update(inputs)

    def of(self, names: frozenset[str]) -> frozenset[Read]:
        """What those of these names, and methods of the classes among them, may have kept."""
        found: set[Read] = set()
        with self._lock:
            for name, reads in self._by_name.items():
                if name in names or name.rpartition(".")[0] in names:
                    found |= reads
        return frozenset(found)


def find_changed(reads: frozenset[Read], places: Places) -> Read | None:
    """One of them that is another now."""
    environment = os.environ
    return next((read for read in reads if not places.is_unchanged(read, environment)), None)


_by_root: dict[str, KeptReads] = {}


def kept_reads(places: Places) -> KeptReads:
    """Those of this process, for one project: modules outlive sessions."""
    return _by_root.setdefault(places.root, KeptReads())
