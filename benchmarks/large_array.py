"""An array of 200 MB is made, passed through four steps that add one, and summed.

What large values cost: each step reads its input by memory map, computes, digests and stores its
output. The floor is one process that does the same arithmetic and stores nothing; the second floor
writes each of the five arrays to a file and reads it back, without a digest.

    python benchmarks/large_array.py

Every repetition is a process of its own with an empty home. Memory is the peak of the whole process
tree, sampled every 20 ms. Needs numpy.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from measurement import Row, TreeMemory, arguments, new_home, report, run_process, seconds

from pipekit import component, pipeline


@component
def make(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float64)


@component
def add_one(array: np.ndarray) -> np.ndarray:
    return array + 1


@component
def total(array: np.ndarray) -> float:
    return float(array.sum())


@pipeline(name="array", project="benchmarks")
def through_steps(count: int) -> float:
    array = make(count)
    for _ in range(4):
        array = add_one(array)
    return total(array)


def with_pipekit(count: int) -> None:
    through_steps.options(executor="process:2")(count=count)


def in_one_process(count: int) -> None:
    array = make.function(count)
    for _ in range(4):
        array = add_one.function(array)
    total.function(array)


def through_files(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="pipekit-benchmark-") as folder:
        array = make.function(count)
        for number in range(5):
            path = Path(folder, f"{number}.npy")
            np.save(path, array)
            array = np.load(path, mmap_mode="c")
            if number < 4:
                array = add_one.function(array)
        total.function(array)


WAYS = {"pipekit": with_pipekit, "one process": in_one_process, "files": through_files}


def measure(way: str, megabytes: int) -> tuple[float, float]:
    """Seconds and peak bytes of one way, in a process of its own with an empty home."""
    with new_home() as home:
        answer = run_process(
            sys.executable, __file__, "--once", way, "--megabytes", str(megabytes), home=home
        )
    taken, peak = json.loads(answer)
    return taken, peak


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--once", choices=WAYS, help="used by the script itself")
    options = parser.parse_args()
    if options.once:
        with TreeMemory() as memory:
            taken = seconds(lambda: WAYS[options.once](options.megabytes * 125_000))
        print(json.dumps([taken, memory.peak_bytes]))
        return
    taken = {way: [] for way in WAYS}
    for _ in range(options.repeat):
        for way in WAYS:
            taken[way].append(measure(way, options.megabytes))
    time_of = {way: statistics.median(pair[0] for pair in pairs) for way, pairs in taken.items()}
    peak_of = {way: statistics.median(pair[1] for pair in pairs) for way, pairs in taken.items()}
    what = f"{options.megabytes} MB through 4 steps"
    report(
        [
            Row(what, time_of["pipekit"], "s", "one process, unstored", time_of["one process"]),
            Row("  the same", time_of["pipekit"], "s", "np.save, np.load", time_of["files"]),
            Row("  peak memory", peak_of["pipekit"] / 1e6, "MB", "one process, unstored",
                peak_of["one process"] / 1e6),
        ],
        as_json=options.json,
    )  # fmt: skip


if __name__ == "__main__":
    main()
