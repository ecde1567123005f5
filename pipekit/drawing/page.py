"""What a notebook shows of a run or a step: HTML that stands by itself, of bounded size. Pure: all
that it shows is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipekit.console.quantity import bytes_text, moment_text, seconds_text
from pipekit.drawing.label import escaped, summary_of
from pipekit.drawing.svg import render_svg, themed
from pipekit.errors import short
from pipekit.model.excerpt import excerpt
from pipekit.model.graph import CACHED, Graph
from pipekit.model.records import Artifact, Task
from pipekit.model.status import Status

_PICTURE_BYTES = 100_000
_TABLE_BYTES = 50_000
_MOST_NODES = (150, 60, 25)
_TEXT_CHARACTERS = 300
_NAME_CHARACTERS = 120
_ORIGIN_CHARACTERS = 60
_TRACEBACK_CHARACTERS = 4_000
_SIDE_BYTES = 12_000
"""A table of parameters or artifacts."""

_ROOT = ".pipekit-page"
_STYLE = "".join(
    [
        themed(_ROOT),
        f"{_ROOT}{{background:var(--pipekit-paper);color:var(--pipekit-ink);padding:10px 14px;"
        "border:1px solid var(--pipekit-line);border-radius:8px;font:13px/1.45 system-ui,"
        "-apple-system,'Segoe UI',Roboto,Arial,'DejaVu Sans',sans-serif}",
        f"{_ROOT} .head{{font-size:15px;font-weight:600}}",
        f"{_ROOT} .soft{{color:var(--pipekit-soft)}}",
        f"{_ROOT} code,{_ROOT} pre{{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"
        "'DejaVu Sans Mono',monospace;font-size:12px;color:inherit;background:none}",
        f"{_ROOT} pre{{white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0}}",
        f"{_ROOT} .view{{overflow:auto;max-height:560px;margin:8px 0}}",
        f"{_ROOT} table{{border-collapse:collapse;margin:6px 0;color:inherit;"
        "background:none;font-size:12.5px}",
        f"{_ROOT} tr{{background:none!important}}",
        f"{_ROOT} th,{_ROOT} td{{text-align:left;padding:2px 14px 2px 0;vertical-align:top;"
        "border:0;border-bottom:1px solid var(--pipekit-box);overflow-wrap:anywhere}",
        f"{_ROOT} th{{color:var(--pipekit-soft);font-weight:500}}",
        f"{_ROOT} td:first-child{{min-width:9em}}{_ROOT} td pre{{margin:0}}",
        f"{_ROOT} th,{_ROOT} .tight{{white-space:nowrap}}",
        f"{_ROOT} summary{{cursor:pointer}}",
        *(
            f"{_ROOT} .is-{name}{{color:var(--pipekit-{name})}}"
            for name in ("completed", CACHED, "failed", "running", "skipped", "stopped")
        ),
    ]
)

OriginOf = Callable[[str], str]
"""Says of a task's id which run that was: `train 01j9zk7abcdef`."""


def run_html(
    run: Task,
    steps: Sequence[Task],
    artifacts: Sequence[Artifact] = (),
    *,
    origin_of: OriginOf = short,
    now: float | None = None,
) -> str:
    """A run: what became of it, its graph, its steps. At most about 200 KB.

    Args:
        run: A task that has steps.
        steps: In the order of their calls.
        artifacts: What the run itself returned.
        origin_of: Is asked for the steps that were reused.
        now: Until when what is running counts its seconds.
    """
    graph = Graph.of(steps, now=now)
    reused = sum(step.reused_from is not None for step in steps)
    facts = [_lasted(run, now), f"{reused} of {len(steps)} steps cached" if steps else "no steps"]
    parts = [_header(run, [fact for fact in facts if fact])]
    if run.failure is not None:
        parts.append(_failure(run))
    if steps:
        parts.append(f'<div class="view">{_picture(graph, run)}</div>')
        parts.append(_steps(run, steps, origin_of, now))
    return _page([*parts, _parameters(run), _artifacts(artifacts)])


def step_html(
    step: Task, artifacts: Sequence[Artifact], *, origin_of: OriginOf = short,
    now: float | None = None,
) -> str:  # fmt: skip
    """A step: what it was given, what it made, why it failed."""
    facts = [_lasted(step, now)]
    if step.reused_from is not None:
        facts.append(f"from {escaped(excerpt(origin_of(step.reused_from), _NAME_CHARACTERS))}")
    parts = [_header(step, [fact for fact in facts if fact])]
    if step.failure is not None:
        parts.append(_failure(step))
    return _page([*parts, _parameters(step), _artifacts(artifacts)])


def plain_html(text: str) -> str:
    """A text that says all there is to say."""
    return f"<pre>{_lines(text, _TEXT_CHARACTERS)}</pre>"


def _page(parts: Sequence[str]) -> str:
    return f'<div class="pipekit-page"><style>{_STYLE}</style>{"".join(parts)}</div>'


def _header(task: Task, facts: Sequence[str]) -> str:
    name = escaped(excerpt(task.name, _NAME_CHARACTERS))
    what = f'<span class="is-{_word(task)}">{_word(task)}</span>'
    return (
        f'<div><span class="head">{name}</span> <code class="soft">{escaped(short(task.id))}</code>'
        f'</div><div>{what}<span class="soft"> · {" · ".join([*facts, _when(task)])}</span></div>'
    )


