"""What audited steps were seen to do beside what their keys count. Pure; who looks is
`worker.audit`, who gathers is `control.audit`.
"""

from __future__ import annotations

import json
from typing import NamedTuple

CODE = "code"
"""A function of the user's that was run, and that the key does not count."""
MODULE = "module"
"""A module of the user's that was imported, likewise."""
NETWORK = "network"
PROGRAM = "program"
"""Another process."""
LIBRARY = "library"
"""Compiled code that the user's own code has loaded by its file."""


class Sight(NamedTuple):
    """One thing that a step did."""

    kind: str
    what: str
    """`plugins.double`, `example.org:443`, `git`, `libm.so.6`."""
    file: str
    """Of code: where it is defined; of the rest: the line of the user's that caused it. Relative to
    the project where it lies inside."""
    line: int
    depends_on: str = ""
    """Of code that the step's own called: what would make it count, as it is written between the
    brackets of `depends_on=[…]`."""


class Audit(NamedTuple):
    """What one step was seen to do."""

    sights: tuple[Sight, ...] = ()
    unseen: str = ""
    """What was not looked at, and why, as a sentence without its end; empty where all was."""

    def merged_with(self, other: Audit) -> Audit:
        """What two attempts at a step did."""
        return Audit(
            tuple(dict.fromkeys((*self.sights, *other.sights))), self.unseen or other.unseen
        )

    def to_text(self) -> str:
        """For a record."""
        return json.dumps([self.sights, self.unseen])

    @classmethod
    def from_text(cls, text: str) -> Audit:
        """The opposite."""
        sights, unseen = json.loads(text)
        return cls(tuple(Sight(*sight) for sight in sights), unseen)


class AuditedStep(NamedTuple):
    """A step that ran."""

    id: str
    name: str
    """Within the whole run: `child/fit`."""
    component: str
    audit: Audit


class AuditReport(NamedTuple):
    """What is known of the steps of a run, those of the runs below it among them."""

    run: str
    """`train 01j9zk7abc`."""
    steps: tuple[AuditedStep, ...]
    """In the order of their calls."""
    reused: int
    """How many were reused from earlier runs, and so not looked at."""
    lost: tuple[str, ...] = ()
    """Names of those that ran and whose process ended before it could tell."""
