"""Three existing functions become a pipeline by one decorator each.

    python examples/01_decorate.py
    pipekit run examples/01_decorate.py:describe --column sepal_width

The data are Fisher's measurements of 150 irises (1936). Needs nothing beside pipekit.
"""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

from pipekit import component, pipeline


@component
def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file. The path counts by the file's content: edit the file, and this step
    runs again; touch it, and it does not."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@component
def average(rows: list[dict[str, str]], species: str, column: str) -> float:
    return statistics.fmean(float(row[column]) for row in rows if row["species"] == species)


@component
def report(column: str, averages: dict[str, float]) -> str:
    lines = [f"{species:<12} {average:.2f}" for species, average in averages.items()]
    return "\n".join([f"average {column} in cm", *lines])


@pipeline(name="describe", project="examples")
def describe(
    data: Path = Path(__file__).parent / "data" / "iris.csv", column: str = "petal_length"
) -> str:
    """Print the average of one measurement for each species."""
    rows = read(data)
    # Three steps that do not depend on each other, so they run in parallel; the dict of their
    # futures is passed on as it is.
    averages = {name: average(rows, name, column) for name in ("setosa", "versicolor", "virginica")}
    return report(column, averages)


if __name__ == "__main__":
    print(describe())
