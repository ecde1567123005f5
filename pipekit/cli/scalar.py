"""Text becomes a number, a truth value, a text or a path without pydantic, whose import costs more
than many a pipeline.

Only what is plain is decided here, and as pydantic would. Everything else (`1_000`, `inf`, what
does not fit) is left to pydantic itself, so that the rules are its rules.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

UNDECIDED: Any = object()
"""Pydantic is to say."""

_INT = re.compile(r"[+-]?[0-9]{1,300}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]{1,300}\.?[0-9]{0,300}|\.[0-9]{1,300})(?:e[+-]?[0-9]{1,3})?",
                    re.ASCII | re.IGNORECASE)  # fmt: skip
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "off", "f", "false", "n", "no"})


def scalar(kind: Any, text: str) -> Any:
    """The value of a plain text, or `UNDECIDED`."""
    if kind is str:
        return text
    if kind is Path:
        return Path(text)
    if kind is int and _INT.fullmatch(text):
        return int(text)
    if kind is float and _FLOAT.fullmatch(text):
        return float(text)
    if kind is bool:
        low = text.lower()
        return True if low in _TRUE else False if low in _FALSE else UNDECIDED
    return UNDECIDED
