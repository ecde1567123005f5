"""Why a task failed: the kinds of failure, and one failure as text."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why an attempt did not complete: some are retried, some no retry helps."""

    ERROR = "error"
    """The user's code raised."""
    EXITED = "exited"
    """The worker process ended, by a signal or by an exit call."""
    TIMEOUT = "timeout"
    FLOODED = "flooded"
    """The attempt wrote more to its console than the limit."""
    IMPORT = "import"
    """The module of the component cannot be imported; no retry helps."""
    CODE_CHANGED = "code_changed"
    """The worker's code is not the controller's; no retry helps."""
    OUTPUTS = "outputs"
    """The count of returned values does not match, or one cannot be stored; no retry helps."""
    INPUTS = "inputs"
    """An input cannot be loaded."""
    SKIPPED = "skipped"
    """Something that the step depends on failed."""
    STOPPED = "stopped"
    LOST = "lost"
    """The process that conducted the run is gone, and did not record how the run ended."""
    MEMORY = "memory"
    """The attempt used more memory than it may, or the machine has."""
    RESOURCES = "resources"
    """The step asks for more than the machine has; no retry helps."""
    CALLBACK = "callback"
    """A callback of the user's raised."""
    INFRASTRUCTURE = "infrastructure"
    """What the step needs around it: no space, the store out of reach, no worker to be had."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task failed, as text alone: it outlives the code that raised."""

    kind: FailureKind
    message: str
    """`ValueError: empty dataset`, or a sentence of pipekit's own."""
    traceback: str = ""
    """The user's frames, as Python prints them; empty where no user code raised."""
    exception: str = ""
    """Qualified name of the exception's class, for `retry_on` and display."""
    step: str = ""
    """Display name of the step at the root of the failure, where that is another one."""
    chain: tuple[str, ...] = ()
    """For a skipped step: display names from itself to the step that failed."""

    @property
    def place(self) -> str:
        """`flow.py:12, in fit`: the innermost line of the user's in the traceback, or of all where
        none is theirs; empty where there is no traceback."""
        lines = self.traceback.splitlines()
        frames = [
            line.removeprefix('  File "').partition('", line ')
            for line in lines
            if line.startswith('  File "')
        ]
        if not frames:
            return ""
        users = [frame for frame in frames if not _is_library(frame[0])]
        file, _, rest = (users or frames)[-1]
        return f"{file}:{rest}"


_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = ("site-packages", "dist-packages")


def _is_library(file: str) -> bool:
    """Whether the file belongs to Python or to an installed package, as far as its path tells."""
    if file.startswith(("<frozen ", _LIBRARY)):
        return True
    return any(f"{os.sep}{folder}{os.sep}" in file for folder in _INSTALLED)
