"""`Logger` with ClearML's other reports: plots are stored as the data that they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipekit.api import logger as plain
from pipekit.clearml.unused import Unused, take_unused
from pipekit.errors import UsageError
from pipekit.model.metric_name import join_name

_KEPT = Unused("every one is kept")
_LAYOUT = {"extra_layout": Unused(""), "extra_data": Unused("it is not shown")}


class Logger(plain.Logger):
    """Reports to one task, with ClearML's arguments."""

    def report_table(
        self, title: str, series: str, iteration: int | None = None, table_plot: Any = None,
        csv: str | Path | None = None, url: str | None = None, **others: Any,
    ) -> None:  # fmt: skip
        """As `pipekit.Logger.report_table`; `url`: where a CSV file is downloaded from."""
        _layout("report_table", others)
        if url is not None:
            from pipekit.api.storage import get_local_copy

            csv = get_local_copy(url)
        super().report_table(title, series, iteration, table_plot=table_plot, csv=csv)

    def report_matplotlib_figure(
        self, title: str, series: str, figure: Any, iteration: int | None = None,
        report_image: bool = False, report_interactive: bool = True,
    ) -> None:  # fmt: skip
        """As `pipekit.Logger.report_matplotlib_figure`: always as an image beside the object."""
        super().report_matplotlib_figure(title, series, figure, iteration)

    def report_image(
        self, title: str, series: str, iteration: int | None = None,
        local_path: str | Path | None = None, image: Any = None, matrix: Any = None,
        max_image_history: int | None = None, delete_after_upload: bool = False,
        url: str | None = None,
    ) -> None:  # fmt: skip
        """As `pipekit.Logger.report_image`; `url`: where the image is downloaded from."""
        take_unused(
            "Logger.report_image", {"max_image_history": max_image_history},
            {"max_image_history": _KEPT},
        )  # fmt: skip
        if url is not None:
            from pipekit.api.storage import get_local_copy

            local_path = get_local_copy(url)
        pixels = image if image is not None else matrix
        super().report_image(title, series, iteration, image=pixels, local_path=local_path)
        if delete_after_upload and local_path is not None and url is None:
            Path(local_path).unlink()

    def report_media(
        self, title: str, series: str, iteration: int | None = None,
        local_path: str | Path | None = None, **others: Any,
    ) -> None:  # fmt: skip
        """Store a sound, a video or another file: the artifact `title/series`."""
        take_unused("Logger.report_media", others, {"stream": Unused("name its file"),
                                                    "file_extension": Unused(""),
                                                    "max_history": _KEPT})  # fmt: skip
        if local_path is None:
            raise UsageError(
                f"report_media({title!r}, {series!r}, …) takes a file.", hint="local_path='a.wav'"
            )
        self._keep(title, series, iteration, Path(local_path))

    def report_histogram(
        self, title: str, series: str, values: Any, iteration: int | None = None, **layout: Any
    ) -> None:
        """Store the values of a histogram: the artifact `title/series`."""
        self._keep(title, series, iteration, values)

    def report_vector(
        self, title: str, series: str, values: Any, iteration: int | None = None, **layout: Any
    ) -> None:
        """Store the values of a bar plot: the artifact `title/series`."""
        self._keep(title, series, iteration, values)

    def report_matrix(
        self, title: str, series: str, matrix: Any, iteration: int | None = None, **layout: Any
    ) -> None:
        """Store a matrix: the artifact `title/series`."""
        self._keep(title, series, iteration, matrix)

    report_confusion_matrix = report_surface = report_matrix

    def report_scatter2d(
        self, title: str, series: str, scatter: Any, iteration: int | None = None, **layout: Any
    ) -> None:
        """Store the points of a plot: the artifact `title/series`."""
        self._keep(title, series, iteration, scatter)

    report_scatter3d = report_scatter2d

    def report_line_plot(
        self, title: str, series: Any, xaxis: str = "x", yaxis: str = "y",
        iteration: int | None = None, **layout: Any,
    ) -> None:  # fmt: skip
        """Store the lines of a plot: the artifact `title/lines`."""
        lines = [getattr(line, "__dict__", line) for line in series]
        self._keep(title, "lines", iteration, {"xaxis": xaxis, "yaxis": yaxis, "lines": lines})

    def report_plotly(
        self, title: str, series: str, figure: Any, iteration: int | None = None
    ) -> None:
        """Store a figure of plotly: the artifact `title/series`."""
        self._keep(title, series, iteration, figure)

    def set_default_upload_destination(self, uri: str) -> None:
        """Nothing: PIPEKIT_ARTIFACTS says where artifacts are kept."""
        take_unused(
            "Logger.set_default_upload_destination", {"uri": uri},
            {"uri": Unused("PIPEKIT_ARTIFACTS says where artifacts are kept")},
        )  # fmt: skip

    def _keep(self, title: str, series: str, iteration: int | None, value: Any) -> None:
        if self._log is not None:
            below = f"/{iteration}" if iteration else ""
            self._log.artifact(f"{join_name(title, series)}{below}", value)


def _layout(call: str, others: dict[str, Any]) -> None:
    take_unused(f"Logger.{call}", others, _LAYOUT)
