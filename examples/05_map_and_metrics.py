"""One step for each value of a list, with numbers, figures and progress logged while they run.

    python examples/05_map_and_metrics.py
    pipekit run examples/05_map_and_metrics.py:search --rates '[0.05, 0.2]' --epochs 50

Fits a softmax regression to scikit-learn's handwritten digits with several learning rates at the
same time. Run in a terminal it shows a progress bar for each; `pipekit show ID fit` has the losses
and the figure afterwards, also where the step was reused. Needs scikit-learn and matplotlib.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from pipekit import (
    as_completed,
    component,
    log_figure,
    log_metric,
    pipeline,
    report_progress,
    task_of,
)

Array = np.ndarray


@component(outputs=["X_train", "X_test", "y_train", "y_test"])
def load(test_size: float, seed: int) -> tuple[Array, Array, Array, Array]:
    images, labels = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        images / 16, labels, test_size=test_size, random_state=seed, stratify=labels
    )
    return X_train, X_test, y_train, y_test


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@component
def fit(rate: float, X: Array, y: Array, epochs: int) -> Array:
    """Gradient descent. Logging changes nothing of what it returns: called outside of a pipeline
    it is a plain function, and logs to nobody."""
    truth = np.eye(10)[y]
    weights = np.zeros((X.shape[1], 10))
    losses = []
    for epoch in range(epochs):
        found = softmax(X @ weights)
        losses.append(float(-np.log(found[np.arange(len(y)), y] + 1e-12).mean()))
        weights -= rate * X.T @ (found - truth) / len(y)
        log_metric("loss", losses[-1], step=epoch)
        report_progress(epoch + 1, epochs)
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="loss", title=f"learning rate {rate:g}")
    axes.plot(losses)
    log_figure("losses", figure)
    return weights


@component
def accuracy(weights: Array, X: Array, y: Array) -> float:
    value = float((np.argmax(X @ weights, axis=1) == y).mean())
    log_metric("accuracy", value)
    return value


@pipeline(name="search", project="examples")
def search(
    rates: list[float] | None = None, epochs: int = 200, test_size: float = 0.25, seed: int = 7
) -> float:
    """Find the learning rate that guesses most digits of the test set right.

    Args:
        rates: The learning rates to try.
        epochs: How often each fit goes through the training set.
        test_size: The share of the images that is kept for the test.
        seed: Of the division into training and test.
    """
    X_train, X_test, y_train, y_test = load(test_size, seed)
    tried = rates or [0.02, 0.1, 0.5]
    fits = fit.map(tried, X=X_train, y=y_train, epochs=epochs)  # three steps, in parallel
    scores = dict(zip(tried, accuracy.map(fits, X=X_test, y=y_test), strict=True))
    for score in as_completed(scores.values()):  # each as soon as it is there
        print(f"{task_of(score).name:<10} {score:.3f}")
    return max(scores, key=lambda rate: scores[rate])


if __name__ == "__main__":
    run = search.run()
    print("best learning rate:", run.value)
    print("its last loss:", f"{run['fit'].metrics['loss']:.3f}")
