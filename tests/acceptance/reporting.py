"""Pipelines whose code reports in two-part names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pipekit import Logger, Task, component, current_task, get, pipeline


@component(cache=False)
def numbers() -> None:
    logger = Logger.current_logger()
    for place, value in enumerate([3.0, 1.0, 2.0, math.nan, math.inf]):
        logger.report_scalar("loss", "train", value=value, iteration=10 * place)
    logger.report_scalar("a/b", "c/d", value=5, iteration=None)
    logger.report_single_value("accuracy", 0.5)
    logger.report_single_value("accuracy", 0.75)


@component(cache=False)
def objects(folder: Path) -> None:
    import numpy as np
    import pandas as pd

    logger = Logger.current_logger()
    frame = pd.DataFrame({"n": [1, 2]})
    logger.report_table("table", "frame", table_plot=frame, iteration=0)
    (folder / "a.csv").write_text("n\n1\n")
    logger.report_table("table", "csv", csv=folder / "a.csv")
    logger.report_image("image", "array", 3, image=np.array([[0, 255], [128, 64]], "uint8"))
    logger.report_image("image", "floats", image=np.ones((2, 2, 3)))


@component(cache=False)
def drawn() -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2])
    logger = Logger.current_logger()
    logger.report_matplotlib_figure("figure", "itself", figure, iteration=0)
    logger.report_matplotlib_figure("figure", "of its axes", axes)
    logger.report_matplotlib_figure("figure", "of pyplot", plt, iteration=2)
    plt.close(figure)


@component(cache=False)
def texts() -> None:
    logger = Logger.current_logger()
    logger.report_text("told")
    logger.report_text("warned", level=30)
    logger.report_text("kept", print_console=False)
    logger.report_text("too", print_console=False)


@component(cache=False)
def to_its_run() -> None:
    me = current_task()
    assert me is not None
    run = Task.get_task(me.parent)
    run.get_logger().report_scalar("of", "a step", 1, 0)
    run.get_logger().report_text("said by a step", print_console=False)
    run.get_logger().report_text("once more", print_console=False)
    me.get_logger().report_scalar("own", "one", 2, 0)


@component(cache=False)
def wrongly(what: str) -> None:
    logger = Logger.current_logger()
    if what == "both":
        logger.report_table("t", "s", table_plot=[[1]], csv="a.csv")
    elif what == "gone":
        logger.report_table("t", "s", csv="gone.csv")
    elif what == "shape":
        import numpy as np

        logger.report_image("i", "s", image=np.zeros((2, 2, 7)))
    elif what == "range":
        import numpy as np

        logger.report_image("i", "s", image=np.array([[0.0, 255.0]]))
    elif what == "figure":
        logger.report_matplotlib_figure("f", "s", figure=3)
    elif what == "series":
        logger.report_scalar("t", 3, 1, 0)  # type: ignore[arg-type]


@pipeline
def reporting(name: str, given: Any = None) -> None:
    Logger.current_logger().report_scalar("run", "calls", 1, 0)
    called = {"numbers": numbers, "drawn": drawn, "texts": texts, "to_its_run": to_its_run}
    get(called[name]() if given is None else {"objects": objects, "wrongly": wrongly}[name](given))
