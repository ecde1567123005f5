"""What it costs to see what a step reads.

A step that computes, one that copies deeply (which raises an audit event for each object), one that
does nothing, and one that reads ten thousand files; then what a hit on that last one costs, where
every file is compared. The floors: the same without an observer, and a second reading of the files.

    python benchmarks/observing.py
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from measurement import Row, arguments, in_turn, report, seconds

from pipekit.artifacts.files import FileDigests
from pipekit.artifacts.place import Places
from pipekit.model.trace import Reads
from pipekit.settings import read_settings
from pipekit.worker.observation import Observation
from pipekit.worker.observe import observing

_NOTHINGS = 10_000


def fibonacci(number: int) -> int:
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


def copy_deeply() -> None:
    nested = [{"a": [number, (number,)], "b": {"c": str(number)}} for number in range(3000)]
    copy.deepcopy(nested)


def read_all(folder: Path, files: int) -> None:
    for number in range(files):
        with open(f"{folder}/{number}", "rb") as file:
            file.read()


def nothing() -> None:
    for _ in range(_NOTHINGS):
        pass


def nothing_observed(places: Places) -> None:
    for _ in range(_NOTHINGS):
        observation = Observation(places)
        with observing(observation, alone=True):
            pass
        observation.finish()


def observed(places: Places, action: Callable[[], object]) -> Reads:
    """Do it as a step does; what it read."""
    observation = Observation(places)
    with observing(observation, alone=True):
        action()
    return observation.finish().reads


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipekit-benchmark-") as name:
        folder = Path(name)
        settings = read_settings(folder)

        def new_places() -> Places:
            return Places(settings, FileDigests(None))

        for number in range(options.files):
            (folder / str(number)).write_text(str(number))
        reading = lambda: read_all(folder, options.files)  # noqa: E731
        reading()
        reads = observed(new_places(), reading)
        warm = new_places()
        in_turn(1, lambda number: seconds(lambda: _verify(warm, reads)))
        fib, fib_floor, deep, deep_floor, idle, idle_floor = in_turn(
            options.repeat,
            lambda number: seconds(lambda: observed(warm, lambda: fibonacci(25))),
            lambda number: seconds(lambda: fibonacci(25)),
            lambda number: seconds(lambda: observed(warm, copy_deeply)),
            lambda number: seconds(copy_deeply),
            lambda number: seconds(lambda: nothing_observed(warm)),
            lambda number: seconds(nothing),
        )
        many, hit, warm_hit, floor = in_turn(
            options.repeat,
            lambda number: seconds(lambda: observed(new_places(), reading)),
            lambda number: seconds(lambda: _verify(new_places(), reads)),
            lambda number: seconds(lambda: _verify(warm, reads)),
            lambda number: seconds(reading),
        )
    count = f"{options.files:,} files"
    report(
        [
            Row("a step that computes", fib * 1e3, "ms", "unobserved", fib_floor * 1e3),
            Row("a step that copies deeply", deep * 1e3, "ms", "unobserved", deep_floor * 1e3),
            Row("an idle step", (idle - idle_floor) / _NOTHINGS * 1e6, "µs"),
            Row(f"a step that reads {count}", many * 1e3, "ms", "reading them", floor * 1e3),
            Row("a hit on it, fresh process", hit * 1e3, "ms", "reading them", floor * 1e3),
            Row("a hit on it, same process", warm_hit * 1e3, "ms", "reading them", floor * 1e3),
        ],
        as_json=options.json,
    )


def _verify(places: Places, reads: Reads) -> None:
    if not reads or not all(places.is_unchanged(read, os.environ) for read in reads):
        raise SystemExit("the files were not observed, or changed meanwhile")


if __name__ == "__main__":
    main()
