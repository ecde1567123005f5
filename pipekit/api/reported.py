"""What a task has reported, read back in two-part names, and the logger that reports to it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipekit.api.metric import Metrics
from pipekit.api.task_handle import TaskHandle
from pipekit.errors import UsageError, nearest
from pipekit.model.metric_name import SUMMARY, split_name
from pipekit.worker.task_log import current_step

if TYPE_CHECKING:
    from pipekit.api.logger import Logger
    from pipekit.control.archive import Archive
    from pipekit.model.records import Metric
    from pipekit.worker.task_log import TaskLog

_AXES = ("iter", "timestamp", "iso_time")


class ReportVerbs(TaskHandle):
    """The part of `Task` that speaks of reports."""

    def get_logger(self) -> Logger:
        """What reports to this task, from its own code or from outside of it: see `Logger`. It
        takes nothing any more when the task has ended."""
        from pipekit.api.logger import Logger

        return Logger(log_of(self._archive, self.id))

    def get_last_scalar_metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        """title -> series -> `last`, `min` and `max` of what was reported. What is not a number
        counts for `last` alone, unless there is nothing else. A metric without two parts in its
        name (`log_metric("loss", …)`) stands under that name twice."""
        return _last_scalars(self.metrics)

    def get_reported_scalars(
        self, max_samples: int = 0, x_axis: str = "iter"
    ) -> dict[str, dict[str, dict[str, Any]]]:
        """title -> series -> `name`, and its points as two lists `x` and `y`. Single values are
        left out.

        Args:
            max_samples: How many points of a series at the most, from the first to the last; 0:
                all.
            x_axis: `iter` (the iteration; the number of the point where none was given),
                `timestamp` (milliseconds since 1970, UTC) or `iso_time`.

        Raises:
            UsageError: there is no such axis.
        """
        return _all_scalars(self.metrics, max_samples=max_samples, x_axis=x_axis)

    def get_reported_single_values(self) -> dict[str, float]:
        """Name -> the value reported last, of those that are one for the whole task."""
        return _single_values(self.metrics)

    if TYPE_CHECKING:

        @property
        def metrics(self) -> Metrics: ...


def log_of(archive: Archive, task_id: str) -> TaskLog | None:
    """The log of a task: that of the code that runs here where it is the task's, else one from
    outside of it. Of a task that has ended, it takes nothing any more. None where a script is only
    loaded for its functions: its own process reports."""
    from pipekit.api import script
    from pipekit.api.current_task import logs_of_here

    for log in logs_of_here():
        if log.task_id == task_id:
            return log
    followed = script.find_script(task_id) is not None and script.find_own(task_id) is None
    if not task_id or (followed and current_step() is None):
        return None
    from pipekit.control.outside_log import OutsideLog

    task = archive.store.find_task(task_id)
    outputs = task.spec.outputs if task is not None else ()
    return OutsideLog(archive, task_id, outputs=outputs)


def _last_scalars(metrics: Metrics) -> dict[str, dict[str, dict[str, float]]]:
    """title -> series -> `last`, `min`, `max`. What is no number counts for `last` alone, unless
    there is nothing else."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in metrics:
        title, series = split_name(name)
        values = [point.value for point in metrics.history(name)]
        numbers = [value for value in values if not math.isnan(value)] or values
        found.setdefault(title, {})[series] = {
            "last": values[-1],
            "min": min(numbers),
            "max": max(numbers),
        }
    return found


def _all_scalars(
    metrics: Metrics, *, max_samples: int = 0, x_axis: str = "iter"
) -> dict[str, dict[str, dict[str, Any]]]:
    """title -> series -> `name`, and `x` and `y` as lists of one length.

    Raises:
        UsageError: there is no such axis.
    """
    if x_axis not in _AXES:
        raise UsageError(
            f"x_axis={x_axis!r} is to be one of {', '.join(_AXES)}.", hint=nearest(x_axis, _AXES)
        )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in metrics:
        title, series = split_name(name)
        if title == SUMMARY:
            continue
        points = list(enumerate(metrics.history(name)))
        if 0 < max_samples < len(points):
            points = [points[place] for place in _spread(len(points), max_samples)]
        found.setdefault(title, {})[series] = {
            "name": series,
            "x": [_place(point, number, x_axis) for number, point in points],
            "y": [point.value for _, point in points],
        }
    return found


def _single_values(metrics: Metrics) -> dict[str, float]:
    """Name -> the value reported last, of those that are one for the whole task."""
    return {
        series: metrics[name]
        for name in metrics
        for title, series in (split_name(name),)
        if title == SUMMARY
    }


def _spread(count: int, wanted: int) -> list[int]:
    """Places from the first to the last, as far apart as can be; of one, the last."""
    if wanted == 1:
        return [count - 1]
    return [round(place * (count - 1) / (wanted - 1)) for place in range(wanted)]


def _place(point: Metric, number: int, x_axis: str) -> float | str:
    if x_axis == "timestamp":
        return round(point.at * 1000)
    if x_axis == "iso_time":
        return datetime.fromtimestamp(point.at, UTC).isoformat()
    return number if point.step is None else point.step
