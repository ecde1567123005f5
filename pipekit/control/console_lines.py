"""Cuts what a step writes to its console into whole lines. Knows no stream."""

from __future__ import annotations

_LONGEST_BYTES = 8192
"""A line that is longer is cut: a reporter must not wait for its end."""


class ConsoleLines:
    """The lines of one attempt. A progress bar that redraws a line counts as what it shows last."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = b""

    def take(self, data: bytes) -> list[str]:
        """The lines that are whole once `data` has come."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > _LONGEST_BYTES:
            lines.append(self._begun)
            self._begun = b""
        return [_shown(line) for line in lines]

    def end(self) -> list[str]:
        """The line that was begun and never ended, if it shows anything."""
        begun, self._begun = self._begun, b""
        return [_shown(begun)] if begun.strip() else []


def _shown(line: bytes) -> str:
    line = line.removesuffix(b"\r")
    return line[line.rfind(b"\r") + 1 :].decode(errors="replace")
