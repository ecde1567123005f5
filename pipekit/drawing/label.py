"""What a picture says about a node, made safe and made to fit. Knows no picture."""

from __future__ import annotations

import re
from unicodedata import east_asian_width

from pipekit.console.quantity import seconds_text
from pipekit.console.terminal import one_line
from pipekit.model.graph import CACHED, Edge, Graph, Node, tally_text
from pipekit.model.records import Kind
from pipekit.model.status import Status

_UNSAFE = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_TAIL = re.compile(r"[-_/ ]?[0-9]*$")
_LONGEST_TAIL = 6


def name_of(node: Node) -> str:
    """`fit`, `fit ×100`."""
    name = one_line(node.name)
    return f"{name} ×{node.count}" if node.tally else name


def caption_of(node: Node) -> str:
    """What became of it, and how long that took: `completed, 1.24 s`, `cached`, `98 completed`."""
    if node.tally:
        return tally_text(node.tally)
    if node.seconds is None or node.word == CACHED:
        return node.word
    return f"{node.word}, {seconds_text(node.seconds)}"


def duration_of(node: Node) -> str:
    """The same, where a mark says already that it completed: `1.24 s`, `cached`."""
    if node.tally or node.status is not Status.COMPLETED or node.seconds is None:
        return caption_of(node)
    return seconds_text(node.seconds)


def title_of(node: Node) -> str:
    """All that is known of it, on one line."""
    kind = " (pipeline)" if node.kind is Kind.PIPELINE else ""
    in_all = f", {seconds_text(node.seconds)} in all" if node.tally and node.seconds else ""
    return f"{name_of(node)}{kind}: {caption_of(node)}{in_all}"


def edge_title_of(edge: Edge, names: dict[str, str]) -> str:
    """`split → fit: X_train, y_train`."""
    outputs = ", ".join(one_line(name) for name in edge.outputs)
    ends = f"{names[edge.source]} → {names[edge.target]}"
    return f"{ends}: {outputs}" if outputs else ends


def summary_of(graph: Graph) -> str:
    """`7 steps: 5 completed, 2 cached`."""
    many = sum(count for _, count in graph.tally)
    if not many:
        return "no steps"
    return f"{many} step{'s' if many > 1 else ''}: {tally_text(graph.tally)}"


def escaped(text: str) -> str:
    """The text on one line as it may stand in SVG and HTML, in an attribute too."""
    return one_line(text).translate(_UNSAFE)


def cells_of(text: str) -> int:
    """How many columns of a typewriter it takes."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def fitted(text: str, cells: int) -> str:
    """The text in so many columns at most: cut before its number, which tells equal names apart."""
    if cells_of(text) <= cells:
        return text
    found = _TAIL.search(text)
    tail = found[0] if found is not None else ""
    if len(tail) > min(_LONGEST_TAIL, cells - 2):
        tail = ""
    room = max(cells - len(tail) - 1, 0)
    head = text[: len(text) - len(tail)]
    head = head[:room]
    while cells_of(head) > room:
        head = head[:-1]
    return f"{head}…{tail}"
