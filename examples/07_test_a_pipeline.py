"""Tests of a pipeline, with pytest and the fixture that pipekit brings.

    python examples/07_test_a_pipeline.py
    python -m pytest examples/07_test_a_pipeline.py

Each test has a home of its own with an empty cache, and the steps run in the test's own process.
Needs pytest.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from pipekit import component, pipeline
from pipekit.testing import Home, assert_ran, assert_reused

# --- the pipeline; in a project of your own it is imported from its module


@component
def read(path: Path) -> list[float]:
    return [float(line) for line in path.read_text().split()]


@component
def without_outliers(values: list[float], limit: float) -> list[float]:
    middle = statistics.median(values)
    return [value for value in values if abs(value - middle) <= limit]


@component
def average(values: list[float]) -> float:
    return statistics.fmean(values)


@pipeline(name="average without outliers", project="examples")
def robust_average(path: Path, limit: float = 10.0) -> float:
    return average(without_outliers(read(path), limit))


# --- the tests


@pytest.fixture
def measurements(tmp_path: Path) -> Path:
    path = tmp_path / "measurements.txt"
    path.write_text("20.5 21.0 19.5 400.0")
    return path


def test_a_component_is_tested_as_the_function_that_it_is() -> None:
    assert without_outliers([1.0, 2.0, 50.0], limit=5.0) == [1.0, 2.0]


def test_outliers_do_not_count(pipekit_home: Home, measurements: Path) -> None:
    assert robust_average(measurements) == pytest.approx(20.33, abs=0.01)
    assert [step.name for step in pipekit_home.last_run.steps] == [
        "read",
        "without_outliers",
        "average",
    ]


@pytest.mark.usefixtures("pipekit_home")
def test_another_limit_does_not_read_the_file_again(measurements: Path) -> None:
    robust_average.run(measurements)
    run = robust_average.run(measurements, limit=0.6)
    assert_reused(run, "read")
    assert_ran(run, "without_outliers", "average")


@pytest.mark.usefixtures("pipekit_home")
def test_a_wider_limit_that_changes_nothing_leaves_the_average_cached(measurements: Path) -> None:
    robust_average.run(measurements)
    run = robust_average.run(measurements, limit=11.0)
    assert_ran(run, "without_outliers")
    assert_reused(run, "average")


if __name__ == "__main__":
    raise SystemExit(subprocess.call([sys.executable, "-m", "pytest", "-q", __file__]))
