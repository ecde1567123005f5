"""Pipelines whose steps write a journal: one line each time one has run to its end."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipekit import as_completed, component, pipeline


def _note(line: str) -> None:
    with open("journal", "a") as journal:
        journal.write(f"{line}\n")


@component
def cached(number: int) -> int:
    _note(f"cached {number}")
    return number + 1


@component(cache=False)
def uncached(number: int) -> int:
    _note(f"uncached {number}")
    return number + 1


@component(cache=False)
def total(numbers: list[int], names: set[str]) -> int:
    _note(f"total {sum(numbers)}")
    return sum(numbers)


@component(cache=False)
def gate(number: int) -> int:
    """Fails, sleeps or kills its controller as long as a file says so."""
    word = Path("gate").read_text() if Path("gate").exists() else ""
    if word == "fail":
        raise ValueError("the gate is shut")
    if word == "kill":
        os.kill(os.getppid(), 9)
        time.sleep(60)
    _note(f"gate {number}")
    return number


@component(cache=False)
def write(folder: Path, name: str) -> str:
    (folder / name).write_text(name)
    _note(f"write {name}")
    return name


@pipeline
def plain(count: int = 3, scale: tuple[int, ...] = (1, 2), where: Path = Path("data")) -> Any:
    parts = [cached(number) for number in range(count)]
    parts += [uncached(part) for part in parts]
    return gate(total(parts, {"a", "b", "c", str(where)})) * sum(scale)


@pipeline
def inner(number: int) -> int:
    return gate(uncached(number))


@pipeline
def nested() -> int:
    first = whole(1)
    return inner(first) + 100


@pipeline
def whole(number: int) -> int:
    return uncached(number)


@pipeline
def winding(count: int = 4) -> int:
    """Loops, a branch, a map, threads, and steps in the order in which others end."""
    values = uncached.map(range(count))
    seen = [cached(value) for value in as_completed(values)]
    with ThreadPoolExecutor(2) as threads:
        seen += threads.map(lambda n: uncached(n), [7, 8])
    number = int(seen[-1])
    while number < 12:
        number = int(uncached(number))
    if number % 2 == 0:
        number = int(cached(number))
    return gate(total(sorted(seen), {"x", "y"})) + number


@pipeline
def folders(out: Path) -> list[str]:
    names = [write(out, name) for name in ("a", "b")]
    gate.options(after=names)(0)
    return names


@pipeline
def shape(count: int = 2) -> int:
    """Calls fewer steps once the gate is open."""
    if not Path("gate").exists():
        count -= 1
    numbers = [uncached(number) for number in range(count)]
    return gate(total(numbers, set()))


@pipeline
def holding(lock: Any) -> int:
    return gate(uncached(1))
