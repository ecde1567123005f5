"""Why steps run that might have been reused, asked in a thread of its own. Owns when that is worth
a query; what the answer is, its callable knows.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

_ASK_AFTER_SECONDS = 0.5
"""Of a step's running: a shorter one needs no explanation."""
_PAUSE_SECONDS = 0.25
"""Between two queries."""


class Reasons:
    """Reasons by step's id. `ask` and `take` never wait."""

    def __init__(self, why: Callable[[str], str]) -> None:
        """`why` may raise, and take its time; it is called from one thread at a time."""
        self._why = why
        self._lock = threading.Lock()
        self._asked: deque[tuple[float, str]] = deque()
        self._open: dict[str, str] = {}
        """The steps that run, and what is known of them."""
        self._is_asking = False

    def ask(self, task_id: str) -> None:
        """The step is running: find out why, if it goes on."""
        with self._lock:
            if task_id in self._open:
                return
            self._open[task_id] = ""
            self._asked.append((monotonic() + _ASK_AFTER_SECONDS, task_id))
            if self._is_asking:
                return
            self._is_asking = True
        try:
            threading.Thread(target=self._work, name="pipekit-why", daemon=True).start()
        except RuntimeError:  # no thread can be had: nobody asks
            with self._lock:
                self._is_asking = False

    @property
    def has_open(self) -> bool:
        """Whether there is any step of which something may be known."""
        return bool(self._open)

    def find(self, task_id: str) -> str:
        """What is known of a step by now."""
        return self._open.get(task_id, "")

    def take(self, task_id: str) -> str:
        """The same, of one that has ended; it is then forgotten."""
        return self._open.pop(task_id, "")

    def _work(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                while self._asked and self._asked[0][1] not in self._open:
                    self._asked.popleft()  # it has ended
                if not self._asked:
                    self._is_asking = False
                    return
                due, task_id = self._asked[0]
            wait = due - monotonic()
            if wait > 0:
                pause.wait(min(wait, _PAUSE_SECONDS))
                continue
            self._asked.popleft()
            self._answer(task_id)
            pause.wait(_PAUSE_SECONDS)

    def _answer(self, task_id: str) -> None:
        try:
            reason = self._why(task_id)
        except Exception:  # noqa: BLE001 - a store that is gone: the run says so itself
            reason = ""
        with self._lock:
            if task_id in self._open:
                self._open[task_id] = reason
