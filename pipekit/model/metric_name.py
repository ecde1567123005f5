"""Names of metrics that have two parts, `title/series`. Pure.

A title is kept as it is, and so is a series in which there is no `/`: `loss/train`. What would be
read otherwise is marked by a backslash, so that both parts come back as they were given.
"""

from __future__ import annotations

SUMMARY = "Summary"
"""The title of single values."""


def join_name(title: str, series: str) -> str:
    """The name of the metric that is the series `series` of `title`."""
    below = series.replace("\\", "\\\\").replace("/", "\\/")
    return f"{title.replace(chr(92), chr(92) * 2)}/{below}"


def split_name(name: str) -> tuple[str, str]:
    """(title, series) of a metric; of a name without two parts, that name as both."""
    at, place = -1, 0
    while place < len(name):
        if name[place] == "\\":
            place += 1
        elif name[place] == "/":
            at = place
        place += 1
    if at < 0:
        return name, name
    return _plain(name[:at]), _plain(name[at + 1 :])


def _plain(text: str) -> str:
    parts, is_marked = [], False
    for character in text:
        if character == "\\" and not is_marked:
            is_marked = True
            continue
        parts.append(character)
        is_marked = False
    return "".join(parts) + ("\\" if is_marked else "")
