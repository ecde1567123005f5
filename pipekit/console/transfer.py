"""A bar on the terminal for a file that takes long to come or go."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any

_SHOWN_AFTER_SECONDS = 1.0


class TransferBar:
    """Hears how far a transfer has come, and shows that after a second, where stderr is a terminal.
    To be closed."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._began = monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._is_shown = sys.stderr.isatty()

    def __call__(self, done: int, total: int | None) -> None:
        if self._bar is None:
            if not self._is_shown or monotonic() - self._began < _SHOWN_AFTER_SECONDS:
                return
            self._show()
        self._bar.update(self._task, completed=done, total=total)

    def _show(self) -> None:
        from rich.console import Console  # 30 ms, for what takes longer
        from rich.markup import escape
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TimeRemainingColumn(), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._bar.start()
        self._task = self._bar.add_task(escape(self._label), total=None)

    def close(self) -> None:
        """Take it away. Idempotent."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._is_shown = False

    def __enter__(self) -> TransferBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
