"""A step that waits on a queue, from its run's side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipekit.control.archive import Archive
from pipekit.control.loop import SelectorLoop
from pipekit.control.queued_step import QueuedSteps
from pipekit.model.failure import FailureKind
from pipekit.model.records import Change, Kind, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.ports import Assignment, Outcome
from pipekit.settings import read_settings


@pytest.fixture
def archive(home: Path) -> Iterator[Archive]:
    opened = Archive(read_settings())
    yield opened
    opened.close()


def test_one_that_is_stopped_before_it_is_recorded_as_waiting_does_not_wait(
    archive: Archive,
) -> None:
    store, staged = archive.store, []  # type: ignore[var-annotated]
    row = Task("fit", Kind.SCRIPT, "fit", "p", Status.PENDING, 1.0, TaskSpec("script:fit.py"))
    assert all(store.commit([Change("fit", create=row)]))
    step: Any = SimpleNamespace(
        task_id="fit", earlier=None, recorded=True, running_recorded=False, status=Status.PENDING,
        stop_reason="stopped by hand", use=SimpleNamespace(script=SimpleNamespace(queue="gpu")),
        run=SimpleNamespace(stop_reason="", stopping=None), started_at=None,
    )  # fmt: skip
    ended: list[Outcome] = []
    assignment = Assignment(
        component=None, function=lambda: None, task_id="fit", label="'fit'", number=1,
        arguments=b"", inputs=lambda: (), timeout_seconds=None, folder="", step=step,
        began=lambda: None, report=ended.append, logged=lambda _: None,
    )  # fmt: skip
    loop = SelectorLoop(lambda: None, lambda error: None)
    queued = QueuedSteps(
        loop, archive, stage=staged.append, stop_step=lambda *_: None, outputs=lambda _: ()
    )
    queued.add(assignment)
    queued.stop(assignment)
    assert all(store.commit(staged))  # at the end of the turn
    for _ in range(2):
        queued._look()
    assert store.list_queues() == []
    assert [outcome.failure_kind for outcome in ended] == [FailureKind.STOPPED]
