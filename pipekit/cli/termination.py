"""What SIGTERM and SIGHUP do to a command: they stop it as Ctrl-C does, so that the run is recorded
as stopped and the terminal is given back.

A child that user code forks dies of them as any process does. Python drops a signal that comes to a
child before it is ready for it, so they are held back while a fork goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_taken: list[signal.Signals] = []
"""Those that stop the command now."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt in the main thread when one of the signals comes; one that is ignored
    (`nohup`) stays so. Once a process."""
    os.register_at_fork(before=_hold_back, after_in_parent=_let_in, after_in_child=_let_go)
    _taken[:] = [one for one in _SIGNALS if signal.getsignal(one) is signal.SIG_DFL]
    for one in _taken:
        signal.signal(one, _stop)
    try:
        yield
    finally:
        _let_go()


def _stop(number: int, _: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _hold_back() -> None:
    if _taken:
        signal.pthread_sigmask(signal.SIG_BLOCK, _taken)


def _let_in() -> None:
    if _taken:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _taken)


def _let_go() -> None:
    held = _taken[:]
    _taken.clear()
    for one in held:
        if signal.getsignal(one) is _stop:
            signal.signal(one, signal.SIG_DFL)
    if held:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
