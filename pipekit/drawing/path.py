"""The line of each edge, as the text of an SVG path: straight through layers, bent between them.

Where many edges leave one box, or arrive at one, their bends would fill the gap between two layers;
there they share a line along the gap instead, from which each turns off.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from pipekit.drawing.layered import Layout, Point

_MANY = 10
"""Edges at one end from which on they share a line."""
_CORNER = 9.0
_ROOM = (0.25, 0.45)
"""The part of a gap that shared lines of a layer's sources lie in; those of targets mirror it."""


def number(value: float) -> str:
    """As short as a tenth of a pixel can be written."""
    return f"{value:.1f}".removesuffix(".0")


def paths_of(layout: Layout) -> list[str]:
    """The path of each route; empty where the route is."""
    # Everything here is computed for layers below each other; a sideways drawing swaps x and y.
    routes = [[_turned(point) for point in route] if layout.sideways else route
              for route in layout.routes]  # fmt: skip
    shared = _shared_lines(routes)
    return [_path(route, shared, sideways=layout.sideways) for route in routes]


def _turned(point: Point) -> Point:
    return point[1], point[0]


_Bend = tuple[Point, Point]


def _bends(routes: Sequence[Sequence[Point]]) -> dict[_Bend, None]:
    """Each bend once, though several edges of one source may share it."""
    return dict.fromkeys(
        (route[index], route[index + 1])
        for route in routes
        for index in range(1, len(route) - 1, 2)
    )


def _shared_lines(routes: Sequence[Sequence[Point]]) -> dict[Point, float]:
    """The ends at which many bends meet, and how much of the gap lies before their line."""
    leaving: Counter[Point] = Counter()
    arriving: Counter[Point] = Counter()
    for start, end in _bends(routes):
        leaving[start] += 1
        arriving[end] += 1
    found: dict[Point, float] = {}
    low, high = _ROOM
    for counts, is_start in ((arriving, False), (leaving, True)):
        rows: defaultdict[float, list[Point]] = defaultdict(list)
        for point, many in counts.items():
            if many >= _MANY:
                rows[point[1]].append(point)
        for row in rows.values():
            for index, point in enumerate(sorted(row)):
                place = low + (high - low) * (index + 1) / (len(row) + 1)
                found[point] = place if is_start else 1 - place
    return found


def _path(route: Sequence[Point], shared: dict[Point, float], *, sideways: bool) -> str:
    if not route:
        return ""

    def at(x: float, y: float) -> str:
        return f"{number(y)} {number(x)}" if sideways else f"{number(x)} {number(y)}"

    drawn = [f"M{at(*route[0])}"]
    for index, (start, end) in enumerate(pairwise(route)):
        (x, y), (to_x, to_y) = start, end
        if index % 2 == 0:
            if start != end:
                drawn.append(f"L{at(to_x, to_y)}")
            continue
        place = shared.get(start, shared.get(end))
        aside = to_x - x
        if abs(aside) < 0.05:
            drawn.append(f"L{at(to_x, to_y)}")
        elif place is None or abs(aside) < 3 * _CORNER:
            half = (y + to_y) / 2
            drawn.append(f"C{at(x, half)} {at(to_x, half)} {at(to_x, to_y)}")
        else:
            line = y + (to_y - y) * place
            turn = _CORNER if aside > 0 else -_CORNER
            up = _CORNER if to_y > y else -_CORNER
            drawn.append(
                f"L{at(x, line - up)}Q{at(x, line)} {at(x + turn, line)}"
                f"L{at(to_x - turn, line)}Q{at(to_x, line)} {at(to_x, line + up)}L{at(to_x, to_y)}"
            )
    return "".join(drawn)
