"""What this process may use of its machine: CPUs, memory, GPUs. Reads it from the operating system;
knows nothing of who uses it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = "sys/fs/cgroup"
_NVIDIA = "proc/driver/nvidia/gpus"
DEVICES = "CUDA_VISIBLE_DEVICES"
"""The variable that says which GPUs a process may use."""


def usable_cpus(root: Path = Path("/")) -> int:
    """The CPUs that this process may run on, or as many as its quota is worth."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:
        cpus = os.cpu_count() or 1
    quotas = [quota for folder in _cgroups(root, "cpu") if (quota := _cpu_quota(folder))]
    return max(1, min([cpus, *map(math.ceil, quotas)]))


def memory_bytes(root: Path = Path("/")) -> int:
    """The physical memory, or the limit of a container where that is lower."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [
        limit
        for folder in _cgroups(root, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := _number(folder / name))
    ]
    return min([physical, *limits])


def find_gpus(wanted: str = "", root: Path = Path("/")) -> tuple[str, ...]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them.

    Those of that variable, where it is set; else `wanted`, written as there; else all that the
    NVIDIA driver has.
    """
    allotted = os.environ.get(DEVICES, wanted or None)
    if allotted is None:
        try:
            count = len(os.listdir(root / _NVIDIA))
        except OSError:
            count = 0
        return tuple(map(str, range(count)))
    names: dict[str, None] = {}
    for name in allotted.split(","):
        name = name.strip()
        if not name or name.startswith("-"):
            break  # CUDA reads no further
        names[name] = None
    return tuple(names)


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """The control group of this process that has the controller, and those above it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / _CGROUPS / (controllers and controller)
        folder = mount / path.strip("/")
        if ".." in folder.parts or not folder.is_dir():
            folder = mount  # a container sees its own group there
        while True:
            yield folder
            if folder == mount:
                break
            folder = folder.parent


def _cpu_quota(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return float(quota) / float(period)
    except (OSError, ValueError):
        pass  # the older layout, or no quota
    quota_us, period_us = (
        _number(folder / "cpu.cfs_quota_us"),
        _number(folder / "cpu.cfs_period_us"),
    )
    return quota_us / period_us if quota_us and period_us else None


def _number(path: Path) -> int | None:
    """What the file says, above 0; None for none, `max` and no limit written as -1."""
    try:
        number = int(path.read_text())
    except (OSError, ValueError):
        return None
    return number if number > 0 else None
