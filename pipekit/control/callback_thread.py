"""The thread that the callbacks of a run are called in, one by one. Knows nothing of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue

CALLBACK_THREAD = "pipekit-callbacks"
"""The name of such a thread."""


class CallbackThread:
    """Calls what it is given in that order; the thread is made when the first is due.

    Each run that was started by itself has one, with the runs below it: a callback may start a run
    and wait for it. The thread is in no run: a component that a callback calls is a plain function.
    """

    __slots__ = ("_due", "_is_started", "_lock")

    def __init__(self) -> None:
        self._due: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._is_started = False
        self._lock = threading.Lock()

    def add(self, call: Callable[[], None]) -> None:
        """Have it called when all before it have returned. From any thread; `call` never raises."""
        self._due.put(call)
        with self._lock:
            if not self._is_started:
                self._is_started = True
                thread = threading.Thread(target=self._work, name=CALLBACK_THREAD, daemon=True)
                Context().run(thread.start)

    def end(self) -> None:
        """Nothing more is due. Idempotent."""
        if self._is_started:
            self._due.put(None)

    def _work(self) -> None:
        while (call := self._due.get()) is not None:
            call()
