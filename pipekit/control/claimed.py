"""The process of one attempt that an agent has claimed, from the agent's side: `pipekit execute`.
Starts it, asks it to end, ends it; what became of the task stands in the store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from time import monotonic

from pipekit.control.project_copy import remove_copies
from pipekit.control.script import LIFELINE_VARIABLE
from pipekit.executors.obituary import how_it_ended
from pipekit.liveness import has_exited
from pipekit.model.records import Task, claimed_log
from pipekit.settings import Settings


class ClaimedProcess:
    """The process, the leader of a group of its own. It hears of this one's death by a pipe."""

    def __init__(self, settings: Settings, task: Task, number: int) -> None:
        """Start it.

        Raises:
            OSError: no process can be started.
        """
        self.task = task
        self.number = number
        self.started_at = monotonic()
        self.is_asked = False
        """Whether it is to end because the agent does."""
        self.is_doubtful = False
        """Whether its attempt was seen closed while it went on."""
        self.stop_seen_at: float | None = None
        """Since when it is known that the task is to be stopped."""
        heard, self._lifeline = os.pipe()
        try:
            self._process = self._start(settings, heard)
        except OSError:
            os.close(self._lifeline)
            raise
        finally:
            os.close(heard)

    def _start(self, settings: Settings, heard: int) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            LIFELINE_VARIABLE: f"{heard}:{os.getpid()}",
            "PIPEKIT_HOME": str(settings.home),
            "PIPEKIT_PROGRESS": "lines",
            "PYTHONUNBUFFERED": "1",
        }
        if settings.store:
            environment["PIPEKIT_STORE"] = settings.store
        if settings.artifacts:
            environment["PIPEKIT_ARTIFACTS"] = settings.artifacts
        log = settings.home / claimed_log(self.task.id, self.number)
        with open(log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as console:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "pipekit", "execute", self.name],
                env=environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                start_new_session=True, pass_fds=(heard,),
            )  # fmt: skip

    @property
    def name(self) -> str:
        """`<id>:<number>`"""
        return f"{self.task.id}:{self.number}"

    @property
    def seconds(self) -> float:
        """Since its start."""
        return monotonic() - self.started_at

    def has_ended(self) -> bool:
        return has_exited(self._process.pid)

    def ask(self) -> None:
        """Ask it to end: it stops what it runs."""
        self.is_asked = True
        if not self.has_ended():
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, with its group; what is in groups of their own hears of that."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # it is gone already

    def close(self) -> str:
        """After its end: release what is left of it; how it ended, in words."""
        self.kill()
        code = self._process.wait()
        os.close(self._lifeline)
        remove_copies(self.task.id, self.number)
        return f"It {how_it_ended(code << 8 if code > 0 else -code)}."
