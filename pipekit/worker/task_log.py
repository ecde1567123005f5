"""What a task's code logs while it runs: numbers, artifacts, progress. Owns when they are sent on;
recording them is the controller's matter.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Collection
from contextvars import ContextVar
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from pipekit.errors import UsageError
from pipekit.liveness import this_pid
from pipekit.model.name import check_name
from pipekit.worker.message import Logged, LoggedMetric, Output

if TYPE_CHECKING:
    from pipekit.artifacts.store import ArtifactStore
    from pipekit.settings import Settings

_SEND_EVERY_SECONDS = 0.2
_MOST_HELD = 256
_NEVER = float("-inf")
TEXT = "text"
"""Name of the artifact that holds the lines which were logged, and not printed."""


class TaskLog:
    """The log of one attempt. Thread-safe.

    Numbers that come quickly are held for a moment and sent together; what is held when a process
    is killed is lost, at most `_SEND_EVERY_SECONDS` of it.
    """

    __slots__ = (
        "_artifacts", "_is_closed", "_lock", "_metrics", "_outputs", "_pid", "_progress", "_send",
        "_sent_at", "_texts", "_timer", "_token", "settings", "task_id",
    )  # fmt: skip

    def __init__(
        self,
        task_id: str,
        *,
        settings: Settings,
        token: int,
        outputs: Collection[str],
        artifacts: ArtifactStore,
        send: Callable[[Logged], None],
    ) -> None:
        """`outputs` are the names that logged artifacts cannot have; `send` is called in whatever
        thread logs."""
        self.task_id = task_id
        self.settings = settings
        """Of the home that the task is recorded in."""
        self._token = token
        self._outputs = outputs
        self._artifacts = artifacts
        self._send = send
        self._pid = this_pid()
        self._lock = threading.Lock()
        self._metrics: list[LoggedMetric] = []
        self._progress: tuple[float, float | None] | None = None
        self._sent_at = _NEVER
        self._texts: list[str] | None = None
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def metric(self, name: str, value: Any, step: int | None) -> None:
        """See `pipekit.log_metric`."""
        logged = LoggedMetric(_name(name, "metric"), _number(value, name), _step(step), time())
        with self._open():
            self._metrics.append(logged)
            self._send_soon()

    def progress(self, done: float, total: float | None) -> None:
        """See `pipekit.report_progress`."""
        held = (_number(done, "done"), None if total is None else _number(total, "total"))
        with self._open():
            self._progress = held
            self._send_soon()

    def artifact(self, name: str, value: Any) -> None:
        """See `pipekit.log_artifact`."""
        if _name(name, "artifact") in self._outputs:
            raise UsageError(
                f"An artifact cannot be logged as {name!r}: that is the name of what the "
                "component returns.",
                hint="give it another name.",
            )
        stored, content = self._artifacts.put(value, where=f"Artifact {name!r}")
        with self._open():
            self._flush((Output(name, stored, content),))

    def text(self, line: str) -> None:
        """Keep a line beside the console: all of them are the artifact `text`."""
        with self._open():
            texts = self._texts = [*(self._texts or ()), line]
        self.artifact(TEXT, "\n".join(texts))

    def announce(self) -> None:
        """Have the controller record the task as it stands, if it has not yet."""
        with self._open():
            self._flush(always=True)

    def close(self) -> None:
        """Send what is held; nothing can be logged afterwards. Idempotent."""
        if this_pid() != self._pid:
            return  # a forked child: the log is its parent's
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._is_closed:
                self._flush()
            self._is_closed = True

    def _open(self) -> threading.Lock:
        if this_pid() != self._pid:
            raise UsageError(
                "Nothing can be logged from a process that a step has started itself.",
                hint="hand the value to the step's own process, and log it there.",
            )
        if self._is_closed:
            raise UsageError(
                f"Nothing can be logged to task {self.task_id} any more: it has ended.",
                hint="let the step wait for the threads that it starts.",
            )
        return self._lock

    # the caller holds the lock

    def _send_soon(self) -> None:
        waited = monotonic() - self._sent_at
        if waited >= _SEND_EVERY_SECONDS or len(self._metrics) >= _MOST_HELD:
            self._flush()
        elif self._timer is None:
            self._timer = threading.Timer(_SEND_EVERY_SECONDS - waited, self._flush_due)
            self._timer.daemon = True
            self._timer.start()

    def _flush_due(self) -> None:
        with self._lock:
            self._timer = None
            if not self._is_closed:
                self._flush()

    def _flush(self, artifacts: tuple[Output, ...] = (), *, always: bool = False) -> None:
        if not (always or artifacts or self._metrics or self._progress):
            return
        logged = Logged(self._token, tuple(self._metrics), artifacts, self._progress)
        self._metrics, self._progress = [], None
        self._sent_at = monotonic()
        try:
            self._send(logged)
        except OSError:
            pass  # the controller is gone, and so will be this process


inside_step: ContextVar[TaskLog | None] = ContextVar("pipekit_inside_step", default=None)
"""The log of the step whose function runs, in whatever process; None outside of steps."""

_only: list[TaskLog] = []
"""The log of the one step that runs in this process, where it runs one at a time."""


_script: list[TaskLog] = []
"""The log of the task of the script that this process runs, where it has one."""


def script_log(log: TaskLog | None) -> None:
    """In a process that is a script with a task of its own: its log."""
    _script[:] = [] if log is None else [log]


def current_script() -> TaskLog | None:
    """The log of this process's script; None where that has no task."""
    return _script[0] if _script else None


def only_step(log: TaskLog | None) -> None:
    """In a process that runs one step at a time: which it is, for the threads that it starts."""
    _only[:] = [] if log is None else [log]


def current_step() -> TaskLog | None:
    """The log of the step that the calling code belongs to; None outside of steps."""
    return inside_step.get() or (_only[0] if _only else None)


def _name(name: Any, what: str) -> str:
    if not isinstance(name, str) or not name:
        raise UsageError(f"The name of a logged {what} is to be text, not {name!r}.")
    return check_name(name, f"Logged {what}")


def _number(value: Any, name: str) -> float:
    try:
        if isinstance(value, str | bytes | bytearray):
            raise TypeError
        return float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{name}={value!r} cannot be logged: it is to be a number, not a "
            f"{type(value).__qualname__}.",
            hint="log other values with log_artifact(name, value).",
        ) from error


def _step(step: Any) -> int | None:
    try:
        return None if step is None else operator.index(step)
    except TypeError as error:
        raise UsageError(f"step={step!r} is to be a whole number, or None.") from error
