"""Many independent steps that do nothing, on two warm workers.

What a step costs when nothing else hides it: the call, the key, the message to a worker and back,
the artifact and the record. The floor is `concurrent.futures.ProcessPoolExecutor` with two warm
workers and `map(chunksize=1)` over the same function: it keeps and records nothing. Then the same
steps again, all from the cache, in a fresh process; its start and end are not in that figure.

    python benchmarks/fanout.py
    python benchmarks/fanout.py --steps 20000

The second form also tells what the controller keeps in memory a step: the growth of its peak over
the first run.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from measurement import Row, arguments, in_turn, new_home, report, run_process, seconds

from pipekit import component, get, pipeline

ENOUGH_FOR_MEMORY = 10_000
"""Steps below which the growth of a process says little."""


def same(number: int) -> int:
    return number


same_step = component(same)


@pipeline(name="fanout", project="benchmarks")
def fanout(first: int, steps: int) -> int:
    return sum(get([same_step(number) for number in range(first, first + steps)]))


def run_fanout(first: int, steps: int) -> None:
    answer = fanout.options(executor="process:2")(first=first, steps=steps)
    if answer != sum(range(first, first + steps)):
        raise SystemExit(f"{steps} steps from {first} gave the sum {answer}")


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure_run(steps: int, repeat: int) -> list[Row]:
    run_fanout(-100, 100)  # starts the workers; no number of these is used below
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(same, range(100), chunksize=1))
        before = peak_bytes()
        first_run = seconds(lambda: run_fanout(0, steps))
        grown = peak_bytes() - before

        def with_pipekit(number: int) -> float:
            # Numbers that no run had before, so that nothing comes from the cache.
            first = (number + 1) * steps
            return seconds(lambda: run_fanout(first, steps))

        def with_pool(number: int) -> float:
            numbers = range(steps)
            return seconds(lambda: sum(pool.map(same, numbers, chunksize=1)))

        if repeat > 1:
            ours, floor = in_turn(repeat, with_pipekit, with_pool)
        else:
            ours, floor = first_run, with_pool(0)
    rows = [
        Row(f"{steps:,} no-op steps", ours * 1e3, "ms", "process pool, nothing kept", floor * 1e3),
        Row("  a step", ours / steps * 1e6, "µs", "", floor / steps * 1e6),
    ]
    if steps >= ENOUGH_FOR_MEMORY:
        rows.append(Row("  controller memory a step", grown / steps / 1024, "KiB"))
    return rows


def measure_cached(steps: int, repeat: int, home: Path, computed_ms: float) -> list[Row]:
    """Each repetition is a process of its own, which sees the records of the first run."""
    taken = [
        float(
            run_process(sys.executable, __file__, "--cached-once", "--steps", str(steps), home=home)
        )
        for _ in range(repeat)
    ]
    ours = statistics.median(taken)
    return [
        Row(f"{steps:,} steps, all cached", ours * 1e3, "ms", "the same steps run", computed_ms),
        Row("  a step", ours / steps * 1e6, "µs", "", computed_ms / steps * 1e3),
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--cached-once", action="store_true", help="used by the script itself")
    options = parser.parse_args()
    if options.cached_once:
        print(json.dumps(seconds(lambda: run_fanout(0, options.steps))))
        return
    with new_home() as home:
        rows = measure_run(options.steps, options.repeat)
        rows += measure_cached(options.steps, options.repeat, home, rows[0].figure)
    report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
