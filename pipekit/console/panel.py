"""How what goes on at this moment reads, as a few lines for the bottom of a screen. Pure; `screen`
puts them there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pipekit.console.board import Board, Progress, RunBoard, RunningStep
from pipekit.console.quantity import seconds_text
from pipekit.console.terminal import COLOURS, Marks, cells, cut
from pipekit.errors import short

_WIDEST_NAME = 28
_WIDEST_BAR = 24
_NARROW = 60
"""Columns below which bars and ids are left out."""
_WORDS = ("failed", "skipped", "stopped", "completed", "reused", "kept")

Part = tuple[str, str]
"""A style of `COLOURS` or none, and a text."""


class _Row(NamedTuple):
    depth: int
    name: str
    parts: tuple[Part, ...]


class Panel:
    """Draws a board for one terminal."""

    def __init__(
        self, marks: Marks, *, has_colour: bool, find_reason: Callable[[str], str]
    ) -> None:
        """`find_reason` gives why a step of this id runs, where that is known."""
        self._marks = marks
        self._has_colour = has_colour
        self._find_reason = find_reason

    def draw(self, board: Board, *, columns: int, height: int, now: float) -> list[str]:
        """At most `height` lines, none wider than `columns`."""
        roots = board.roots
        lines: list[str] = []
        for number, run in enumerate(roots):
            room = (height - len(lines)) // (len(roots) - number)
            if room > 0:
                lines += self._run(board, run, columns=columns, height=room, now=now)
        return lines

    def _run(
        self, board: Board, run: RunBoard, *, columns: int, height: int, now: float
    ) -> list[str]:
        bar = min(_WIDEST_BAR, columns // 5) if columns >= _NARROW else 0
        head = self._joined(self._head(run, bar, columns, now), columns)
        rows = self._rows(board, run, 1, bar, now, folded=False)
        if len(rows) >= height:
            rows = self._rows(board, run, 1, bar, now, folded=True)
        room = height - 1
        if len(rows) > room:
            more = len(rows) - room + 1
            rows = rows[: max(0, room - 1)]
            if room > 0:
                rows.append(_Row(1, f"{self._marks.ellipsis} and {more} more", ()))
        width = min(_WIDEST_NAME, max((2 * r.depth + cells(r.name) for r in rows), default=0))
        return [head, *(self._line(row, width, columns) for row in rows)]

    def _head(self, run: RunBoard, bar: int, columns: int, now: float) -> list[Part]:
        counts, running = run.counts, len(run.running)
        waiting = run.called - run.over - running
        name = f"{self._marks.began} {run.facts.name}"
        parts: list[Part] = [("began", name)]
        if columns >= _NARROW:
            parts.append(("dim", short(run.facts.id)))
        parts.append(("", _elapsed(now - run.began_at)))
        if run.called:
            if bar:
                parts.append(("", self._bar(run.over / run.called, bar)))
            parts.append(("", f"{run.over}/{run.called}"))
        told = [("running", running), ("waiting", max(0, waiting))]
        told += [(word, counts.get(word, 0)) for word in _WORDS]
        parts += [(word if word in COLOURS else "", f"{n} {word}") for word, n in told if n]
        if run.progress is not None:
            parts += self._progress(run.progress, 0, now)
        return parts

    def _rows(
        self, board: Board, run: RunBoard, depth: int, bar: int, now: float, *, folded: bool
    ) -> list[_Row]:
        by_component: dict[str, list[RunningStep]] = {}
        for step in run.running.values():
            by_component.setdefault(step.facts.component, []).append(step)
        rows: list[_Row] = []
        for component, steps in by_component.items():
            called = max(run.components.get(component, 0), len(steps))
            is_group = called > 1
            if is_group:
                rows.append(self._group(run, component, called, len(steps), depth, bar))
                if folded:
                    continue
            for step in steps:
                child = board.runs.get(step.facts.id)
                at = depth + is_group
                rows.append(self._step(step, child, at, bar, now))
                if child is not None and not folded:
                    rows += self._rows(board, child, at + 1, bar, now, folded=False)
        return rows

    def _group(
        self, run: RunBoard, component: str, called: int, running: int, depth: int, bar: int
    ) -> _Row:
        over = run.ended.get(component, 0)
        parts: list[Part] = [("", self._bar(over / called, bar))] if bar else []
        parts += [("", f"{over}/{called}"), ("running", f"{running} running")]
        return _Row(depth, component, tuple(parts))

    def _step(
        self, step: RunningStep, child: RunBoard | None, depth: int, bar: int, now: float
    ) -> _Row:
        facts = step.facts
        parts: list[Part] = [("", f"{_elapsed(now - facts.started_at):>8}")]
        if child is not None and child.called:
            if bar:
                parts.append(("", self._bar(child.over / child.called, bar)))
            parts.append(("", f"{child.over}/{child.called}"))
        elif step.progress is not None:
            parts += self._progress(step.progress, bar, now)
        if facts.attempt > 1:
            parts.append(("retried", f"attempt {facts.attempt} of {facts.attempts}"))
        reason = self._find_reason(facts.id)
        if reason:
            parts.append(("dim", reason))
        return _Row(depth, facts.name, tuple(parts))

    def _progress(self, progress: Progress, bar: int, now: float) -> list[Part]:
        if not progress.total:
            return [("", f"{progress.done:g}")]
        parts = []
        if bar:
            parts.append(("", self._bar(progress.done / progress.total, bar)))
        parts.append(("", f"{progress.done:g}/{progress.total:g}"))
        left = progress.seconds_left(now)
        if left is not None:
            parts.append(("", f"{_elapsed(left)} left"))
        return parts

    def _bar(self, share: float, width: int) -> str:
        done = int(min(1.0, max(0.0, share)) * width)
        return self._marks.done * done + self._marks.left * (width - done)

    def _line(self, row: _Row, width: int, columns: int) -> str:
        room = max(1, width - 2 * row.depth)
        name = cut(row.name, room, self._marks.ellipsis) if row.parts else row.name
        name = "  " * row.depth + name + " " * (room - cells(name))
        return self._joined([("", name), *row.parts], columns)

    def _joined(self, parts: list[Part], columns: int) -> str:
        """The parts beside each other, with colours, as many as fit."""
        room, line = columns - 1, ""
        for number, (style, text) in enumerate(parts):
            gap = "  " if number else ""
            shown = cut(gap + text, room, self._marks.ellipsis)
            room -= cells(shown)
            line += self._coloured(style, shown)
            if shown != gap + text:
                break
        return line.rstrip()

    def _coloured(self, style: str, text: str) -> str:
        if not style or not self._has_colour:
            return text
        return f"\x1b[{COLOURS[style]}m{text}\x1b[0m"


def _elapsed(seconds: float) -> str:
    """Without a digit that would change too often to be read."""
    seconds = max(0.0, seconds)
    return f"{seconds:.1f} s" if seconds < 9.95 else seconds_text(round(seconds)).replace(".0", "")
