"""Where ClearML's pipelines run: what the script has asked for so far, in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pipekit.clearml.unused import warn

if TYPE_CHECKING:
    from pipekit.clearml.decorated import DecoratedPipeline
    from pipekit.control.run import Run


class Mode(StrEnum):
    """Where a pipeline runs that is called."""

    QUEUED = "queued"
    """It waits on a queue for an agent, as in ClearML nothing else was asked for."""
    HERE = "here"
    """Here, its steps in worker processes: `run_locally()`."""
    DEBUG = "debug"
    """Here, each step at its call: `debug_pipeline()`."""


@dataclass(slots=True)
class _State:
    mode: Mode = Mode.QUEUED
    queue: str = ""
    told: set[str] = field(default_factory=set)


_asked = _State()


conducted: WeakKeyDictionary[Run, DecoratedPipeline] = WeakKeyDictionary()
"""The runs that go on in this process, and of what."""


def mode() -> Mode:
    return _asked.mode


def set_mode(mode: Mode) -> None:
    _asked.mode = mode


def set_default_queue(name: str) -> None:
    """The queue of the steps whose components name none."""
    _asked.queue = name or ""


def say_queue_unused(queue: str) -> None:
    """Name, once each, a queue that steps were to wait on: they run in the process of their run.
    Nothing is said where everything runs here because the script asked for that."""
    queue = queue or _asked.queue
    if not queue or _asked.mode is not Mode.QUEUED or queue in _asked.told:
        return
    _asked.told.add(queue)
    warn(
        f"Steps do not wait on queue {queue!r}: they run in worker processes beside their "
        "pipeline, on the machine of the agent that took it."
    )
