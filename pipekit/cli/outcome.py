"""How a command ends: its exit code, and how an error reads on stderr."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pipekit.errors import NotFound, PipekitError, Stopped, StoreError, UsageError

if TYPE_CHECKING:
    from traceback import TracebackException

DONE = 0
FAILED = 1
WRONG_USE = 2
NO_STORE = 3
STOPPED = 130
PIPE_CLOSED = 141

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
"""What a stream that takes no more answers with."""

_PACKAGE = str(Path(__file__).parent.parent) + os.sep


class UserCodeFailed(Exception):
    """Code of the user's raised `error` outside of a run; its traceback is all there is to say."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def finish(action: Callable[[], int]) -> int:
    """Do what a command does, and say what stopped it; the exit code."""
    try:
        code = action()
        sys.stdout.flush()
    except (KeyboardInterrupt, Stopped) as stop:
        tell(f"Stopped: {stop}" if str(stop) else "Stopped.")
        return STOPPED
    except BrokenPipeError:
        _give_up_stdout()
        return PIPE_CLOSED
    except UnicodeEncodeError as error:
        tell(f"Error: stdout takes no {error.object[error.start]!a} ({error.encoding}).")
        tell("Hint: set PYTHONIOENCODING=utf-8.")
        return FAILED
    except UserCodeFailed as failed:
        tell(user_traceback(failed.error))
        return FAILED
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        _give_up_stdout()
        tell(f"Error: stdout cannot be written ({error.strerror}).")
        return FAILED
    except PipekitError as error:
        tell_error(error)
        return code_of(error)
    return code


def code_of(error: PipekitError) -> int:
    """The exit code for an error that no run is to blame for."""
    if isinstance(error, StoreError):
        return NO_STORE
    return WRONG_USE if isinstance(error, UsageError | NotFound) else FAILED


def tell(text: str) -> None:
    """Write text for people, with nothing in it that changes their terminal but colours. Does
    nothing where stderr is closed."""
    from pipekit.console.terminal import clean, has_colour  # where there is something to say

    stream = sys.stderr
    if stream is None:
        return
    keep_colours = has_colour(stream)
    lines = [clean(line, keep_colours=keep_colours) for line in text.split("\n")]
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass  # that is no reason to say nothing
    try:
        print("\n".join(lines), file=stream, flush=True)
    except (OSError, ValueError):
        pass  # there is nobody to tell


def tell_error(error: PipekitError) -> None:
    """`Error: …`, and on a line of its own `Hint: …`."""
    tell(f"Error: {error.message}")
    tell_hint(error)


def tell_hint(error: PipekitError) -> None:
    """What to type, where the error knows."""
    if error.hint:
        tell(f"Hint: {error.hint}")


def user_traceback(error: BaseException) -> str:
    """The traceback as Python prints it, without the frames of pipekit and of the import system."""
    from traceback import TracebackException  # 5 ms, where something went wrong

    shown = TracebackException.from_exception(error)
    _keep_user_frames(shown, set())
    return "".join(shown.format()).rstrip()


def last_user_frame(trace: TracebackType | None) -> str:
    """`flow.py:12, in train`: the innermost line of the user's; empty where there is none."""
    found = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_users(code.co_filename):
            found = f"{code.co_filename}:{trace.tb_lineno}, in {code.co_name}"
        trace = trace.tb_next
    return found


def is_users(file: str) -> bool:
    """Whether a frame of this file is neither pipekit's nor the import system's."""
    return not file.startswith((_PACKAGE, "<frozen "))


def _keep_user_frames(shown: TracebackException, seen: set[int]) -> None:
    if id(shown) in seen:
        return
    seen.add(id(shown))
    kept = [frame for frame in shown.stack if is_users(frame.filename)]
    shown.stack[:] = kept
    inner = [shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())]
    for other in inner:
        if other is not None:
            _keep_user_frames(other, seen)


def _give_up_stdout() -> None:
    """Whoever read stdout has closed it: what is still buffered must not raise at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError:
        pass
