"""What a stream can show: colours, marks, how wide a line may be. Writes nothing."""

from __future__ import annotations

import os
from typing import NamedTuple, TextIO

from pipekit.model.status import Status

_GREEN, _RED, _YELLOW, _DIM, _BOLD = "32", "31", "33", "2", "1"


class Marks(NamedTuple):
    """One character for each thing that a line can say."""

    began: str
    completed: str
    reused: str
    failed: str
    skipped: str
    stopped: str
    retried: str
    times: str
    ellipsis: str


MARKS = Marks("▶", "✓", "↺", "✗", "–", "■", "↻", "×", "…")
ASCII_MARKS = Marks(">", "+", "=", "x", "-", "#", "~", "x", "...")

COLOURS = {
    "began": _BOLD,
    "completed": _GREEN,
    "reused": _DIM,
    "failed": _RED,
    "skipped": _YELLOW,
    "stopped": _YELLOW,
    "retried": _YELLOW,
    "warning": _YELLOW,
}
"""What happened -> the parameter of the terminal's escape sequence."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether someone sees what is written there. Never raises."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False  # it is closed


def has_colour(stream: TextIO | None) -> bool:
    """Whether to write colours there: a terminal that can, and nobody who has asked for none."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def marks_of(stream: TextIO | None) -> Marks:
    """The marks that the encoding of a stream can show."""
    try:
        "".join(MARKS).encode(getattr(stream, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return ASCII_MARKS
    return MARKS


def width_of(stream: TextIO | None) -> int | None:
    """Columns of the terminal behind a stream; None where there is none, so nothing is cut."""
    if not is_terminal(stream) or stream is None:
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def showable(text: str, stream: TextIO) -> str:
    """The text, with what the stream's encoding cannot show written as escapes."""
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def word_of(status: Status, *, reused: bool) -> str:
    """How a step ended, or an attempt at it did, as people are told."""
    if status is Status.PENDING:
        return "retried"
    return "reused" if reused and status is Status.COMPLETED else status.value


def one_line(text: str) -> str:
    """The first line of a text that others wrote, with nothing in it that moves a cursor."""
    line = text.strip().partition("\n")[0].rstrip()
    return line if line.isprintable() else "".join(c if c.isprintable() else "�" for c in line)
