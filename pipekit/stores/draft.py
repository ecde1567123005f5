"""The rows that a batch of changes comes to. Owns the folding; knows no SQL and no connection.

Changes are judged one after the other against where their tasks stand, which each moves on. What
lands is gathered by table, so that a batch is a handful of statements: a task that is created,
started and completed within one batch is one row, inserted as it ended.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from pipekit.model.records import Attempt, Change, Closing, Edit, Task
from pipekit.stores.encoding import (
    encode_arguments,
    encode_failure,
    encode_inputs,
    encode_names,
    encode_needs,
    encode_outputs,
    encode_reads,
    encode_spec,
    encode_value,
)
from pipekit.stores.guard import Standing, admits, advance, standing_of

Rows = list[Any]
"""The values of any number of rows, one after the other, without a list a row."""


class Draft:
    """Takes changes in order; afterwards holds the rows to write.

    Args:
        standings: Where the known tasks of the batch stand. An id that is not here is unknown.
    """

    __slots__ = (
        "_artifacts",
        "_closings",
        "_contents",
        "_created",
        "_edits",
        "_events",
        "_memos",
        "_metrics",
        "_moved",
        "_opened",
        "_pending",
        "_renewed",
        "_standings",
    )  # fmt: skip

    def __init__(self, standings: dict[str, Standing]) -> None:
        self._standings = standings
        self._created: list[tuple[Task, Standing]] = []
        self._moved: dict[str, Standing] = {}
        self._opened: list[_Opened] = []
        self._pending: dict[str, _Opened] = {}
        self._closings: Rows = []
        self._artifacts: Rows = []
        self._contents: Rows = []
        self._memos: Rows = []
        self._edits: list[tuple[str, Edit]] = []
        self._events: Rows = []
        self._metrics: Rows = []
        self._renewed: Rows = []
        """Keys of memos that are to go before those that came are written."""

    def add(self, change: Change) -> bool:
        """Take the change if its guards hold, and say whether they did."""
        task_id = change.task_id
        standing = self._standings.get(task_id)
        if not admits(change, standing):
            return False
        if change.create is not None:
            standing = self._standings[task_id] = standing_of(change.create)
            self._created.append((change.create, standing))
        if standing is not None:
            self._take_guards(change, standing)
        self._take_rest(change)
        return True

    def _take_guards(self, change: Change, standing: Standing) -> None:
        task_id = change.task_id
        attempt = change.open
        if attempt is not None:
            opened = self._pending[task_id] = _Opened(attempt)
            self._opened.append(opened)
            standing.number = attempt.number
            standing.is_open = attempt.ended_at is None
        closing = change.close
        if closing is not None:
            standing.is_open = False
            if task_id in self._pending:
                self._pending[task_id].closing = closing
            else:
                self._closings.extend(_closing_row(task_id, closing))
        if change.move is not None:
            advance(standing, change.move)
            self._moved[task_id] = standing
        if change.edit is not None:
            self._edits.append((task_id, change.edit))

    def _take_rest(self, change: Change) -> None:
        task_id = change.task_id
        texts: dict[int, str] = {}
        for artifact in change.artifacts:
            value = artifact.value
            text = texts[id(value)] = encode_value(value)
            self._artifacts += (task_id, artifact.attempt, artifact.name, artifact.created_at, text)
        for content in change.contents:
            self._contents += content
        memo = change.memo
        if memo is not None:
            # The outputs of a memo are mostly the very values of the artifacts: encoded once.
            outputs = [
                (name, texts.get(id(value)) or encode_value(value)) for name, value in memo.outputs
            ]
            self._memos += (
                memo.key,
                memo.task_id,
                memo.run,
                memo.created_at,
                memo.duration_seconds,
                encode_outputs(outputs),
                encode_reads(memo.reads),
                memo.component,
            )
            if change.renews:
                self._renewed.append(memo.key)
        for event in change.events:
            self._events += (task_id, event.at, event.name._value_, event.attempt, event.detail)
        for metric in change.metrics:
            self._metrics += (
                task_id,
                metric.attempt,
                metric.name,
                None if metric.value != metric.value else metric.value,
                metric.at,
                metric.step,
            )

    def rows(self) -> tuple[Rows, ...]:
        """Tasks to insert, to update and to edit, attempts to update and to insert, the rest."""
        return (
            self._task_rows(),
            self._move_rows(),
            self._edit_rows(),
            self._closings,
            self._attempt_rows(),
            self._artifacts,
            self._contents,
            self._renewed,
            self._memos,
            self._events,
            self._metrics,
        )

    def _task_rows(self) -> Rows:
        rows: Rows = []
        for task, standing in self._created:
            rows += (
                task.id,
                task.kind._value_,
                task.name,
                task.project,
                task.created_at,
                task.type,
                task.version,
                encode_names(task.tags),
                task.parent,
                task.step_key,
                standing.queue,
                task.cloned_from,
                encode_spec(task.spec),
                encode_inputs(task.inputs if standing.inputs is None else standing.inputs),
                standing.status._value_,
                standing.reused_from,
                standing.started_at,
                standing.ended_at,
                standing.stop_requested_at,
                encode_failure(standing.failure),
                encode_needs(task.needs),
                encode_arguments(task.arguments),
                task.comment,
                standing.queued_at,
            )
        return rows

    def _attempt_rows(self) -> Rows:
        rows: Rows = []
        for opened in self._opened:
            rows += _attempt_row(opened.attempt, opened.closing)
        return rows

    def _move_rows(self) -> Rows:
        created = {task.id for task, _ in self._created} if self._moved else ()
        rows: Rows = []
        for task_id, standing in self._moved.items():
            if task_id not in created:
                rows += (
                    task_id,
                    standing.status._value_,
                    standing.reused_from,
                    standing.started_at,
                    standing.ended_at,
                    standing.stop_requested_at,
                    encode_failure(standing.failure),
                    None if standing.inputs is None else encode_inputs(standing.inputs),
                    standing.queue,
                    standing.queued_at,
                )
        return rows

    def _edit_rows(self) -> Rows:
        rows: Rows = []
        edits: dict[str, Edit] = {}
        for task_id, edit in self._edits:
            known = edits.get(task_id)
            edits[task_id] = edit if known is None else _after(known, edit)
        for task_id, edit in edits.items():
            rows += (
                task_id,
                None if edit.spec is None else encode_spec(edit.spec),
                edit.name,
                edit.project,
                edit.type,
                edit.version,
                None if edit.tags is None else encode_names(edit.tags),
                edit.comment,
            )
        return rows


def _after(first: Edit, second: Edit) -> Edit:
    """Both, where the second wins."""
    said = {field.name: getattr(second, field.name) for field in fields(Edit)}
    return replace(first, **{name: value for name, value in said.items() if value is not None})


class _Opened:
    __slots__ = ("attempt", "closing")

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.closing: Closing | None = None


def _closing_row(task_id: str, closing: Closing) -> Rows:
    return [
        task_id,
        closing.number,
        closing.at,
        closing.exit,
        encode_failure(closing.failure),
        closing.log_path,
        closing.log_start,
        closing.log_end,
        closing.cpu_seconds,
        closing.peak_bytes,
    ]


def _attempt_row(attempt: Attempt, closing: Closing | None) -> Rows:
    row: Rows = [
        attempt.task_id,
        attempt.number,
        attempt.started_at,
        attempt.host,
        attempt.pid,
        attempt.pid_started_at,
        attempt.agent,
        attempt.lease_until,
        attempt.heartbeat_at,
    ]
    if closing is None:
        row += (attempt.ended_at, attempt.exit, encode_failure(attempt.failure))
    else:
        row += (closing.at, closing.exit, encode_failure(closing.failure))
    # A closing that names no log leaves the one that the attempt was opened with.
    if closing is None or not closing.log_path:
        row += (attempt.log_path, attempt.log_start)
    else:
        row += (closing.log_path, closing.log_start)
    row.append(attempt.log_end if closing is None or closing.log_end is None else closing.log_end)
    if closing is None:
        row += (attempt.cpu_seconds, attempt.peak_bytes)
    else:
        row += (closing.cpu_seconds, closing.peak_bytes)
    return row
