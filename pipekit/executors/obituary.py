"""How a worker process ended, in words, with the last lines that it wrote. Reads its log; ends
nothing.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_TAIL_BYTES = 4000
_TAIL_LINES = 10


def obituary(
    attempt: str, status: int, took_seconds: float, log: Path, log_start: int, *, oom: bool = False
) -> str:
    """What became of an attempt whose process ended with the wait status `status`; its console
    begins at `log_start`. `oom`: the kernel has ended a process for want of memory meanwhile."""
    text = f"{attempt} {how_it_ended(status)} after {took_seconds:.1f} s."
    if oom:
        text += " The machine was out of memory: the kernel's out-of-memory killer was at work."
    elif os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        text += " The usual cause is memory."
    said = last_lines(log, log_start)
    if not said:
        return f"{text} It had printed nothing."
    return f"{text} Its last log lines follow.\n{said}"


def how_it_ended(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"ended by signal {number} ({signal.Signals(number).name})"
    return f"ended its process with exit code {os.waitstatus_to_exitcode(status)}"


def last_lines(log: Path, start: int = 0) -> str:
    """The end of a log from `start` on; empty where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, size_of(log) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


def size_of(log: Path) -> int:
    """In bytes; 0 where there is none."""
    try:
        return log.stat().st_size
    except OSError:
        return 0
