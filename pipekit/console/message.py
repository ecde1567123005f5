"""How a run's progress reads: each line's marks, columns and colours. Writes nothing itself; how a
run's end reads is in `summary`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from time import localtime, strftime
from typing import TextIO

from pipekit.clock import SystemClock
from pipekit.console.quantity import bytes_text, seconds_text
from pipekit.console.terminal import (
    COLOURS,
    cells,
    clean,
    cut,
    has_colour,
    is_terminal,
    marks_of,
    one_line,
    width_of,
    word_of,
)
from pipekit.errors import short
from pipekit.model.failure import Failure
from pipekit.model.status import Status
from pipekit.reporting import RunFacts, StepEnd, StepFacts

_NAME_WIDTH = 12
_WIDEST_NAME = 40
_WORD_WIDTH = 9
_MOST_LINES = 40
"""Of a traceback, before its middle is left out."""
_STEP_COLOURS = ("36", "35", "34", "33", "32", "96", "95", "94")


class Message:
    """Makes the lines for one stream."""

    def __init__(
        self,
        stream: TextIO | None,
        *,
        command: Callable[[], str] = lambda: "pipekit",
        now: Callable[[], float] = SystemClock.now,
    ) -> None:
        """`command` gives what to type before a subcommand; `now` the wall time that lines begin
        with."""
        self.marks = marks_of(stream)
        self._command = command
        self._typed = ""
        self._now = now
        self._has_colour = has_colour(stream)
        self._stream = stream
        self._is_terminal = is_terminal(stream)
        self._name_width = _NAME_WIDTH
        self._second = -1
        self._time = ""
        self.is_shared = False
        """Whether several runs go on, so that a step's name needs its run's."""

    def began(self, run: RunFacts) -> str:
        """`14:03:07 ▶ train 01j9zk7abc  (process)`; of one that was resumed, `, attempt 2`."""
        text = f"{self.marks.began} {run.name} {short(run.id)}"
        again = f", attempt {run.attempt}" if run.attempt > 1 else ""
        return f"{self._stamp()}{self.coloured('began', text)}  ({run.executor}){again}"

    def step(self, step: StepEnd, why: str = "", retry_seconds: float | None = None) -> str:
        """`14:03:07 ✓ fit-2        completed   1.24 s`; of one that is pending again, that it is
        retried, and when. `why`: why it ran."""
        detail = self._detail(step)
        if why:
            detail += f"   {one_line(why)}"
        if retry_seconds is not None:
            when = seconds_text(retry_seconds) if retry_seconds >= 0.001 else ""
            detail += f", again in {when}" if when else ", again now"
        return self._step_line(step, self.name(step), detail)

    def folded(self, first: StepEnd, count: int) -> str:
        """`14:03:07 ✓ noop ×243   completed`: steps of one component that ended alike."""
        name = f"{self.prefix(first.run)}{first.component} {self.marks.times}{count}"
        detail = one_line(first.failure.message) if first.failure is not None else ""
        return self._step_line(first, name, detail)

    def failed(self, step: StepEnd) -> list[str]:
        """A step that failed for good: what was raised where, and what to type next."""
        failure = step.failure
        text = ""
        if failure is not None:
            sentence, _, hint = failure.message.partition(" Hint: ")
            text = failure.traceback.rstrip() or sentence
            if hint and hint not in text:
                text += f"\nHint: {hint}"
        lines = [clean(line, keep_colours=False) for line in text.rstrip().splitlines()]
        if len(lines) > _MOST_LINES:
            left_out = len(lines) - _MOST_LINES
            middle = f"{self.marks.ellipsis} {left_out} lines not shown {self.marks.ellipsis}"
            half = _MOST_LINES // 2
            lines = [*lines[:half], middle, *lines[-half:]]
        attempt = f"attempt {step.attempt} of {step.attempts}" if step.attempt else "not started"
        took = "" if step.seconds is None else f" after {seconds_text(step.seconds)}"
        return [
            self._step_line(step, self.name(step), f"{attempt}{took}, {short(step.id)}"),
            *(f"    {line}" for line in lines),
            f"  {self.logs(step.run, step.name)}",
        ]

    def prefix(self, run: RunFacts) -> str:
        """Steps of a child run stand behind its name."""
        return f"{run.name}/" if run.parent_name or self.is_shared else ""

    def name(self, step: StepEnd) -> str:
        """How a step is called among those of all runs."""
        return self.prefix(step.run) + step.name

    def fits(self, text: str) -> bool:
        """Whether the text is one line there."""
        columns = width_of(self._stream) if self._is_terminal else None
        return columns is None or cells(text) <= columns

    @property
    def command(self) -> str:
        """What to type before a subcommand."""
        if not self._typed:
            self._typed = self._command()
        return self._typed

    def logs(self, run: RunFacts, step_name: str) -> str:
        """What to type to see what a step printed."""
        return f"{self.command} logs {short(run.id)} {quoted(step_name)}"

    def show(self, run: RunFacts) -> str:
        """What to type to see what is recorded of a run."""
        return f"{self.command} show {short(run.id)}"

    def wrote(self, step: StepFacts, lines: Sequence[str]) -> list[str]:
        """`14:03:07   fit-2        │ epoch 1`, of each line that a step wrote."""
        if not lines:
            return []
        head = self._output_head(step)
        keep = self._has_colour
        return [head + clean(line, keep_colours=keep) for line in lines]

    def not_shown(self, step: StepFacts, count: int) -> str:
        """`14:03:07   fit-2        │ … 12 MB not shown: pipekit logs 01j9zk7abc fit-2`."""
        typed = self.logs(step.run, step.name)
        text = f"{self.marks.ellipsis} {bytes_text(count)} not shown: {typed}"
        return self._output_head(step) + text

    def not_shown_of_many(self, run: RunFacts, steps: int, count: int) -> str:
        """The same of so many steps together."""
        typed = f"{self.command} logs {short(run.id)}"
        text = f"{self.marks.ellipsis} {bytes_text(count)} of {steps} steps not shown: {typed}"
        return f"{self._stamp()}  {text}"

    def blind_spot(self, component: str, what: str, file: str, line: int) -> str:
        """`14:03:07 ! 'fit': reads the clock (flow.py:12); a cached result does not see it`."""
        where = f"{_shown_path(file)}:{line}" if file else f"line {line}"
        text = f"! {component!r}: {one_line(what)} ({where}); a cached result does not see it"
        return self._stamp() + self.coloured("warning", text)

    def warned(self, text: str) -> str:
        """`14:03:07 ! Step 'read' read 'out.csv', which step 'write' of the same run wrote …`"""
        return self._stamp() + self.coloured("warning", f"! {one_line(text)}")

    def event(self, happened: str, text: str, rest: str) -> str:
        """A line of the run itself, with the mark of what happened."""
        return f"{self._stamp()}{self.coloured(happened, f'{self._mark(happened)} {text}')}{rest}"

    def coloured(self, happened: str, text: str, *, line_head: int | None = None) -> str:
        """The text, or its first characters, in the colour of what happened."""
        if not self._has_colour:
            return text
        head = text if line_head is None else text[:line_head]
        return f"\x1b[{COLOURS.get(happened, '0')}m{head}\x1b[0m{text[len(head) :]}"

    def cut(self, line: str) -> str:
        """The line, or its beginning where the terminal is narrower."""
        columns = width_of(self._stream) if self._is_terminal else None
        return line if columns is None else cut(line, columns, self.marks.ellipsis)

    def _detail(self, step: StepEnd) -> str:
        if step.reused_from:
            return f"from {step.reused_from}"
        if step.status in (Status.FAILED, Status.PENDING):
            return _failed_attempt(step)
        if step.failure is not None:
            return reason_of(step.failure)
        return "" if step.seconds is None else seconds_text(step.seconds)

    def _step_line(self, step: StepEnd, name: str, detail: str) -> str:
        word = word_of(step.status, reused=step.reused_from != "", kept=step.kept)
        stamp = self._stamp(coloured=False)
        line = f"{stamp}{self._mark(word)} {self._padded(name)} {word:<{_WORD_WIDTH}}   {detail}"
        line = self.cut(line.rstrip())
        if not self._has_colour:
            return line
        rest = self.coloured(word, line[len(stamp) :], line_head=2 + len(name))
        return self.coloured("dim", stamp) + rest

    def _output_head(self, step: StepFacts) -> str:
        name = self.prefix(step.run) + step.name
        text = f"{self._padded(name)} {self.marks.bar} "
        if self._has_colour:
            colour = _STEP_COLOURS[sum(name.encode()) % len(_STEP_COLOURS)]
            text = f"\x1b[{colour}m{text}\x1b[0m"
        return f"{self._stamp()}  {text}"

    def _padded(self, name: str) -> str:
        """The name, as wide as the widest so far."""
        length = cells(name)
        if length > self._name_width:
            self._name_width = min(length, _WIDEST_NAME)
        return name + " " * (self._name_width - length)

    def _stamp(self, *, coloured: bool = True) -> str:
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._time = strftime("%H:%M:%S ", localtime(second))
        return self.coloured("dim", self._time) if coloured else self._time

    def _mark(self, happened: str) -> str:
        return str(getattr(self.marks, happened, "?"))


def reason_of(failure: Failure) -> str:
    """Of a skipped step, the one at the root: what happened there has a line of its own."""
    return f"because of {failure.step}" if failure.step else one_line(failure.message)


def quoted(name: str) -> str:
    """A name as a shell takes it."""
    import shlex

    return shlex.quote(name)


def _failed_attempt(step: StepEnd) -> str:
    message = one_line(step.failure.message) if step.failure is not None else ""
    if step.attempts > 1 and step.attempt:
        message += f" (attempt {step.attempt} of {step.attempts})"
    return message


def _shown_path(file: str) -> str:
    """Relative to the working folder where it lies below it, so that editors can open it."""
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):
        return file
    return file if relative.startswith(os.pardir) else relative
