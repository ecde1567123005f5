"""A graph as a tree for the terminal.

What a step leads to stands below it. One that leads to a single step has that on the next line,
not indented, so that a chain is a column; one that leads to several has a branch for each. A step
stands in full where it is come to first, with what else it takes from; anywhere else it is a name,
and an arrow to where that is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipekit.console.terminal import ASCII_MARKS, COLOURS, MARKS, Marks, one_line
from pipekit.drawing.label import duration_of, name_of
from pipekit.model.graph import CACHED, Graph, Node, order_of
from pipekit.model.records import Kind

_DEEPEST = 8
"""Branches within branches; what lies deeper is drawn as a tree of its own, further below."""
_MOST_TO_REDUCE = 10_000
"""Nodes; the bits of what each leads to take up to 12 MB then."""
_NAMED = 3
"""Other steps that one waits for, by name."""


class _Signs(NamedTuple):
    """What lines are drawn with."""

    branch: str
    last: str
    beside: str
    above: str
    below: str
    takes: str
    marks: Marks
    waiting: str


_UNICODE = _Signs("├─ ", "└─ ", "│  ", "↑", "↓", "←", MARKS, "○")
_ASCII = _Signs("|- ", "`- ", "|  ", "^", "v", "<-", ASCII_MARKS, ".")


def render_text(graph: Graph, *, unicode: bool = True, colour: bool = False) -> str:
    """The graph as lines, each ended.

    Args:
        graph: Is drawn as it is: `collapsed()` or `folded()` first, where it may be wide.
        unicode: Whether the terminal can show more than ASCII.
        colour: Whether to write escape sequences for colours.
    """
    tree = _Tree(graph, _UNICODE if unicode else _ASCII, colour=colour)
    return "".join(f"{line}\n" for line in tree.lines())


class _Place(NamedTuple):
    """Where a node is to be written."""

    node: int
    parent: int
    """The node that led to it; -1 for none."""
    lead: str
    """What its line begins with."""
    indent: str
    """What the lines of all below it begin with."""
    depth: int


class _Tree:
    def __init__(self, graph: Graph, signs: _Signs, *, colour: bool) -> None:
        self._nodes = graph.nodes
        self._signs = signs
        self._colour = colour
        self._targets: list[list[int]] = [[] for _ in graph.nodes]
        self._sources: list[list[int]] = [[] for _ in graph.nodes]
        for source, target in dict.fromkeys(graph.pairs):
            if source != target:
                self._targets[source].append(target)
                self._sources[target].append(source)
        for near in (*self._targets, *self._sources):
            near.sort()
        self._targets = _without_detours(self._targets)
        self._seen: set[int] = set()

    def lines(self) -> Iterator[str]:
        roots = [index for index, sources in enumerate(self._sources) if not sources]
        yield from self._trees(self._branches(roots, -1, "", 0))
        # A record with a cycle in it has steps that no root leads to.
        for index in range(len(self._nodes)):
            if index not in self._seen:
                yield ""
                yield from self._trees([_Place(index, -1, "", "", 0)])

    def _trees(self, places: Sequence[_Place]) -> Iterator[str]:
        """Each place with all that it leads to; what is too deep follows as trees of its own."""
        stack = list(reversed(places))
        postponed: deque[int] = deque()
        while stack or postponed:
            if not stack:
                root = postponed.popleft()
                if root not in self._seen:
                    yield ""
                    stack.append(_Place(root, -1, "", "", 0))
                continue
            place = stack.pop()
            if place.node in self._seen:
                yield place.lead + self._mention(place.node, self._signs.above)
            elif place.depth > _DEEPEST:
                yield place.lead + self._mention(place.node, self._signs.below)
                postponed.append(place.node)
            else:
                self._seen.add(place.node)
                yield place.lead + self._in_full(place)
                targets = self._targets[place.node]
                stack += reversed(self._branches(targets, place.node, place.indent, place.depth))

    def _branches(
        self, targets: Sequence[int], parent: int, indent: str, depth: int
    ) -> list[_Place]:
        """What comes below a node: one target goes on in the same column, several branch off."""
        if len(targets) == 1:
            return [_Place(targets[0], parent, indent, indent, depth)]
        signs = self._signs
        places = []
        for number, target in enumerate(targets, start=1):
            is_last = number == len(targets)
            lead = indent + (signs.last if is_last else signs.branch)
            below = indent + ("   " if is_last else signs.beside)
            places.append(_Place(target, parent, lead, below, depth + 1))
        return places

    def _mention(self, node: int, arrow: str) -> str:
        return self._styled(f"{self._name(self._nodes[node])} {arrow}", "reused")

    def _in_full(self, place: _Place) -> str:
        node = self._nodes[place.node]
        what, mark = self._standing(node)
        kind = " (pipeline)" if node.kind is Kind.PIPELINE else ""
        detail = duration_of(node)
        line = f"{self._styled(mark, what)} {self._name(node)}{kind}"
        if node.tally:
            line += f" ({detail})"
        elif detail:
            line += f"  {self._styled(detail, what if what == 'failed' else 'reused')}"
        others = [source for source in self._sources[place.node] if source != place.parent]
        if others:
            line += "  " + self._styled(f"{self._signs.takes} {self._named(others)}", "reused")
        return line

    def _named(self, others: Sequence[int]) -> str:
        names = [self._name(self._nodes[index]) for index in others]
        more = len(names) - _NAMED
        if more > 1:
            return f"{', '.join(names[:_NAMED])} and {more} more"
        return ", ".join(names)

    def _name(self, node: Node) -> str:
        name = name_of(node)
        if self._signs is _UNICODE:
            return name
        count = f" {self._signs.marks.times}{node.count}" if node.tally else ""
        return one_line(node.name) + count

    def _standing(self, node: Node) -> tuple[str, str]:
        """The key of its colour, and its mark."""
        marks = self._signs.marks
        if node.word == CACHED:
            return "reused", marks.reused
        if node.word == "running":
            return "began", marks.began
        mark = getattr(marks, node.word, None)
        return (node.word, mark) if mark else ("", self._signs.waiting)

    def _styled(self, text: str, what: str) -> str:
        code = COLOURS.get(what)
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code else text


def _without_detours(targets: Sequence[Sequence[int]]) -> list[list[int]]:
    """The targets of each node but for those that another of its targets leads to: they stand below
    it anyway, and name it there."""
    count = len(targets)
    if count > _MOST_TO_REDUCE:
        return [list(own) for own in targets]
    pairs = [(source, target) for source, own in enumerate(targets) for target in own]
    order, against = order_of(count, pairs)
    backward = {pairs[index] for index in against}
    leads_to = [0] * count  # as a set of bits
    reduced: list[list[int]] = [[] for _ in range(count)]
    for source in reversed(order):
        forward = [target for target in targets[source] if (source, target) not in backward]
        further = 0
        for target in forward:
            further |= leads_to[target]
        reduced[source] = [
            target
            for target in targets[source]
            if (source, target) in backward or not further >> target & 1
        ]
        for target in forward:
            further |= 1 << target
        leads_to[source] = further
    return reduced
