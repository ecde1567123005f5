"""The graph of a run: its steps and what each took from which. Pure; how it is drawn is `drawing`'s
matter.

Node order is call order, and a step takes only from steps that were called before it; yet a record
may be damaged, and steps drawn as one may need each other in turn. So nothing here relies on there
being no cycle.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from pipekit.model.records import Kind, Task
from pipekit.model.status import Status

if TYPE_CHECKING:
    from networkx import DiGraph

CACHED = "cached"
"""The word for a completed step that was reused."""

_WORDS = (
    Status.COMPLETED.value,
    CACHED,
    Status.RUNNING.value,
    Status.PENDING.value,
    Status.QUEUED.value,
    Status.DRAFT.value,
    Status.FAILED.value,
    Status.SKIPPED.value,
    Status.STOPPED.value,
)
"""The order in which counts are told."""
_GRAVEST_FIRST = (
    Status.FAILED,
    Status.RUNNING,
    Status.STOPPED,
    Status.SKIPPED,
    Status.QUEUED,
    Status.PENDING,
    Status.DRAFT,
    Status.COMPLETED,
)
_ORDINAL = re.compile(r"-[1-9][0-9]*$")


@dataclass(frozen=True, slots=True)
class Node:
    """A step, or several of one component that are drawn as one."""

    id: str
    """Of the task; of the first one where there are several."""
    name: str
    component: str
    """The name without the ordinal that tells equal ones apart (`fit` of `fit-2`)."""
    kind: Kind
    status: Status
    """Where there are several, the one that asks most for attention."""
    reused: bool = False
    """All of it was."""
    seconds: float | None = None
    """From start to end, added up where there are several; None where nothing has ended."""
    tally: tuple[tuple[str, int], ...] = ()
    """Where there are several: (status, or `cached`; how many)."""

    @property
    def count(self) -> int:
        """How many steps it stands for."""
        return sum(many for _, many in self.tally) or 1

    @property
    def word(self) -> str:
        """Its status as people are told it."""
        return CACHED if self.reused and self.status is Status.COMPLETED else self.status.value


@dataclass(frozen=True, slots=True)
class Edge:
    """One step waits for another."""

    source: str
    """Id of the node that is waited for."""
    target: str
    outputs: tuple[str, ...] = ()
    """Names of the outputs that it takes; none where it only waits."""
    inside: bool = False
    """The target is a step of the child run `source`."""


@dataclass(frozen=True)
class Graph:
    """Steps in the order of their calls, and their edges. Never changed once made."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, steps: Sequence[Task], *, now: float | None = None) -> Graph:
        """The graph of recorded steps.

        A step whose parent is among the steps is drawn below it (`train/fit`). What a step needs
        that is not among them (it is not recorded yet) makes no edge.

        Args:
            steps: In the order of their calls.
            now: Until when a running step counts its seconds; None: it has none.
        """
        known = {step.id: step for step in steps}
        labels = {step.id: _path(step, known) for step in steps}
        components = components_of(steps)
        nodes = [_node(step, labels[step.id], components[step.id], now) for step in known.values()]
        outputs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        inside = []
        for step in known.values():
            for source, output in step.needs:
                if source in known:
                    outputs[source, step.id].append(output)
            if step.parent in known and not any(source in known for source, _ in step.needs):
                inside.append(Edge(str(step.parent), step.id, (), inside=True))
        edges = [Edge(*pair, _distinct(names)) for pair, names in outputs.items()]
        return cls(tuple(nodes), (*edges, *inside))

    def __len__(self) -> int:
        """How many nodes."""
        return len(self.nodes)

    @property
    def tally(self) -> tuple[tuple[str, int], ...]:
        """(Status, or `cached`; how many steps), of the statuses that occur."""
        return _tally(self.nodes)

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """The edges as positions in `nodes`."""
        at = {node.id: index for index, node in enumerate(self.nodes)}
        return [(at[edge.source], at[edge.target]) for edge in self.edges]

    def to_networkx(self) -> DiGraph[str]:
        """The same as a `networkx.DiGraph`: nodes by task id with `name`, `component`, `kind`,
        `status`, `reused` and `seconds`, edges with the `outputs` that were taken."""
        import networkx  # 100 ms, for those who ask for it

        graph: DiGraph[str] = networkx.DiGraph()
        for node in self.nodes:
            graph.add_node(
                node.id,
                name=node.name,
                component=node.component,
                kind=node.kind.value,
                status=node.status.value,
                reused=node.reused,
                seconds=node.seconds,
            )
        for edge in self.edges:
            graph.add_edge(edge.source, edge.target, outputs=edge.outputs)
        return graph

    def collapsed(self, most: int = 150) -> Graph:
        """At most so many nodes, where that can be: nobody reads 450 boxes.

        Steps of one component become one node where the components that they take from and give
        to are the same, and they stand equally deep; then without regard of depth; then all steps
        of a component. Only as large a group is made one as is needed for the rest to fit.
        """
        folded = self
        for alike in (_by_place, _by_neighbours, _by_component):
            if len(folded) <= most:
                break
            folded = folded._folded_to(most, alike(folded))
        return folded

    def folded(self, above: int) -> Graph:
        """More than `above` steps of one component with alike neighbours and depth are one node."""
        return self._joined(_groups(_by_place(self), least=above + 1))

    def _folded_to(self, most: int, keys: Sequence[Hashable]) -> Graph:
        sizes = sorted((len(group) for group in _groups(keys, least=2)), reverse=True)
        left = len(self)
        least = 2
        for index, size in enumerate(sizes):
            left -= size - 1
            # Groups of one size go together: they are often the stages of one chain.
            if left <= most and sizes[index + 1 : index + 2] != [size]:
                least = size
                break
        return self._joined(_groups(keys, least=least))

    def _joined(self, groups: Iterable[Sequence[int]]) -> Graph:
        first_of = list(range(len(self)))
        joined = {}
        for group in groups:
            joined[group[0]] = _one([self.nodes[index] for index in group])
            for index in group:
                first_of[index] = group[0]
        if not joined:
            return self
        outputs: defaultdict[tuple[int, int, bool], list[str]] = defaultdict(list)
        for edge, (source, target) in zip(self.edges, self.pairs, strict=True):
            ends = first_of[source], first_of[target]
            if ends[0] != ends[1]:
                outputs[(*ends, edge.inside)] += edge.outputs
        nodes = tuple(
            joined.get(index, node)
            for index, node in enumerate(self.nodes)
            if first_of[index] == index
        )
        edges = tuple(
            Edge(self.nodes[source].id, self.nodes[target].id, _distinct(names), inside)
            for (source, target, inside), names in outputs.items()
        )
        return Graph(nodes, edges)


