"""Tells those who wait that steps have ended, once that is durable. Decides and records nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pipekit.control.output import KEPT_BYTES, Output
from pipekit.control.reporter import end_of
from pipekit.control.step import Step
from pipekit.reporting import Reporter


def announce(ended: Sequence[Step], reporter: Reporter, ending_lock: threading.Lock) -> None:
    """Tell the reporter and the waiting threads; `ending_lock` guards what these look at."""
    failed = [step for step in ended if step.failure is not None]
    if failed:  # first: the exception that a waiting thread gets need not repeat it
        reporter.steps_ended([end_of(step) for step in ended])
    with ending_lock:
        for step in ended:
            step.ended = True
            step.call = b""
            step.assignment = None
            for name, output in step.outputs.items():
                if output.content is not None and len(output.content) > KEPT_BYTES:
                    step.outputs[name] = Output(output.value, None)
            if step.waiters is not None:
                for waiter in step.waiters:
                    waiter.one_ended()
                step.waiters = None
            if step.mailbox is not None:
                step.mailbox.deliver(None)
    if not failed:
        reporter.steps_ended([end_of(step) for step in ended])
