"""What a worker has started, found by what only the operating system knows: who started whom, and a
mark in the environment that is handed down. Ends it; knows nothing of steps.

A process group holds most of it. Not in it is what was started in a session of its own. Linux alone
can be asked; elsewhere the group must do.
"""

from __future__ import annotations

import os
import signal

MARK = "_PIPEKIT_WORKER"
"""The variable by which all that a worker has started is known as its own."""

_ROUNDS = 5
"""What is being ended may start others meanwhile."""


def new_mark() -> str:
    """A value for `MARK` that no other worker has."""
    return f"{os.getpid()}-{os.urandom(8).hex()}"


def kill_offspring(mark: str, pid: int = 0) -> None:
    """SIGKILL to whatever the worker of this mark has started and that still runs, not to itself.
    `pid` is the worker's, as long as it is certain to be."""
    wanted = f"{MARK}={mark}".encode()
    known = {pid} if pid else set()
    for _ in range(_ROUNDS):
        found = _find(known, wanted) - {pid}
        if not found:
            return
        known |= found
        for one in found:
            try:
                os.kill(one, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # it is gone, or another user's


def _find(roots: set[int], wanted: bytes) -> set[int]:
    """Processes that have the mark, or that one of `roots` has started, directly or not."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return set()
    parents = {pid: parent for pid in pids if (parent := _parent(pid))}
    found = {pid for pid in parents if wanted in _environment(pid)}
    left = [pid for pid in parents if pid not in found]
    while True:
        more = {pid for pid in left if parents[pid] in found or parents[pid] in roots}
        if not more:
            return found
        found |= more
        left = [pid for pid in left if pid not in more]


def _parent(pid: int) -> int:
    """0 where there is none that still runs."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[1])


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []  # it is gone, or another user's
