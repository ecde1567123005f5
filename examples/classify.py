"""Recognise handwritten digits: three kinds of model are fitted in parallel, the best one is kept.

The functions below are ordinary ones, with a decorator each. Run it twice: the second time every
step is taken from the cache. Then change one line, or one model, and run it again.

    python examples/classify.py
    pipekit run examples/classify.py:classify --test-size 0.3

Needs scikit-learn and matplotlib.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from sklearn.base import ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipekit import component, pipeline


@component(outputs=["images", "labels"])
def load() -> tuple[np.ndarray, np.ndarray]:
    """1,797 images of 8 by 8 pixels, one a row, and the digit that each one shows."""
    digits = load_digits()
    return digits.data, digits.target


@component(outputs=["X_train", "X_test", "y_train", "y_test"])
def split(
    images: np.ndarray, labels: np.ndarray, test_size: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    X_train, X_test, y_train, y_test = train_test_split(
        images, labels, test_size=test_size, random_state=seed, stratify=labels
    )
    return X_train, X_test, y_train, y_test


@component
def fit(model: ClassifierMixin, X: np.ndarray, y: np.ndarray) -> ClassifierMixin:
    return clone(model).fit(X, y)


@component
def score(model: ClassifierMixin, X: np.ndarray, y: np.ndarray) -> float:
    return float(model.score(X, y))


@component(outputs="figure")
def draw(model: ClassifierMixin, X: np.ndarray, y: np.ndarray) -> Figure:
    """Which digits the model takes for which."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.add_subplot()
    ConfusionMatrixDisplay.from_estimator(model, X, y, ax=axes, colorbar=False)
    axes.set_title(type(model).__name__)
    return figure


@pipeline(name="classify", project="examples")
def classify(test_size: float = 0.25, seed: int = 0) -> float:
    """Fit three models to the digits and return the accuracy of the best."""
    images, labels = load()
    X_train, X_test, y_train, y_test = split(images, labels, test_size, seed)
    candidates = [
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        RandomForestClassifier(n_estimators=300, random_state=seed),
        SVC(C=10.0, gamma=0.001),
    ]
    models = [fit(candidate, X_train, y_train) for candidate in candidates]
    scores = [score(model, X_test, y_test) for model in models]
    # Up to here nothing has waited. Comparing scores needs their values, so this line does.
    accuracy, best = max(zip(scores, models, strict=True), key=lambda pair: pair[0])
    draw(best, X_test, y_test)
    return accuracy


if __name__ == "__main__":
    run = classify.run()
    reused = sum(step.reused for step in run.steps)
    print(f"accuracy {run.value:.4f}")
    print(f"{reused} of {len(run.steps)} steps reused, {run.duration_seconds:.2f} s")
    print(f"the figure, a PNG: {run['draw'].artifacts['figure'].get_local_copy()}")
