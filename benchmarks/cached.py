"""A pipeline whose steps are all known already.

What it takes to find out that nothing is to be done: a thousand small steps a second time in the
same session, and a process that runs a pipeline of three cached steps and ends. The floors: a
lookup of as many pickled values by key in a SQLite file, one statement each; and a bare Python that
starts and ends.

    python benchmarks/cached.py
"""

from __future__ import annotations

import pickle
import sqlite3
import sys
from pathlib import Path

from measurement import Row, arguments, in_turn, new_home, report, run_process, seconds

from pipekit import component, get, pipeline


@component
def square(number: int) -> int:
    return number * number


@component
def add(left: int, right: int) -> int:
    return left + right


@pipeline(name="squares", project="benchmarks")
def squares(steps: int) -> int:
    return sum(get([square(number) for number in range(steps)]))


@pipeline(name="three", project="benchmarks")
def three() -> int:
    return add(square(3), square(4))


def run_squares(steps: int) -> None:
    run = squares.options(executor="process:2").run(steps=steps)
    if run.value != sum(number * number for number in range(steps)):
        raise SystemExit(f"the sum of {steps} squares came out as {run.value}")


def fill(path: Path, steps: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE memo (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO memo VALUES (?, ?)",
        ((f"{number:064x}", pickle.dumps(number * number)) for number in range(steps)),
    )
    connection.execute("COMMIT")
    return connection


def look_up(connection: sqlite3.Connection, steps: int) -> None:
    for number in range(steps):
        key = f"{number:064x}"
        row = connection.execute("SELECT value FROM memo WHERE key = ?", (key,)).fetchone()
        pickle.loads(row[0])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--once", action="store_true", help="used by the script itself")
    options = parser.parse_args()
    if options.once:
        three.options(executor="process:2")()
        return
    steps: int = options.steps
    with new_home() as home:
        run_squares(steps)
        connection = fill(home / "floor.db", steps)
        again, floor = in_turn(
            options.repeat,
            lambda number: seconds(lambda: run_squares(steps)),
            lambda number: seconds(lambda: look_up(connection, steps)),
        )
        connection.close()
        once = (sys.executable, __file__, "--once")
        run_process(*once, home=home)
        process, bare = in_turn(
            options.repeat,
            lambda number: seconds(lambda: run_process(*once, home=home)),
            lambda number: seconds(lambda: run_process(sys.executable, "-c", "pass")),
        )
    report(
        [
            Row(f"{steps:,} cached steps again", again * 1e3, "ms", "SQLite lookups", floor * 1e3),
            Row("  a step", again / steps * 1e6, "µs", "", floor / steps * 1e6),
            Row("3 cached steps, whole process", process * 1e3, "ms", "python -c pass", bare * 1e3),
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
