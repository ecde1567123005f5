"""Where the boxes of a directed graph stand, and how its edges run, layer by layer (after Sugiyama,
Tagawa and Toda, 1981). Pure and deterministic: sizes in, positions and routes out. Draws nothing.

1. Layers: the longest way from a root; a root that is needed late moves down to who needs it.
2. An edge over several layers passes each at a place of its own; the long edges of one source
   share a trunk, so there are at most (nodes x layers) places. Beyond a budget the longest trunks
   are left out, and their edges run straight.
3. Order within a layer: sweeps by barycentre, then exchanges of neighbours; the order with the
   fewest crossings is kept.
4. Coordinates: each layer in turn is put as near as possible to where its neighbours want it (least
   squares under the distances, by pooling adjacent violators); trunks pull harder, and are
   straightened where there is room.

Inside, layers lie below each other, `along` is a place in a layer; a sideways drawing swaps both.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from pipekit.drawing.placement import place_along
from pipekit.model.graph import order_of

Point = tuple[float, float]
Size = tuple[float, float]
Pair = tuple[int, int]

_GAP = 18.0
"""Between two boxes of a layer."""
_LAYER_GAP = (44.0, 130.0)
"""Between two layers: the least, and the most, for edges that run far aside."""
_PART_GAP = 26.0
_PAGE = 960.0
"""A drawing as wide as this is never turned sideways."""
_SHAPE = 1.7
"""Width to height that parts of a graph are packed to."""
_MOST_PLACES = 12_000
_MOST_FOR_EXCHANGES = 2_500
"""Vertices and edges."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing's geometry, from (0, 0) to (width, height)."""

    width: float
    height: float
    corners: list[Point]
    """Of each box, the upper left one."""
    routes: list[list[Point]]
    """Of each edge, to the border of its target, from that of its source, or from where it leaves
    the trunk that a shorter edge of that source has begun: points that alternately begin a straight
    piece through a layer and a bend between two. Empty for an edge from a box to itself."""
    sideways: bool
    """Layers stand side by side, and bends leave and arrive horizontally."""


def lay_out(
    sizes: Sequence[Size], pairs: Sequence[Pair], *, sideways: bool | None = None
) -> Layout:
    """Place boxes and edges.

    Args:
        sizes: (Width, height) of each box.
        pairs: (Source, target) of each edge, as positions in `sizes`. Cycles are cut open.
        sideways: From left to right, not from top to bottom; None: whichever is narrower.
    """
    parts = [_Part(members, own, sizes, pairs) for members, own in _parts(len(sizes), pairs)]
    if sideways is None:
        down = max((part.width(sideways=False) for part in parts), default=0.0)
        across = max((part.width(sideways=True) for part in parts), default=0.0)
        sideways = down > _PAGE and across < down
    corners: list[Point] = [(0.0, 0.0)] * len(sizes)
    routes: list[list[Point]] = [[] for _ in pairs]
    boxes = [part.solve(sideways=sideways) for part in parts]
    origins, width, height = _packed(boxes)
    for part, (left, top) in zip(parts, origins, strict=True):
        part.put(corners, routes, left, top)
    return Layout(width, height, corners, routes, sideways)


def _parts(count: int, pairs: Sequence[Pair]) -> list[tuple[list[int], list[int]]]:
    """Nodes and edges (as positions in `pairs`) of each connected part, by first node."""
    root = list(range(count))

    def find(node: int) -> int:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for source, target in pairs:
        a, b = find(source), find(target)
        root[max(a, b)] = min(a, b)
    parts: dict[int, tuple[list[int], list[int]]] = {}
    for node in range(count):
        parts.setdefault(find(node), ([], []))[0].append(node)
    for index, (source, _) in enumerate(pairs):
        parts[find(source)][1].append(index)
    return list(parts.values())


def _packed(boxes: Sequence[Size]) -> tuple[list[Point], float, float]:
    """Where parts stand: rows, from left to right."""
    if not boxes:
        return [], 0.0, 0.0
    area = sum((width + _PART_GAP) * (height + _PART_GAP) for width, height in boxes)
    most = max(max(width for width, _ in boxes), sqrt(area * _SHAPE))
    origins: list[Point] = []
    left = top = row_height = widest = 0.0
    for width, height in boxes:
        if left and left + width > most:
            left, top = 0.0, top + row_height + _PART_GAP
            row_height = 0.0
        origins.append((left, top))
        widest = max(widest, left + width)
        row_height = max(row_height, height)
        left += width + _PART_GAP
    return origins, widest, top + row_height


