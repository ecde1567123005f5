"""pipekit's place among the tools to which the interpreter tells which functions begin. Knows no
steps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

SILENT: Any = getattr(getattr(sys, "monitoring", None), "DISABLE", None)


def find_obstacle() -> str:
    """Why this interpreter tells nothing, as a sentence without its end; empty where it does."""
    if hasattr(sys, "monitoring"):
        return ""
    return (
        f"this needs Python 3.12 or later, and here is {sys.version_info[0]}.{sys.version_info[1]}"
    )


_PLACES = (4, 3, 5, 2)
"""Those that debuggers and coverage do not take by custom come first."""


class Monitor:
    """pipekit's place among the tools of `sys.monitoring`. Not thread-safe."""

    def __init__(self, begins: Callable[[CodeType, int], Any]) -> None:
        """`begins` is called where a function begins, but for those that it calls itself; it gives
        `SILENT` to be told no more of that one."""
        self._begins = begins
        self.may_silence = False
        """Whether what one step need not be told of again, no other step must be told of."""
        self._tool: int | None = None
        self._api: Any = getattr(sys, "monitoring", None)

    def begin(self) -> bool:
        """Be told of every function anew; False where there is no place left."""
        api = self._api
        if self._tool is None:
            self._tool = self._take_place()
            if self._tool is None:
                return False
            api.register_callback(self._tool, api.events.PY_START, self._begins)
            api.set_events(self._tool, api.events.PY_START)
        api.restart_events()
        return True

    def _take_place(self) -> int | None:
        for tool in _PLACES:
            try:
                self._api.use_tool_id(tool, "pipekit")
            except ValueError:
                continue  # another's
            return tool
        return None

    def end(self) -> None:
        """Be told of nothing. Idempotent."""
        if self._tool is not None:
            self._api.set_events(self._tool, 0)
            self._api.register_callback(self._tool, self._api.events.PY_START, None)
            self._api.free_tool_id(self._tool)
            self._tool = None
