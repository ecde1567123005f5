"""What pipekit tells about its own work, through `logging` under the name `pipekit`. Silent unless
asked: by `PIPEKIT_LOG=debug`, or by a program that has set up logging for itself.

`logging` costs 8 ms to import, so it is imported only where it is asked for.
"""

from __future__ import annotations

import os
import sys
from typing import Any

VARIABLE = "PIPEKIT_LOG"
"""A level's name (`debug`, `info`, `warning`): messages from there on go to stderr."""

_FORMAT = "%(asctime)s %(name)s: %(message)s"
_is_set_up = False


def debug(room: str, message: str, *values: Any) -> None:
    """Log a message of `pipekit.<room>` at the level DEBUG, with `values` in place of its `%s`.

    For what happens a few times a run; thread-safe.
    """
    if "logging" not in sys.modules and not os.environ.get(VARIABLE):
        return
    import logging  # waits where another thread is about to import it

    if not _is_set_up:
        _set_up(logging)
    logging.getLogger(f"pipekit.{room}").debug(message, *values)


def _set_up(logging: Any) -> None:
    global _is_set_up
    _is_set_up = True
    logger = logging.getLogger("pipekit")
    name = os.environ.get(VARIABLE, "")
    if not name:
        logger.addHandler(logging.NullHandler())
        return
    level = logging.getLevelName(name.upper())
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    logger.setLevel(level if isinstance(level, int) else logging.DEBUG)
    logger.propagate = False
    if not isinstance(level, int):
        logger.debug("%s=%s is no level; taken for debug", VARIABLE, name)
