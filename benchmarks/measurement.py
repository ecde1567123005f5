"""What the benchmarks share: repetition, the table that they print, child processes, memory.

A figure is always the median of several repetitions and stands beside a floor: what the same
machine, in the same run, needs for the least that could do the work without pipekit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure beside its floor, both in `unit`."""

    what: str
    figure: float
    unit: str
    floor_name: str = ""
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.figure / self.floor if self.floor else None


def arguments(description: str | None, *, repeat: int = 5) -> argparse.ArgumentParser:
    """The parser of a benchmark: `--repeat N` and `--json`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--repeat", type=int, default=repeat, help=f"repetitions of each measurement ({repeat})"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    return parser


def report(rows: list[Row], *, as_json: bool) -> None:
    """Print the rows as a table, or as JSON for `run.py`."""
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print_table(rows)


def print_table(rows: list[Row]) -> None:
    cells = [("", "pipekit", "floor", "", "ratio")]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        floor = "" if row.floor is None else f"{row.floor:,.4g} {row.unit}"
        cells.append((row.what, f"{row.figure:,.4g} {row.unit}", floor, row.floor_name, ratio))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for what, figure, floor, name, ratio in cells:
        print(
            f"{what:<{widths[0]}}  {figure:>{widths[1]}}  {floor:>{widths[2]}}"
            f"  {name:<{widths[3]}}  {ratio:>{widths[4]}}".rstrip()
        )


def seconds(action: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median_seconds(action: Callable[[], object], repeat: int) -> float:
    """The median of `repeat` calls, after one that does not count."""
    action()
    return statistics.median(seconds(action) for _ in range(repeat))


def in_turn(repeat: int, *measurements: Callable[[int], float]) -> list[float]:
    """The median of each measurement; they are taken in turn, so that a machine that becomes
    slower meanwhile is slower for all. Each is called with the number of the repetition."""
    taken = [[measure(number) for measure in measurements] for number in range(repeat)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


@contextlib.contextmanager
def new_home() -> Iterator[Path]:
    """A temporary home for this process and its children, removed afterwards.

    Enter it before the first pipeline runs.
    """
    before = os.environ.get("PIPEKIT_HOME")
    with tempfile.TemporaryDirectory(prefix="pipekit-benchmark-") as folder:
        os.environ["PIPEKIT_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["PIPEKIT_HOME"]
            else:
                os.environ["PIPEKIT_HOME"] = before


def run_process(*command: str, home: Path | None = None) -> str:
    """Run a command to its end and give its stdout. Its stderr is shown where it fails."""
    environment = dict(os.environ)
    if home is not None:
        environment["PIPEKIT_HOME"] = str(home)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


class TreeMemory:
    """Watches the memory of a process and all that it started, by sampling.

    Where Linux tells the proportional share of each process, pages that several of them map are
    counted once; elsewhere the resident sizes are added, which counts such pages again and again.
    """

    def __init__(self, *, every_seconds: float = 0.02) -> None:
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_bytes = 0

    def __enter__(self) -> TreeMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.peak_bytes = max(self.peak_bytes, tree_bytes(os.getpid()))
            self._stop.wait(self._every_seconds)


def tree_bytes(root: int) -> int:
    """What the process `root` and its descendants hold in memory at this moment."""
    if Path("/proc/self/smaps_rollup").exists():
        return sum(_proportional_bytes(pid) for pid in _linux_tree(root))
    return _resident_tree_bytes(root)


def _linux_tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for thread in _entries(Path(f"/proc/{pid}/task")):
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # the process ended meanwhile
        return []


def _proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # the process ended meanwhile
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _resident_tree_bytes(root: int) -> int:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    ).stdout
    rows = [tuple(map(int, line.split())) for line in listing.splitlines()]
    tree = {root}
    while grown := {pid for pid, parent, _ in rows if parent in tree} - tree:
        tree |= grown
    return sum(kilobytes * 1024 for pid, _, kilobytes in rows if pid in tree)
