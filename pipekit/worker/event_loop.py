"""Steps and event loops: a coroutine is run to its end, and a step that runs in a thread whose loop
is running (a notebook's cell) may start a loop of its own. Imports asyncio where a step needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from typing import Any


class OutOfLoops:
    """What runs inside sees no running loop in this thread, as it would in a worker."""

    __slots__ = ("_asyncio", "_running")  # a class: a third of what a generator costs a step

    def __enter__(self) -> None:
        asyncio: Any = sys.modules.get("asyncio")
        self._asyncio = asyncio
        self._running = asyncio._get_running_loop() if asyncio is not None else None
        if self._running is not None:
            asyncio._set_running_loop(None)

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._asyncio._set_running_loop(self._running)
            self._asyncio.set_event_loop(self._running)  # `asyncio.run` leaves none


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns."""
    import asyncio  # 36 ms, for components that are `async def` only

    return asyncio.run(coroutine)


def run_async_generator(generator: Any) -> list[Any]:
    """All that it yields."""

    async def collect() -> list[Any]:
        return [value async for value in generator]

    return list(run_coroutine(collect()))
