"""Durations, sizes and moments as people read them. Knows nothing of what they belong to."""

from __future__ import annotations

from datetime import datetime

_UNITS = ("KB", "MB", "GB", "TB", "PB")


def seconds_text(seconds: float) -> str:
    """`340 ms`, `1.24 s`, `12.3 s`, `3 min 12 s`, `2 h 05 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def bytes_text(count: int) -> str:
    """`812 bytes`, `24.1 KB`, `3.2 GB`; a KB is 1000 bytes."""
    if count < 1000:
        return "1 byte" if count == 1 else f"{count} bytes"
    size = float(count)
    for unit in _UNITS:
        size /= 1000
        if size < 999.95 or unit == _UNITS[-1]:
            break
    return f"{size:.1f} {unit}"


def moment_text(seconds: float) -> str:
    """A record's time on this machine's clock and calendar: `2026-03-14 15:09:26`."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def time_text(seconds: float) -> str:
    """The same moment within its day: `15:09:26`."""
    return datetime.fromtimestamp(seconds).strftime("%H:%M:%S")
