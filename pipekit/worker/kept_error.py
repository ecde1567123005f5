"""Keeps the exceptions of failed steps as they are, with their frames, for a debugger that is to
look at them. Off unless asked for; of use where steps run in this process."""

from __future__ import annotations

_kept: dict[str, BaseException] | None = None


def keep_errors() -> None:
    """From now on errors of user code are kept."""
    global _kept
    _kept = {}


def keep(task_id: str, error: BaseException) -> None:
    """An attempt of a step has raised; the last one counts."""
    if _kept is not None:
        _kept[task_id] = error


def find_kept(task_id: str) -> BaseException | None:
    """What the last attempt of a step raised, where it ran in this process."""
    return None if _kept is None else _kept.get(task_id)
