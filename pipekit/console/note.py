"""One line to whoever runs a script of their own: what pipekit did that they may not expect."""

from __future__ import annotations

import sys

from pipekit.console.terminal import clean


def note(text: str) -> None:
    """Write `pipekit: …` to stderr. Does nothing where that is closed. Never raises."""
    stream = sys.stderr
    if stream is None:
        return
    try:
        print(f"pipekit: {clean(text, keep_colours=False)}", file=stream, flush=True)
    except (OSError, ValueError):
        pass  # there is nobody to tell
