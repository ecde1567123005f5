"""Records as rows of plain values, and back. Owns the texts inside columns; knows no SQL.

Mappings, tuples and failures are compact JSON in ASCII, so that any string survives, lone
surrogates too; an empty one is the empty text. Enumerations are their values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as _quote
from typing import Any

from blake3 import blake3

from pipekit.model.code_parts import address_of
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import Artifact, Attempt, Event, Kind, Memo, Metric, Task, TaskSpec
from pipekit.model.status import Status, Transition
from pipekit.model.trace import Read, Reads
from pipekit.model.value import Digest, StoredValue

Row = Sequence[Any]

# Encoder and decoder are made once: `json.dumps` with separators makes a new one at each call.
# Where a text has a fixed shape, quoting its strings one by one takes a third of the time.
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder().decode
_SEAL_BYTES = 8
_PLACE = 6
"""Of a spec that says all: source, file, folder, snapshot, commit, argv."""

# Looking up is several times as fast as calling an enumeration.
_STATUS = {item.value: item for item in Status}
_KIND = {item.value: item for item in Kind}
_FAILURE_KIND = {item.value: item for item in FailureKind}
_TRANSITION = {item.value: item for item in Transition}


def status_of(text: str) -> Status:
    """The status that a column holds."""
    return _STATUS[text]


def encode_spec(spec: TaskSpec) -> str:
    parameters = _encode(dict(spec.parameters)) if spec.parameters else "{}"
    settings = _encode(dict(spec.settings)) if spec.settings else "{}"
    outputs = ",".join([_quote(name) for name in spec.outputs])
    source = f",{_quote(spec.source)}" if spec.source else ""
    if spec.file or spec.folder or spec.snapshot or spec.commit or spec.argv:
        source = f",{_quote(spec.source)},{_quote(spec.file)},{_quote(spec.folder)}"
        if spec.snapshot or spec.commit or spec.argv:
            argv = ",".join([_quote(word) for word in spec.argv])
            source += f",{_quote(spec.snapshot)},{_quote(spec.commit)},[{argv}]"
    return f"[{_quote(spec.entry)},{_quote(spec.code)},{parameters},[{outputs}],{settings}{source}]"


def decode_spec(text: str) -> TaskSpec:
    entry, code, parameters, outputs, settings, *place = _decode(text)
    if len(place) == _PLACE:
        place[-1] = tuple(place[-1])
    return TaskSpec(entry, code, parameters, tuple(outputs), settings, *place)


def encode_names(names: tuple[str, ...]) -> str:
    return _encode(names) if names else ""


def decode_names(text: str) -> tuple[str, ...]:
    return tuple(_decode(text)) if text else ()


def encode_inputs(inputs: Mapping[str, tuple[str, str, Digest]]) -> str:
    if not inputs:
        return ""
    items = [
        f"{_quote(name)}:[{_quote(type_)},{_quote(preview)},{_quote(digest)}]"
        for name, (type_, preview, digest) in inputs.items()
    ]
    return "{" + ",".join(items) + "}"


def encode_needs(needs: tuple[tuple[str, str], ...]) -> str:
    if not needs:
        return ""
    return "[" + ",".join([f"[{_quote(task)},{_quote(name)}]" for task, name in needs]) + "]"


def encode_arguments(arguments: Sequence[tuple[str, StoredValue]]) -> str:
    if not arguments:
        return ""
    return _listed([(name, encode_value(value)) for name, value in arguments])


def decode_arguments(text: str) -> tuple[tuple[str, StoredValue], ...]:
    return tuple([(name, StoredValue(*value)) for name, value in _decode(text)]) if text else ()


def encode_failure(failure: Failure | None) -> str:
    if failure is None:
        return ""
    return _encode(
        (
            failure.kind._value_,
            failure.message,
            failure.traceback,
            failure.exception,
            failure.step,
            failure.chain,
        )
    )


def decode_failure(text: str) -> Failure | None:
    if not text:
        return None
    kind, message, traceback, exception, step, chain = _decode(text)
    return Failure(_FAILURE_KIND[kind], message, traceback, exception, step, tuple(chain))


def encode_value(value: StoredValue) -> str:
    return (
        f"[{_quote(value.digest)},{_quote(value.blob)},{_quote(value.serializer)},"
        f"{_quote(value.type)},{value.size_bytes:d},{_quote(value.preview)},"
        f"{'true' if value.inline else 'false'}{f',{_quote(value.codes)}' if value.codes else ''}]"
    )


def encode_outputs(outputs: Sequence[tuple[str, str]]) -> str:
    """The outputs of a memo, each as its name and its value, which is encoded already."""
    return _sealed(_listed(outputs))


def _listed(values: Sequence[tuple[str, str]]) -> str:
    return "[" + ",".join([f"[{_quote(name)},{value}]" for name, value in values]) + "]"


def encode_reads(reads: Reads) -> str:
    if not reads:
        return ""
    items = [f"[{_quote(kind)},{_quote(name)},{_quote(digest)}]" for kind, name, digest in reads]
    return _sealed("[" + ",".join(items) + "]")


def decode_reads(text: str) -> Reads:
    return tuple([Read(*item) for item in _decode(_unsealed(text))]) if text else ()


def _sealed(text: str) -> str:
    # A memo decides what a step is said to have given: nothing in it may change unseen.
    return f"{text} {blake3(text.encode()).hexdigest(_SEAL_BYTES)}"


def _unsealed(text: str) -> str:
    content, _, seal = text.rpartition(" ")
    if blake3(content.encode()).hexdigest(_SEAL_BYTES) != seal:
        raise ValueError("it is not what was written")
    return content


def decode_task(row: Row) -> Task:
    (
        task_id, kind, name, project, created_at, type_, version, tags, parent, step_key, queue,
        cloned_from, spec, inputs, status, reused_from, started_at, ended_at, stop_requested_at,
        failure, needs, arguments, comment, queued_at,
    ) = row  # fmt: skip
    return Task(
        task_id,
        _KIND[kind],
        name,
        project,
        _STATUS[status],
        created_at,
        decode_spec(spec),
        type_,
        version,
        decode_names(tags),
        parent,
        step_key,
        queue,
        cloned_from,
        reused_from,
        started_at,
        ended_at,
        stop_requested_at,
        decode_failure(failure),
        {key: tuple(item) for key, item in _decode(inputs).items()} if inputs else {},
        tuple([(task, output) for task, output in _decode(needs)]) if needs else (),
        decode_arguments(arguments),
        comment,
        queued_at,
    )


def decode_attempt(row: Row) -> Attempt:
    (
        task_id, number, started_at, host, pid, pid_started_at, agent, lease_until, heartbeat_at,
        ended_at, exit_, failure, log_path, log_start, log_end, cpu_seconds, peak_bytes,
    ) = row  # fmt: skip
    return Attempt(
        task_id, number, started_at, host, pid, pid_started_at, agent, lease_until, heartbeat_at,
        ended_at, exit_, decode_failure(failure), log_path, log_start, log_end, cpu_seconds,
        peak_bytes,
    )  # fmt: skip


def decode_artifact(row: Row) -> Artifact:
    task_id, attempt, name, created_at, value = row
    return Artifact(task_id, attempt, name, created_at, StoredValue(*_decode(value)))


def decode_value(text: str) -> StoredValue:
    """A value alone, as an artifact holds it."""
    return StoredValue(*_decode(text))


def decode_outputs(text: str) -> list[StoredValue]:
    """The values of a memo without their names; none of one that is damaged."""
    try:
        text = _unsealed(text)
    except ValueError:
        return []
    return [StoredValue(*value) for _, value in _decode(text)]


def decode_entry(spec: str) -> tuple[str, Mapping[str, Any]]:
    """Of a spec, its entry and its settings."""
    found = _decode(spec)
    return found[0], found[4]


def decode_addresses(spec: str) -> tuple[Digest, Digest, Digest]:
    """Of a spec, the addresses of its source, of the parts of its code and of its snapshot; empty
    where it has none."""
    _, code, _, _, _, *place = _decode(spec)
    snapshot = place[3] if len(place) == _PLACE else ""
    return place[0] if place else "", address_of(code) if code else "", snapshot


def decode_memo(row: Row) -> Memo:
    """A memo.

    Raises:
        ValueError, TypeError, LookupError: the row is damaged, or of an older scheme.
    """
    key, task_id, run, created_at, duration_seconds, outputs, reads, component = row
    values = tuple([(name, StoredValue(*value)) for name, value in _decode(_unsealed(outputs))])
    read = decode_reads(reads)
    return Memo(key, task_id, run, created_at, duration_seconds, values, read, component)


def decode_metric(row: Row) -> Metric:
    task_id, attempt, name, value, at, step = row
    return Metric(task_id, attempt, name, float("nan") if value is None else value, at, step)


def decode_event(row: Row) -> Event:
    task_id, at, name, attempt, detail = row
    return Event(task_id, at, _TRANSITION[name], attempt, detail)