def order_of(count: int, pairs: Sequence[tuple[int, int]]) -> tuple[list[int], set[int]]:
    """The nodes 0 to `count` - 1, each behind what it waits for, and else by number.

    Returns:
        The order, and the positions in `pairs` of edges that run against it: where there is a
        cycle, its first node is taken before all that it waits for has been.
    """
    waits = [0] * count
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in pairs:
        waits[target] += 1
        targets[source].append(target)
    ready = [node for node in range(count) if not waits[node]]
    heapify(ready)
    order: list[int] = []
    is_taken = [False] * count
    rest = iter(range(count))
    while len(order) < count:
        node = heappop(ready) if ready else next(n for n in rest if not is_taken[n])
        if is_taken[node]:
            continue
        is_taken[node] = True
        order.append(node)
        for target in targets[node]:
            waits[target] -= 1
            if not waits[target]:
                heappush(ready, target)
    at = {node: index for index, node in enumerate(order)}
    return order, {index for index, (s, t) in enumerate(pairs) if at[s] >= at[t]}


def depths_of(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """How many steps lie before each node on the longest way to it; cycles are cut open."""
    order, against = order_of(count, pairs)
    targets: list[list[int]] = [[] for _ in range(count)]
    for index, (source, target) in enumerate(pairs):
        if index not in against:
            targets[source].append(target)
    depths = [0] * count
    for node in order:
        for target in targets[node]:
            depths[target] = max(depths[target], depths[node] + 1)
    return depths


def components_of(steps: Sequence[Task]) -> dict[str, str]:
    """Id -> the step's name without the ordinal that tells equal ones of a run apart (`fit` of
    `fit-2`). Wants all steps of a run, or at least those that may be the first of their name."""
    taken = {(step.parent, step.spec.entry, step.name) for step in steps}
    found = {}
    for step in steps:
        base = _ORDINAL.sub("", step.name)
        # A component may itself be called `fit-2`: it is an ordinal only behind a first `fit`.
        is_ordinal = (step.parent, step.spec.entry, base) in taken
        found[step.id] = base if is_ordinal else step.name
    return found


def tally_text(tally: Sequence[tuple[str, int]]) -> str:
    """`98 completed, 2 failed`."""
    return ", ".join(f"{many} {word}" for word, many in tally)


def _node(step: Task, label: str, component: str, now: float | None) -> Node:
    return Node(
        step.id,
        label,
        label.removesuffix(step.name) + component,
        step.kind,
        step.status,
        step.reused_from is not None,
        step.seconds(now),
    )


def _path(step: Task, known: Mapping[str, Task]) -> str:
    """`train/fit`: the names of the child runs among the steps that it lies in, and its own."""
    names = [step.name]
    seen = {step.id}
    parent = step.parent
    while parent in known and parent not in seen:
        seen.add(str(parent))
        names.append(known[str(parent)].name)
        parent = known[str(parent)].parent
    return "/".join(reversed(names))


def _one(nodes: Sequence[Node]) -> Node:
    first = nodes[0]
    seconds = [node.seconds for node in nodes if node.seconds is not None]
    statuses = {node.status for node in nodes}
    return replace(
        first,
        name=first.component,
        status=next(status for status in _GRAVEST_FIRST if status in statuses),
        reused=all(node.reused for node in nodes),
        seconds=sum(seconds) if seconds else None,
        tally=_tally(nodes),
    )


def _tally(nodes: Iterable[Node]) -> tuple[tuple[str, int], ...]:
    counts: defaultdict[str, int] = defaultdict(int)
    for node in nodes:
        for word, many in node.tally or ((node.word, 1),):
            counts[word] += many
    return tuple((word, counts[word]) for word in _WORDS if counts[word])


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name)


_Keys = Callable[["Graph"], Sequence[Hashable]]


def _by_component(graph: Graph) -> list[Hashable]:
    return [(node.component, node.kind) for node in graph.nodes]


def _by_neighbours(graph: Graph) -> list[Hashable]:
    own = _by_component(graph)
    before: list[set[Hashable]] = [set() for _ in own]
    after: list[set[Hashable]] = [set() for _ in own]
    for source, target in graph.pairs:
        before[target].add(own[source])
        after[source].add(own[target])
    return [
        (key, frozenset(before[index]), frozenset(after[index])) for index, key in enumerate(own)
    ]


def _by_place(graph: Graph) -> list[Hashable]:
    return list(zip(_by_neighbours(graph), depths_of(len(graph), graph.pairs), strict=True))


def _groups(keys: Sequence[Hashable], *, least: int) -> list[list[int]]:
    """Positions of equal keys, where there are at least so many."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    return [group for group in groups.values() if len(group) >= max(least, 2)]
