"""Coordinates within layers: order and sizes in, centres out. The order is not changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_PLACE_GAP = 12.0
"""Between two trunks of long edges, or a trunk and a box."""
_PULL = (1.0, 3.0, 12.0)
"""How hard an edge pulls its ends below each other, by how many of them are places of a trunk."""
_SWEEPS = 10


def place_along(
    layers: Sequence[Sequence[int]],
    up: Sequence[Sequence[int]],
    down: Sequence[Sequence[int]],
    half: Sequence[float],
    *,
    nodes: int,
    gap: float,
) -> list[float]:
    """The centre of each vertex.

    Args:
        layers: Vertices in their order.
        up: Of each vertex, those next to it in the layer above.
        down: The same, below.
        half: Half of each one's size.
        nodes: Vertices below this number are boxes, the others places of trunks.
        gap: Between two boxes.
    """
    offsets = [_offsets(layer, half, nodes, gap) for layer in layers]
    x = [0.0] * len(half)
    for layer, offset in zip(layers, offsets, strict=True):
        middle = offset[-1] / 2
        for vertex, place in zip(layer, offset, strict=True):
            x[vertex] = place - middle
    beside = [[*a, *b] for a, b in zip(up, down, strict=True)]
    rows = list(zip(layers, offsets, strict=True))
    sweeps = _SWEEPS if len(half) < 2000 else 4
    for sweep in range(sweeps):
        last = sweep >= sweeps - 2
        near = beside if last else (down if sweep % 2 else up)
        for layer, offset in reversed(rows) if sweep % 2 else rows:
            _settle(layer, offset, near, x, nodes)
    _straighten(layers, offsets, down, x, nodes)
    return x


def _offsets(layer: Sequence[int], half: Sequence[float], nodes: int, gap: float) -> list[float]:
    """The nearest that each centre can stand to the first one's."""
    offsets = [0.0]
    for left, right in pairwise(layer):
        between = gap if left < nodes and right < nodes else _PLACE_GAP
        offsets.append(offsets[-1] + half[left] + between + half[right])
    return offsets


def _settle(
    layer: Sequence[int],
    offsets: Sequence[float],
    near: Sequence[Sequence[int]],
    x: list[float],
    nodes: int,
) -> None:
    """Put a layer where its neighbours want it: isotonic regression of (wish - offset)."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for vertex, offset in zip(layer, offsets, strict=True):
        wish, weight = _wish(vertex, near[vertex], x, nodes)
        mean, many = wish - offset, 1
        while blocks and blocks[-1][0] >= mean:
            before, its_weight, its_many = blocks.pop()
            mean = (mean * weight + before * its_weight) / (weight + its_weight)
            weight += its_weight
            many += its_many
        blocks.append((mean, weight, many))
    index = 0
    for mean, _, many in blocks:
        for _ in range(many):
            x[layer[index]] = mean + offsets[index]
            index += 1


def _wish(vertex: int, near: Sequence[int], x: list[float], nodes: int) -> tuple[float, float]:
    if not near:
        return x[vertex], 0.05
    is_place = vertex >= nodes
    total = weight = 0.0
    for other in near:
        pull = _PULL[is_place + (other >= nodes)]
        total += pull * x[other]
        weight += pull
    return total / weight, weight


def _straighten(
    layers: Sequence[Sequence[int]],
    offsets: Sequence[Sequence[float]],
    down: Sequence[Sequence[int]],
    x: list[float],
    nodes: int,
) -> None:
    """Put the places of a trunk on one line, as far as its neighbours leave room for that."""
    index_of = {v: (row, i) for row, layer in enumerate(layers) for i, v in enumerate(layer)}

    def room(place: int) -> tuple[float, float]:
        row, i = index_of[place]
        layer, offset = layers[row], offsets[row]
        low, high = float("-inf"), float("inf")
        if i:
            low = x[layer[i - 1]] + offset[i] - offset[i - 1]
        if i + 1 < len(layer):
            high = x[layer[i + 1]] - offset[i + 1] + offset[i]
        return low, high

    for trunk in _trunks(layers, down, nodes):
        piece: list[int] = []
        low, high = float("-inf"), float("inf")
        for place in trunk:
            least, most = room(place)
            if max(low, least) > min(high, most):
                _line_up(piece, low, high, x)
                piece, low, high = [], least, most
            piece.append(place)
            low, high = max(low, least), min(high, most)
        _line_up(piece, low, high, x)


def _line_up(piece: Sequence[int], low: float, high: float, x: list[float]) -> None:
    if len(piece) > 1:
        middle = sum(x[place] for place in piece) / len(piece)
        for place in piece:
            x[place] = min(max(middle, low), high)


def _trunks(
    layers: Sequence[Sequence[int]], down: Sequence[Sequence[int]], nodes: int
) -> list[list[int]]:
    trunks: list[list[int]] = []
    trunk_of: dict[int, list[int]] = {}
    for layer in layers:
        for vertex in layer:
            if vertex >= nodes:
                trunk = trunk_of.get(vertex)
                if trunk is None:
                    trunk = []
                    trunks.append(trunk)
                trunk.append(vertex)
                for below in down[vertex]:
                    if below >= nodes:
                        trunk_of[below] = trunk
    return trunks
