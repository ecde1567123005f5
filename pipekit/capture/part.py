"""What a fingerprint is made of, as plain frozen text that travels to other processes."""

from __future__ import annotations

from dataclasses import dataclass

from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest
from pipekit.origin import MAIN


@dataclass(frozen=True, slots=True)
class Part:
    """One definition, value or package that a function reaches."""

    kind: str
    """`function`, `class`, `global`, `module`, `package`, `python` or `file`."""
    name: str
    """`flow.helper`, `flow.RATE`, `numpy`; never in `__main__`, where that has a stable name."""
    digest: Digest
    """Of this definition alone."""
    text: str = ""
    """A global's short repr, a class's plain attributes (`rate = 1`, a line each), a package's
    version."""
    file: str = ""
    """Source file, relative to the project where it lies inside."""


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """What could not be followed, or what makes the outcome depend on the outside."""

    what: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.file else self.what


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The code that a function reaches, as one digest, and what that is made of."""

    digest: Digest
    """Over the parts and how they refer to each other. Equal in every process that runs the same
    code under the same minor version of Python."""
    parts: tuple[Part, ...]
    """Sorted by kind and name."""
    blind_spots: tuple[BlindSpot, ...]
    """Sorted by file and line."""

    def around(self) -> Digest:
        """Over the parts that another process finds on its own where the function itself travels
        there by value: modules, packages, and what lies in them."""
        found = [part for part in self.parts if not _travels(part)]
        return digest_bytes(
            *(text for part in found for text in (part.kind, part.name, part.digest))
        )


def _travels(part: Part) -> bool:
    return part.name.startswith(f"{MAIN}.") or "<" in part.name
