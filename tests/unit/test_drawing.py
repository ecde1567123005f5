"""Pictures of graphs: layout, SVG, Mermaid, the tree, the notebook's page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipekit.drawing.label import cells_of, fitted
from pipekit.drawing.layered import Layout, crossings, lay_out, ordered
from pipekit.drawing.mermaid import render_mermaid
from pipekit.drawing.page import plain_html, run_html, step_html
from pipekit.drawing.path import paths_of
from pipekit.drawing.svg import render_svg
from pipekit.drawing.text import render_text
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.graph import Edge, Graph, Node
from pipekit.model.records import Artifact, Kind, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.model.value import StoredValue

HOSTILE = '<script>alert("1")</script>&\'`#;%%{init}%% ]"-->\x1b[31m\x00\u202e end'
SVG = "{http://www.w3.org/2000/svg}"


def node(
    name: str,
    *,
    status: Status = Status.COMPLETED,
    reused: bool = False,
    seconds: float | None = 1.5,
    kind: Kind = Kind.STEP,
    tally: tuple[tuple[str, int], ...] = (),
) -> Node:
    component = re.sub(r"-\d+$", "", name)
    return Node(name, name, component, kind, status, reused, None if reused else seconds, tally)


def graph_of(text: str, **nodes: Node) -> Graph:
    """`a>b a>c d`: nodes in the order in which they are named, and edges."""
    words = text.split()
    names = dict.fromkeys(name for word in words for name in word.split(">"))
    edges = [Edge(*word.split(">"), ("value",)) for word in words if ">" in word]
    return Graph(tuple(nodes.get(name) or node(name) for name in names), tuple(edges))


def chain(length: int) -> Graph:
    return graph_of(" ".join(f"s{i}>s{i + 1}" for i in range(length - 1)))


# --- layout ----------------------------------------------------------------------------------

GRAPHS = st.integers(0, 14).flatmap(
    lambda count: st.tuples(
        st.lists(st.tuples(st.floats(20, 200), st.floats(20, 60)), min_size=count, max_size=count),
        st.lists(
            st.tuples(st.integers(0, max(count - 1, 0)), st.integers(0, max(count - 1, 0))),
            max_size=30 if count else 0,
        ),
        st.sampled_from([True, False, None]),
    )
)
Given = tuple[list[tuple[float, float]], list[tuple[int, int]], bool | None]


def overlap(layout: Layout, sizes: Sequence[tuple[float, float]], a: int, b: int) -> bool:
    (ax, ay), (bx, by) = layout.corners[a], layout.corners[b]
    (aw, ah), (bw, bh) = sizes[a], sizes[b]
    return (
        ax < bx + bw - 0.01 and bx < ax + aw - 0.01 and ay < by + bh - 0.01 and by < ay + ah - 0.01
    )


@given(GRAPHS)
@settings(max_examples=150, deadline=None)
def test_no_two_boxes_overlap_and_all_lie_within_the_drawing(given: Given) -> None:
    sizes, pairs, sideways = given
    layout = lay_out(sizes, pairs, sideways=sideways)
    assert not any(overlap(layout, sizes, a, b) for a, b in combinations(range(len(sizes)), 2))
    for (x, y), (width, height) in zip(layout.corners, sizes, strict=True):
        assert x >= -0.01
        assert y >= -0.01
        assert x + width <= layout.width + 0.01
        assert y + height <= layout.height + 0.01


@given(GRAPHS)
@settings(max_examples=150, deadline=None)
def test_an_edge_passes_through_no_box(given: Given) -> None:
    sizes, pairs, sideways = given
    layout = lay_out(sizes, pairs, sideways=sideways)
    for (source, target), route in zip(pairs, layout.routes, strict=True):
        # Straight pieces run through layers, beside the boxes; bends lie between layers.
        for (x, y), (to_x, to_y) in list(pairwise(route))[2::2][:-1]:
            middle = ((x + to_x) / 2, (y + to_y) / 2)
            for index, ((left, top), (width, height)) in enumerate(
                zip(layout.corners, sizes, strict=True)
            ):
                if index not in (source, target):
                    inside = left < middle[0] < left + width and top < middle[1] < top + height
                    assert not inside


@given(GRAPHS)
@settings(max_examples=100, deadline=None)
def test_an_edge_ends_at_the_border_of_its_target(given: Given) -> None:
    sizes, pairs, sideways = given
    layout = lay_out(sizes, pairs, sideways=sideways)
    for (source, target), route in zip(pairs, layout.routes, strict=True):
        assert bool(route) == (source != target)
        if route:
            (left, top), (width, height) = layout.corners[target], sizes[target]
            x, y = route[-1]
            aside = (abs(y - top - height / 2), min(abs(x - left), abs(x - left - width)))
            below = (abs(x - left - width / 2), min(abs(y - top), abs(y - top - height)))
            assert max(aside if layout.sideways else below) < 0.01


@given(GRAPHS)
@settings(max_examples=50, deadline=None)
def test_the_same_graph_is_laid_out_the_same(given: Given) -> None:
    sizes, pairs, sideways = given
    assert lay_out(sizes, pairs, sideways=sideways) == lay_out(sizes, pairs, sideways=sideways)


def test_an_edge_leads_downwards_or_to_the_right() -> None:
    pairs = [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)]
    down = lay_out([(100, 40)] * 4, pairs, sideways=False)
    across = lay_out([(100, 40)] * 4, pairs, sideways=True)
    assert all(down.corners[a][1] < down.corners[b][1] for a, b in pairs)
    assert all(across.corners[a][0] < across.corners[b][0] for a, b in pairs)


def test_a_chain_is_one_straight_column() -> None:
    layout = lay_out([(100, 40)] * 30, [(i, i + 1) for i in range(29)])
    assert len({round(x, 3) for x, _ in layout.corners}) == 1
    assert layout.width == 100


def test_a_long_edge_is_straight_where_there_is_room() -> None:
    pairs = [(i, i + 1) for i in range(9)] + [(0, 9)]
    route = lay_out([(100, 40)] * 10, pairs).routes[-1]
    assert len({round(x, 3) for x, _ in route[2:-2]}) == 1


def test_what_would_be_too_wide_is_drawn_sideways() -> None:
    fan = [(0, i) for i in range(1, 30)]
    assert lay_out([(150, 40)] * 30, fan).sideways
    assert not lay_out([(150, 40)] * 4, fan[:3]).sideways


def test_parts_without_edges_fill_a_rectangle() -> None:
    layout = lay_out([(100, 40)] * 100, [])
    assert 0.4 < layout.height / layout.width < 1.2


def test_a_planar_order_is_found() -> None:
    layers = [[0, 1, 2], [3, 4, 5]]
    down = [[5], [4], [3], [], [], []]
    up = [[], [], [], [2], [1], [0]]
    assert crossings(layers, down) == 3
    assert crossings(ordered(layers, up, down), down) == 0


def test_long_edges_beyond_the_budget_are_still_drawn() -> None:
    last = 700
    pairs = [(i, i + 1) for i in range(last)] + [(i, last) for i in range(last - 1)]
    layout = lay_out([(100, 40)] * (last + 1), pairs)
    assert all(layout.routes)


def test_many_edges_of_one_box_share_a_line_between_two_layers() -> None:
    pairs = [(0, i) for i in range(1, 41)]
    paths = paths_of(lay_out([(150, 40)] * 41, pairs))
    turns = {path.split("Q")[1].split()[0] for path in paths if "Q" in path}
    assert len(turns) == 1
    assert sum("C" in path for path in paths) <= 2


# --- labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("load", "load"),
        ("load_the_training_data", "load_the_tr…"),
        ("load_the_training_data-12", "load_the…-12"),
        ("数据加载步骤很长", "数据加载步…"),
        ("1234567890123456", "12345678901…"),
    ],
)
def test_a_long_name_is_cut_before_its_number(name: str, shown: str) -> None:
    assert fitted(name, 12) == shown


@given(st.text(), st.integers(1, 40))
def test_a_fitted_text_is_never_wider_than_its_room(text: str, cells: int) -> None:
    assert cells_of(fitted(text, cells)) <= max(cells, 1)


# --- SVG -------------------------------------------------------------------------------------


def parsed(graph: Graph, *, name: str = "") -> ElementTree.Element:
    return ElementTree.fromstring(render_svg(graph, name=name))


def groups(svg: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {g.attrib["data-task"]: g for g in svg.iter(f"{SVG}g") if "data-task" in g.attrib}


def text_of(group: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in group.iter(f"{SVG}text")]


def test_each_step_is_a_group_with_its_id_status_name_and_duration() -> None:
    graph = graph_of("load>fit", fit=node("fit", status=Status.FAILED))
    found = groups(parsed(graph))
    assert found["fit"].attrib["class"] == "status-failed"
    assert text_of(found["fit"]) == ["fit", "failed, 1.50 s"]
    assert text_of(found["load"]) == ["load", "completed, 1.50 s"]


def test_a_cached_step_says_so_and_has_a_dashed_border() -> None:
    group = groups(parsed(graph_of("fit", fit=node("fit", reused=True))))["fit"]
    assert text_of(group) == ["fit", "cached"]
    assert group.attrib["class"] == "status-completed cached"
    (box,) = group.iter(f"{SVG}rect")
    assert box.attrib["stroke-dasharray"]


def test_statuses_differ_by_shape_and_word_and_not_by_colour_alone() -> None:
    graph = Graph(tuple(node(status.value, status=status) for status in Status), ())
    found = groups(parsed(graph))
    shapes = {next(group.iter(f"{SVG}path")).attrib["d"] for group in found.values()}
    assert len(shapes) == len(Status)
    assert all(text_of(found[status.value])[1].startswith(status.value) for status in Status)


def test_many_drawn_as_one_say_how_many_and_what_became_of_them() -> None:
    many = node("fit", status=Status.FAILED, tally=(("completed", 98), ("failed", 2)))
    group = groups(parsed(graph_of("fit", fit=many)))["fit"]
    assert text_of(group) == ["fit ×100", "98 completed, 2 failed"]


def test_the_picture_has_a_role_a_title_and_a_description() -> None:
    svg = parsed(graph_of("a>b"), name="train")
    assert svg.attrib["role"] == "img"
    assert svg.findtext(f"{SVG}title") == "Graph of train"
    assert svg.findtext(f"{SVG}desc") == "2 steps: 2 completed"


def test_a_graph_of_nothing_is_a_picture_that_says_so() -> None:
    svg = parsed(Graph((), ()))
    assert [text.text for text in svg.iter(f"{SVG}text")] == ["no steps"]
    assert float(svg.attrib["width"]) > 100


def test_hostile_names_are_text_and_nothing_else() -> None:
    graph = Graph((node(HOSTILE),), (Edge(HOSTILE, HOSTILE, (HOSTILE,)),))
    svg = render_svg(graph, name=HOSTILE)
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "g", "path", "text"}
    assert "\u202e" not in svg


def test_a_picture_refers_to_nothing_outside_and_two_do_not_clash() -> None:
    svg = render_svg(graph_of("a>b a>c"))
    assert not re.search(r"\bid=|href|url\(|@import|<script", svg)
    assert re.findall(r"https?:[^\"]*", svg) == ["http://www.w3.org/2000/svg"]


def test_every_rule_of_its_style_is_for_the_picture_alone() -> None:
    style = parsed(graph_of("a")).findtext(f"{SVG}style") or ""
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", style.replace("@supports(color:var(--a)){", ""))
    for selector in ",".join(selectors).split(","):
        assert ".pipekit-graph" in selector.replace("@media(prefers-color-scheme:dark){", "")
    assert set(re.findall(r"--[a-z]", style)) == {"--p", "--a"}


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), max_size=5))
@settings(deadline=None)
def test_a_name_stays_within_its_box(names: list[str]) -> None:
    graph = Graph(
        tuple(
            Node(str(i), name, name, Kind.STEP, Status.COMPLETED) for i, name in enumerate(names)
        ),
        (),
    )
    for group in groups(parsed(graph)).values():
        (box,) = group.iter(f"{SVG}rect")
        name = next(group.iter(f"{SVG}text"))
        shown = name.text or ""
        # Without a prescribed length the text is ASCII, 0.61 em a letter at 13 px.
        length = float(name.attrib.get("textLength", len(shown) * 7.95))
        assert float(name.attrib["x"]) + length <= float(box.attrib["width"])
        assert "textLength" in name.attrib or shown.isascii()


def test_the_full_name_of_a_cut_one_is_its_title() -> None:
    name = "load_the_training_data_from_the_warehouse"
    group = groups(parsed(graph_of(name)))[name]
    assert text_of(group)[0].endswith("…")
    assert group.findtext(f"{SVG}title") == f"{name}: completed, 1.50 s"


def test_an_edge_names_its_ends_and_outputs() -> None:
    graph = Graph((node("split"), node("fit")), (Edge("split", "fit", ("X_train", "y_train")),))
    titles = [path.findtext(f"{SVG}title") for path in parsed(graph).iter(f"{SVG}path")]
    assert "split → fit: X_train, y_train" in titles


def test_a_cycle_of_a_damaged_record_is_drawn() -> None:
    svg = render_svg(graph_of("a>b b>c c>a c>c"))
    assert len(groups(ElementTree.fromstring(svg))) == 3


# --- Mermaid ---------------------------------------------------------------------------------


def test_mermaid_names_nodes_edges_and_classes() -> None:
    graph = Graph(
        (node("split"), node("fit", status=Status.FAILED), node("more", kind=Kind.PIPELINE)),
        (Edge("split", "fit", ("low", "high")), Edge("split", "more", ())),
    )
    lines = [line.strip() for line in render_mermaid(graph).splitlines()]
    assert lines[0] == "flowchart TD"
    assert lines[1:4] == [
        'n0["split<br/>completed, 1.50 s"]',
        'n1["fit<br/>failed, 1.50 s"]',
        'n2[["more<br/>completed, 1.50 s"]]',
    ]
    assert 'n0 -->|"low, high"| n1' in lines
    assert "n0 -.-> n2" in lines
    assert "class n0,n2 completed" in lines
    assert "class n1 failed" in lines


def test_mermaid_has_no_sign_of_its_own_in_a_label() -> None:
    graph = Graph((node(HOSTILE), node("b")), (Edge(HOSTILE, "b", (HOSTILE,)),))
    text = render_mermaid(graph)
    labels = re.findall(r'"([^"\n]*)"', text)
    assert len(labels) == 3
    for label in labels:
        plain = re.sub(r"#\d+;", "", label).replace("<br/>", "")
        assert not set(plain) & set("<>&\"'`#;%{}[]|\x1b\x00\u202e")


# --- the tree --------------------------------------------------------------------------------


def tree(graph: Graph) -> list[str]:
    return render_text(graph).splitlines()


def test_a_chain_is_a_column() -> None:
    assert tree(graph_of("a>b b>c")) == ["✓ a  1.50 s", "✓ b  1.50 s", "✓ c  1.50 s"]


def test_a_step_stands_once_in_full_and_then_as_its_name() -> None:
    lines = tree(graph_of("load>fit load>fit-2 fit>best fit-2>best"))
    assert lines == [
        "✓ load  1.50 s",
        "├─ ✓ fit  1.50 s",
        "│  ✓ best  1.50 s  ← fit-2",
        "└─ ✓ fit-2  1.50 s",
        "   best ↑",
    ]


def test_a_detour_is_not_drawn_but_named() -> None:
    assert tree(graph_of("a>b b>c a>c")) == [
        "✓ a  1.50 s",
        "✓ b  1.50 s",
        "✓ c  1.50 s  ← a",
    ]


def test_several_roots_are_branches() -> None:
    lines = tree(graph_of("a>b c"))
    assert lines == ["├─ ✓ a  1.50 s", "│  ✓ b  1.50 s", "└─ ✓ c  1.50 s"]


def test_many_folded_are_one_line_with_their_counts() -> None:
    many = node("fit", status=Status.FAILED, tally=(("completed", 98), ("failed", 2)))
    assert "✗ fit ×100 (98 completed, 2 failed)" in tree(graph_of("load>fit", fit=many))


def test_what_did_not_complete_says_its_status() -> None:
    nodes = {
        "a": node("a", status=Status.FAILED),
        "b": node("b", status=Status.SKIPPED, seconds=None),
        "c": node("c", reused=True),
        "d": node("d", status=Status.PENDING, seconds=None),
    }
    assert tree(graph_of("a>b b>c c>d", **nodes)) == [
        "✗ a  failed, 1.50 s",
        "– b  skipped",
        "↺ c  cached",
        "○ d  pending",
    ]


def test_a_chain_of_thousands_is_neither_indented_nor_too_deep() -> None:
    lines = tree(chain(3000))
    assert len(lines) == 3000
    assert max(map(len, lines)) < 20


def test_branches_within_branches_go_on_below_where_they_are_too_deep() -> None:
    text = " ".join(f"s{i}>s{i + 1} s{i}>leaf{i}" for i in range(100))
    lines = tree(graph_of(text))
    in_full = [line for line in lines if "✓" in line]
    assert len(in_full) == 201
    assert max(map(len, lines)) < 50
    assert any(line.endswith("s9 ↓") for line in lines)


def test_every_step_of_a_cycle_is_in_the_tree() -> None:
    lines = tree(graph_of("a>b b>c c>b d>d"))
    assert sorted(re.findall(r"✓ (\w)", "\n".join(lines))) == ["a", "b", "c", "d"]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    many = node("fit", tally=(("completed", 9),))
    text = render_text(graph_of("load>fit load>b load>c b>c", fit=many), unicode=False)
    assert text.isascii()
    assert "|- + fit x9 (9 completed)" in text


def test_colours_are_written_only_where_they_are_wanted() -> None:
    graph = graph_of("a", a=node("a", status=Status.FAILED))
    assert "\x1b" not in render_text(graph)
    assert "\x1b[31m✗" in render_text(graph, colour=True)


def test_a_hostile_name_moves_no_cursor() -> None:
    text = render_text(Graph((node(HOSTILE),), ()))
    assert "\x1b" not in text
    assert len(text.splitlines()) == 1


# --- the notebook's page ---------------------------------------------------------------------


def record(
    name: str,
    *,
    kind: Kind = Kind.STEP,
    status: Status = Status.COMPLETED,
    error: str = "",
    reused_from: str | None = None,
    parameters: dict[str, object] | None = None,
    needs: tuple[tuple[str, str], ...] = (),
) -> Task:
    failure = Failure(FailureKind.ERROR, error, f"  File {error}") if error else None
    return Task(
        f"id-of-{name}", kind, name, "project", status, 0.0,
        TaskSpec("flow:f", parameters=parameters or {}), parent="run", reused_from=reused_from,
        started_at=1.0, ended_at=3.5, failure=failure, needs=needs,
    )  # fmt: skip


RUN = record("train", kind=Kind.PIPELINE, parameters={"rate": 0.5})


def test_a_run_s_page_tells_status_duration_and_how_much_was_cached() -> None:
    page = run_html(RUN, [record("load"), record("fit", reused_from="other")])
    text = re.sub(r"<style>.*?</style>|<[^>]*>", "", page)
    assert "train id-of-train" in text
    assert "completed · 2.50 s · 1 of 2 steps cached" in text
    assert "<svg" in page


def test_a_run_s_page_lists_steps_with_their_origin_and_the_error_s_first_line() -> None:
    steps = [
        record("load", reused_from="other"),
        record("fit", status=Status.FAILED, error="ValueError: empty\nsecond line"),
    ]
    page = run_html(RUN, steps, origin_of=lambda task_id: f"train of {task_id}")
    assert "train of other" in page
    assert "<td>ValueError: empty</td>" in page


def test_a_step_s_page_shows_parameters_artifacts_and_the_error() -> None:
    step = record(
        "fit", status=Status.FAILED, error="ValueError: empty",
        parameters={"rate": 0.5, "data": "${load.artifacts.value}"},
    )  # fmt: skip
    value = StoredValue("d" * 64, "b" * 64, "json", "list", 1200, "[1, 2, <3>]")
    page = step_html(step, [Artifact("id", 1, "model", 0.0, value)])
    for text in ("rate", "${load.artifacts.value}", "model", "1.2 KB", "[1, 2, &lt;3&gt;]"):
        assert text in page
    assert "ValueError: empty" in page
    assert "<pre>  File ValueError" in page


def test_nothing_that_a_user_wrote_is_markup() -> None:
    hostile = record(
        HOSTILE, status=Status.FAILED, error=HOSTILE, reused_from=HOSTILE,
        parameters={HOSTILE: HOSTILE},
    )  # fmt: skip
    value = StoredValue("d" * 64, "b" * 64, "json", HOSTILE, 9, HOSTILE)
    artifacts = [Artifact("id", 1, HOSTILE, 0.0, value)]
    pages = [
        run_html(hostile, [hostile], artifacts, origin_of=lambda _: HOSTILE),
        step_html(hostile, artifacts, origin_of=lambda _: HOSTILE),
        plain_html(HOSTILE),
    ]
    for page in pages:
        tags = set(re.findall(r"<\s*/?\s*([a-zA-Z]+)", page))
        assert "script" not in tags
        ElementTree.fromstring(page)


def test_a_page_is_bounded_however_much_there_is_to_show() -> None:
    steps = [
        record(
            f"step_{index}_{'x' * 500}-{index}", error="é" * 5000, status=Status.FAILED,
            reused_from="r", needs=tuple((f"id-of-step_{i}_{'x' * 500}-{i}", "v" * 200)
                                         for i in range(max(0, index - 15), index)),
        )
        for index in range(200)
    ]  # fmt: skip
    run = record(
        "n" * 9000, kind=Kind.PIPELINE, error="é" * 90_000,
        parameters={f"p{i}": "é" * 900 for i in range(900)},
    )  # fmt: skip
    value = StoredValue("d" * 64, "b" * 64, "json", "t" * 900, 9, "é" * 9000)
    artifacts = [Artifact("id", 1, f"a{i}", 0.0, value) for i in range(500)]
    page = run_html(run, steps, artifacts, origin_of=lambda _: "o" * 900)
    assert len(page.encode()) < 200_000
    assert "more: <code>pipekit show" in page


def test_steps_that_did_not_complete_are_listed_first_of_all() -> None:
    steps = [record(f"good_{'x' * 90}-{i}") for i in range(1000)]
    steps.append(record("the_bad_one", status=Status.FAILED, error="ValueError: no"))
    assert "the_bad_one" in run_html(RUN, steps).partition("<table>")[2]


def test_a_run_without_steps_has_no_picture() -> None:
    page = run_html(RUN, [])
    assert "<svg" not in page
    assert "no steps" in page
