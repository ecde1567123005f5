"""`pipekit show`: everything that is recorded of a run or a step."""

from __future__ import annotations

import json
import sys
from shlex import quote

from pipekit.cli.home import Home, open_home
from pipekit.cli.listing import duration_text, status_text
from pipekit.cli.log_file import LogFile, find_tail
from pipekit.cli.log_parts import get_step
from pipekit.cli.log_printer import text_of
from pipekit.cli.outcome import DONE
from pipekit.cli.outline import defaults_of
from pipekit.cli.record import (
    artifacts_of,
    attempt_seconds,
    audit_of,
    cache_note,
    console_bytes,
    full_record,
    is_run,
    kept_text,
    reads_of,
    run_record,
)
from pipekit.console.audit import place_text
from pipekit.console.quantity import bytes_text, moment_text, seconds_text, time_text
from pipekit.console.table import draw_code, draw_facts, draw_table, without_empty
from pipekit.console.terminal import clean, has_colour, one_line, showable
from pipekit.control.project_copy import ROOT, SEARCHED
from pipekit.errors import short
from pipekit.model.excerpt import excerpt
from pipekit.model.records import Kind, Task
from pipekit.model.status import Status

_PREVIEW_CHARACTERS = 72
_DIGEST_CHARACTERS = 12
_CONSOLE_LINES = 10
_MOST_READS = 40


def show(typed: str, step: str, *, as_json: bool) -> int:
    """Print a task; the exit code.

    Args:
        typed: Beginning of an id; empty: the newest run.
        step: Name of a step of that run, or `child/step`; empty: the task itself.
        as_json: Print one JSON object.

    Raises:
        NotFound: there is no such task, or no such step.
        StoreError: the home cannot be read.
    """
    with open_home() as home:
        task = home.get_task(typed)
        if step:
            task = get_step(home, task, step)
        if as_json:
            record = run_record(home, task) if is_run(task) else full_record(home, task)
            print(json.dumps(record, allow_nan=False))
        else:
            _draw(home, task)
    return DONE


def _draw(home: Home, task: Task) -> None:
    draw_facts(_facts(home, task))
    _draw_inputs(task)
    _draw_reads(home, task)
    _draw_audit(home, task)
    _draw_steps(home, task)
    _draw_artifacts(home, task)
    _draw_metrics(home, task)
    _draw_attempts(home, task)
    _draw_console(home, task)
    _draw_code(home, task)
    if task.failure is not None and task.failure.traceback:
        print()
        for line in task.failure.traceback.rstrip().split("\n"):
            print(_written_by_others(line))


def _facts(home: Home, task: Task) -> list[tuple[str, str]]:
    facts = [
        ("id", task.id),
        (task.kind.value, task.name),
        ("project", task.project),
        ("status", status_text(home, task)),
        ("resumed", kept_text(home, task)),
        ("created", moment_text(task.created_at)),
        ("duration", duration_text(task)),
        ("queue", task.queue or ""),
        ("comment", one_line(task.comment)),
        ("type", task.type if task.kind is Kind.SCRIPT else ""),
        ("entry", task.spec.entry),
        ("arguments", " ".join(map(quote, task.spec.argv))),
        ("commit", task.spec.commit),
        ("version", task.version),
        ("settings", ", ".join(_setting_texts(task))),
        ("tags", ", ".join(task.tags)),
        ("why", str(home.view(task).why) if task.kind is Kind.STEP else ""),
        ("cache", cache_note(home, task)),
        ("part of", _spoken(home, task.parent)),
        ("taken from", _spoken(home, task.reused_from)),
        ("cloned from", _spoken(home, task.cloned_from)),
        ("key", task.step_key or ""),
    ]
    if task.kind is Kind.SCRIPT or (is_run(task) and task.parent is None):
        facts.extend(
            ("" if index else "parameters", text)
            for index, text in enumerate(_parameter_texts(home, task))
        )
    if task.failure is not None:
        facts.append(("error", task.failure.message))
    return [(name, text) for name, text in facts if text]


def _setting_texts(task: Task) -> list[str]:
    if task.kind is Kind.SCRIPT:
        return []  # they say how it is started, and are for that alone
    hidden = (ROOT, SEARCHED)  # where the project lay: `entry` says what is run of it
    settings = task.spec.settings.items()
    return [f"{name}={value}" for name, value in settings if name not in hidden]


def _parameter_texts(home: Home, run: Task) -> list[str]:
    """`n = 4 (default: 3)` for each parameter of a run."""
    found = home.find_source(run) if run.kind is Kind.PIPELINE else None
    defaults = defaults_of(found[2]) if found is not None else {}
    texts = []
    for name, value in run.spec.parameters.items():
        text = f"{name} = {one_line(str(value))}"
        default = defaults.get(name)
        if default is not None:
            text += " (the default)" if default in _written(value) else f" (default: {default})"
        texts.append(text)
    return texts


def _written(value: object) -> tuple[str, ...]:
    """How a recorded value may stand in code; texts also as they are, for what is no plain value
    is recorded as a text about it."""
    return (repr(value), value) if isinstance(value, str) else (repr(value),)


