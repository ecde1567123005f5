"""What a notebook shows where a cell ends with a run or a step. `drawing` owns how it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipekit.clock import SystemClock
from pipekit.control.run_text import RunTexts
from pipekit.errors import short
from pipekit.model.records import Kind

if TYPE_CHECKING:
    from pipekit.api.task import Task
    from pipekit.control.archive import Archive


def html_of(archive: Archive, task: Task) -> str:
    """A task as HTML. Never raises: where the store cannot be read, it is the plain `repr`."""
    from pipekit.drawing.page import plain_html, run_html, step_html  # for a notebook alone

    try:
        record, store, now = task.record, archive.store, SystemClock.now()
        origin_of = RunTexts(store).of
        artifacts = store.list_artifacts(record.id)
        if record.kind is Kind.STEP:
            return step_html(record, artifacts, origin_of=origin_of, now=now)
        steps = store.list_tasks(parent=record.id)[::-1]
        return run_html(record, steps, artifacts, origin_of=origin_of, now=now)
    except Exception:  # noqa: BLE001 - a notebook would show the traceback in place of the value
        return plain_html(_plain(task))


def _plain(task: Task) -> str:
    try:
        return repr(task)
    except Exception:  # noqa: BLE001 - its name is in the store that cannot be read
        return f"<Task {short(task.id)}>"
