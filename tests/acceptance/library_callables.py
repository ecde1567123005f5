"""Functions and classes of libraries, as components."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from pipekit import component, pipeline

mean = component(np.mean)
add = component(np.add)
read_csv = component(pd.read_csv)
accuracy = component(accuracy_score)
regression = component(LogisticRegression)


@pipeline
def libraries(table: Path) -> Any:
    return {
        "mean": mean(np.arange(3)),
        "add": add(1, 2),
        "read_csv": list(read_csv(table).columns),
        "accuracy": accuracy([1, 0], [1, 1]),
        "regression": regression(C=2.0).get_params()["C"],
    }


LIBRARIES = {
    "mean": 1.0,
    "add": 3,
    "read_csv": ["a", "b"],
    "accuracy": 0.5,
    "regression": 2.0,
}