class _Part:
    """One connected part. Its vertices are its nodes and, behind them, the places of trunks."""

    def __init__(
        self, members: list[int], own: list[int], sizes: Sequence[Size], pairs: Sequence[Pair]
    ) -> None:
        self._members = members
        self._edges = own
        at = {node: index for index, node in enumerate(members)}
        self._sizes = [sizes[node] for node in members]
        local = [(at[pairs[index][0]], at[pairs[index][1]]) for index in own]
        order, against = order_of(len(members), local)
        self._against = against
        # Edges that run against the order are laid out the other way round.
        self._pairs = [
            (target, source) if index in against else (source, target)
            for index, (source, target) in enumerate(local)
        ]
        self._layer_of = _layers_of(order, self._pairs)
        self._layers: list[list[int]] = [[] for _ in range(max(self._layer_of, default=0) + 1)]
        for node in range(len(members)):
            self._layers[self._layer_of[node]].append(node)

    def width(self, *, sideways: bool) -> float:
        """About how wide it will be."""
        if sideways:
            thickest = [max(self._sizes[node][0] for node in layer) for layer in self._layers]
            return sum(thickest) + _LAYER_GAP[0] * (len(thickest) - 1)
        return max(sum(self._sizes[node][0] + _GAP for node in layer) for layer in self._layers)

    def solve(self, *, sideways: bool) -> Size:
        """Place everything; how much room that takes."""
        self._sideways = sideways
        self._add_trunks()
        self._order()
        along = [size[1 if sideways else 0] for size in self._sizes]
        half = [size / 2 for size in along] + [0.0] * (len(self._layer_of) - len(along))
        self._half = half
        self._x = place_along(self._layers, self._up, self._down, half, nodes=len(along), gap=_GAP)
        left = min(x - h for x, h in zip(self._x, half, strict=True))
        self._x = [x - left for x in self._x]
        across = [size[0 if sideways else 1] for size in self._sizes]
        self._thick = [max((across[v] for v in layer if v < len(across)), default=0.0)
                       for layer in self._layers]  # fmt: skip
        self._top = self._tops()
        width = max(x + h for x, h in zip(self._x, half, strict=True))
        height = self._top[-1] + self._thick[-1]
        return (height, width) if sideways else (width, height)

    def put(self, corners: list[Point], routes: list[list[Point]], left: float, top: float) -> None:
        """Write the places of its boxes and edges, its own corner being there."""

        def moved(x: float, y: float) -> Point:
            return (left + y, top + x) if self._sideways else (left + x, top + y)

        for index, node in enumerate(self._members):
            y = self._top[self._layer_of[index]] + self._lead(index)
            corners[node] = moved(self._x[index] - self._half[index], y)
        for index in self._by_length():
            edge = self._edges[index]
            route = [moved(x, y) for x, y in self._route(index)]
            routes[edge] = route[::-1] if index in self._against else route

    def _by_length(self) -> list[int]:
        """The edges: those that end in the upper layers first."""
        return sorted(
            range(len(self._pairs)), key=lambda index: self._layer_of[self._pairs[index][1]]
        )

    def _lead(self, node: int) -> float:
        """From the beginning of its layer to that of a box: boxes stand in the middle."""
        return (self._thick[self._layer_of[node]] - self._across(node)) / 2

    def _across(self, node: int) -> float:
        return self._sizes[node][0 if self._sideways else 1]

    def _route(self, index: int) -> list[Point]:
        source, target = self._pairs[index]
        if source == target:
            return []
        top, thick, x = self._top, self._thick, self._x
        first, last = self._layer_of[source], self._layer_of[target]
        trunk = self._trunks.get(source, [])
        begun = first
        if index not in self._against:
            begun = self._begun.get(source, first)
            self._begun[source] = max(begun, last - 1) if trunk else first
        points: list[Point] = []
        if begun == first:
            start = top[first] + self._lead(source) + self._across(source)
            points = [(x[source], start), (x[source], top[first] + thick[first])]
        else:
            fork = (x[trunk[begun - first - 1]], top[begun] + thick[begun])
            points = [fork, fork]
        for layer in range(begun + 1, last if trunk else 0):
            place = trunk[layer - first - 1]
            points += [(x[place], top[layer]), (x[place], top[layer] + thick[layer])]
        return [*points, (x[target], top[last]), (x[target], top[last] + self._lead(target))]

    def _add_trunks(self) -> None:
        """Give long edges their places, and note who is next to whom, layer by layer."""
        count = len(self._members)
        layer_of, layers = self._layer_of, self._layers
        lengths = [0] * count
        for source, target in self._pairs:
            if source != target:
                lengths[source] = max(lengths[source], layer_of[target] - layer_of[source] - 1)
        self._trunks: dict[int, list[int]] = {}
        self._begun: dict[int, int] = {}  # source -> the last layer whose place a route has passed
        budget = _MOST_PLACES
        for source in sorted((v for v in range(count) if lengths[v]), key=lambda v: lengths[v]):
            budget -= lengths[source]
            if budget < 0:
                break
            trunk = list(range(len(layer_of), len(layer_of) + lengths[source]))
            self._trunks[source] = trunk
            for step, place in enumerate(trunk, start=layer_of[source] + 1):
                layer_of.append(step)
                layers[step].append(place)
        total = len(layer_of)
        self._up: list[list[int]] = [[] for _ in range(total)]
        self._down: list[list[int]] = [[] for _ in range(total)]
        for source, trunk in self._trunks.items():
            for upper, lower in zip([source, *trunk], trunk, strict=False):
                self._join(upper, lower)
        for source, target in dict.fromkeys(self._pairs):
            span = layer_of[target] - layer_of[source]
            if span == 1:
                self._join(source, target)
            elif span > 1 and source in self._trunks:
                self._join(self._trunks[source][span - 2], target)

    def _join(self, upper: int, lower: int) -> None:
        self._down[upper].append(lower)
        self._up[lower].append(upper)

    def _order(self) -> None:
        self._layers = ordered(self._layers, self._up, self._down)

    def _tops(self) -> list[float]:
        """Where each layer begins: the farther the edges run aside, the larger the gap above."""
        tops = [0.0]
        least, most = _LAYER_GAP
        for index, layer in enumerate(self._layers[1:]):
            x = self._x
            far = max((abs(x[v] - x[u]) for v in layer for u in self._up[v]), default=0.0)
            gap = min(most, max(least, far * 0.14))
            tops.append(tops[-1] + self._thick[index] + gap)
        return tops


