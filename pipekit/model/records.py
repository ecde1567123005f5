"""What is recorded, as frozen data. Owns the shapes; who writes them, and how, is a store's matter.

Times are seconds since the epoch (UTC). Digests are 64 hexadecimal characters of BLAKE3. A mapping
or tuple inside a record is never changed after the record is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipekit.model.failure import Failure
from pipekit.model.status import Status, Transition
from pipekit.model.trace import Reads
from pipekit.model.value import Digest, StoredValue

JsonValue = Any
"""None, bool, int, float, str, and lists and string-keyed dicts of these."""


class Kind(StrEnum):
    """What a task is a record of."""

    PIPELINE = "pipeline"
    STEP = "step"
    SCRIPT = "script"


RUN_KINDS = (Kind.PIPELINE, Kind.SCRIPT)
"""Of tasks that have steps of their own."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What a task is to run. Immutable; its identity is the digest of its content."""

    entry: str
    """`module:qualname` of the function."""
    code: Digest = ""
    """Code fingerprint; empty for a pipeline that was recorded before its first step."""
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    """Argument name -> the value where it is plain JSON, else a short text about it.
    A value that comes from another step is the text `${step.artifacts.name}`."""
    outputs: tuple[str, ...] = ("value",)
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """Retries, timeout, cache, executor …: only what differs from the default."""
    source: Digest = ""
    """Address, among the contents, of the function's source text, for people to read; empty where
    there is none."""
    file: str = ""
    """Of a run: where the file of its function lies; empty where it has none."""
    folder: str = ""
    """Of a run: the working folder at its beginning; of a script, below the root of its project."""
    snapshot: Digest = ""
    """Address of the blob that holds the project's files, for who runs it elsewhere; empty where
    none was made."""
    commit: str = ""
    """What the version control calls the state of the project, for people to read."""
    argv: tuple[str, ...] = ()
    """Of a script: its arguments on the command line."""


@dataclass(frozen=True, slots=True)
class Task:
    """One row a task: its status changes by compare-and-set, everything else is written once."""

    id: str
    kind: Kind
    name: str
    """Display name; a step's is unique within its run (`fit`, `fit-2`)."""
    project: str
    status: Status
    created_at: float
    spec: TaskSpec
    type: str = ""
    version: str = ""
    tags: tuple[str, ...] = ()
    parent: str | None = None
    """Id of the run that a step or a child run belongs to."""
    step_key: Digest | None = None
    queue: str | None = None
    cloned_from: str | None = None
    reused_from: str | None = None
    """Id of the task that computed what this one reuses."""
    started_at: float | None = None
    ended_at: float | None = None
    stop_requested_at: float | None = None
    failure: Failure | None = None
    inputs: Mapping[str, tuple[str, str, Digest]] = field(default_factory=dict)
    """Argument name -> (type name, preview, value digest) of what was really passed; for `show`
    and for finding out why a step ran again. Known once all inputs are."""
    needs: tuple[tuple[str, str], ...] = ()
    """The edges of the graph: (id of a task of the same run, name of its output that was passed);
    the name is empty where `after=` alone makes the step wait."""
    arguments: tuple[tuple[str, StoredValue], ...] = ()
    """Of a run: by name, the arguments that `spec.parameters` shows and does not hold."""
    comment: str = ""
    queued_at: float | None = None
    """When it was put on `queue` last."""

    def seconds(self, now: float | None) -> float | None:
        """From its start to its end, or to `now`; None where it was reused, or one of both is not
        known."""
        end = self.ended_at if self.ended_at is not None else now
        if self.started_at is None or end is None or self.reused_from is not None:
            return None
        return max(0.0, end - self.started_at)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a task. Closed once; `number` is the fencing token of whoever runs it."""

    task_id: str
    number: int
    """1 for the first."""
    started_at: float
    host: str
    pid: int
    pid_started_at: float
    """When process `pid` started, so that a reused pid is not taken for it."""
    agent: str = ""
    lease_until: float | None = None
    heartbeat_at: float | None = None
    ended_at: float | None = None
    exit: str = ""
    """How it ended: `completed`, or a `FailureKind`; empty while it is open."""
    failure: Failure | None = None
    log_path: str = ""
    """File that holds its console, relative to the home."""
    log_start: int = 0
    """Offsets into that file, in bytes."""
    log_end: int | None = None
    cpu_seconds: float | None = None
    """Of all processors, in the user's code and the system's; None where it is not known."""
    peak_bytes: int | None = None
    """The most memory that it had at once; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A named value of a task."""

    task_id: str
    attempt: int
    """0 where the value was reused."""
    name: str
    created_at: float
    value: StoredValue


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that a task has logged."""

    task_id: str
    attempt: int
    name: str
    value: float
    """May be infinite or not a number."""
    at: float
    step: int | None = None
    """The user's own count (an epoch, a batch); None where they gave none."""


