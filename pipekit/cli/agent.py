"""`pipekit agent`: takes tasks from queues, and says what it takes and how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from pipekit.api.pipeline import SERVICES_QUEUE
from pipekit.cli.outcome import DONE, tell
from pipekit.control.agent import Agent
from pipekit.control.archive import Archive
from pipekit.control.dead import close_dead
from pipekit.control.enqueue import DEFAULT_QUEUE
from pipekit.errors import UsageError
from pipekit.model.name import check_name
from pipekit.settings import read_settings


def serve(queues: Sequence[str], *, slots: int, once: bool, drain: bool) -> int:
    """Serve queues until told to end; the exit code.

    Args:
        queues: Their names, those to be served first before others; empty: `services`, `default`.
        slots: How many tasks to run at once.
        once: End after one task.
        drain: End when nothing waits.

    Raises:
        UsageError: a name is none.
        StoreError: the store is out of reach.
    """
    names = tuple(dict.fromkeys(queues)) or (SERVICES_QUEUE, DEFAULT_QUEUE)
    for name in names:
        if not check_name(name, "Queue"):
            raise UsageError("A queue is to have a name.", hint="pipekit agent --queue default")
    archive = Archive(read_settings())
    try:
        close_dead(archive)
        many = f"{slots} tasks at once" if slots > 1 and not once else "one task at a time"
        tell(f"Serving {', '.join(names)} of {archive.settings.home}, {many}. Ctrl-C ends it.")
        Agent(archive, queues=names, slots=slots, once=once, drain=drain, tell=tell).run()
    finally:
        archive.close()
    return DONE
