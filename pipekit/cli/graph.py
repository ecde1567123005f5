"""`pipekit graph`: which step of a run took what from which, drawn or as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pipekit.cli.home import Home, open_home
from pipekit.cli.listing import duration_text, status_text
from pipekit.cli.outcome import DONE, tell
from pipekit.cli.record import is_run, kept_text, task_record
from pipekit.clock import SystemClock
from pipekit.console.terminal import MARKS, has_colour, marks_of, showable
from pipekit.control.run_text import run_text
from pipekit.drawing.label import summary_of
from pipekit.errors import PipekitError, UsageError, short
from pipekit.model.graph import Edge, Graph, Node
from pipekit.model.records import Task

_MOST_ALIKE = 8
"""Steps beside each other in the tree; more of one component are one line."""


def draw_graph(
    typed: str, *, form: str, svg: Path | None, depth: int, everything: bool, as_json: bool
) -> int:
    """Draw the graph of a run; the exit code.

    Args:
        typed: Id of a run, or of a step, whose run is meant.
        form: `text`, `mermaid` or `svg` to stdout; empty: text, unless a file or JSON is asked for.
        svg: A file to write the picture to.
        depth: 1: child runs are one step each; 2: with their steps; and so on.
        everything: Draw each step, however many there are.
        as_json: Print nodes and edges, each step on its own.

    Raises:
        UsageError: two forms were asked for at once.
        NotFound: there is no such task.
        PipekitError: the file cannot be written.
        StoreError: the home cannot be read.
    """
    if as_json and form:
        raise UsageError("--json and --format ask for two forms.", hint="leave one of them out.")
    with open_home() as home:
        run = _run_of(home, home.get_task(typed))
        graph = Graph.of(_steps(home, run, depth), now=SystemClock.now())
        header = _header(home, run, graph)
        record = task_record(run)
    shown = graph if everything else graph.collapsed()
    if svg is not None:
        _write(svg, shown, graph, name=run.name)
    if as_json:
        print(json.dumps(record | _as_json(graph), allow_nan=False))
    elif form == "svg":
        print(_svg(shown, run.name))
    elif form == "mermaid":
        _print_mermaid(shown)
    elif form == "text" or svg is None:
        print(showable(header, sys.stdout))
        _print_text(shown if everything else shown.folded(_MOST_ALIKE))
    return DONE


def _run_of(home: Home, task: Task) -> Task:
    if is_run(task) or task.parent is None:
        return task
    run = home.store.find_task(task.parent)
    if run is None:
        raise PipekitError(f"The run of step {task.name!r} ({short(task.id)}) is not in the store.")
    tell(f"{task.name!r} is a step of {run_text(run)}")
    return run


def _steps(home: Home, run: Task, depth: int) -> list[Task]:
    """The steps of a run, each child run followed by its own, so many levels deep."""
    found = []
    for step in home.list_steps(run):
        found.append(step)
        if depth > 1 and is_run(step):
            found += _steps(home, step, depth - 1)
    return found


def _header(home: Home, run: Task, graph: Graph) -> str:
    lasted = duration_text(run)
    took = f" in {lasted}" if lasted else ""
    kept = kept_text(home, run).partition(", ")[2]
    summary = summary_of(graph) + (f", {kept}" if kept else "")
    return f"{run.name} {short(run.id)} {status_text(home, run)}{took}, {summary}"


def _print_text(graph: Graph) -> None:
    from pipekit.drawing.text import render_text

    unicode = marks_of(sys.stdout) is MARKS
    text = render_text(graph, unicode=unicode, colour=has_colour(sys.stdout))
    sys.stdout.write(showable(text, sys.stdout))


def _print_mermaid(graph: Graph) -> None:
    from pipekit.drawing.mermaid import MOST_EDGES, render_mermaid

    sys.stdout.write(showable(render_mermaid(graph), sys.stdout))
    if len(graph.edges) > MOST_EDGES:
        tell(
            f"The graph has {len(graph.edges)} edges; Mermaid draws {MOST_EDGES}, unless its "
            "setting maxEdges says otherwise."
        )


def _svg(graph: Graph, name: str) -> str:
    from pipekit.drawing.svg import render_svg

    return render_svg(graph, name=name)


def _write(file: Path, shown: Graph, whole: Graph, *, name: str) -> None:
    try:
        file.write_text(_svg(shown, name) + "\n", encoding="utf-8")
    except OSError as error:
        raise PipekitError(
            f"{file} cannot be written ({error.strerror}).", hint="name another file."
        ) from error
    less = ""
    if len(shown) < len(whole):
        less = f": {len(whole)} steps in {len(shown)} boxes; --all draws each"
    tell(f"Wrote {file}{less}")


def _as_json(graph: Graph) -> dict[str, Any]:
    return {
        "nodes": [_node(node) for node in graph.nodes],
        "edges": [_edge(edge) for edge in graph.edges],
    }


def _node(node: Node) -> dict[str, Any]:
    seconds = 0.0 if node.reused else node.seconds
    return {
        "id": node.id,
        "kind": node.kind.value,
        "name": node.name,
        "component": node.component,
        "status": node.status.value,
        "reused": node.reused,
        "duration_seconds": None if seconds is None else round(seconds, 6),
    }


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "source": edge.source,
        "target": edge.target,
        "outputs": list(edge.outputs),
        "inside": edge.inside,
    }
