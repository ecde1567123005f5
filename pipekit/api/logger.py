"""`Logger`: what a task reports, in two-part names. Numbers are metrics named `title/series`;
tables, figures and images are artifacts of that name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipekit.api.current_task import figure_of, log_of_here
from pipekit.errors import UsageError
from pipekit.model.metric_name import SUMMARY, join_name

if TYPE_CHECKING:
    from pipekit.worker.task_log import TaskLog

_INFO = 20
"""`logging.INFO`."""


class Logger:
    """Reports to one task: `Logger.current_logger()`, or `task.get_logger()`.

    Outside of a task nothing is recorded, so that a function that reports stays a plain function.
    Several threads may share one. A title or series may be any line of text; where it holds a `/`,
    `task.get_reported_scalars()` still tells both apart.
    """

    def __init__(self, log: TaskLog | None) -> None:
        self._log = log

    @classmethod
    def current_logger(cls) -> Self:
        """The logger of the task whose code is running: a step's in a component, the run's in a
        pipeline function, else the script's."""
        return cls(log_of_here())

    def report_scalar(
        self, title: str, series: str, value: Any, iteration: int | None = None
    ) -> None:
        """Log a number of a series; `task.metrics["title/series"]` has the last one.

        Args:
            title: Of the plot that the series is in.
            series: Of the numbers.
            value: A real number, also infinite or not a number: it is recorded as it is.
            iteration: Your own count (an epoch, a batch).

        Raises:
            UsageError: the value is no number, or the task has ended.
        """
        name = _name(title, series)
        if self._log is not None:
            self._log.metric(name, value, iteration)

    def report_single_value(self, name: str, value: Any) -> None:
        """Log a number that is one for the whole task; `task.get_reported_single_values()` has it.

        Raises:
            UsageError: the value is no number, or the task has ended.
        """
        self.report_scalar(SUMMARY, name, value, None)

    def report_text(self, msg: Any, level: int = _INFO, print_console: bool = True) -> None:
        """Print a line, which the task's console keeps; `print_console=False` has it in the
        artifact `text` instead, with the lines before it.

        Args:
            msg: The text.
            level: One of the numbers of `logging`; another than INFO is told before the text.
            print_console: Whether it is printed.
        """
        text = str(msg)
        if level != _INFO:
            from logging import getLevelName

            text = f"{getLevelName(level)}: {text}"
        if print_console:
            print(text)
        elif self._log is not None:
            self._log.text(text)

    def report_table(
        self, title: str, series: str, iteration: int | None = None, *, table_plot: Any = None,
        csv: str | Path | None = None,
    ) -> None:  # fmt: skip
        """Store a table: the artifact `title/series`.

        Args:
            title: Of the table.
            series: Of several tables of one title.
            iteration: Your own count; tables of another than 0 are named `title/series/3`.
            table_plot: A frame, or rows as a list of lists; stored as the object that it is.
            csv: In its place, the path of a CSV file.

        Raises:
            UsageError: there is not one of both, there is no such file, or the task has ended.
            NotSerializable: the table cannot be stored.
        """
        name = _name(title, series, iteration)
        if (table_plot is None) == (csv is None):
            raise UsageError(
                f"report_table({title!r}, {series!r}, …) takes one table.",
                hint="pass table_plot=frame, or csv='path/to/file.csv'.",
            )
        value = table_plot if csv is None else _file(csv, f"Table {name!r}")
        if self._log is not None:
            self._log.artifact(name, value)

    def report_matplotlib_figure(
        self, title: str, series: str, figure: Any, iteration: int | None = None
    ) -> None:
        """Store a figure as a PNG image beside the object itself: the artifact `title/series`.

        Args:
            title: Of the figure.
            series: Of several figures of one title.
            figure: A matplotlib figure, axes, or `pyplot` itself for its current figure.
            iteration: Your own count; figures of another than 0 are named `title/series/3`.

        Raises:
            UsageError: it is no figure, or the task has ended.
        """
        name = _name(title, series, iteration)
        if self._log is not None:
            current = getattr(figure, "gcf", None)  # of `pyplot`
            asked = f"report_matplotlib_figure({title!r}, {series!r}, …)"
            found = figure_of(current() if callable(current) else figure, asked)
            self._log.artifact(name, found)

    def report_image(
        self, title: str, series: str, iteration: int | None = None, *, image: Any = None,
        local_path: str | Path | None = None,
    ) -> None:  # fmt: skip
        """Store an image: the artifact `title/series`, a file.

        Args:
            title: Of the image.
            series: Of several images of one title.
            iteration: Your own count; images of another than 0 are named `title/series/3`.
            image: A Pillow image, or an array of height × width (× 1, 3 or 4 colours): whole
                numbers from 0 to 255, or floats from 0 to 1.
            local_path: In its place, the path of an image file.

        Raises:
            UsageError: there is not one of both, it is no image, there is no such file, or the task
                has ended.
        """
        name = _name(title, series, iteration)
        if (image is None) == (local_path is None):
            raise UsageError(
                f"report_image({title!r}, {series!r}, …) takes one image.",
                hint="pass image=array, or local_path='path/to/image.png'.",
            )
        if local_path is not None:
            path = _file(local_path, f"Image {name!r}")
            if self._log is not None:
                self._log.artifact(name, path)
        elif self._log is not None:
            with _drawn(image, series, f"Image {name!r}", self._log.settings.home) as path:
                self._log.artifact(name, path)

    def flush(self) -> None:
        """Send on what is held for a moment."""
        if self._log is not None:
            self._log.announce()

    def __repr__(self) -> str:
        return f"<Logger of task {self._log.task_id}>" if self._log else "<Logger of no task>"


def _name(title: Any, series: Any, iteration: Any = None) -> str:
    for what, text in (("title", title), ("series", series)):
        if not isinstance(text, str) or not text:
            raise UsageError(f"{what}={text!r} of what is reported is to be text.")
    name = join_name(title, series)
    if not iteration:
        return name
    if not isinstance(iteration, int):
        raise UsageError(f"iteration={iteration!r} is to be a whole number, or None.")
    return f"{name}/{iteration}"


def _file(path: Any, what: str) -> Path:
    try:
        found = Path(path)
    except TypeError:
        raise UsageError(f"{what}: {path!r} is to be the path of a file.") from None
    if not found.is_file():
        raise UsageError(
            f"{what} is to be the file {str(found)!r}, which is not there.",
            hint=f"the working folder is {Path.cwd()}.",
        )
    return found


@contextmanager
def _drawn(image: Any, series: str, what: str, home: Path) -> Iterator[Path]:
    """The image as a PNG file, which is there as long as the block goes on."""
    from tempfile import TemporaryDirectory

    from pipekit.artifacts.png import write_png

    (home / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in series)
    with TemporaryDirectory(dir=home / "tmp") as folder:
        path = Path(folder, f"{stem[:60]}.png")
        write_png(image, path, what)
        yield path
