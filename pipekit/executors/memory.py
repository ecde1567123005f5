"""How much memory a worker and all that it has started use, asked of the operating system, and
whether its out-of-memory killer was at work. Ends nothing.
"""

from __future__ import annotations

import os
import sys
from time import monotonic

_EVERY_SECONDS = 0.1
_LOOKS_COST_AT_MOST = 20
"""Between two looks passes so many times what a look takes."""
_OOM_EVERY_SECONDS = 1.0


class MemoryWatch:
    """Looks, over and over, at what one worker's processes use."""

    def __init__(self, pid: int, limit: int) -> None:
        self._pid = pid
        self._limit = limit
        self._next = 0.0
        self.peak = 0

    def look(self) -> int:
        """What they use now, in bytes; 0 where it is not time for another look."""
        began = monotonic()
        if began < self._next:
            return 0
        used = used_bytes(self._pid, self._limit)
        took = monotonic() - began
        self._next = began + max(0.8 * _EVERY_SECONDS, _LOOKS_COST_AT_MOST * took)
        self.peak = max(self.peak, used)
        return used


class OomKiller:
    """Notices what the kernel's out-of-memory killer does on this machine. Linux alone tells."""

    def __init__(self) -> None:
        self._known = _oom_kills()
        self._looked_at = monotonic()

    def look(self) -> None:
        """What was killed until now does not count."""
        if monotonic() - self._looked_at >= _OOM_EVERY_SECONDS:
            self.has_killed()

    def has_killed(self) -> bool:
        """Whether it has ended any process since it was last asked."""
        before, self._known = self._known, _oom_kills()
        self._looked_at = monotonic()
        return self._known > before


def used_bytes(leader: int, limit: int) -> int:
    """What the session that `leader` leads and all that descends from it hold, but for the pages
    of files; pages that they share count once where the sum is above `limit`."""
    if sys.platform != "linux":
        return _used_by_ps(leader)
    members = _members(leader)
    used = sum(map(own_bytes, members))
    if used > limit and len(members) > 1:
        # Processes that were forked share most of their pages: the sum counts them again and again.
        used = min(used, sum(map(_proportional_bytes, members)))
    return used


def _members(leader: int) -> list[int]:
    """Also what has gone into a session of its own, as long as who started it still runs."""
    parents: dict[int, int] = {}
    found: list[int] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            pid = int(name)
            fields = _stat(pid)
            if len(fields) > 3:
                parents[pid] = int(fields[1])
                if int(fields[3]) == leader:
                    found.append(pid)
    known = set(found)
    for parent in found:
        for pid, its_parent in parents.items():
            if its_parent == parent and pid not in known:
                known.add(pid)
                found.append(pid)
    return found


def _stat(pid: int) -> list[bytes]:
    """From the state on; empty where there is none any more."""
    return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def own_bytes(pid: int) -> int:
    """What one process holds, but for the pages of files."""
    return _sum(_read(f"/proc/{pid}/status"), (b"RssAnon:", b"RssShmem:", b"VmSwap:"))


def _proportional_bytes(pid: int) -> int:
    shares = _read(f"/proc/{pid}/smaps_rollup")
    if b"Pss_Anon:" not in shares:
        return own_bytes(pid)  # an older kernel
    return _sum(shares, (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:"))


def _sum(text: bytes, names: tuple[bytes, ...]) -> int:
    return sum(1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith(names))


def _oom_kills() -> int:
    for line in _read("/proc/vmstat").splitlines():
        if line.startswith(b"oom_kill "):
            return int(line.split()[1])
    return 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""  # the process is gone, or another user's


def _used_by_ps(leader: int) -> int:
    import subprocess  # no /proc here; only where a step has a limit

    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid=,rss="], capture_output=True, text=True, check=False
    ).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
    found = {pid for pid, _, group, _ in rows if group == leader}
    while more := {pid for pid, parent, _, _ in rows if parent in found} - found:
        found |= more
    return sum(1024 * kilobytes for pid, _, _, kilobytes in rows if pid in found)
