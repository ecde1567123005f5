"""Points at which a process can be made to die, so that tests see what is left behind there.

Off unless `PIPEKIT_CRASH` is set when pipekit is imported: passing a point then reads `armed`, and
that is all. Knows nothing of what happens around a point.
"""

from __future__ import annotations

import os

VARIABLE = "PIPEKIT_CRASH"
"""`point`, `point:nth`, or several of them between commas: the process that passes the point for
the nth time is ended by SIGKILL. Each process counts for itself; workers inherit the variable."""

ONCE = "PIPEKIT_CRASH_ONCE"
"""Path of a file that is not there: the process that makes it dies, all others live on."""

SIGNAL = "PIPEKIT_CRASH_SIGNAL"
"""Name of another signal than SIGKILL. It goes to the controller, from a worker too."""

PAUSE = "PIPEKIT_CRASH_PAUSE"
"""Seconds for which the point is held before the signal: other processes get so much further."""

POINTS = {
    "controller.run-begins": "A run has its id; nothing of it is recorded.",
    "controller.run-begun": "A run's first record is on its way, and its function is about to run.",
    "controller.resumed": "A run that was opened again is recorded as running; no step was called.",
    "controller.before-commit": "What happened is known to the controller alone.",
    "controller.in-commit": "All is written, and the transaction is open.",
    "controller.after-commit": "All is durable; nobody was told.",
    "controller.announced": "Ends were told; what rests on them has not started.",
    "controller.sent": "A worker has what it is to run, or a part of it.",
    "controller.received": "A worker's answers were taken from its socket, and not looked at.",
    "controller.run-ends": "All steps have ended; the run's own end is not recorded.",
    "controller.run-ended": "The run's end is durable; nobody was told.",
    "controller.closing": "A session is about to end its workers and to close its store.",
    "controller.in-migration": "Some statements of a migration were made.",
    "controller.collected": "A collection has deleted records, and none of the files.",
    "controller.blob-taken": "A collection has taken a blob out of its place to delete it.",
    "worker.starts": "A worker runs its first lines.",
    "worker.imported": "A component was imported and checked; the worker has called nothing of it.",
    "worker.before-reply": "An attempt is over, its large values are stored; no one was told.",
    "worker.replied": "An attempt's answer is in the socket.",
    "blob.staged": "All bytes of a blob are in a temporary file: a worker's, or an argument's.",
    "blob.renamed": "A blob is in its place, and no record speaks of it.",
}
"""What has happened, and what has not, where a process passes a point. The first word says who
passes it."""


def _parse(text: str) -> dict[str, int]:
    passings: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        point, _, nth = part.strip().partition(":")
        if point not in POINTS or not (nth or "1").isdigit() or int(nth or "1") < 1:
            raise ValueError(f"{VARIABLE}={text!r}: {part!r} is none of {', '.join(POINTS)}[:nth].")
        passings[point] = int(nth or "1")
    return passings


_left = _parse(os.environ.get(VARIABLE, ""))
"""Point -> how often it is still to be passed, this time included."""

armed = bool(_left)
"""Asked before `at` is called: what is off is to cost nothing."""


def at(point: str) -> None:
    """The process passes a point, and dies there if it was asked to."""
    left = _left.get(point)
    if left is None:
        return
    _left[point] = left - 1
    if left == 1 and _is_first():
        import signal
        import time

        time.sleep(float(os.environ.get(PAUSE, "0")))
        number = signal.Signals[os.environ.get(SIGNAL, "SIGKILL")]
        is_below = point.startswith("worker.") and number != signal.SIGKILL
        os.kill(os.getppid() if is_below else os.getpid(), number)


def _is_first() -> bool:
    path = os.environ.get(ONCE)
    if not path:
        return True
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True
