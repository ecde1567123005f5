"""How console output reads on stdout: as it is for one step, behind the step's name for a run, or
as JSON lines. Knows where attempts begin and end only because it is told."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pipekit.cli.outcome import tell
from pipekit.console.terminal import clean, has_colour, is_terminal, showable

_MOST_PENDING_BYTES = 1 << 16
"""Of a line without an end, before it is printed in parts."""
_WIDEST_LABEL = 24
_COLOURS = ("36", "33", "35", "32", "34", "31")
"""One after the other, a step each: cyan, yellow, magenta, green, blue, red."""


class Source(NamedTuple):
    """Whose output it is."""

    task_id: str
    label: str
    """The step's name, behind those of the child runs that it lies in: `train/fit`."""
    attempt: int


class Printer(Protocol):
    """Prints what attempts wrote, piece by piece; pieces of several attempts may alternate."""

    def expect(self, labels: Sequence[str]) -> None:
        """Whose output may come."""

    def begin(self, source: Source) -> None:
        """What follows from this source is of a new attempt."""

    def take(self, source: Source, data: bytes) -> None:
        """A piece, cut anywhere."""

    def end(self, source: Source) -> None:
        """The attempt has written all."""


class PlainPrinter:
    """One step's output as it was written.

    A rule on stderr stands before each attempt but the first, and before that too where
    `with_rules` says so.
    """

    def __init__(self, *, with_rules: bool) -> None:
        self._with_rules = with_rules
        self._decoder = _decoder()
        self._last = "\n"

    def expect(self, labels: Sequence[str]) -> None:
        """There is nothing to align."""

    def begin(self, source: Source) -> None:
        if self._with_rules or source.attempt > 1:
            tell(rule(source.attempt))

    def take(self, source: Source, data: bytes) -> None:
        self._write(self._decoder.decode(data))

    def end(self, source: Source) -> None:
        self._write(self._decoder.decode(b"", final=True))
        if not self._last.endswith("\n") and is_terminal(sys.stdout):
            sys.stdout.write("\n")
        self._last = "\n"

    def _write(self, text: str) -> None:
        if text:
            self._last = text
            sys.stdout.write(showable(text, sys.stdout))


class LinePrinter:
    """Output of many steps: whole lines, each behind its step's name. A progress bar that redraws
    its line is printed as it stood at the line's end."""

    def __init__(self) -> None:
        self._width = 0
        self._is_terminal = is_terminal(sys.stdout)
        self._has_colour = has_colour(sys.stdout)
        self._colours: dict[str, str] = {}
        self._pending: dict[Source, bytes] = {}

    def expect(self, labels: Sequence[str]) -> None:
        widest = max(map(len, labels), default=0)
        self._width = max(self._width, min(widest, _WIDEST_LABEL))

    def begin(self, source: Source) -> None:
        if source.attempt > 1:
            tell(f"{source.label:<{self._width}} | {rule(source.attempt)}")

    def take(self, source: Source, data: bytes) -> None:
        *lines, rest = (self._pending.pop(source, b"") + data).split(b"\n")
        for line in lines:
            self._line(source, line)
        while len(rest) > _MOST_PENDING_BYTES:
            self._line(source, rest[:_MOST_PENDING_BYTES])
            rest = rest[_MOST_PENDING_BYTES:]
        if rest:
            self._pending[source] = rest

    def end(self, source: Source) -> None:
        rest = self._pending.pop(source, b"")
        if rest:
            self._line(source, rest)

    def _line(self, source: Source, line: bytes) -> None:
        text = text_of(line)
        if self._is_terminal:  # a file gets what was written
            text = clean(text, keep_colours=self._has_colour)
        sys.stdout.write(f"{self._head(source)}{showable(text, sys.stdout)}\n")

    def _head(self, source: Source) -> str:
        label = source.label
        head = f"{showable(clean(label, keep_colours=False), sys.stdout):<{self._width}} | "
        if not self._has_colour:
            return head
        colour = self._colours.get(label)
        if colour is None:
            colour = self._colours[label] = _COLOURS[len(self._colours) % len(_COLOURS)]
        return f"\x1b[{colour}m{head}\x1b[0m"


class JsonPrinter(LinePrinter):
    """The same lines, one JSON object each: `task_id`, `step`, `attempt`, `line`."""

    def begin(self, source: Source) -> None:
        """Nothing: each line says its attempt."""

    def _line(self, source: Source, line: bytes) -> None:
        record = {
            "task_id": source.task_id,
            "step": source.label,
            "attempt": source.attempt,
            "line": text_of(line),
        }
        sys.stdout.write(json.dumps(record) + "\n")


def rule(attempt: int) -> str:
    """What stands between the output of two attempts."""
    return f"-- attempt {attempt} --"


def text_of(line: bytes) -> str:
    """A line as it stood when it ended: what a carriage return took back is left out."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")(errors="replace")