def _spoken(home: Home, task_id: str | None) -> str:
    """`train 01j9zk7abc`, or a step's `fit 01j9zk7abc of train 01j9zk7abd`."""
    if task_id is None:
        return ""
    task = home.store.find_task(task_id)
    if task is None:
        return short(task_id)
    own = f"{task.name} {short(task.id)}"
    return f"{own} of {_spoken(home, task.parent)}" if task.parent is not None else own


def _draw_inputs(task: Task) -> None:
    if task.kind is Kind.SCRIPT or (is_run(task) and task.parent is None):
        return
    rows = []
    for name, value in task.spec.parameters.items():
        type_name, preview, _ = task.inputs.get(name, ("", str(value), ""))
        given = str(value) if isinstance(value, str) and value.startswith("${") else ""
        rows.append([name, type_name, _shortened(preview), given])
    _titled("inputs", ("name", "type", "value", "comes from"), rows)


def _draw_reads(home: Home, task: Task) -> None:
    """What the step read and wrote beside its arguments."""
    reads = reads_of(home, task)
    rows = [
        [one_line(read.name), read.kind, read.digest[:_DIGEST_CHARACTERS]]
        for read in reads[:_MOST_READS]
    ]
    if len(reads) > _MOST_READS:
        rows.append([f"… and {len(reads) - _MOST_READS:,} more: --json", "", ""])
    _titled("read and written", ("name", "as", "digest"), rows)


def _draw_audit(home: Home, task: Task) -> None:
    """What the step was seen to do beside what its key counts."""
    audit = audit_of(home, task)
    if audit is None:
        return
    rows = [[one_line(sight.what), sight.kind, place_text(sight)] for sight in audit.sights]
    _titled("audit", ("what", "as", "where"), rows or [["nothing found", "", ""]])
    if audit.unseen:
        print(one_line(audit.unseen))


def _draw_steps(home: Home, task: Task) -> None:
    if not is_run(task):
        return
    counts = home.store.count_attempts(task.id)
    rows = [
        [
            short(step.id),
            step.name,
            status_text(home, step),
            str(counts.get(step.id, "") if step.status is not Status.PENDING else ""),
            time_text(step.started_at) if step.started_at is not None else "",
            duration_text(step),
            home.run_text(step.reused_from),
            one_line(step.failure.message) if step.failure is not None else "",
        ]
        for step in home.list_steps(task)
    ]
    headers = (
        "id", "step", "status", "attempts", "started", "duration", "reused from", "error"
    )  # fmt: skip
    _titled("steps", headers, rows)


def _draw_artifacts(home: Home, task: Task) -> None:
    rows = [
        [
            artifact.name,
            artifact.value.type,
            bytes_text(artifact.value.size_bytes),
            artifact.value.digest[:_DIGEST_CHARACTERS],
            _shortened(artifact.value.preview),
        ]
        for artifact in artifacts_of(home, task)
    ]
    _titled("artifacts", ("name", "type", "size", "digest", "preview"), rows)


def _draw_metrics(home: Home, task: Task) -> None:
    metrics = home.view(task).metrics
    rows = [
        [name, f"{value:g}", str(len(metrics.history(name)))] for name, value in metrics.items()
    ]
    _titled("metrics", ("name", "last", "count"), rows)


def _draw_attempts(home: Home, task: Task) -> None:
    if is_run(task):
        return
    rows = []
    for attempt in home.store.list_attempts(task.id):
        console = console_bytes(attempt)
        rows.append(
            [
                str(attempt.number),
                attempt.exit or "running",
                seconds_text(attempt_seconds(attempt)),
                f"{attempt.host}, process {attempt.pid}",
                "" if attempt.cpu_seconds is None else seconds_text(attempt.cpu_seconds),
                "" if attempt.peak_bytes is None else bytes_text(attempt.peak_bytes),
                "" if console is None else bytes_text(console),
                one_line(attempt.failure.message) if attempt.failure is not None else "",
            ]
        )
    headers = ("attempt", "exit", "duration", "where", "cpu", "memory", "console", "error")
    _titled("attempts", headers, rows)


def _draw_console(home: Home, task: Task) -> None:
    """The last lines that a step or a script wrote, and how to see all."""
    last = next((a for a in reversed(home.store.list_attempts(task.id)) if a.log_path), None)
    if last is None:
        return
    path = home.archive.settings.home / last.log_path
    begin, count = find_tail(path, last.log_start, last.log_end, _CONSOLE_LINES)
    if not count:
        return
    all_shown = begin == last.log_start and last.number == 1
    more = "" if all_shown else f": the last lines; all: pipekit logs {short(task.id)}"
    print(f"\nconsole{more}")
    written = b"".join(LogFile(path, begin).read(last.log_end))
    for line in written.rstrip(b"\n").split(b"\n"):
        print(f"  {_written_by_others(text_of(line))}")


def _written_by_others(line: str) -> str:
    return showable(clean(line, keep_colours=has_colour(sys.stdout)), sys.stdout)


def _draw_code(home: Home, task: Task) -> None:
    """The function as it was run."""
    found = home.find_source(task)
    if found is not None:
        file, line, text = found
        print(f"\ncode: {file}, line {line}")
        draw_code(text)


def _titled(title: str, headers: tuple[str, ...], rows: list[list[str]]) -> None:
    if rows:
        print(f"\n{title}")
        draw_table(*without_empty(headers, rows))


def _shortened(text: str) -> str:
    return excerpt(one_line(text), _PREVIEW_CHARACTERS)