def _layers_of(order: Sequence[int], pairs: Sequence[Pair]) -> list[int]:
    """The layer of each node: the longest way to it; nodes that nothing leads to stand just above
    the first that needs them."""
    targets: list[list[int]] = [[] for _ in order]
    has_source = [False] * len(order)
    for source, target in pairs:
        if source != target:
            targets[source].append(target)
            has_source[target] = True
    layer_of = [0] * len(order)
    for node in order:
        for target in targets[node]:
            layer_of[target] = max(layer_of[target], layer_of[node] + 1)
    for node in order:
        if not has_source[node] and targets[node]:
            layer_of[node] = min(layer_of[target] for target in targets[node]) - 1
    return layer_of


def ordered(layers: list[list[int]], up: list[list[int]], down: list[list[int]]) -> list[list[int]]:
    """The layers, each in an order that makes edges cross seldom. `up` and `down` lead from each
    vertex to those next to it in the layer above and below."""
    layers = _first_order(layers, down)
    best, fewest = [list(layer) for layer in layers], crossings(layers, down)
    total = sum(map(len, layers))
    is_small = total + sum(map(len, down)) <= _MOST_FOR_EXCHANGES
    at = [0.0] * total
    for layer in layers:
        _note(layer, at)
    idle = 0
    for sweep in range(24 if is_small else 8):
        if not fewest or idle > 3:
            break
        if sweep % 2:
            for layer in reversed(layers[:-1]):
                _sort(layer, down, at)
        else:
            for layer in layers[1:]:
                _sort(layer, up, at)
        if is_small:
            _exchange(layers, up, down, at)
        now = crossings(layers, down)
        idle += 1
        if now < fewest:
            best, fewest, idle = [list(layer) for layer in layers], now, 0
    return best


def _first_order(layers: list[list[int]], down: list[list[int]]) -> list[list[int]]:
    """Depth first from the first layer on, so that what belongs together stands together."""
    total = sum(map(len, layers))
    seen = [False] * total
    fresh: list[list[int]] = [[] for _ in layers]
    layer_of = [0] * total
    for index, layer in enumerate(layers):
        for vertex in layer:
            layer_of[vertex] = index
    for layer in layers:
        stack = layer[::-1]
        while stack:
            vertex = stack.pop()
            if seen[vertex]:
                continue
            seen[vertex] = True
            fresh[layer_of[vertex]].append(vertex)
            stack += reversed(down[vertex])
    return fresh


def _note(layer: list[int], at: list[float]) -> None:
    scale = len(layer)
    for index, vertex in enumerate(layer):
        at[vertex] = (index + 0.5) / scale


def _sort(layer: list[int], beside: list[list[int]], at: list[float]) -> None:
    keys = {}
    for vertex in layer:
        near = beside[vertex]
        keys[vertex] = sum([at[other] for other in near]) / len(near) if near else at[vertex]
    layer.sort(key=keys.__getitem__)
    _note(layer, at)


def _exchange(
    layers: list[list[int]], up: list[list[int]], down: list[list[int]], at: list[float]
) -> None:
    """Exchange neighbours in a layer as long as that takes crossings away."""
    for _ in range(4):
        changed = False
        for layer in layers:
            for index in range(len(layer) - 1):
                left, right = layer[index], layer[index + 1]
                gain = 0
                for beside in (up, down):
                    gain += _gain(beside[left], beside[right], at)
                if gain > 0:
                    layer[index], layer[index + 1] = right, left
                    at[left], at[right] = at[right], at[left]
                    changed = True
        if not changed:
            return


def _gain(left: list[int], right: list[int], at: list[float]) -> int:
    """How many crossings fewer there are once the two have changed places."""
    gain = 0
    for a in left:
        for b in right:
            if at[a] > at[b]:
                gain += 1
            elif at[a] < at[b]:
                gain -= 1
    return gain


def crossings(layers: Sequence[Sequence[int]], down: Sequence[Sequence[int]]) -> int:
    """How many pairs of edges between neighbouring layers cross."""
    total = 0
    for upper, lower in pairwise(layers):
        at = {vertex: index for index, vertex in enumerate(lower)}
        passed: list[int] = []
        for vertex in upper:
            ends = sorted([at[other] for other in down[vertex]])
            for end in ends:
                total += len(passed) - bisect_right(passed, end)
            for end in ends:
                insort(passed, end)
    return total
