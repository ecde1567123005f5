"""What a step was seen to read and to write while it ran: the record of it, and the digests of what
is no file. Pure; who observes is `worker.observation`, who compares is `control.trace`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest

FILE = "file"
"""A file that was read."""
ABSENT = "absent"
"""A path where nothing lay when it was looked for."""
THERE = "there"
"""A path that the step asked about: whether a file, a folder or nothing lies there."""
STATUS = "status"
"""A path whose size or time of change the step asked for."""
LISTING = "listing"
"""The names in a folder."""
VARIABLE = "variable"
"""An environment variable; the digest is empty where it was not set."""
ENVIRONMENT = "environment"
"""All environment variables."""
WROTE = "wrote"
"""A file in the project that the step left behind; the digest is empty where it removed one."""
APPENDED = "appended"
"""A file in the project that the step added to: it must be there, whatever it holds."""
LEFT = "left"
"""A file outside of the project that the step left behind. Tells the steps of one run apart, and is
not remembered."""

UNKNOWN = "unknown"
"""In place of a digest: it changed while it was read. No file has this."""
UNREADABLE = "unreadable"
"""In place of a digest: something lies there, and may not be read."""


class Read(NamedTuple):
    """One thing outside of its arguments that a step's outcome rests on, or that it left behind."""

    kind: str
    name: str
    """A path, relative to the project where it lies inside; or the name of a variable."""
    digest: Digest = ""

    def __str__(self) -> str:
        return _PHRASES[self.kind].format(repr(self.name))


_PHRASES = {
    FILE: "file {}",
    ABSENT: "file {}, which was not there",
    THERE: "what lies at {}",
    STATUS: "size or time of {}",
    LISTING: "the names in folder {}",
    VARIABLE: "environment variable {}",
    ENVIRONMENT: "the environment",
    WROTE: "file {}, which the step wrote",
    APPENDED: "file {}, which the step added to",
    LEFT: "file {}, which the step wrote",
}

Reads = tuple[Read, ...]

_SESSION = frozenset(
    {
        "_", "COLUMNS", "COLORTERM", "DISPLAY", "INVOCATION_ID", "JOURNAL_STREAM", "LINES",
        "OLDPWD", "PWD", "PYTEST_CURRENT_TEST", "SHLVL", "TERM", "TERM_PROGRAM",
        "TERM_PROGRAM_VERSION", "TERM_SESSION_ID", "TMUX", "TMUX_PANE", "WINDOWID",
    }
)  # fmt: skip
_SESSION_PREFIXES = ("PIPEKIT_", "SSH_", "VSCODE_", "XDG_SESSION_")


def digest_of_names(names: Iterable[str]) -> Digest:
    """The digest of the names in a folder, in whatever order they come."""
    return digest_bytes("names", *sorted(names))


def digest_of_variable(value: str | None) -> Digest:
    """The digest of a variable's value; empty where it is not set. The value itself, which may be a
    secret, is not recorded."""
    return "" if value is None else digest_bytes("variable", value)


def digest_of_environment(environment: Mapping[str, str]) -> Digest:
    """The digest of all variables but those that tell one terminal or session from another."""
    parts = [
        part
        for name in sorted(environment)
        if name not in _SESSION and not name.startswith(_SESSION_PREFIXES)
        for part in (name, environment[name])
    ]
    return digest_bytes("environment", *parts)
