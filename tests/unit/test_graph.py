"""The graph of a run, made of its records; and what is drawn as one where it is large."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipekit.model.graph import Edge, Graph, Node, depths_of, order_of, tally_text
from pipekit.model.records import Kind, Task, TaskSpec
from pipekit.model.status import Status


def step(
    name: str,
    *needs: tuple[str, str],
    entry: str = "",
    status: Status = Status.COMPLETED,
    kind: Kind = Kind.STEP,
    parent: str = "run",
    reused_from: str | None = None,
    seconds: float | None = 2.0,
) -> Task:
    """A step whose id is its name."""
    base = name.rpartition("-")[0] if name[-1].isdigit() else name
    return Task(
        name, kind, name, "project", status, 0.0, TaskSpec(entry or f"flow:{base}"),
        parent=parent, reused_from=reused_from, started_at=1.0,
        ended_at=None if seconds is None else 1.0 + seconds, needs=needs,
    )  # fmt: skip


def nth(component: str, number: int) -> str:
    """As a run names the calls of a component: `fit`, `fit-2`."""
    return component if number == 1 else f"{component}-{number}"


def by_name(graph: Graph) -> dict[str, Node]:
    return {node.name: node for node in graph.nodes}


def ends(graph: Graph) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in graph.edges}


def fan(width: int, *stages: str) -> Graph:
    """`load`, then so many chains of the stages, then `best`."""
    steps = [step("load")]
    ends = []
    for number in range(1, width + 1):
        before = "load"
        for stage in stages:
            name = nth(stage, number)
            steps.append(step(name, (before, "value")))
            before = name
        ends.append((before, "value"))
    return Graph.of([*steps, step("best", *ends)])


def chain(length: int, *components: str) -> Graph:
    many = len(components)
    names = [nth(components[index % many], index // many + 1) for index in range(length)]
    steps = [step(names[0])]
    steps += [step(names[i], (names[i - 1], "value")) for i in range(1, length)]
    return Graph.of(steps)


# --- of records ------------------------------------------------------------------------------


def test_nodes_stand_in_the_order_of_the_calls() -> None:
    graph = Graph.of([step("b"), step("a"), step("c", ("a", "value"))])
    assert [node.name for node in graph.nodes] == ["b", "a", "c"]


def test_several_outputs_of_one_step_make_one_edge_that_names_them() -> None:
    needs = (("split", "low"), ("split", "high"), ("split", "low"))
    graph = Graph.of([step("split"), step("join", *needs)])
    assert graph.edges == (Edge("split", "join", ("low", "high")),)


def test_waiting_alone_is_an_edge_without_outputs() -> None:
    graph = Graph.of([step("a"), step("b", ("a", ""))])
    assert graph.edges == (Edge("a", "b", ()),)


def test_what_is_not_among_the_steps_makes_no_edge() -> None:
    assert Graph.of([step("b", ("not recorded yet", "value"))]).edges == ()


def test_the_component_is_the_name_without_the_ordinal() -> None:
    graph = Graph.of([step("fit"), step("fit-2"), step("fit-10")])
    assert {node.component for node in graph.nodes} == {"fit"}


def test_a_component_s_own_number_is_no_ordinal() -> None:
    graph = Graph.of([step("resnet-50", entry="flow:a"), step("resnet", entry="flow:b")])
    assert [node.component for node in graph.nodes] == ["resnet-50", "resnet"]


def test_a_reused_step_is_told_as_cached_and_has_no_duration() -> None:
    (node,) = Graph.of([step("fit", reused_from="other")]).nodes
    assert (node.word, node.seconds, node.reused) == ("cached", None, True)


def test_a_running_step_counts_its_seconds_until_now() -> None:
    steps = [step("fit", status=Status.RUNNING, seconds=None)]
    assert Graph.of(steps, now=11.0).nodes[0].seconds == 10.0
    assert Graph.of(steps).nodes[0].seconds is None


def test_the_steps_of_a_child_run_hang_below_it() -> None:
    graph = Graph.of(
        [
            step("inner", kind=Kind.PIPELINE),
            step("load", parent="inner"),
            step("fit", ("load", "value"), parent="inner"),
        ]
    )
    assert [node.name for node in graph.nodes] == ["inner", "inner/load", "inner/fit"]
    assert [node.component for node in graph.nodes] == ["inner", "inner/load", "inner/fit"]
    assert Edge("inner", "load", (), inside=True) in graph.edges
    assert ends(graph) == {("inner", "load"), ("load", "fit")}


def test_a_graph_of_nothing_is_empty() -> None:
    graph = Graph.of([])
    assert (len(graph), graph.tally, graph.collapsed()) == (0, (), graph)


def test_counts_by_status_say_cached_apart_from_completed() -> None:
    graph = Graph.of(
        [
            step("a", status=Status.FAILED),
            step("b"),
            step("c", reused_from="x"),
            step("d"),
        ]
    )
    assert tally_text(graph.tally) == "2 completed, 1 cached, 1 failed"


# --- drawn as one ----------------------------------------------------------------------------


def test_a_graph_that_fits_is_left_as_it_is() -> None:
    graph = fan(100, "fit")
    assert graph.collapsed(102) is graph


def test_steps_of_one_component_with_alike_neighbours_become_one() -> None:
    graph = fan(200, "fit").collapsed()
    node = by_name(graph)["fit"]
    assert (len(graph), node.count, node.seconds) == (3, 200, 400.0)
    assert ends(graph) == {("load", "fit"), ("fit", "best")}


def test_the_stages_of_one_fan_are_collapsed_together() -> None:
    graph = fan(100, "clean", "fit", "score").collapsed()
    assert [node.count for node in graph.nodes] == [1, 100, 100, 100, 1]


def test_only_as_large_a_group_is_collapsed_as_is_needed() -> None:
    graph = Graph.of(
        [step(nth("a", i)) for i in range(1, 101)] + [step(nth("b", i)) for i in range(1, 91)]
    )
    counts = sorted(node.count for node in graph.collapsed(100).nodes)
    assert counts == [1] * 90 + [100]


def test_one_that_failed_shows_in_the_node_of_many() -> None:
    steps = [step(nth("fit", i)) for i in range(1, 200)]
    steps.append(step("fit-200", status=Status.FAILED))
    steps.append(step("fit-201", reused_from="x"))
    (node,) = Graph.of(steps).collapsed().nodes
    assert (node.status, node.word, node.reused) == (Status.FAILED, "failed", False)
    assert tally_text(node.tally) == "199 completed, 1 cached, 1 failed"


def test_many_that_were_all_reused_are_cached() -> None:
    (node,) = (
        Graph.of([step(nth("fit", i), reused_from="x") for i in range(1, 201)]).collapsed().nodes
    )
    assert (node.word, node.count) == ("cached", 200)


def test_a_long_chain_of_one_component_becomes_its_ends_and_its_middle() -> None:
    assert [node.count for node in chain(1000, "add").collapsed().nodes] == [1, 998, 1]


def test_a_loop_of_two_components_may_become_a_cycle() -> None:
    graph = chain(400, "train", "evaluate").collapsed()
    assert [node.count for node in graph.nodes] == [1, 199, 199, 1]
    assert {("evaluate", "train-2"), ("train-2", "evaluate")} <= ends(graph)


def test_what_was_collapsed_can_be_folded_further() -> None:
    graph = Graph.of([step(nth("fit", i)) for i in range(1, 300)])
    once = graph.collapsed()
    assert once.folded(8).nodes == once.nodes
    assert graph.folded(8).nodes[0].count == 299


def test_few_beside_each_other_are_not_folded() -> None:
    assert len(fan(8, "fit").folded(8)) == 10
    assert len(fan(9, "fit").folded(8)) == 3


def test_a_child_run_is_not_one_with_a_step_of_its_name() -> None:
    steps = [step(nth("fit", i), kind=Kind.PIPELINE if i % 2 else Kind.STEP) for i in range(1, 301)]
    assert sorted(node.count for node in Graph.of(steps).collapsed().nodes) == [150, 150]


def test_different_components_stay_apart_where_they_do_not_fit() -> None:
    assert (
        len(Graph.of([step(f"step_{chr(97 + i % 26)}{i}x") for i in range(200)]).collapsed()) == 200
    )


# --- order -----------------------------------------------------------------------------------

PAIRS = st.integers(1, 12).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=30),
    )
)


@given(PAIRS)
def test_an_order_holds_each_node_once_and_names_every_edge_against_it(
    given: tuple[int, list[tuple[int, int]]],
) -> None:
    count, pairs = given
    order, against = order_of(count, pairs)
    assert sorted(order) == list(range(count))
    at = {node: index for index, node in enumerate(order)}
    assert against == {i for i, (source, target) in enumerate(pairs) if at[source] >= at[target]}


@given(PAIRS)
def test_no_edge_of_a_graph_without_cycles_runs_against_the_order(
    given: tuple[int, list[tuple[int, int]]],
) -> None:
    count, pairs = given
    acyclic = [(max(pair), min(pair)) for pair in pairs if pair[0] != pair[1]]
    assert order_of(count, acyclic)[1] == set()


@given(PAIRS)
def test_depths_grow_along_edges(given: tuple[int, list[tuple[int, int]]]) -> None:
    count, pairs = given
    acyclic = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    depths = depths_of(count, acyclic)
    assert all(depths[source] < depths[target] for source, target in acyclic)
