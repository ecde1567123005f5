"""A graph as SVG that stands by itself: no script, no font, no reference, no id, so that any number
of them may stand on one page. Where things stand is `layered`'s matter."""

from __future__ import annotations

from collections.abc import Sequence

from pipekit.drawing.label import (
    caption_of,
    cells_of,
    edge_title_of,
    escaped,
    fitted,
    name_of,
    summary_of,
    title_of,
)
from pipekit.drawing.layered import Point, lay_out
from pipekit.drawing.path import number as _number
from pipekit.drawing.path import paths_of
from pipekit.model.graph import CACHED, Graph, Node
from pipekit.model.records import Kind

_MARGIN = 14.0
_HEIGHT = 46.0
_TEXT_LEFT = 32.0
_TEXT_RIGHT = 12.0
_NAME_CELLS = 26
_NAME_CELL = 7.9
"""Width of a character of the name: 13 px of a monospaced font, whose letters are 0.6 em wide."""
_CAPTION_CELLS = 30
_CAPTION_CELL = 6.6
"""The same of the caption, 11 px, for the widest of the usual fonts without serifs."""
_LEAST_CELLS = 9

_ICONS = {
    "completed": "M1 7l4 4 8-9",
    CACHED: "M12.6 7a5.6 5.6 0 1 1-1.7-4M11.2 0v3.4H7.8",
    "failed": "M2 2l10 10M12 2L2 12",
    "running": "M3 1l9.5 6L3 13z",
    "skipped": "M1 7h12M9 3l4 4-4 4",
    "stopped": "M2 2h10v10H2z",
    "pending": "M7 1a6 6 0 1 1-.01 0M7 4v3.3l2.5 1.5",
    "queued": "M2 3h10M2 7h10M2 11h10",
    "draft": "M2 12l1-4 7-7 3 3-7 7z",
}
"""A shape for each status, in a square of 14."""
_LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b2330",
    "soft": "#566070",
    "line": "#8b95a5",
    "box": "#f6f7f9",
    "completed": "#1a7f45",
    "cached": "#5b6b82",
    "failed": "#c62828",
    "running": "#1666c0",
    "skipped": "#9a6200",
    "stopped": "#9a6200",
    "pending": "#5f6875",
}
_DARK = {
    "paper": "#14181f",
    "ink": "#e8ecf2",
    "soft": "#a9b3c1",
    "line": "#6d7889",
    "box": "#1e242e",
    "completed": "#4cc27f",
    "cached": "#9fb0c8",
    "failed": "#ff7b72",
    "running": "#6cb2ff",
    "skipped": "#e0a94a",
    "stopped": "#e0a94a",
    "pending": "#9aa5b4",
}


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--pipekit-{name}:{colour}" for name, colour in colours.items())


def themed(selector: str) -> str:
    """Rules that give an element pipekit's colours: the system's choice of light or dark, unless
    the page that it stands on (Jupyter, Visual Studio Code, `data-theme`) has made one."""
    light, dark = _variables(_LIGHT), _variables(_DARK)
    is_light = f"[data-jp-theme-light=true] {selector},[data-theme=light] {selector}"
    is_dark = (
        f"[data-jp-theme-light=false] {selector},[data-theme=dark] {selector},"
        f".vscode-dark {selector}"
    )
    return (
        f"{selector}{{color-scheme:light dark;{light}}}"
        f"@media(prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
        f"{is_light},.vscode-light {selector}{{color-scheme:light;{light}}}"
        f"{is_dark}{{color-scheme:dark;{dark}}}"
    )


