"""Tasks as JSON: the dicts that `--json` prints. Names and types of their fields are a promise."""

from __future__ import annotations

import math
from typing import Any

from pipekit.cli.home import Home
from pipekit.clock import SystemClock, to_datetime
from pipekit.model.reason import NOT_REMEMBERED
from pipekit.model.records import Artifact, Attempt, Kind, Task
from pipekit.model.status import Transition
from pipekit.model.trace import Reads


def task_record(task: Task) -> dict[str, Any]:
    """What every task has."""
    return {
        "id": task.id,
        "kind": task.kind.value,
        "name": task.name,
        "project": task.project,
        "status": task.status.value,
        "created_at": _iso(task.created_at),
        "duration_seconds": duration_seconds(task),
        "parameters": {name: finite(value) for name, value in task.spec.parameters.items()},
        "tags": list(task.tags),
    }


def run_record(home: Home, run: Task) -> dict[str, Any]:
    """A run (a pipeline's, also one that is a step) with its steps."""
    counts = home.store.count_attempts(run.id)
    shown = full_record(home, run)
    shown["steps"] = [step_row(step, counts.get(step.id, 0)) for step in home.list_steps(run)]
    return shown


def full_record(home: Home, task: Task) -> dict[str, Any]:
    """A task with all that is recorded of it, but for its steps."""
    failure = task.failure
    return task_record(task) | {
        "entry": task.spec.entry,
        "version": task.version,
        "code": _code_record(home, task),
        "settings": dict(task.spec.settings),
        "parent": task.parent,
        "key": task.step_key,
        "reused": task.reused_from is not None,
        "reused_from": task.reused_from,
        "error": failure.message if failure is not None else None,
        "traceback": failure.traceback if failure is not None else None,
        "inputs": {
            name: {"type": type_name, "preview": preview, "digest": digest}
            for name, (type_name, preview, digest) in task.inputs.items()
        },
        "reads": [read._asdict() for read in reads_of(home, task)],
        "cache": cache_note(home, task),
        "artifacts": [artifact_record(a) for a in home.store.list_artifacts(task.id)],
        "attempts": [attempt_record(a) for a in home.store.list_attempts(task.id)],
    }


def reads_of(home: Home, task: Task) -> Reads:
    """What a step was seen to read and write, as long as its outcome is remembered."""
    if task.kind is not Kind.STEP:
        return ()
    memo = home.store.find_memo_of(task.reused_from or task.id)
    return memo.reads if memo is not None else ()


def cache_note(home: Home, task: Task) -> str:
    """Why the outcome of a step is not remembered; empty where it is."""
    if task.kind is not Kind.STEP:
        return ""
    events = home.store.list_events(task.id)
    notes = (event.detail for event in events if event.name is Transition.COMPLETED)
    return next((note for note in notes if note.startswith(NOT_REMEMBERED)), "")


def step_row(step: Task, attempts: int) -> dict[str, Any]:
    """A step in the list of its run's."""
    return {
        "id": step.id,
        "kind": step.kind.value,
        "name": step.name,
        "key": step.step_key,
        "status": step.status.value,
        "reused": step.reused_from is not None,
        "attempts": attempts,
        "duration_seconds": duration_seconds(step),
        "error": step.failure.message if step.failure is not None else None,
    }


def artifact_record(artifact: Artifact) -> dict[str, Any]:
    """A named value, without the value."""
    return {
        "name": artifact.name,
        "type": artifact.value.type,
        "size_bytes": artifact.value.size_bytes,
        "digest": artifact.value.digest,
        "serializer": artifact.value.serializer.partition("@")[0],
        "preview": artifact.value.preview,
    }


def attempt_record(attempt: Attempt) -> dict[str, Any]:
    """One try."""
    return {
        "number": attempt.number,
        "exit": attempt.exit or None,
        "started_at": _iso(attempt.started_at),
        "duration_seconds": attempt_seconds(attempt),
        "host": attempt.host,
        "pid": attempt.pid,
        "console_bytes": console_bytes(attempt),
        "error": attempt.failure.message if attempt.failure is not None else None,
    }


def _code_record(home: Home, task: Task) -> dict[str, Any]:
    """Its function's fingerprint and text; None for what is not recorded."""
    file, line, text = home.find_source(task) or (None, None, None)
    return {"digest": task.spec.code or None, "file": file, "line": line, "source": text}


def duration_seconds(task: Task) -> float | None:
    """From a task's start to its end, or to now; None before its start, 0.0 where it was reused."""
    if task.reused_from is not None:
        return 0.0
    seconds = task.seconds(SystemClock.now())
    return None if seconds is None else round(seconds, 6)


def attempt_seconds(attempt: Attempt) -> float:
    """From an attempt's start to its end, or to now."""
    end = attempt.ended_at if attempt.ended_at is not None else SystemClock.now()
    return round(max(0.0, end - attempt.started_at), 6)


def console_bytes(attempt: Attempt) -> int | None:
    """How much it wrote to its console; None where that was not captured, or it still runs."""
    if not attempt.log_path or attempt.log_end is None:
        return None
    return attempt.log_end - attempt.log_start


def is_run(task: Task) -> bool:
    """Whether it has steps of its own."""
    return task.kind is not Kind.STEP


def _iso(seconds: float) -> str:
    return to_datetime(seconds).isoformat()


def finite(value: Any) -> Any:
    """A recorded parameter or number, but for NaN and infinities, which JSON does not know, as
    text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