def _word(task: Task) -> str:
    is_cached = task.reused_from is not None and task.status is Status.COMPLETED
    return CACHED if is_cached else task.status.value


def _when(task: Task) -> str:
    return moment_text(task.created_at)


def _lasted(task: Task, now: float | None) -> str:
    seconds = task.seconds(now)
    return "" if seconds is None else seconds_text(seconds)


def _failure(task: Task) -> str:
    failure = task.failure
    if failure is None:
        return ""
    said = f'<pre class="is-failed">{_lines(failure.message, 4 * _TEXT_CHARACTERS)}</pre>'
    if failure.traceback:
        trace = _lines(failure.traceback, _TRACEBACK_CHARACTERS)
        said += f"<details><summary>Traceback</summary><pre>{trace}</pre></details>"
    return said


def _picture(graph: Graph, run: Task) -> str:
    """As much of the graph as may be drawn."""
    for most in _MOST_NODES:
        drawn = render_svg(graph.collapsed(most), name=excerpt(run.name, _NAME_CHARACTERS))
        if len(drawn.encode()) <= _PICTURE_BYTES:
            return drawn
    return (
        f"{summary_of(graph)}. The graph is too large for a page: "
        f"<code>pipekit graph {escaped(short(run.id))} --svg graph.svg</code>"
    )


def _steps(run: Task, steps: Sequence[Task], origin_of: OriginOf, now: float | None) -> str:
    # Where not all can be shown, those that did not complete are what one looks for.
    order = sorted(range(len(steps)), key=lambda at: steps[at].status is Status.COMPLETED)
    rows: list[tuple[int, str]] = []
    room = _TABLE_BYTES
    for index in order:
        row = _row(_step_cells(steps[index], origin_of, now))
        room -= len(row.encode())
        if room < 0:
            break
        rows.append((index, row))
    rows.sort()
    left = len(steps) - len(rows)
    more = (
        f"<div>and {left} more: <code>pipekit show {escaped(short(run.id))}</code></div>"
        if left
        else ""
    )
    heads = "".join(f"<th>{head}</th>" for head in ("step", "status", "duration", "cached from",
                                                    "error"))  # fmt: skip
    body = "".join(row for _, row in rows)
    return (
        f"<details><summary>{len(steps)} step{'s' if len(steps) > 1 else ''}</summary>"
        f"<table><tr>{heads}</tr>{body}</table>{more}</details>"
    )


def _step_cells(step: Task, origin_of: OriginOf, now: float | None) -> tuple[str, ...]:
    origin = origin_of(step.reused_from) if step.reused_from is not None else ""
    error = step.failure.message if step.failure is not None else ""
    return (
        f'<code title="{escaped(step.id)}">{escaped(excerpt(step.name, _NAME_CHARACTERS))}</code>',
        f'<span class="tight is-{_word(step)}">{_word(step)}</span>',
        f'<span class="tight">{_lasted(step, now)}</span>',
        f'<span class="tight">{escaped(excerpt(origin, _ORIGIN_CHARACTERS))}</span>',
        _text(error),
    )


def _parameters(task: Task) -> str:
    rows = []
    for name, shown in task.spec.parameters.items():
        kind, preview, _ = task.inputs.get(name, ("", str(shown), ""))
        is_reference = isinstance(shown, str) and shown.startswith("${")
        comes_from = _code(shown if is_reference else "")
        rows.append((_code(name), _text(kind), _code(preview), comes_from))
    return _titled("Parameters", ("name", "type", "value", "comes from"), rows)


def _artifacts(artifacts: Sequence[Artifact]) -> str:
    rows = [
        (
            _code(artifact.name),
            _text(artifact.value.type),
            bytes_text(artifact.value.size_bytes),
            f"<pre>{_lines(artifact.value.preview, _TEXT_CHARACTERS)}</pre>",
        )
        for artifact in artifacts
    ]
    return _titled("Artifacts", ("name", "type", "size", "preview"), rows)


def _titled(title: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    # A column in which nothing stands tells nothing.
    kept = [index for index in range(len(heads)) if any(row[index] for row in rows)]
    head = "".join(f"<th>{heads[index]}</th>" for index in kept)
    body = _within(_SIDE_BYTES, [_row([row[index] for index in kept]) for row in rows])
    more = "<div>and more</div>" if len(body) < len(rows) else ""
    return (
        f"<details><summary>{title}</summary><table><tr>{head}</tr>{''.join(body)}</table>{more}"
        "</details>"
    )


def _within(most: int, rows: Sequence[str]) -> list[str]:
    """As many of the first rows as that many bytes hold."""
    kept = []
    for row in rows:
        most -= len(row.encode())
        if most < 0:
            break
        kept.append(row)
    return kept


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _code(value: object) -> str:
    text = _text(str(value))
    return f"<code>{text}</code>" if text else ""


def _text(text: str) -> str:
    return escaped(excerpt(text.strip().partition("\n")[0], _TEXT_CHARACTERS))


def _lines(text: str, most: int) -> str:
    """A text of several lines: its end, where it is too long, for there the error stands."""
    kept = text if len(text) <= most else f"…{text[1 - most :]}"
    return "\n".join(
        " " * (len(line) - len(line.lstrip())) + escaped(line) for line in kept.split("\n")
    )
