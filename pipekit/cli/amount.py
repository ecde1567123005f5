"""Durations and sizes as they are typed: `30d`, `1h`, `10GB`."""

from __future__ import annotations

import re

from pipekit.errors import UsageError

_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}  # fmt: skip
_AMOUNT = re.compile(r"(\d+(?:\.\d*)?)\s*([A-Za-z]*)", re.ASCII)


def parse_seconds(option: str, text: str) -> float:
    """
    Raises:
        UsageError: the text is no duration.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found[2].lower() not in _SECONDS:
        raise UsageError(
            f"{option} {text!r} is no duration.", hint=f"{option} 30d; units: s, min, h, d, w."
        )
    return float(found[1]) * _SECONDS[found[2].lower()]


def parse_bytes(option: str, text: str) -> int:
    """
    Raises:
        UsageError: the text is no size.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found[2].upper() not in _BYTES:
        raise UsageError(
            f"{option} {text!r} is no size.", hint=f"{option} 10GB; units: KB, MB, GB, TB, GiB."
        )
    return int(float(found[1]) * _BYTES[found[2].upper()])