_ROOT = ".pipekit-graph"
_RULES = "".join(
    [
        themed(_ROOT),
        f"{_ROOT} .paper{{fill:var(--pipekit-paper)}}",
        f"{_ROOT} .edges path{{fill:none;stroke:var(--pipekit-line)}}",
        f"{_ROOT} .edges .tips{{fill:var(--pipekit-line);stroke:none}}",
        f"{_ROOT} .edges .inside{{stroke-dasharray:2 4}}",
        f"{_ROOT} .box{{fill:var(--pipekit-box);stroke:var(--pipekit-state)}}",
        f"{_ROOT} .icon{{stroke:var(--pipekit-state)}}",
        f"{_ROOT} .solid{{fill:var(--pipekit-state)}}",
        f"{_ROOT} .cached .box{{stroke-dasharray:5 4}}",
        f"{_ROOT} .name{{fill:var(--pipekit-ink)}}",
        f"{_ROOT} .caption{{fill:var(--pipekit-soft)}}",
        f"{_ROOT} .status-failed .caption{{fill:var(--pipekit-state)}}",
        f"{_ROOT} g{{--pipekit-state:var(--pipekit-pending)}}",
        *(
            f"{_ROOT} .status-{name}{{--pipekit-state:var(--pipekit-{name})}}"
            for name in ("completed", "failed", "running", "skipped", "stopped")
        ),
        f"{_ROOT} .status-completed.cached{{--pipekit-state:var(--pipekit-cached)}}",
    ]
)


_STYLE = f"@supports(color:var(--a)){{{_RULES}}}"
"""A program that knows no variables leaves these rules out, and takes the light colours that each
element has as attributes."""


def render_svg(graph: Graph, *, name: str = "") -> str:
    """The graph as one `<svg>` element.

    Each step is a `<g data-task="ID" class="status-…">`; who wants to do something when one is
    pressed looks for these.

    Args:
        graph: Is drawn as it is: `collapsed()` first, where it may be large.
        name: Of the run, for the picture's title.
    """
    box = _Box(graph)
    layout = lay_out([(box.width, _HEIGHT)] * len(graph), graph.pairs)
    width = max(layout.width, 120.0 if not len(graph) else 0.0) + 2 * _MARGIN
    height = max(layout.height, 30.0 if not len(graph) else 0.0) + 2 * _MARGIN
    names = {node.id: name_of(node) for node in graph.nodes}
    title = f"Graph of {name}" if name else "Graph of a run"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pipekit-graph" role="img" '
        f'aria-label="{escaped(title)}: {summary_of(graph)}" '
        f'width="{_number(width)}" height="{_number(height)}" '
        f'viewBox="0 0 {_number(width)} {_number(height)}">',
        f"<title>{escaped(title)}</title><desc>{summary_of(graph)}</desc>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="100%" height="100%" fill="{_LIGHT["paper"]}"/>',
        f'<g transform="translate({_number(_MARGIN)} {_number(_MARGIN)})">',
        f'<g class="edges" fill="none" stroke="{_LIGHT["line"]}" stroke-width="1.4">',
    ]
    for edge, path in zip(graph.edges, paths_of(layout), strict=True):
        if path:
            inside = ' class="inside" stroke-dasharray="2 4"' if edge.inside else ""
            parts.append(
                f'<path{inside} d="{path}">'
                f"<title>{escaped(edge_title_of(edge, names))}</title></path>"
            )
    tips = "".join(_tips(layout.routes, sideways=layout.sideways))
    if tips:
        parts.append(f'<path class="tips" stroke="none" fill="{_LIGHT["line"]}" d="{tips}"/>')
    parts.append(
        '</g><g fill="none" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">'
    )
    for node, corner in zip(graph.nodes, layout.corners, strict=True):
        parts.append(box.drawn(node, corner))
    if not len(graph):
        parts.append(f'<text class="caption" y="20" {_CAPTION_FONT}>no steps</text>')
    return "".join([*parts, "</g></g></svg>"])


_NAME_FONT = (
    'stroke="none" font-size="13" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'
    "'DejaVu Sans Mono',monospace\""
)
_CAPTION_FONT = (
    f'stroke="none" fill="{_LIGHT["soft"]}" font-size="11" '
    "font-family=\"system-ui,-apple-system,'Segoe UI',Roboto,Arial,'DejaVu Sans',sans-serif\""
)


