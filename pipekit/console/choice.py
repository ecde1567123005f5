"""Which reporter a session gets, by the setting `progress` and by what stderr is."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable

from pipekit.console.guarded import GuardedReporter
from pipekit.console.lines import LineReporter
from pipekit.console.terminal import is_dumb, is_terminal
from pipekit.reporting import Reporter


def reporter_for(
    progress: str,
    *,
    command: Callable[[], str],
    why: Callable[[str], str],
    now: Callable[[], float],
) -> Reporter:
    """The reporter for `auto`, `live` or `lines`; the other arguments are `LineReporter`'s."""
    lines = LineReporter(command=command, why=why, now=now)
    if not _is_live(progress):
        return GuardedReporter(lines)
    from pipekit.console.live import LiveReporter

    return GuardedReporter(LiveReporter(lines, now=now))


def _is_live(progress: str) -> bool:
    if progress == "lines" or not is_terminal(sys.stderr) or is_dumb():
        return False
    # Who reads a pipe may be a pager, to which the screen belongs; and a log keeps no table.
    return progress == "live" or not (os.environ.get("CI") or _is_pipe(1))


def _is_pipe(fd: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
