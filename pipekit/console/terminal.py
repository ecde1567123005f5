"""What a stream can show: colours, marks, how wide a line may be. Writes nothing."""

from __future__ import annotations

import os
import re
from typing import NamedTuple, TextIO

from pipekit.model.status import Status

_GREEN, _RED, _YELLOW, _CYAN, _DIM, _BOLD = "32", "31", "33", "36", "2", "1"


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
    bar: str
    """Between a step's name and what it wrote."""
    done: str
    """The part of a progress bar that is done, and the part that is not."""
    left: str
    kept: str


MARKS = Marks("▶", "✓", "↺", "✗", "–", "■", "↻", "×", "…", "│", "━", "─", "•")
ASCII_MARKS = Marks(">", "+", "=", "x", "-", "#", "~", "x", "...", "|", "#", "-", ".")

COLOURS = {
    "began": _BOLD,
    "completed": _GREEN,
    "reused": _DIM,
    "kept": _DIM,
    "failed": _RED,
    "skipped": _YELLOW,
    "stopped": _YELLOW,
    "retried": _YELLOW,
    "warning": _YELLOW,
    "running": _CYAN,
    "dim": _DIM,
}
"""What happened -> the parameter of the terminal's escape sequence."""

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings
    r"|\x1b[ -/]*[0-~]?"
)
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROLS = dict.fromkeys(
    (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)
)
"""With the marks that turn the direction of a text around."""
_JOINERS = "\u200c\u200d"
"""Parts of an emoji, or of a word: they show in what they join."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether someone sees what is written there. Never raises."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False  # it is closed


def is_dumb() -> bool:
    """Whether the terminal, if there is one, can do no more than print."""
    return os.environ.get("TERM", "") in ("", "dumb", "unknown")


def has_colour(stream: TextIO | None) -> bool:
    """Whether to write colours there: a terminal that can, and nobody who has asked for none; or
    anywhere, for one who has asked for them."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return os.environ.get("TERM") != "dumb" and is_terminal(stream)


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


def word_of(status: Status, *, reused: bool, kept: bool = False) -> str:
    """How a step ended, or an attempt at it did, as people are told."""
    if status is Status.PENDING:
        return "retried"
    if kept:
        return "kept"
    return "reused" if reused and status is Status.COMPLETED else status.value


def one_line(text: str) -> str:
    """The first line of a text that others wrote, with nothing in it that moves a cursor."""
    line = text.strip().partition("\n")[0].rstrip()
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c in _JOINERS else "�" for c in line)


def clean(text: str, *, keep_colours: bool) -> str:
    """A line that others wrote: tabs are spaces, colours stay where they are wanted, and whatever
    else would move the cursor or change the terminal is gone."""
    if text.isprintable():
        return text
    text = text.expandtabs()
    if "\x1b" not in text:
        return text.translate(_CONTROLS)
    parts, at = [], 0
    coloured = False
    for found in _SEQUENCE.finditer(text):
        parts.append(text[at : found.start()].translate(_CONTROLS))
        at = found.end()
        if keep_colours and _COLOUR.fullmatch(found[0]):
            parts.append(found[0])
            coloured = True
    parts.append(text[at:].translate(_CONTROLS))
    return "".join(parts) + ("\x1b[0m" if coloured else "")


def cells(text: str) -> int:
    """How many columns a printable text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # 1 ms, for names that need it

    return sum(
        0
        if combining(c) or c in "\u200b\u200c\u200d\ufe0f"
        else 2
        if east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def cut(text: str, columns: int, ellipsis: str = "") -> str:
    """The text, or as much of its beginning as fits, with `ellipsis` behind it."""
    if cells(text) <= columns:
        return text
    kept = text[: max(0, columns - len(ellipsis))]
    while kept and cells(kept) > columns - len(ellipsis):
        kept = kept[:-1]
    return (kept + ellipsis)[:columns] if columns < len(ellipsis) else kept + ellipsis
