"""Tables and facts on stdout: drawn where a terminal shows them, plain aligned text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from pipekit.console.terminal import cells, clean, cut, has_colour, is_terminal, showable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_STYLES = {
    "completed": "green",
    "reused": "dim",
    "failed": "red",
    "skipped": "yellow",
    "stopped": "yellow",
    "running": "cyan",
    "ok": "green",
    "problem": "red",
}
"""First word of a status -> style."""
_STATUS_COLUMNS = ("status", "exit", "result")
_CUT = ("parameters", "preview", "error")
_LEFT_OUT = (
    "parameters", "preview", "where", "attempts", "console", "error", "digest", "project",
    "reused from", "started", "count", "duration",
)  # fmt: skip
"""Columns that a narrow terminal can do without, the first ones first; the rest is in `--json`."""
_FOLDED = ("name", "step")
_FOLDED_WIDTH = 20
"""Names go on in the next line, but not in columns of two characters."""
_LEAST_STATUS = 9
_GAP = 3
"""Characters between two columns."""
_ON_ONE_LINE = ("id", "started", "duration", "size", *_STATUS_COLUMNS)
"""Columns that a narrow terminal does not break: an id is there to be copied."""


def draw_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO | None = None
) -> None:
    """Draw one table; nothing where there are no rows.

    Args:
        headers: A column's title each. Columns called `status` are coloured.
        rows: As many texts of one line.
        stream: Default: stdout.
    """
    target = stream if stream is not None else sys.stdout
    if not rows:
        return
    rows = [[_shown(text, target) for text in row] for row in rows]
    if is_terminal(target):
        _draw_rich(headers, rows, target)
    else:
        for line in _aligned([[header.upper() for header in headers], *rows]):
            target.write(line + "\n")


def without_empty(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, always: int = 0
) -> tuple[list[str], list[list[str]]]:
    """The table without its columns in which nothing stands, for they tell nothing; so many of the
    first ones stay."""
    kept = [i for i in range(len(headers)) if i < always or any(row[i] for row in rows)]
    return [headers[i] for i in kept], [[row[i] for i in kept] for row in rows]


def draw_facts(facts: Sequence[tuple[str, str]], stream: TextIO | None = None) -> None:
    """Draw names and texts, one pair a line; the lines of a longer text stand below each other."""
    target = stream if stream is not None else sys.stdout
    width = max((len(name) for name, _ in facts), default=0)
    console = _console(target) if is_terminal(target) else None
    for name, text in facts:
        first, *rest = (_shown(line, target) for line in text.split("\n"))
        lines = [f"{name:<{width}}  {first}", *(f"{'':<{width}}  {line}" for line in rest)]
        if console is None:
            target.write("".join(line.rstrip() + "\n" for line in lines))
        else:
            console.print(_fact(name, "\n".join(lines), text, width), soft_wrap=True)


def draw_code(text: str, stream: TextIO | None = None) -> None:
    """Print Python code as it is; a terminal that has colours shows it in these."""
    target = stream if stream is not None else sys.stdout
    if not has_colour(target):
        target.write(showable(text, target) + ("" if text.endswith("\n") else "\n"))
        return
    from rich.syntax import Syntax

    code = Syntax(text.rstrip("\n"), "python", theme="ansi_dark", background_color="default")
    _console(target).print(code)


def _shown(text: str, stream: TextIO) -> str:
    """A line that may hold what others wrote."""
    return showable(clean(text, keep_colours=False), stream)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _console(stream: TextIO) -> Console:
    from rich.console import Console  # 30 ms, for a terminal alone

    return Console(file=stream, highlight=False, emoji=False, markup=False)


def _draw_rich(headers: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    console = _console(stream)
    headers, rows = _fitted(headers, rows, console.width)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for header, *texts in zip(headers, *rows, strict=True):
        least = _widest(header, texts) if header in _FOLDED else None
        table.add_column(header, no_wrap=header in _ON_ONE_LINE, overflow="fold", min_width=least)
    for row in rows:
        table.add_row(
            *(
                Text(text, style=_style(text) if header in _STATUS_COLUMNS else "")
                for header, text in zip(headers, row, strict=True)
            )
        )
    console.print(table)


def _fitted(
    headers: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """The table with what tells least cut, or left out, where it would be too wide."""
    columns = {header: [row[at] for row in rows] for at, header in enumerate(headers)}
    for header in _LEFT_OUT:
        over = _over(columns, width)
        if over > 0 and header in columns and len(columns) > 1:
            room = _widest(header, columns[header]) - over if header in _CUT else 0
            if room >= len(header):
                columns[header] = [cut(text, room, "…") for text in columns[header]]
            else:
                del columns[header]
    over = _over(columns, width)
    if over > 0 and "status" in columns:
        room = max(_LEAST_STATUS, _widest("status", columns["status"]) - over)
        columns["status"] = [cut(text, room, "…") for text in columns["status"]]
    return list(columns), list(zip(*columns.values(), strict=True))


def _over(columns: Mapping[str, Sequence[str]], width: int) -> int:
    """By how many columns of the terminal the table is too wide."""
    widest = sum(_widest(header, texts) for header, texts in columns.items())
    return widest + _GAP * (len(columns) - 1) - width


def _widest(header: str, texts: Sequence[str]) -> int:
    widest = max(map(cells, [header, *texts]))
    return min(widest, _FOLDED_WIDTH) if header in _FOLDED else widest


def _fact(name: str, text: str, value: str, width: int) -> Text:
    from rich.text import Text

    shown = Text(text)
    shown.stylize("bold", 0, len(name))
    if name in _STATUS_COLUMNS:
        shown.stylize(_style(value), width + 2)
    return shown


def _style(text: str) -> str:
    return _STYLES.get(text.partition(" ")[0], "")
