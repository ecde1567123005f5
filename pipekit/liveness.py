"""Which process this is, and whether one of this host is still the one that was recorded: pid and
start time."""

from __future__ import annotations

import os
import sys
from functools import cache

_pid = os.getpid()
_FIRST_NAMESPACE = "4026531836"
"""Linux's number of the pid namespace that is there from the start."""


def this_pid() -> int:
    """`os.getpid()` without the system call, for what asks several times a step."""
    return _pid


def _note_pid() -> None:
    global _pid
    _pid = os.getpid()


os.register_at_fork(after_in_child=_note_pid)


@cache
def host_name() -> str:
    """The name under which this host is recorded. A pid namespace, such as a container's, counts as
    a host of its own: a pid means another process there, or none."""
    name = os.uname().nodename
    try:
        number = os.readlink("/proc/self/ns/pid").rpartition("[")[2].rstrip("]")
    except OSError:
        return name  # no Linux
    return name if number == _FIRST_NAMESPACE else f"{name}:{number}"


def started_at(pid: int) -> float | None:
    """When process `pid` of this host started, in seconds on a clock of the system's own (only
    equality means something); None where there is no such process."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] == b"Z" else float(fields[19])
    return _started_at_by_ps(pid)


def _started_at_by_ps(pid: int) -> float | None:
    import subprocess  # no /proc here; asked for once a run and once a listed attempt
    import time

    answer = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return time.mktime(time.strptime(answer)) if answer else None


def has_exited(child: int) -> bool:
    """Whether a child of this process has ended. It is not reaped: until then its pid, and that of
    the group that it leads, is nobody else's."""
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def is_alive(host: str, pid: int, pid_started_at: float) -> bool | None:
    """Whether the recorded process still runs; None where another host would have to be asked."""
    if host != host_name():
        return None
    return started_at(pid) == pid_started_at
