"""What an attempt uses in a process that runs one at a time: CPU seconds, and the most memory that
it had. Asks the operating system; records nothing.
"""

from __future__ import annotations

import resource
import sys
from time import process_time

_WORTH_SECONDS = 0.005
"""A shorter attempt's memory is not asked for: that would take a good part of its time."""
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""Of `ru_maxrss`, in bytes."""


class Meter:
    """Measures one attempt after the other."""

    __slots__ = ("_began", "_children_peak", "_children_seconds", "_known_peak")

    def __init__(self) -> None:
        self._began = 0.0
        self._children_seconds = 0.0
        self._children_peak = 0
        self._known_peak = 0
        """What the process had before already, where the system's figure cannot be set back."""

    def begin(self) -> None:
        """An attempt begins."""
        self._began = process_time()

    def end(self, took_seconds: float) -> tuple[float, int | None]:
        """The CPU seconds of the attempt, with those of the processes that it has started and
        waited for, in the user's code and the system's; and the most bytes that this process, or
        one of those, had at once. None for a short attempt, and where an earlier one had more and
        the system does not tell."""
        seconds = process_time() - self._began
        if took_seconds < _WORTH_SECONDS:
            return seconds, None
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        in_children = children.ru_utime + children.ru_stime
        seconds += in_children - self._children_seconds
        self._children_seconds = in_children
        peak = _high_water()
        found = peak if peak > self._known_peak else 0
        self._known_peak = 0 if _set_back() else peak
        if children.ru_maxrss > self._children_peak:
            self._children_peak = children.ru_maxrss
            found = max(found, children.ru_maxrss * MAXRSS_BYTES)
        return seconds, found or None


def _high_water() -> int:
    """The most that this process had at once since `_set_back`, or ever."""
    # Not `ru_maxrss` where it can be helped: that counts what its parent had when it was started.
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:
            _, _, rest = file.read().partition(b"VmHWM:")
        return int(rest.split(None, 1)[0]) * 1024
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES


def _set_back() -> bool:
    """Let the system count from what there is now; False where it does not."""
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as file:
            file.write(b"5")
    except OSError:
        return False
    return True
