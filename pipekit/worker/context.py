"""Whether the code that runs now is a step's."""

from __future__ import annotations

from contextvars import ContextVar

inside_step: ContextVar[bool] = ContextVar("pipekit_inside_step", default=False)
"""True while a component's function runs as a step, in whatever process."""
