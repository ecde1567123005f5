"""Waiting for futures without asking for their values, and getting from a future to its task."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from pipekit.api.future import find_futures, is_future, source_of
from pipekit.api.task import Task
from pipekit.clock import LOOK_UP_SECONDS
from pipekit.control.step import Step
from pipekit.errors import UsageError

T = TypeVar("T")


def as_completed(items: Iterable[T], *, timeout: float | None = None) -> Iterator[T]:
    """The items in the order in which they end, each as soon as it has.

    An item has ended when all futures in it have, well or not: a future, a tuple of the futures of
    one call, or any list, tuple or dict of futures. One without any comes at once. Never raises for
    a step that failed: touch its value, or ask `task_of(item).status`.

    Args:
        items: What component calls gave.
        timeout: Seconds to wait for all of them; None: as long as it takes.

    Raises:
        TimeoutError: the time was over before all had ended.
    """
    end = None if timeout is None else monotonic() + timeout
    ended: SimpleQueue[_Watch] = SimpleQueue()
    count = 0
    for item in items:
        count += 1
        steps = {id(step): step for future in find_futures(item) if (step := _step(future))}
        watch = _Watch(item, list(steps.values()), ended)
        for step in watch.steps:
            if not step.run.on_end(step, watch):
                watch.one_ended()
        watch.one_ended()  # all of its steps are watched now
    for left in range(count, 0, -1):
        first = _next(ended, end)
        if first is None:
            raise TimeoutError(f"{left} of {count} had not ended in {timeout:g} s.")
        for step in first.steps:
            if step.run.fatal is not None and not step.ended:
                raise step.run.fatal
        yield first.item


def _next(ended: SimpleQueue[_Watch], end: float | None) -> _Watch | None:
    while True:
        left = LOOK_UP_SECONDS if end is None else min(LOOK_UP_SECONDS, end - monotonic())
        try:
            return ended.get(timeout=max(0.0, left))
        except Empty:
            if left < LOOK_UP_SECONDS:
                return None


def wait(*futures: Any, timeout: float | None = None) -> bool:
    """Block until all futures in the arguments, in any nesting, have ended, well or not.

    Never raises for a step that failed: ask `task_of(future).status`, or touch the value.

    Args:
        futures: Futures, or lists, tuples and dicts of them.
        timeout: Seconds to wait at most; None: as long as it takes.

    Returns:
        Whether all have ended; False where the time was over first.
    """
    steps = {id(step): step for future in find_futures(futures) if (step := _step(future))}
    by_run: dict[Any, list[Step]] = {}
    for step in steps.values():
        by_run.setdefault(step.run, []).append(step)
    end = None if timeout is None else monotonic() + timeout
    return all(
        run.wait_for(group, None if end is None else max(0.0, end - monotonic()))
        for run, group in by_run.items()
    )


def task_of(future: Any) -> Task:
    """The task of the step that a future comes from. Does not wait for the step.

    Raises:
        UsageError: the argument is no future.
    """
    if not is_future(future):
        raise UsageError(
            f"task_of takes a future, not a {type(future).__qualname__}.",
            hint="pass what a component call gave, before it is used as a value.",
        )
    return Task.of_step(_step(future))


class _Watch:
    """Puts itself into a queue when the last step of its item has ended."""

    def __init__(self, item: Any, steps: list[Step], ended: SimpleQueue[_Watch]) -> None:
        self.item = item
        self.steps = steps
        self._ended = ended
        self._lock = threading.Lock()
        self._left = len(steps) + 1

    def one_ended(self) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._ended.put(self)

    give_up = one_ended


def _step(future: Any) -> Step:
    step = source_of(future)
    assert isinstance(step, Step)
    return step
