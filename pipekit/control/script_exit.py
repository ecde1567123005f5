"""How the process of a script ends, as far as Python tells: returned, raised, an exit status, a
signal. What it cannot tell (SIGKILL, `os._exit`) others find: the recorded process is gone.

Theory of operation. An exception that ends the script comes to `sys.excepthook`; an exit status
does not: the interpreter takes it from the attribute `code` of the `SystemExit` that has left the
outermost frame, and then calls what is registered with `atexit`. So that attribute is watched: it
is asked for where no frame of Python's is on the stack by the interpreter alone.

What is asked to stop is interrupted as by Ctrl-C. One that catches that and comes to its normal end
has completed.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import signal
import sys
import threading
import traceback
from time import sleep
from types import FrameType, TracebackType
from typing import Any, NoReturn

from pipekit.console.note import note
from pipekit.control.script import (
    FAILURE_VARIABLE,
    LIFELINE_VARIABLE,
    ScriptRun,
    failure_of,
)
from pipekit.errors import PipekitError
from pipekit.executors.interruption import is_main_thread
from pipekit.liveness import this_pid
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.status import Transition

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_KILL_AFTER_SECONDS = 5.0
_taking: list[ScriptExit] = []
"""Those whose handlers stand."""
_forking = threading.local()


class ScriptExit:
    """Ends the record of a script's task when its process ends. Made once a task, in that
    process."""

    def __init__(self, run: ScriptRun) -> None:
        self._run = run
        self._pid = this_pid()
        self._raised: Failure | None = None
        self._asked = ""
        """Why it is to stop."""
        self._signal = 0
        self._failure_path = os.environ.pop(FAILURE_VARIABLE, "")
        self._hook = sys.excepthook
        sys.excepthook = self._note_error
        _watch_exit_status()
        atexit.register(self._ended)
        run.on_stop = self._stop
        self._taken: list[signal.Signals] = []
        if is_main_thread():
            self._take_signals()
        lifeline, _, parent = os.environ.pop(LIFELINE_VARIABLE, "").partition(":")
        if parent == str(os.getppid()) and not run.is_own:
            threading.Thread(target=_end_with, args=(int(lifeline),), daemon=True).start()

    def _take_signals(self) -> None:
        if not self._run.is_own and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # Whoever has started this process stops it so, wherever it was itself started from.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in _SIGNALS:
            if signal.getsignal(one) is signal.SIG_DFL:
                signal.signal(one, self._interrupt)
                self._taken.append(one)
        _watch_forks()
        _taking.append(self)

    def let_go(self) -> None:
        """The end of this process says nothing of the task any more."""
        atexit.unregister(self._ended)
        if sys.excepthook == self._note_error:
            sys.excepthook = self._hook
        self.give_signals_back()

    def give_signals_back(self) -> None:
        """They do again what they do without pipekit. In the main thread."""
        for one in self._taken:
            if signal.getsignal(one) == self._interrupt:
                signal.signal(one, signal.SIG_DFL)
        self._taken.clear()

    def leave(self) -> None:
        """What whoever started this process cannot see from outside, where it is to be seen now."""
        _leave(self._failure_path, self._failure())

    def _note_error(
        self, cls: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if this_pid() != self._pid:
            self._hook(cls, error, trace)
            return
        if not issubclass(cls, KeyboardInterrupt):
            text = "".join(traceback.format_exception(cls, error, trace))
            self._raised = failure_of(error, text)
        else:
            why = self._asked or "stopped by Ctrl-C"
            self._raised = Failure(FailureKind.STOPPED, why)
            if self._signal:  # a shell that sent it expects this, and nobody a traceback
                raise SystemExit(128 + self._signal)
        self._hook(cls, error, trace)

    def _interrupt(self, number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        self._asked, self._signal = self._asked or f"stopped by {name}", number
        raise KeyboardInterrupt(name)

    def _stop(self) -> None:
        """Someone wants the task to stop. In a thread of its own, which waits for the end."""
        self._asked = "stopped by 'pipekit stop'"
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        number = signal.SIGTERM if ignored else signal.SIGINT
        main = threading.main_thread()
        patience = self._run.archive.settings.stop_seconds
        for seconds in (patience, min(patience, _KILL_AFTER_SECONDS)):
            if main.is_alive() and main.ident is not None:
                signal.pthread_kill(main.ident, number)
            if self._run.wait_for_end(seconds):
                return
        self._run.end(Transition.STOPPED, failure=Failure(FailureKind.STOPPED, self._asked))
        os.kill(os.getpid(), signal.SIGKILL)

    def _failure(self) -> Failure | None:
        """Why it did not complete; None where it did."""
        if self._raised is not None:
            return self._raised
        status = exit_status()
        if status is None or (isinstance(status, int) and status == 0):
            return None
        if self._asked:
            return Failure(FailureKind.STOPPED, self._asked)
        if isinstance(status, int):
            return Failure(FailureKind.EXITED, f"it ended with exit code {status}")
        return Failure(FailureKind.EXITED, f"it ended with: {status}")

    def _ended(self) -> None:
        if this_pid() != self._pid or self._run.is_over:
            return
        failure = self._failure()
        try:
            if self._run.is_own:
                self._run.end(transition_of(failure), failure=failure)
            else:
                self._run.leave()
                _leave(self._failure_path, failure)
        except PipekitError as error:
            note(f"the end of task {self._run.name!r} was not recorded: {error}")


_is_watching_forks = False


def _watch_forks() -> None:
    """A forked child ends by a signal as it would without pipekit. Python drops one that comes to
    the child before it is ready for it, so they are held back while a fork goes on."""
    global _is_watching_forks
    if not _is_watching_forks:
        _is_watching_forks = True
        os.register_at_fork(
            before=_hold_back, after_in_parent=_let_in, after_in_child=_leave_parent
        )


def _hold_back() -> None:
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _let_in() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _leave_parent() -> None:
    for exit_ in _taking:
        exit_.give_signals_back()
    _taking.clear()
    _let_in()


def _end_with(lifeline: int) -> None:
    """End this process, with what it has started, when the one that has started it is gone: nobody
    would record its end, and another may have been given its task."""
    os.set_inheritable(lifeline, False)
    try:
        os.read(lifeline, 1)
    except OSError:
        return
    leads = os.getpgrp() == os.getpid()
    for number in (signal.SIGINT, signal.SIGKILL):
        os.killpg(0, number) if leads else os.kill(os.getpid(), number)
        sleep(_KILL_AFTER_SECONDS)


def transition_of(failure: Failure | None) -> Transition:
    """What happened to a task that ended so."""
    if failure is None:
        return Transition.COMPLETED
    stopped = failure.kind is FailureKind.STOPPED
    return Transition.STOPPED if stopped else Transition.FAILED


class _Code:
    """Stands for `SystemExit.code`, and notes what the interpreter is told by it."""

    status: Any = None

    def __init__(self, plain: Any) -> None:
        self._plain = plain

    def __get__(self, error: Any, cls: Any = None) -> Any:
        if error is None:
            return self
        found = self._plain.__get__(error, cls)
        try:
            sys._getframe(1)
        except ValueError:
            _Code.status = found
        return found

    def __set__(self, error: Any, value: Any) -> None:
        self._plain.__set__(error, value)


def exit_status() -> Any:
    """What `SystemExit` has told the interpreter; None where it was not told, or told None."""
    return _Code.status


def _watch_exit_status() -> None:
    plain = SystemExit.__dict__["code"]
    if isinstance(plain, _Code):
        return
    (attributes,) = gc.get_referents(SystemExit.__dict__)
    attributes["code"] = _Code(plain)
    # What was looked up before is not to be taken from the interpreter's cache.
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(SystemExit))
    if sys.version_info < (3, 12):
        _raise_instances()


def _raise_instances() -> None:
    """Until Python 3.12 what `sys.exit` raises is no instance yet, which would be asked."""
    plain = sys.exit
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get("exit") is plain:
            module.__dict__["exit"] = _exit


def _exit(status: Any = None, /) -> NoReturn:
    raise SystemExit(status)


def _leave(path: str, failure: Failure | None) -> None:
    if failure is not None and path:
        said = (failure.kind.value, failure.message, failure.traceback, failure.exception)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(said, file)


def read_failure(path: str) -> Failure | None:
    """What a process has left by `FAILURE_VARIABLE`; None where it has not."""
    try:
        with open(path, encoding="utf-8") as file:
            kind, message, trace, exception = json.load(file)
        return Failure(FailureKind(kind), message, trace, exception)
    except (OSError, ValueError, TypeError):
        return None
