"""A graph as Mermaid, the text that GitHub, GitLab and many editors draw as a flowchart."""

from __future__ import annotations

from collections import defaultdict

from pipekit.console.terminal import one_line
from pipekit.drawing.label import caption_of, fitted, name_of
from pipekit.model.graph import CACHED, Graph, Node
from pipekit.model.records import Kind

MOST_EDGES = 500
"""Mermaid draws no more, unless the page that it stands on says so."""
_NAME_CELLS = 60
_OUTPUT_CELLS = 40
_PLAIN = frozenset(" _-.,:()")
_CLASSES = {
    "completed": "fill:#e9f6ee,stroke:#1a7f45,color:#1b2330",
    CACHED: "fill:#f1f3f6,stroke:#5b6b82,color:#1b2330,stroke-dasharray:5 4",
    "failed": "fill:#fdeaea,stroke:#c62828,color:#1b2330,stroke-width:2px",
    "running": "fill:#e8f1fc,stroke:#1666c0,color:#1b2330",
    "skipped": "fill:#fdf3e0,stroke:#9a6200,color:#1b2330",
    "stopped": "fill:#fdf3e0,stroke:#9a6200,color:#1b2330",
    "pending": "fill:#f6f7f9,stroke:#5f6875,color:#1b2330",
}
"""Colours with their own ink, so that they can be read on a dark page too."""


def render_mermaid(graph: Graph) -> str:
    """The graph as a flowchart, to be put between ```` ```mermaid ```` fences.

    Ids are `n0`, `n1` …; all other text is quoted and escaped.
    """
    ids = {node.id: f"n{index}" for index, node in enumerate(graph.nodes)}
    members: defaultdict[str, list[str]] = defaultdict(list)
    lines = ["flowchart TD"]
    for node in graph.nodes:
        lines.append(f"    {ids[node.id]}{_shape(node)}")
        members[node.word if node.word in _CLASSES else "pending"].append(ids[node.id])
    for edge in graph.edges:
        arrow = "-.->" if edge.inside or not edge.outputs else "-->"
        names = [name for name in edge.outputs if name != "value"]
        label = f'|"{_escaped(fitted(", ".join(names), _OUTPUT_CELLS))}"|' if names else ""
        lines.append(f"    {ids[edge.source]} {arrow}{label} {ids[edge.target]}")
    if not graph.nodes:
        lines.append('    n0["no steps"]')
    for word, style in _CLASSES.items():
        if members[word]:
            lines.append(f"    classDef {word} {style}")
            lines.append(f"    class {','.join(members[word])} {word}")
    return "\n".join(lines) + "\n"


def _shape(node: Node) -> str:
    name = name_of(node)
    count = f" ×{node.count}" if node.tally else ""
    name = fitted(name.removesuffix(count), _NAME_CELLS) + count
    text = f'"{_escaped(name)}<br/>{_escaped(caption_of(node))}"'
    return f"[[{text}]]" if node.kind is Kind.PIPELINE else f"[{text}]"


def _escaped(text: str) -> str:
    """The text with everything that Mermaid or Markdown could read as more than a letter written as
    a number."""
    return "".join(
        c if c.isalnum() or c in _PLAIN or ord(c) > 127 else f"#{ord(c)};" for c in one_line(text)
    )
