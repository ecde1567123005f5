"""Which run the code that runs now belongs to. Light: every module of a user's imports it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipekit.control.run import Run

current_run: ContextVar[Run | None] = ContextVar("pipekit_run", default=None)
"""The run whose pipeline function this thread is in; None outside, and inside a step."""
