"""The entry point `pipekit`: finds what was asked for, does it, exits with its code."""

from __future__ import annotations

import sys
from typing import NoReturn

from pipekit.cli.outcome import finish


def main() -> NoReturn:
    """Run the command that `sys.argv` names, and exit with its code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        # Its options are the pipeline's, so it takes its arguments apart itself; typer would cost
        # every run 100 ms for that.
        sys.exit(finish(lambda: _run(arguments[1:])))
    from pipekit.cli.commands import choose

    chosen = choose()
    sys.exit(finish(chosen) if callable(chosen) else chosen)


def _run(arguments: list[str]) -> int:
    from pipekit.cli.run import run

    return run(arguments)