@dataclass(frozen=True, slots=True)
class Memo:
    """A remembered outcome: what a spec gave. Never changed; evicted at most."""

    key: Digest
    task_id: str
    """Who computed it."""
    run: str
    """Display text of the run that computed it (`train 01j9zk7`)."""
    created_at: float
    duration_seconds: float
    outputs: tuple[tuple[str, StoredValue], ...]
    reads: Reads = ()
    """What the outcome rests on beside the key, and what else the step left behind: only where all
    of it is still so may the outcome be used."""
    component: str = ""
    """`module:qualname` of the function; empty where an older pipekit recorded it."""

    @property
    def is_none(self) -> bool:
        """Whether the outcome is None alone: kept only where `cache=True` was written."""
        return len(self.outputs) == 1 and self.outputs[0][1].type == "NoneType"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who computes a key that others may want meanwhile. Counts until `until`, or until its process
    is gone."""

    key: Digest
    task_id: str
    host: str
    pid: int
    pid_started_at: float
    until: float


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection took away from the records, and what the rest refers to."""

    runs: int
    tasks: int
    memos: int
    contents: int
    content_bytes: int
    left_bytes: int
    """Of the contents that are left."""
    blobs: frozenset[Digest]
    """Of all bytes that what is left refers to, wherever they lie."""
    logs: frozenset[str]
    """Paths, relative to the home, of the logs of what is left."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a task, once."""

    task_id: str
    at: float
    name: Transition
    attempt: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """How an attempt ended. Lands only while attempt `number` is the open one."""

    number: int
    at: float
    exit: str
    failure: Failure | None = None
    log_path: str = ""
    log_start: int = 0
    log_end: int | None = None
    cpu_seconds: float | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A change of status. Lands only while the status is one of `expected`."""

    expected: frozenset[Status]
    to: Status
    at: float
    failure: Failure | None = None
    reused_from: str | None = None
    started_at: float | None = None
    """When it began, for a move that passes over `running`; what is recorded already stays."""
    inputs: Mapping[str, tuple[str, str, Digest]] | None = None
    """What was really passed, where that is known now; None leaves what is recorded."""
    queue: str | None = None
    """Where it waits, for a move to `queued`."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What is said of a task from now on; None leaves what is. A spec takes the place of the old
    one while the task is a draft, or by its own running attempt."""

    spec: TaskSpec | None = None
    name: str | None = None
    project: str | None = None
    type: str | None = None
    version: str | None = None
    tags: tuple[str, ...] | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """All that one transaction says of one task: it lands whole or leaves nothing.

    The guards are checked in the order of the fields: `create` lands if no such id is known,
    `open` if the task has no open attempt, is not terminal and the number is the next one,
    `close` and `move` as they say, `fence` if that attempt was the open one before, and a spec in
    `edit` if the task is a draft, there is a fence, or the move leaves a terminal status. The rest
    follows the guards.
    """

    task_id: str
    create: Task | None = None
    open: Attempt | None = None
    close: Closing | None = None
    move: Move | None = None
    artifacts: tuple[Artifact, ...] = ()
    contents: tuple[tuple[Digest, bytes], ...] = ()
    """Bytes of inline values, by blob digest."""
    memo: Memo | None = None
    events: tuple[Event, ...] = ()
    metrics: tuple[Metric, ...] = ()
    renews: bool = False
    """Whether the memo takes the place of one of its key; else the first one stays."""
    fence: int | None = None
    """Number of the attempt that says it; None: whoever says it, it counts."""
    edit: Edit | None = None


@dataclass(frozen=True, slots=True)
class Claimer:
    """Who takes tasks from queues."""

    agent: str
    host: str
    pid: int
    pid_started_at: float


@dataclass(frozen=True, slots=True)
class Agent:
    """A process that takes tasks from queues, as it last said of itself."""

    id: str
    host: str
    pid: int
    pid_started_at: float
    queues: tuple[str, ...]
    slots: int
    started_at: float
    heartbeat_at: float


@dataclass(frozen=True, slots=True)
class Queue:
    """A named queue, and what waits on it."""

    name: str
    paused: bool = False
    waiting: int = 0
    oldest_at: float | None = None
    """Since when the first has waited; None where none does."""


def claimed_log(task_id: str, number: int) -> str:
    """Where, below the home, the console of an attempt that an agent has claimed goes."""
    return f"logs/{task_id}-{number}.log"
