"""`--pdb`: a debugger where a step or the pipeline function failed. Looks, and changes nothing."""

from __future__ import annotations

import sys
from pdb import Pdb
from types import FrameType, TracebackType
from typing import Any

from pipekit.capture.ownership import PACKAGE, PIPEKIT, STANDARD, owner_of_file
from pipekit.cli.outcome import tell
from pipekit.errors import StepError, UsageError
from pipekit.worker.kept_error import find_kept


def check_terminal() -> None:
    """
    Raises:
        UsageError: nobody can type to a debugger.
    """
    if not sys.stdin or not sys.stdin.isatty():
        raise UsageError(
            "--pdb needs a terminal, and stdin is none.",
            hint="leave --pdb out; the traceback is printed without it.",
        )


def debug(error: BaseException) -> None:
    """Open the debugger at the user's frame where the step behind `error` raised, else where the
    pipeline function did; its end is the debugger's."""
    cause = _root_of(error)
    if isinstance(cause, StepError):
        tell(
            f"Step {cause.step!r} did not raise in this process, so the debugger shows the "
            "pipeline function."
        )
        cause = error
    trace = _without_plumbing(cause.__traceback__)
    if trace is None:
        tell("There is no frame of your code to look at.")
        return
    tell("Post mortem: 'w' shows where, 'u' and 'd' go up and down, 'q' ends it.")
    sys.last_value = cause  # where people look for it
    # Another thread's breakpoints are not ours to touch, so the debugger is one of our own.
    debugger = _Debugger(nosigint=True)
    debugger.reset()
    debugger.interaction(None, trace)


def _root_of(error: BaseException) -> BaseException:
    """What the step raised whose failure this is; through pipelines called in pipelines."""
    while isinstance(error, StepError):
        below = find_kept(error.task_id)
        if below is None and isinstance(error.__cause__, StepError):
            below = error.__cause__  # it was skipped for the failure of another
        if below is None:
            break
        error = below
    return error


class _Debugger(Pdb):
    """Begins at the innermost frame of the user's, not of the library that it has called."""

    def get_stack(
        self, f: FrameType | None, t: TracebackType | None
    ) -> tuple[list[tuple[FrameType, int]], int]:
        stack, index = super().get_stack(f, t)
        own = [i for i, (frame, _) in enumerate(stack) if _is_users(frame.f_code.co_filename)]
        return stack, own[-1] if own else index


def _is_users(file: str) -> bool:
    return owner_of_file(file).kind not in (PACKAGE, STANDARD, PIPEKIT)


def _without_plumbing(trace: TracebackType | None) -> Any:
    """The traceback from the first frame that is not pipekit's."""
    while trace is not None and owner_of_file(trace.tb_frame.f_code.co_filename).kind == PIPEKIT:
        trace = trace.tb_next
    return trace
