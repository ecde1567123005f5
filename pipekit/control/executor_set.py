"""The executors of a session by mode, each made when it is first needed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from pipekit.capture.fingerprint import Fingerprinter
from pipekit.control.archive import Archive
from pipekit.errors import UnknownExecutor
from pipekit.executors.machine import find_gpus, memory_bytes, usable_cpus
from pipekit.origin import MAIN, stable_name
from pipekit.ports import Executor, Loop

if TYPE_CHECKING:
    from pipekit.executors.capacity import Capacity

KNOWN_EXECUTORS = ("inline", "process")


class ExecutorSet:
    """Executors by the word of their mode: `inline`, `process`, `process:4`.

    Used in the loop's thread; the inline one also by the threads that it runs steps in.
    """

    def __init__(self, loop: Loop, archive: Archive, fingerprinter: Fingerprinter) -> None:
        self._loop = loop
        self._archive = archive
        self._fingerprinter = fingerprinter
        self._made: dict[str, Executor] = {}
        self._kept: dict[str, Executor] = {}
        self._known = self._surroundings()
        self._capacity: Capacity | None = None

    def add(self, mode: str, executor: Executor) -> None:
        """Have an executor that others made under the name `mode`."""
        self._kept[mode] = executor

    def get(self, mode: str) -> Executor:
        """The executor of a mode that `parse_executor` takes."""
        found = self._made.get(mode) or self._kept.get(mode)
        if found is None:
            if not self._made:
                self._known = self._surroundings()
            found = self._made[mode] = self._make(mode)
        return found

    def refresh(self) -> None:
        """Between runs: workers that were started in other surroundings than now are ended."""
        now = self._surroundings()
        if now != self._known:
            self._known = now
            self.stop()

    def _surroundings(self) -> tuple[dict[str, str], list[str]]:
        return dict(os.environ), list(sys.path)

    def stop(self) -> None:
        """End every attempt at once; the next `get` starts anew."""
        for executor in (*self._made.values(), *self._kept.values()):
            executor.close()
        self._made.clear()
        self._capacity = None  # surroundings say what there is

    def _make(self, mode: str) -> Executor:
        kind, workers = parse_executor(mode)
        if kind == "inline":
            from pipekit.executors.inline import InlineExecutor
            from pipekit.worker.runner import Runner

            runner = Runner(
                self._archive.artifacts,
                lambda: self._fingerprinter,
                self._archive.settings,
                self._archive.places,
            )
            return InlineExecutor(self._loop, runner, self._archive.clock.now)
        from pipekit.executors.process import ProcessExecutor

        settings = self._archive.settings
        return ProcessExecutor(
            self._loop,
            self._worker_setup(),
            workers=workers,
            capacity=self._machine(),
            folder=settings.home,
            log_limit_bytes=settings.log_limit_bytes,
            now=self._archive.clock.now,
        )

    def _machine(self) -> Capacity:
        """What there is, and what of it is taken: one for all pools."""
        if self._capacity is None:
            from pipekit.executors.capacity import Capacity

            gpus = find_gpus(self._archive.settings.gpus)
            self._capacity = Capacity(cpus=usable_cpus(), memory=memory_bytes(), gpus=gpus)
        return self._capacity

    def _worker_setup(self) -> Any:
        from pipekit.worker.message import Setup

        settings = self._archive.settings
        main_module = stable_name(MAIN)
        main = sys.modules.get(MAIN)
        return Setup(
            sys_path=list(sys.path),
            argv=list(sys.argv),
            main_module="" if main_module == MAIN else main_module,
            main_path=getattr(main, "__file__", None) or "",
            python_path=os.environ.get("PYTHONPATH"),
            settings=settings,
            key=self._archive.key(),
        )


def parse_executor(name: str) -> tuple[str, int]:
    """`process:8` -> (`process`, 8); without a number, as many workers as usable CPUs.

    Raises:
        UnknownExecutor: no such executor.
    """
    kind, _, count = name.partition(":")
    if kind not in KNOWN_EXECUTORS or (count and (kind != "process" or not count.isdigit())):
        raise UnknownExecutor(name=name, known=KNOWN_EXECUTORS)
    workers = int(count) if count else usable_cpus()
    if workers < 1:
        raise UnknownExecutor(name=name, known=KNOWN_EXECUTORS)
    return kind, workers
