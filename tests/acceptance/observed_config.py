"""A user's module that reads its settings when it is imported."""

from __future__ import annotations

from pathlib import Path

_TEXT = Path("data.txt").read_text()


def text() -> str:
    return _TEXT
