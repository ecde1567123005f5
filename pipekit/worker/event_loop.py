"""Steps and event loops: a coroutine is run to its end, and a step that runs in a thread whose loop
is running (a notebook's cell) may start a loop of its own. Imports asyncio where a step needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def out_of_loops() -> Iterator[None]:
    """What runs inside sees no running loop in this thread, as it would in a worker."""
    asyncio: Any = sys.modules.get("asyncio")
    running = asyncio._get_running_loop() if asyncio is not None else None
    if running is None:
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)
        asyncio.set_event_loop(running)  # `asyncio.run` leaves none


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns."""
    import asyncio  # 36 ms, for components that are `async def` only

    return asyncio.run(coroutine)


def run_async_generator(generator: Any) -> list[Any]:
    """All that it yields."""

    async def collect() -> list[Any]:
        return [value async for value in generator]

    return list(run_coroutine(collect()))
