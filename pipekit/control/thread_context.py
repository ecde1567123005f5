"""Gives threads that a pipeline function starts the run that it is in, so that components called
there are steps too. Without it they would be plain calls: not recorded, not cached, and silent.
"""

from __future__ import annotations

import sys
import threading
from contextvars import copy_context
from functools import partial, wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from pipekit.control.current import current_run

_lock = threading.Lock()
_carrying: list[bool] = []
_POOLS = "concurrent.futures.thread"


def carry_runs() -> None:
    """From now on `Thread.start`, and `submit` of thread pools, hand on the caller's context where
    it is in a run. Idempotent; outside of runs nothing changes."""
    with _lock:
        if _carrying:
            return
        _carrying.append(True)
        _carry_into_threads()
        pools = sys.modules.get(_POOLS)
        if pools is not None:
            _carry_into_pools(pools)
        else:
            sys.meta_path.insert(0, _PoolsToCome())


class _PoolsToCome(MetaPathFinder):
    """Waits for the module of thread pools, whose import costs too much to be made for nothing."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != _POOLS:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_carry(module: ModuleType) -> None:
                execute(module)
                _carry_into_pools(module)

            spec.loader.exec_module = execute_and_carry  # type: ignore[method-assign]
        return spec


def _carry_into_threads() -> None:
    start = threading.Thread.start

    @wraps(start)
    def start_in_run(self: threading.Thread) -> None:
        if current_run.get() is not None and not _is_pool_thread(self):
            self.run = partial(copy_context().run, self.run)  # type: ignore[method-assign]
        start(self)

    threading.Thread.start = start_in_run  # type: ignore[method-assign]


def _carry_into_pools(pools: Any) -> None:
    submit = pools.ThreadPoolExecutor.submit

    @wraps(submit)
    def submit_in_run(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if current_run.get() is not None:
            fn = partial(copy_context().run, fn)
        return submit(self, fn, *args, **kwargs)

    pools.ThreadPoolExecutor.submit = submit_in_run


def _is_pool_thread(thread: threading.Thread) -> bool:
    """A pool's thread outlives the run; what is submitted to it carries its own context."""
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", "") == _POOLS
