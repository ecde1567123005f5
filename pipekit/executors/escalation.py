"""How a worker that is in a call is made to end it: politely, then less so. Owns the signals and
the waits between them; what an end means is the executor's matter."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from pipekit.executors.worker_process import WorkerProcess
from pipekit.ports import Loop

_KILL_SHARE = 0.5
"""SIGKILL comes so much of the time before SIGTERM after that."""


def escalate(
    worker: WorkerProcess, is_in: Callable[[], bool], *, stop_seconds: float, loop: Loop
) -> None:
    """SIGINT to the worker's process group, as a terminal's Ctrl-C would; SIGTERM `stop_seconds`
    later, and SIGKILL after half that time, as long as it `is_in` the call. From the loop's
    thread."""
    waits = (stop_seconds, _KILL_SHARE * stop_seconds)
    _send(worker, is_in, (signal.SIGINT, signal.SIGTERM, signal.SIGKILL), waits, loop)


def _send(
    worker: WorkerProcess, is_in: Callable[[], bool], signals: Sequence[signal.Signals],
    waits: Sequence[float], loop: Loop,
) -> None:  # fmt: skip
    if not is_in():
        return
    worker.interrupt(signals[0])
    if waits:
        loop.call_later(waits[0], lambda: _send(worker, is_in, signals[1:], waits[1:], loop))
