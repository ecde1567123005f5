"""Texts cut to what people read at a glance. Counts characters; what a terminal's columns hold,
`console.terminal` knows."""

from __future__ import annotations


def excerpt(text: str, most: int) -> str:
    """The text, or as much of its beginning as makes `most` characters with `…` behind it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
