"""Two hundred steps that depend on each other: nothing can be sent ahead or done in parallel.

What it takes from the end of one step to the start of the next, artifact and record included. The
floor is one warm worker of a `concurrent.futures.ProcessPoolExecutor` that is given the result of
each call as the argument of the next one.

    python benchmarks/chain.py
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

from measurement import Row, arguments, in_turn, new_home, report, seconds

from pipekit import component, pipeline


def increase(number: int) -> int:
    return number + 1


increase_step = component(increase)


@pipeline(name="chain", project="benchmarks")
def chain(first: int, steps: int) -> int:
    number = first
    for _ in range(steps):
        number = increase_step(number)
    return number


def run_chain(first: int, steps: int) -> None:
    answer = chain.options(executor="process:2")(first=first, steps=steps)
    if answer != first + steps:
        raise SystemExit(f"{steps} steps from {first} gave {answer}")


def run_pool(pool: ProcessPoolExecutor, steps: int) -> None:
    number = 0
    for _ in range(steps):
        number = pool.submit(increase, number).result()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    steps: int = options.steps
    with new_home(), ProcessPoolExecutor(1) as pool:
        run_chain(-1000, 100)
        run_pool(pool, 100)
        ours, floor = in_turn(
            options.repeat,
            # Numbers that no run had before, so that nothing comes from the cache.
            lambda number: seconds(lambda: run_chain(number * (steps + 1), steps)),
            lambda number: seconds(lambda: run_pool(pool, steps)),
        )
    report(
        [
            Row(f"{steps} steps in a chain", ours * 1e3, "ms", "process pool", floor * 1e3),
            Row("  a step", ours / steps * 1e3, "ms", "", floor / steps * 1e3),
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
