"""`if` and `while` on the results of steps: go on training until the accuracy is good enough.

    python examples/02_branch_and_loop.py
    pipekit run examples/02_branch_and_loop.py:train --target 0.97

The model is a softmax regression in plain Python, trained by gradient descent on the irises of
`data/iris.csv`. With a higher target the rounds that are known already come from the cache, and
only the further ones are computed. Needs nothing beside pipekit.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

from pipekit import component, pipeline

Flower = tuple[list[float], int]
"""Four measurements and a 1 for the intercept; the number of the species."""
Weights = list[list[float]]
"""For each species a weight for each of these five."""


@component(outputs=["training", "test"])
def read(path: Path) -> tuple[list[Flower], list[Flower]]:
    """Every third flower is kept for the test."""
    with path.open(newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    species = sorted({row[-1] for row in rows})
    flowers = [([*map(float, row[:-1]), 1.0], species.index(row[-1])) for row in rows]
    test = flowers[::3]
    training = [flower for number, flower in enumerate(flowers) if number % 3]
    return training, test


def probabilities(weights: Weights, features: list[float]) -> list[float]:
    scores = [sum(map(float.__mul__, row, features)) for row in weights]
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


@component
def improve(weights: Weights, flowers: list[Flower], passes: int, rate: float) -> Weights:
    """`passes` further steps of gradient descent, each over all flowers."""
    weights = [list(row) for row in weights]
    for _ in range(passes):
        slopes = [[0.0] * len(row) for row in weights]
        for features, species in flowers:
            for number, probability in enumerate(probabilities(weights, features)):
                error = probability - (number == species)
                for index, feature in enumerate(features):
                    slopes[number][index] += error * feature / len(flowers)
        for row, slope in zip(weights, slopes, strict=True):
            row[:] = [weight - rate * part for weight, part in zip(row, slope, strict=True)]
    return weights


@component
def evaluate(weights: Weights, flowers: list[Flower]) -> float:
    """The share of flowers whose species is guessed right."""
    right = 0
    for features, species in flowers:
        guess = probabilities(weights, features)
        right += guess.index(max(guess)) == species
    return right / len(flowers)


@pipeline(name="train", project="examples")
def train(
    data: Path = Path(__file__).parent / "data" / "iris.csv",
    target: float = 0.95,
    most_rounds: int = 20,
    rate: float = 0.1,
) -> float:
    """Train in rounds until the accuracy reaches the target, and return the accuracy."""
    training, test = read(data)
    weights = improve([[0.0] * 5] * 3, training, passes=40, rate=rate)
    accuracy = evaluate(weights, test)
    rounds = 1
    while accuracy < target and rounds < most_rounds:  # comparing waits for the step
        print(f"round {rounds}: accuracy {accuracy:.3f} is not enough, going on")
        weights = improve(weights, training, passes=40, rate=rate)
        accuracy = evaluate(weights, test)
        rounds += 1
    if accuracy < target:
        raise RuntimeError(f"accuracy {accuracy:.3f} after {rounds} rounds, wanted {target}")
    print(f"round {rounds}: accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    train()
