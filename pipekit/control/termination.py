"""What SIGTERM and SIGHUP do while a run goes on in the main thread: they stop it as Ctrl-C does,
so that the run is recorded as stopped and the terminal is given back.

A child that user code forks dies of them as any process does. Python drops a signal that comes to a
child before it is ready for it, so they are held back while a fork goes on.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from pipekit.executors.interruption import is_main_thread

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_taken: list[signal.Signals] = []
"""Those that stop what runs now."""
_received: list[signal.Signals] = []
_told: list[Callable[[str], None]] = []
"""Called in the handler."""
_is_registered = False


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt in the main thread when one of the signals comes; one that is ignored
    (`nohup`), or that someone else handles, stays so. Elsewhere this does nothing."""
    taken = _take()
    try:
        yield
    finally:
        if taken:
            _let_go()


@contextmanager
def ended_by_signals(told: Callable[[str], None]) -> Iterator[None]:
    """The same, and afterwards the process ends by the signal, as whoever sent it expects. `told`
    is called with its name when it comes, in its handler."""
    taken = _take()
    if taken:
        _told.append(told)
    try:
        yield
    finally:
        if taken:
            _let_go()
            if _received:
                _end(_received[0])


def _take() -> bool:
    """Whether any of the signals was free to be taken."""
    global _is_registered
    if not is_main_thread() or _taken:
        return False
    free = [one for one in _SIGNALS if signal.getsignal(one) is signal.SIG_DFL]
    if not free:
        return False
    if not _is_registered:
        _is_registered = True
        os.register_at_fork(before=_hold_back, after_in_parent=_let_in, after_in_child=_leave)
    _received.clear()
    _taken[:] = free
    for one in free:
        signal.signal(one, _stop)
    return True


def _stop(number: int, _: FrameType | None) -> NoReturn:
    received = signal.Signals(number)
    _received.append(received)
    for told in _told:
        told(received.name)
    raise KeyboardInterrupt(received.name)


def _end(number: signal.Signals) -> None:
    """The handler is the system's again: this is the end, and nothing that Python holds is written
    out any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # closed
    os.kill(os.getpid(), number)


def _hold_back() -> None:
    if _taken:
        signal.pthread_sigmask(signal.SIG_BLOCK, _taken)


def _let_in() -> None:
    if _taken:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _taken)


def _leave() -> None:
    _let_go()
    _received.clear()


def _let_go() -> None:
    held = _taken[:]
    _taken.clear()
    _told.clear()
    for one in held:
        if signal.getsignal(one) is _stop:
            signal.signal(one, signal.SIG_DFL)
    if held:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
