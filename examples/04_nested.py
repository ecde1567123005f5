"""A pipeline called in a pipeline: it becomes one step of the outer run, and a run of its own.

    python examples/04_nested.py
    pipekit run examples/04_nested.py:choose --folds 10

The inner pipeline cross-validates a nearest-neighbours model on the irises of `data/iris.csv`; the
outer one does so for several numbers of neighbours at the same time, and takes the best. Needs
nothing beside pipekit.
"""

from __future__ import annotations

import csv
import math
import statistics
from pathlib import Path

from pipekit import component, get, pipeline

Flower = tuple[list[float], str]
"""Four measurements in cm, and the species."""

DATA = Path(__file__).parent / "data" / "iris.csv"


@component
def read(path: Path) -> list[Flower]:
    with path.open(newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    return [([float(number) for number in row[:-1]], row[-1]) for row in rows]


@component
def score_fold(flowers: list[Flower], neighbours: int, fold: int, folds: int) -> float:
    """The share of the fold's flowers that the others' nearest neighbours guess right."""
    known = [flower for number, flower in enumerate(flowers) if number % folds != fold]
    asked = flowers[fold::folds]
    right = 0
    for features, species in asked:
        near = sorted(known, key=lambda flower: math.dist(flower[0], features))
        right += statistics.mode(name for _, name in near[:neighbours]) == species
    return right / len(asked)


@pipeline(name="validate", project="examples")
def validate(flowers: list[Flower], neighbours: int, folds: int) -> float:
    """The average accuracy over the folds, one step each."""
    shares = [score_fold(flowers, neighbours, fold, folds) for fold in range(folds)]
    return statistics.fmean(get(shares))


@pipeline(name="choose", project="examples")
def choose(data: Path = DATA, folds: int = 5) -> int:
    """The number of neighbours with the best accuracy."""
    flowers = read(data)
    accuracies = {neighbours: validate(flowers, neighbours, folds) for neighbours in (1, 7, 31)}
    for neighbours, accuracy in accuracies.items():
        print(f"{neighbours:>2} neighbours: {accuracy:.3f}")
    return max(accuracies, key=lambda neighbours: accuracies[neighbours])


if __name__ == "__main__":
    print("best:", choose())