class _Box:
    """How a node is drawn: all of a graph are equally wide, as the widest text asks."""

    def __init__(self, graph: Graph) -> None:
        names = max((cells_of(name_of(node)) for node in graph.nodes), default=0)
        captions = max((len(caption_of(node)) for node in graph.nodes), default=0)
        text = max(
            min(max(names, _LEAST_CELLS), _NAME_CELLS) * _NAME_CELL,
            min(captions, _CAPTION_CELLS) * _CAPTION_CELL,
        )
        self.width = _TEXT_LEFT + text + _TEXT_RIGHT
        self._name_cells = int(text / _NAME_CELL + 1e-6)
        self._caption_cells = int(text / _CAPTION_CELL + 1e-6)

    def drawn(self, node: Node, corner: Point) -> str:
        colour = _LIGHT.get(node.word, _LIGHT["pending"])
        kind = " pipeline" if node.kind is Kind.PIPELINE else ""
        cached = " cached" if node.word == CACHED else ""
        dashes = ' stroke-dasharray="5 4"' if cached else ""
        shape = f'class="box" rx="7" fill="{_LIGHT["box"]}" stroke="{colour}"'
        size = f'width="{_number(self.width)}" height="{_number(_HEIGHT)}"'
        behind = ""
        if node.tally:
            behind = f'<rect x="4" y="4" {size} {shape}{dashes}/>'
        if kind:
            inner = f'width="{_number(self.width + 6)}" height="{_number(_HEIGHT + 6)}"'
            behind += f'<rect x="-3" y="-3" {inner} {shape.replace("7", "9", 1)}{dashes}/>'
        icon = f'class="icon" stroke="{colour}"'
        if node.word in ("running", "stopped"):
            icon = f'class="icon solid" stroke="{colour}" fill="{colour}"'
        return (
            f'<g data-task="{escaped(node.id)}" class="status-{node.status.value}{cached}{kind}" '
            f'transform="translate({_number(corner[0])} {_number(corner[1])})">'
            f"<title>{escaped(title_of(node))}</title>{behind}"
            f"<rect {size} {shape}{dashes}/>"
            f'<path {icon} stroke-width="2" transform="translate(10 16)" '
            f'd="{_ICONS[node.word]}"/>'
            f"{self._name(node)}"
            f'<text class="caption" x="{_number(_TEXT_LEFT)}" y="36" {_CAPTION_FONT}>'
            f"{escaped(fitted(caption_of(node), self._caption_cells))}</text></g>"
        )

    def _name(self, node: Node) -> str:
        # The ordinal and the count tell names apart: what is cut is the rest.
        name = name_of(node)
        count = f" ×{node.count}" if node.tally else ""
        name = fitted(name.removesuffix(count), self._name_cells - len(count)) + count
        # A letter that the font lacks comes from another one, and there may be no such font: where
        # that could matter, the length is prescribed.
        length = ""
        if not name.isascii() or len(name) > self._name_cells * 0.7:
            pixels = _number(cells_of(name) * _NAME_CELL)
            length = f' textLength="{pixels}" lengthAdjust="spacingAndGlyphs"'
        return (
            f'<text class="name" x="{_number(_TEXT_LEFT)}" y="20" fill="{_LIGHT["ink"]}" '
            f"{_NAME_FONT}{length}>{escaped(name)}</text>"
        )


def _tips(routes: Sequence[Sequence[Point]], *, sideways: bool) -> list[str]:
    """An arrowhead at each place where edges arrive: once, however many do."""
    tips = {}
    for route in routes:
        if route:
            (x, y), along = route[-1], _direction(route, sideways=sideways)
            if sideways:
                tips[x, y, along] = f"M{_number(x)} {_number(y)}l{-7 * along}-3.5v7z"
            else:
                tips[x, y, along] = f"M{_number(x)} {_number(y)}l-3.5 {-7 * along}h7z"
    return list(tips.values())


def _direction(route: Sequence[Point], *, sideways: bool) -> int:
    """1 where the edge runs down, or to the right; else -1."""
    axis = 0 if sideways else 1
    return 1 if route[-1][axis] >= route[0][axis] else -1
