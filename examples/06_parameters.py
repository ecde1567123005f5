"""Parameters of any type, from Python, from the command line and from a file.

    python examples/06_parameters.py
    pipekit run examples/06_parameters.py:summarise --help
    pipekit run examples/06_parameters.py:summarise --measure petal_width --only setosa
    pipekit run examples/06_parameters.py:summarise --bins '{"width": 0.5}'

On the command line each value is made from text and checked by its annotation; in Python it is
checked and left as it is, so `summarise(measure="petal_width")` is an error: pass `Measure.PETAL_WIDTH`.
The data are Fisher's irises. Needs nothing beside pipekit.
"""  # noqa: E501

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pipekit import component, pipeline

Species = Literal["setosa", "versicolor", "virginica"]


class Measure(StrEnum):
    SEPAL_LENGTH = "sepal_length"
    SEPAL_WIDTH = "sepal_width"
    PETAL_LENGTH = "petal_length"
    PETAL_WIDTH = "petal_width"


@dataclass(frozen=True)
class Bins:
    width: float = 1.0
    """Of a bin, in cm."""
    first: float = 0.0
    """Where the first one begins."""


@component
def read(path: Path, measure: Measure, only: Species | None) -> list[float]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [float(row[measure]) for row in rows if only in (None, row["species"])]


@component
def count(values: list[float], bins: Bins) -> dict[float, int]:
    numbers = Counter(int((value - bins.first) // bins.width) for value in values)
    return {bins.first + number * bins.width: numbers[number] for number in sorted(numbers)}


@pipeline(name="summarise", project="examples")
def summarise(
    data: Path = Path(__file__).parent / "data" / "iris.csv",
    measure: Measure = Measure.PETAL_LENGTH,
    only: Species | None = None,
    bins: Bins = Bins(),
) -> dict[float, int]:
    """Count the flowers in bins of one measurement.

    Args:
        data: The measurements, a CSV file.
        measure: Which one.
        only: Flowers of this species alone.
        bins: The bins' width and beginning in cm.
    """
    return count(read(data, measure, only), bins)


if __name__ == "__main__":
    for bins in (Bins(), Bins(width=2.0)):  # the second run reads nothing: that step is reused
        for start, number in summarise(bins=bins).items():
            print(f"{start:4.1f} cm {'#' * number}")
