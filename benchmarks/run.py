"""Runs every benchmark of this folder, one after the other, and prints one table.

    python benchmarks/run.py
    python benchmarks/run.py fanout chain --repeat 9

A benchmark is a script that knows `--json` and `--repeat`. Close other programs first: the figures
are wall times.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from measurement import Row, print_table, run_process

BENCHMARKS = (
    "startup", "fanout", "chain", "cached", "large_array", "futures", "drawing", "observing",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of each measurement (5)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}")
    print(f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores\n")
    rows: list[Row] = []
    for name in options.names or BENCHMARKS:
        script = Path(__file__).with_name(f"{name}.py")
        answer = run_process(sys.executable, str(script), "--json", "--repeat", str(options.repeat))
        rows += [Row(**fields) for fields in json.loads(answer)]
    print_table(rows)


if __name__ == "__main__":
    main()
