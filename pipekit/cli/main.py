"""The entry point `pipekit`: finds what was asked for, does it, exits with its code."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from pipekit.cli.outcome import finish


def main() -> NoReturn:
    """Run the command that `sys.argv` names, and exit with its code."""
    _open_closed_streams()
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        # Its options are the pipeline's, so it takes its arguments apart itself; typer would cost
        # every run 100 ms for that.
        sys.exit(finish(lambda: _run(arguments[1:])))
    if arguments[:1] == ["execute"] and ":" in arguments[-1]:
        # Typed by an agent, for each of its tasks.
        sys.exit(finish(lambda: _execute(arguments[-1])))
    sys.exit(finish(_chosen))


def _chosen() -> int:
    from pipekit.cli.commands import choose

    chosen = choose()
    return chosen() if callable(chosen) else chosen


def _run(arguments: list[str]) -> int:
    from pipekit.cli.run import run

    return run(arguments)


def _execute(words: str) -> int:
    from pipekit.cli.execute import execute

    return execute(words)


def _open_closed_streams() -> None:
    """A standard stream that was closed from the start leads nowhere: else the next file that is
    opened, such as the store's, would get its number, and what is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: the stream's own
            os.set_inheritable(fd, True)
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
