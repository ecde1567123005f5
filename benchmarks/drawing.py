"""The layout of a graph, large and usual.

A graph of 4,400 steps in forty layers, each step taking from two of the layer before and some from
far above; and one of sixty steps, from its records to the finished SVG. The floor: NetworkX sorts
the same graph into its layers.

    python benchmarks/drawing.py
"""

from __future__ import annotations

import random
from itertools import pairwise

import networkx
from measurement import Row, arguments, in_turn, report, seconds

from pipekit.drawing.layered import lay_out
from pipekit.drawing.svg import render_svg
from pipekit.model.graph import Graph
from pipekit.model.records import Kind, Task, TaskSpec
from pipekit.model.status import Status

Pairs = list[tuple[int, int]]
BOX = (160.0, 46.0)


def layered_pairs(layers: int, width: int, seed: int = 1) -> Pairs:
    """Edges between layers of so many steps, and one in ten over several layers."""
    chance = random.Random(seed)
    rows = [range(row * width, (row + 1) * width) for row in range(layers)]
    pairs = {(chance.choice(above), step) for above, row in pairwise(rows) for step in (*row, *row)}
    for step in range(2 * width, layers * width, 10):
        pairs.add((chance.randrange(max(0, step - 6 * width), step - width), step))
    return sorted(pairs)


def records(count: int, pairs: Pairs) -> list[Task]:
    """What is recorded of such a run."""
    needs: dict[int, list[tuple[str, str]]] = {}
    for source, target in pairs:
        needs.setdefault(target, []).append((f"step{source}", "value"))
    return [
        Task(
            f"step{index}", Kind.STEP, f"fit-{index + 1}", "benchmarks", Status.COMPLETED, 0.0,
            TaskSpec("flow:fit"), parent="run", started_at=1.0, ended_at=2.5,
            needs=tuple(needs.get(index, ())),
        )
        for index in range(count)
    ]  # fmt: skip


def generations(count: int, pairs: Pairs) -> list[list[int]]:
    """NetworkX's layers of the graph."""
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(pairs)
    return [list(layer) for layer in networkx.topological_generations(graph)]


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows = []
    for layers, width in ((40, 110), (10, 6)):
        count, pairs = layers * width, layered_pairs(layers, width)
        steps = records(count, pairs)
        layout, drawing, floor = in_turn(
            options.repeat,
            lambda _, count=count, pairs=pairs: seconds(lambda: lay_out([BOX] * count, pairs)),
            lambda _, steps=steps: seconds(lambda: render_svg(Graph.of(steps).collapsed())),
            lambda _, count=count, pairs=pairs: seconds(lambda: generations(count, pairs)),
        )
        floor_name = "networkx generations"
        rows.append(Row(f"layout of {count:,} steps", layout * 1e3, "ms", floor_name, floor * 1e3))
        rows.append(Row("  drawn, alike ones as one", drawing * 1e3, "ms", floor_name, floor * 1e3))
    report(rows, as_json=options.json)


if __name__ == "__main__":
    main()
