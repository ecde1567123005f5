"""Interrupts what runs in the main thread on a wish that comes from elsewhere, as Ctrl-C would.

Theory of operation. The wish is raised by the handler of a signal that means nothing else and that
is ignored by default: one that comes too late, after the handler is gone, does nothing. Only what
lies on the main thread's stack can be meant; the outermost that is asked to end goes first, and
while it is on its way out nothing in it is interrupted once more.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_WAKE = signal.SIGURG

stack: list[Interruptible] = []
"""What runs in the main thread, outermost first. Whoever enters takes the length, appends itself
inside of a `try`, and deletes from that length on in its `finally`: nothing there can be
interrupted."""


class Interruptible:
    """A piece of user code that runs, or is about to, in whatever thread."""

    __slots__ = ("is_asked", "is_raised", "reason")

    def __init__(self) -> None:
        self.is_asked = False
        self.is_raised = False
        """The interrupt was raised for this one, and not for one around it."""
        self.reason = ""

    def ask(self, reason: str) -> None:
        """Have it end with a KeyboardInterrupt, where it runs in the main thread of a process that
        listens; asked again, it is interrupted again. From any other thread."""
        self.reason = reason
        self.is_raised = False
        self.is_asked = True
        main = threading.main_thread().ident
        if self in stack and main is not None:
            signal.pthread_kill(main, _WAKE)


def is_main_thread() -> bool:
    """Whether this is the thread in which Python runs signal handlers."""
    return threading.get_ident() == threading.main_thread().ident


@contextmanager
def listening() -> Iterator[None]:
    """In the main thread, what is on the stack can be interrupted. Elsewhere, and where someone
    else has a handler for the signal, this does nothing."""
    if not is_main_thread() or signal.getsignal(_WAKE) is not signal.SIG_DFL:
        yield
        return
    signal.signal(_WAKE, _interrupt)
    try:
        yield
    finally:
        signal.signal(_WAKE, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for one in stack:
        if one.is_raised:
            return
        if one.is_asked:
            one.is_raised = True
            raise KeyboardInterrupt(one.reason)
