"""How a run's progress reads: each line's marks, columns and colours. Writes nothing itself."""

from __future__ import annotations

import os
import shlex
from typing import TextIO

from pipekit.console.quantity import seconds_text
from pipekit.console.terminal import (
    COLOURS,
    has_colour,
    marks_of,
    one_line,
    width_of,
    word_of,
)
from pipekit.errors import short
from pipekit.model.failure import Failure
from pipekit.model.status import Status
from pipekit.ports import RunEnd, RunFacts, StepEnd

_NAME_WIDTH = 12
_WIDEST_NAME = 40
_WORD_WIDTH = 9
_MOST_ROWS = 20
"""Of steps that did not complete, below a run's last line."""


class Message:
    """Makes the lines for one stream."""

    def __init__(self, stream: TextIO | None) -> None:
        self._marks = marks_of(stream)
        self._has_colour = has_colour(stream)
        self._columns = width_of(stream)
        self._name_width = _NAME_WIDTH

    def began(self, run: RunFacts) -> str:
        """`▶ train 01j9zk7abc  (process)`."""
        text = f"{self._marks.began} {run.name} {short(run.id)}"
        return f"{self._coloured('began', text)}  ({run.executor})"

    def step(self, step: StepEnd) -> str:
        """`✓ fit-2        completed   1.24 s`; of one that is pending again, that it is retried."""
        return self._step_line(step, _name(step), self._detail(step))

    def folded(self, first: StepEnd, count: int) -> str:
        """`✓ noop ×243   completed`: steps of one component that ended alike."""
        name = f"{_prefix(first.run)}{first.component} {self._marks.times}{count}"
        detail = one_line(first.failure.message) if first.failure is not None else ""
        return self._step_line(first, name, detail)

    def blind_spot(self, component: str, what: str, file: str, line: int) -> str:
        """`! 'fit': reads the clock (flow.py:12); a cached result does not see it`."""
        where = f"{_shown_path(file)}:{line}" if file else f"line {line}"
        text = f"! {component!r}: {one_line(what)} ({where}); a cached result does not see it"
        return self._coloured("warning", text)

    def ended(self, end: RunEnd) -> list[str]:
        """How the run ended, and what to look at. Of a child only what did not complete: its own
        end is a step's."""
        rows = [step for step in end.unfinished if step.status is Status.FAILED]
        if end.run.parent_name:
            return self._unfinished(end.run, rows)
        word = end.status.value
        text = f"{self._mark(word)} {end.run.name} {word} in {seconds_text(end.seconds)}"
        lines = [f"{self._coloured(word, text)}: {_counts(end)}"]
        if end.failure is not None and not rows:
            lines.append(f"  {one_line(end.failure.message)}")
        return lines + self._unfinished(end.run, rows) + self._skipped(end)

    def _skipped(self, end: RunEnd) -> list[str]:
        """One line for all that were skipped because of the same step."""
        by_root: dict[str, list[str]] = {}
        for step in end.unfinished:
            if step.status is Status.SKIPPED:
                root = step.failure.step if step.failure is not None else ""
                by_root.setdefault(root, []).append(_name(step))
        return [
            self._cut(
                f"  {self._coloured('skipped', 'skipped')}  {', '.join(names)}"
                + (f" (because of {root})" if root else "")
            )
            for root, names in by_root.items()
        ]

    def _unfinished(self, run: RunFacts, rows: list[StepEnd]) -> list[str]:
        shown = rows[:_MOST_ROWS]
        width = max((len(_name(step)) for step in shown), default=0)
        lines = [
            f"  {self._coloured(step.status.value, f'{step.status.value:<7}')}  "
            f"{_name(step):<{width}}  {self._detail(step)}"
            for step in shown
        ]
        if len(rows) > len(shown):
            lines.append(f"  {self._marks.ellipsis} and {len(rows) - len(shown)} more")
        failed = next((step for step in rows if step.status is Status.FAILED), None)
        if failed is not None:
            lines.append(f"  pipekit logs {short(run.id)} {_typed(failed.name)}")
        return [self._cut(line) for line in lines]

    def _detail(self, step: StepEnd) -> str:
        if step.reused_from:
            return f"from {step.reused_from}"
        if step.status in (Status.FAILED, Status.PENDING):
            return _failed_attempt(step)
        if step.failure is not None:
            return _reason(step.failure)
        return "" if step.seconds is None else seconds_text(step.seconds)

    def _step_line(self, step: StepEnd, name: str, detail: str) -> str:
        word = word_of(step.status, reused=step.reused_from != "")
        return self._line(word, name, word, detail)

    def _line(self, happened: str, name: str, word: str, detail: str) -> str:
        width = self._name_width
        if len(name) > width:
            width = self._name_width = min(len(name), _WIDEST_NAME)
        line = f"{self._mark(happened)} {name:<{width}} {word:<{_WORD_WIDTH}}   {detail}".rstrip()
        return self._coloured(happened, self._cut(line), line_head=2 + len(name))

    def _mark(self, happened: str) -> str:
        return str(getattr(self._marks, happened, "?"))

    def _cut(self, line: str) -> str:
        columns = self._columns
        if columns is None or len(line) <= columns:
            return line
        return line[: max(1, columns - len(self._marks.ellipsis))] + self._marks.ellipsis

    def _coloured(self, happened: str, text: str, *, line_head: int | None = None) -> str:
        """The text, or its first characters, in the colour of what happened."""
        if not self._has_colour:
            return text
        head = text if line_head is None else text[:line_head]
        return f"\x1b[{COLOURS.get(happened, '0')}m{head}\x1b[0m{text[len(head) :]}"


def _prefix(run: RunFacts) -> str:
    """Steps of a child run stand behind its name."""
    return f"{run.name}/" if run.parent_name else ""


def _name(step: StepEnd) -> str:
    return _prefix(step.run) + step.name


def _failed_attempt(step: StepEnd) -> str:
    message = one_line(step.failure.message) if step.failure is not None else ""
    if step.attempts > 1 and step.attempt:
        message += f" (attempt {step.attempt} of {step.attempts})"
    return message


def _reason(failure: Failure) -> str:
    """Of a skipped step, the one at the root: what happened there has a line of its own."""
    return f"because of {failure.step}" if failure.step else one_line(failure.message)


def _typed(name: str) -> str:
    return shlex.quote(name)


def _counts(end: RunEnd) -> str:
    counts = end.steps
    total = sum(counts.values())
    parts = [
        "1 step" if total == 1 else f"{total} steps",
        f"{end.reused} reused",
        f"{counts.get(Status.FAILED, 0)} failed",
    ]
    for status in (Status.SKIPPED, Status.STOPPED):
        if counts.get(status):
            parts.append(f"{counts[status]} {status.value}")
    return ", ".join(parts)


def _shown_path(file: str) -> str:
    """Relative to the working folder where it lies below it, so that editors can open it."""
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):
        return file
    return file if relative.startswith(os.pardir) else relative
