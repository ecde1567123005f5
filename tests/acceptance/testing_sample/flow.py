"""A small project's pipelines."""

from __future__ import annotations

from pathlib import Path

from pipekit import component, pipeline


@component
def load(count: int) -> list[float]:
    return [float(number) for number in range(count)]


@component(outputs=["low", "high"])
def split(numbers: list[float], limit: float) -> tuple[list[float], list[float]]:
    return [n for n in numbers if n < limit], [n for n in numbers if n >= limit]


@component
def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


@pipeline
def means(count: int = 6, limit: float = 3.0) -> float:
    low, high = split(load(count), limit)
    return mean(high) - mean(low)


@pipeline
def outer() -> float:
    return means() + means(count=8, limit=2.0)


@component
def read(path: Path) -> str:
    return path.read_text()


@pipeline
def reading(path: Path) -> str:
    return read(path)


@component(retries=2, retry_delay=60)
def fetch(attempts: Path) -> str:
    with attempts.open("a") as file:
        file.write("x")
    if attempts.stat().st_size < 3:
        raise OSError("not yet")
    return "fetched"


@pipeline
def fetching(attempts: Path) -> str:
    return fetch.options(cache=False)(attempts)
