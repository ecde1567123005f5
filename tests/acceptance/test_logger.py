"""What a task reports through its logger, and how that is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from reporting import numbers, reporting

from pipekit import Logger, Task
from pipekit.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(params=["inline", "process:1"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(executor: str, name: str, given: Any = None) -> Task:
    task = reporting.options(executor=executor).run(name, given)
    assert task.error is None
    return task


def test_scalars_are_metrics_named_by_title_and_series(executor: str) -> None:
    """Feature rows 14 and 65."""
    step = run(executor, "numbers")["numbers"]
    assert list(step.metrics) == ["loss/train", r"a/b/c\/d", "Summary/accuracy"]
    assert [one.step for one in step.metrics.history("loss/train")] == [0, 10, 20, 30, 40]
    last = step.get_last_scalar_metrics()
    assert last["loss"]["train"] == {"last": math.inf, "min": 1.0, "max": math.inf}
    assert last["a/b"]["c/d"]["last"] == 5.0
    assert step.get_reported_single_values() == {"accuracy": 0.75}


def test_nan_and_infinities_stay_what_they_are(executor: str) -> None:
    step = run(executor, "numbers")["numbers"]
    values = step.get_reported_scalars()["loss"]["train"]["y"]
    assert math.isnan(values[3])
    assert values[4] == math.inf


def test_all_scalars_are_read_by_iteration_or_by_time() -> None:
    step = run("inline", "numbers")["numbers"]
    found = step.get_reported_scalars(max_samples=3)
    assert found["loss"]["train"]["x"] == [0, 20, 40]
    assert found["a/b"]["c/d"] == {"name": "c/d", "x": [0], "y": [5.0]}
    assert "Summary" not in found
    at = step.metrics.history("loss/train")[0].at
    by_time = step.get_reported_scalars(x_axis="timestamp")
    assert by_time["loss"]["train"]["x"][0] == round(at * 1000)
    with pytest.raises(UsageError, match="did you mean 'timestamp'"):
        step.get_reported_scalars(x_axis="timestamps")


def test_tables_and_images_are_artifacts(executor: str, tmp_path: Path) -> None:
    """Feature row 49."""
    import matplotlib.image
    import numpy as np

    artifacts = run(executor, "objects", tmp_path)["objects"].artifacts
    names = ["table/frame", "table/csv", "image/array/3", "image/floats", "value"]
    assert sorted(artifacts) == sorted(names)
    assert artifacts["table/frame"].get().to_dict("list") == {"n": [1, 2]}
    assert artifacts["table/csv"].get().read_text() == "n\n1\n"
    pixels = matplotlib.image.imread(artifacts["image/array/3"].get_local_copy())
    assert (np.round(pixels * 255) == [[0, 255], [128, 64]]).all()
    colours = matplotlib.image.imread(artifacts["image/floats"].get())
    assert colours.shape == (2, 2, 3)
    assert (colours == 1).all()


def test_figures_are_images_beside_their_object() -> None:
    """Feature row 49."""
    artifacts = run("process:1", "drawn")["drawn"].artifacts
    for name in ("figure/itself", "figure/of its axes", "figure/of pyplot/2"):
        assert artifacts[name].get_local_copy().read_bytes().startswith(b"\x89PNG")


def test_texts_are_printed_or_kept(executor: str, capfd: pytest.CaptureFixture[str]) -> None:
    step = run(executor, "texts")["texts"]
    console = step.log if executor != "inline" else capfd.readouterr().out
    assert console == "told\nWARNING: warned\n"
    assert step.artifacts["text"].get() == "kept\ntoo"


def test_a_task_reports_to_itself_and_to_another(executor: str) -> None:
    task = run(executor, "to_its_run")
    assert dict(task.metrics) == {"run/calls": 1.0, "of/a step": 1.0}
    assert task.artifacts["text"].get() == "said by a step\nonce more"
    assert dict(task["to_its_run"].metrics) == {"own/one": 2.0}


def test_what_has_ended_takes_no_reports() -> None:
    task = run("inline", "numbers")
    with pytest.raises(UsageError, match=r"Nothing can be logged to task .* is completed"):
        task.get_logger().report_scalar("late", "one", 1, 0)
    assert "late/one" not in task.metrics


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("both", "takes one table"),
        ("gone", "'gone.csv', which is not there"),
        ("shape", "a ndarray of 2 × 2 × 7 is no image"),
        ("range", "floats from 0 to 1, or whole numbers from 0 to 255"),
        ("figure", "takes a matplotlib figure, not a int"),
        ("series", "series=3 of what is reported is to be text"),
    ],
)
def test_what_cannot_be_reported_fails_with_the_reason(what: str, said: str) -> None:
    task = reporting.options(executor="inline").run("wrongly", what)
    assert said in str(task["wrongly"].error)


def test_outside_of_a_task_nothing_is_recorded() -> None:
    Logger.current_logger().report_scalar("t", "s", 1, 0)
    numbers()
    assert Task.get_tasks() == []
