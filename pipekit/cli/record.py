"""Tasks as JSON: the dicts that `--json` prints. Names and types of their fields are a promise."""

from __future__ import annotations

import math
from typing import Any

from pipekit.cli.home import Home
from pipekit.clock import SystemClock, to_datetime
from pipekit.model.audit import Audit, AuditReport
from pipekit.model.reason import NOT_REMEMBERED
from pipekit.model.records import Artifact, Attempt, Kind, Task
from pipekit.model.status import Status, Transition
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
        "type": task.type,
        "comment": task.comment,
        "queue": task.queue,
        "entry": task.spec.entry,
        "arguments": list(task.spec.argv),
        "commit": task.spec.commit,
        "snapshot": task.spec.snapshot or None,
        "cloned_from": task.cloned_from,
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
        "audit": None if (audit := audit_of(home, task)) is None else _seen_record(audit),
        "artifacts": [artifact_record(a) for a in artifacts_of(home, task)],
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


def audit_of(home: Home, task: Task) -> Audit | None:
    """What a step was seen to do; None where it was not looked at."""
    if task.kind is not Kind.STEP:
        return None
    found: Audit | None = None
    for event in home.store.list_events(task.id):
        if event.name is Transition.AUDITED:
            audit = Audit.from_text(event.detail)
            found = audit if found is None else found.merged_with(audit)
    return found


def audit_record(report: AuditReport) -> dict[str, Any]:
    """What the steps of a run were seen to do."""
    return {
        "steps": [
            {"id": step.id, "name": step.name} | _seen_record(step.audit) for step in report.steps
        ],
        "reused": report.reused,
        "not_looked_at": list(report.lost),
    }


def _seen_record(audit: Audit) -> dict[str, Any]:
    return {
        "seen": [sight._asdict() for sight in audit.sights],
        "not_looked_at": audit.unseen or None,
    }


def artifacts_of(home: Home, task: Task) -> list[Artifact]:
    """The artifacts of a task: of a name that several attempts gave, the last."""
    since = home.view(task).last_forgotten(task)
    recorded = home.store.list_artifacts(task.id)
    counting = [one for one in recorded if one.attempt > since or one.attempt == 0]
    return list({one.name: one for one in counting}.values())


def attempt_text(home: Home, run: Task) -> str:
    """`attempt 2`, of a run that was resumed; else nothing."""
    if not is_run(run) or run.started_at is None or run.started_at <= run.created_at:
        return ""
    count = len(home.store.list_attempts(run.id))
    return f"attempt {count}" if count > 1 else ""


def kept_text(home: Home, run: Task) -> str:
    """`attempt 2, 12 steps kept from attempt 1`, of a run that was resumed; else nothing."""
    if not attempt_text(home, run):
        return ""
    attempts = home.store.list_attempts(run.id)
    began = attempts[-1].started_at
    kept = sum(
        step.status is Status.COMPLETED and step.ended_at is not None and step.ended_at <= began
        for step in home.list_steps(run)
    )
    earlier = "attempt 1" if len(attempts) == 2 else "earlier attempts"
    steps = "step" if kept == 1 else "steps"
    return f"attempt {len(attempts)}, {kept} {steps} kept from {earlier}"


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
        "cpu_seconds": None if attempt.cpu_seconds is None else round(attempt.cpu_seconds, 6),
        "peak_bytes": attempt.peak_bytes,
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
    return task.kind is Kind.PIPELINE


def _iso(seconds: float) -> str:
    return to_datetime(seconds).isoformat()


def finite(value: Any) -> Any:
    """A recorded parameter or number, but for NaN and infinities, which JSON does not know, as
    text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
