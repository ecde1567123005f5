"""The graph of what code reaches: one node a definition, value or package, and the digest over all
that can be reached from one of them. Owns the order; knows nothing of where nodes come from.

Names are not unique (two lambdas of one function, closures of one factory), so the digest is made
over the nodes in the order in which they are reached, each with the places of those it refers to.
That has no trouble with cycles, and does not depend on what was looked at before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from pipekit.capture.part import BlindSpot, Fingerprint, Part
from pipekit.capture.snapshot import Snapshot
from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest

DOCSTRINGS, ANNOTATIONS, LOCALS, OWN_LOCALS = "docstrings", "annotations", "locals", "own locals"
OWN = frozenset({OWN_LOCALS})


class Node:
    """One definition, value or package."""

    __slots__ = (
        "__weakref__", "about", "blind_spots", "digest", "file", "held", "kind", "name",
        "reads", "refs", "snapshot", "text",
    )  # fmt: skip

    def __init__(self, kind: str, name: str, *, file: str = "", held: object = None) -> None:
        self.kind = kind
        self.name = name
        self.digest: Digest = ""
        self.text = ""
        self.file = file
        self.held = held  # keeps the object alive whose id is this node's key
        self.refs: list[Node] = []
        self.blind_spots: list[BlindSpot] = []
        self.about: Callable[[str], str] | None = None
        """What the definition says about itself: its `DOCSTRINGS`, `ANNOTATIONS` or `LOCALS`."""
        self.reads: set[str] = set()
        """Which of these it may read, of any definition; of locals, of itself alone."""
        self.snapshot: Snapshot | None = None
        """What it holds that can change, as it was when it was described."""

    def digest_with(self, read: frozenset[str]) -> Digest:
        """The digest where something that is reached reads what definitions say."""
        said = sorted(read | (self.reads & OWN)) if self.about else []
        if not said or self.about is None:
            return self.digest
        return digest_bytes(self.digest, *(self.about(kind) for kind in said))


def reach_of(root: Node, ignore: Collection[str]) -> list[Node]:
    """A node and all that it reaches, each once, in the order of the references."""
    places: dict[int, int] = {id(root): 0}
    order = [root]
    stack = [iter(root.refs)]
    while stack:  # depth first, in the order of the references
        for node in stack[-1]:
            if id(node) not in places and node.name not in ignore:
                places[id(node)] = len(order)
                order.append(node)
                stack.append(iter(node.refs))
                break
        else:
            stack.pop()
    return order


def collect(root: Node, always: Collection[Node], ignore: Collection[str]) -> Fingerprint:
    """The fingerprint of a node whose reach is known; `always` belongs to every one."""
    order = reach_of(root, ignore)
    places = {id(node): place for place, node in enumerate(order)}
    entries: list[str] = []
    # A docstring counts where something reached may read docstrings, and nowhere else.
    read = frozenset(kind for node in order for kind in node.reads if kind not in OWN)
    for node in order:
        inner = " ".join(str(places.get(id(ref), "-")) for ref in node.refs)
        entries += (node.kind, node.name, node.digest_with(read), inner)
    reached = [*always, *(node for node in order if node.kind != "root")]
    entries += [node.digest for node in always]
    parts = {
        Part(node.kind, node.name, node.digest_with(read), node.text, node.file) for node in reached
    }
    spots = {spot for node in order for spot in node.blind_spots}
    return Fingerprint(
        digest_bytes(*entries),
        tuple(sorted(parts, key=lambda part: (part.kind, part.name, part.digest))),
        tuple(sorted(spots, key=lambda spot: (spot.file, spot.line, spot.what))),
    )
