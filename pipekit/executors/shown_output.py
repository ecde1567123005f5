"""Hands on what an attempt writes to its console while it runs, for who watches the run. Owns no
file: the worker writes its log by itself.
"""

from __future__ import annotations

from pipekit.executors.worker_process import WorkerProcess
from pipekit.ports import Assignment
from pipekit.worker.message import Broke, Done

_SHOWN_BYTES = 65536
"""Of what an attempt writes between two looks, this much of its end is handed on."""


def hand_on_output(worker: WorkerProcess, assignment: Assignment, start: int, end: int) -> None:
    """Tell what the attempt, whose console begins at `start`, has written up to `end`."""
    begin = max(start, assignment.shown_to)
    if assignment.wrote is None or end <= begin:
        return
    left_out = max(0, end - begin - _SHOWN_BYTES)
    try:
        with worker.log.open("rb") as file:
            file.seek(begin + left_out)
            data = file.read(end - begin - left_out)
    except OSError:
        return
    assignment.shown_to = end
    assignment.wrote(data, left_out)


def written_to(message: Done | Broke) -> int:
    """Where the console of an attempt ends, without the traceback that its worker adds."""
    if isinstance(message, Done):
        return message.log_end
    return message.log_end - len(message.traceback.encode(errors="backslashreplace"))
