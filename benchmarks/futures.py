"""A hundred thousand futures: what it takes to make them, to hold them, and to use each once.

The floor of the first two is as many plain objects with two attributes in slots; that of the last
is the same addition of plain numbers.

    python benchmarks/futures.py
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

from measurement import Row, arguments, in_turn, report, seconds

from pipekit.api.future import Future, value_of


class Plain:
    __slots__ = ("output", "source")

    def __init__(self, source: object, output: str) -> None:
        self.source = source
        self.output = output


class Step:
    """One that has ended with a number."""

    def get_output(self, output: str) -> int:
        return 5

    def has_output(self, output: str) -> bool:
        return True

    def describe_output(self, output: str) -> str:
        return "number.value, completed"


def make(kind: type[Any], count: int) -> list[Any]:
    step = Step()
    return [kind(step, "value") for _ in range(count)]


def traced_bytes(action: Callable[[], object]) -> int:
    """What is still held of what an action took."""
    tracemalloc.start()
    kept = action()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return held


def add_to_each(numbers: list[Any]) -> None:
    for number in numbers:
        number + 1


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    count: int = options.count
    made, made_floor = in_turn(
        options.repeat,
        lambda _: seconds(lambda: make(Future, count)),
        lambda _: seconds(lambda: make(Plain, count)),
    )
    futures = make(Future, count)
    numbers = [value_of(one) for one in futures]
    used, used_floor = in_turn(
        options.repeat,
        lambda _: seconds(lambda: add_to_each(futures)),
        lambda _: seconds(lambda: add_to_each(numbers)),
    )
    held, held_floor = (
        traced_bytes(lambda kind=kind: make(kind, count)) / 1e6 for kind in (Future, Plain)
    )
    report(
        [
            Row(f"{count:,} futures, made", made * 1e3, "ms", "plain objects", made_floor * 1e3),
            Row("  held", held, "MB", "", held_floor),
            Row("  used once each", used * 1e3, "ms", "plain numbers", used_floor * 1e3),
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
