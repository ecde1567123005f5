"""Find good parameters of a whole pipeline.

    python examples/12_sweep.py

`grid` goes through every combination, and needs nothing more. `tune` lets Optuna choose what to try
next (`pip install 'pipekit[tune]'`); without it this example ends after the grid. The data is made
once, whatever the number of trials; with `pruner=` a trial that promises nothing would be ended by
the losses that it logs.
"""

from __future__ import annotations

import importlib.util
import random

from pipekit import component, grid, log_metric, log_uniform, pipeline, tune

POINTS = 400


@component
def make_data(seed: int) -> list[tuple[float, float]]:
    """Points near the line y = 3x - 1."""
    chance = random.Random(seed)
    xs = [chance.uniform(-1, 1) for _ in range(POINTS)]
    return [(x, 3 * x - 1 + chance.gauss(0, 0.1)) for x in xs]


@component
def fit(data: list[tuple[float, float]], rate: float, momentum: float, epochs: int) -> float:
    """Gradient descent: logs the mean squared error after each epoch, and returns the last."""
    slope = bias = step_slope = step_bias = 0.0
    loss = 0.0
    for epoch in range(epochs):
        errors = [(slope * x + bias - y, x) for x, y in data]
        step_slope = momentum * step_slope - rate * sum(e * x for e, x in errors) / POINTS
        step_bias = momentum * step_bias - rate * sum(e for e, _ in errors) / POINTS
        slope, bias = slope + step_slope, bias + step_bias
        loss = sum(e * e for e, _ in errors) / POINTS
        log_metric("loss", loss, step=epoch)
    return loss


@pipeline(project="examples")
def line(rate: float = 0.1, momentum: float = 0.0, epochs: int = 20, seed: int = 1) -> float:
    return fit(make_data(seed), rate, momentum, epochs)


def main() -> None:
    coarse = grid(line, {"rate": [0.01, 0.1, 0.5], "momentum": [0.0, 0.5]}, direction="minimize")
    for trial in coarse:
        print(f"{trial.parameters}  {trial.value:.3f}")
    print("the grid's best:", coarse.best_parameters)

    if importlib.util.find_spec("optuna") is None:
        print("pip install optuna, and see what it finds")
        return
    import optuna

    sweep = tune(
        line,
        {"rate": log_uniform(0.001, 1.0), "momentum": (0.0, 0.95)},
        direction="minimize",
        objective="loss",
        trials=20,
        sampler=optuna.samplers.TPESampler(seed=7),
    )
    print(f"the best of {len(sweep)}: {sweep.best_value:.4f}, run {sweep.best.task.id}")


if __name__ == "__main__":
    main()
