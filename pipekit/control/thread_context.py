"""Gives threads that a pipeline function starts the run that it is in, so that components called
there are steps too. Without it they would be plain calls: not recorded, not cached, and silent.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial, wraps
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from pipekit.control.current import current_run

_lock = threading.Lock()
_carrying: list[bool] = []
_EXECUTORS, _POOLS = "concurrent.futures.thread", "multiprocessing.pool"


def carry_runs() -> None:
    """From now on `Thread.start`, and what gives a pool of threads something to do, hand on the
    caller's context where it is in a run. Idempotent; outside of runs nothing changes."""
    with _lock:
        if _carrying:
            return
        _carrying.append(True)
        _carry_into_threads()
        to_come: dict[str, Callable[[Any], None]] = {}
        for name, carry in ((_EXECUTORS, _carry_into_executors), (_POOLS, _carry_into_pools)):
            module = sys.modules.get(name)
            if module is not None:
                carry(module)
            else:
                to_come[name] = carry
        if to_come:
            sys.meta_path.insert(0, _PoolsToCome(to_come))


class _PoolsToCome:
    """Waits for the modules of thread pools, whose import costs too much to be made for nothing.
    (So does that of `importlib.abc`, whose `MetaPathFinder` this is in all but name.)"""

    def __init__(self, carriers: dict[str, Callable[[Any], None]]) -> None:
        self._carriers = carriers

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        carry = self._carriers.pop(fullname, None)
        if carry is None:
            return None
        if not self._carriers:
            sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_carry(module: ModuleType) -> None:
                execute(module)
                carry(module)

            spec.loader.exec_module = execute_and_carry  # type: ignore[method-assign]
        return spec


class _InContext:
    """A function that runs in the context of whoever gave it to a pool, in any of its threads."""

    __slots__ = ("_context", "_function")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._context = copy_context()
        self._function = function

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        # A copy: two threads cannot be in one context.
        return self._context.copy().run(self._function, *args, **kwargs)


def _carry_into_threads() -> None:
    start = threading.Thread.start

    @wraps(start)
    def start_in_run(self: threading.Thread) -> None:
        if current_run.get() is not None and not _is_pool_thread(self):
            self.run = partial(copy_context().run, self.run)  # type: ignore[method-assign]
        start(self)

    threading.Thread.start = start_in_run  # type: ignore[method-assign]


def _carry_into_executors(module: Any) -> None:
    _carry_by(module.ThreadPoolExecutor, "submit")


def _carry_into_pools(module: Any) -> None:
    for name in ("apply_async", "_map_async", "imap", "imap_unordered"):
        _carry_by(module.ThreadPool, name)


def _carry_by(pool: Any, name: str) -> None:
    """Have a method carry the run, whose first argument is the function to call."""
    method = getattr(pool, name)

    @wraps(method)
    def carry(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if current_run.get() is not None:
            if args:
                args = (_InContext(args[0]), *args[1:])
            elif "func" in kwargs:
                kwargs["func"] = _InContext(kwargs["func"])
        return method(self, *args, **kwargs)

    setattr(pool, name, carry)


def _is_pool_thread(thread: threading.Thread) -> bool:
    """A pool's thread outlives the run; what is given to it carries its own context."""
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", "") in (_EXECUTORS, _POOLS)
