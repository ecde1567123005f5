"""The few interfaces between the floors, each with its contract in words.

An implementation that keeps its port's contract may stand in for any other;
`pipekit.testing.suites` has the suites of `Store` and `BlobStore`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from pipekit.model.failure import FailureKind
from pipekit.model.records import (
    Agent,
    Artifact,
    Attempt,
    Change,
    Claimer,
    Collected,
    Event,
    Kind,
    Lease,
    Memo,
    Metric,
    Queue,
    Task,
)
from pipekit.model.resources import Resources
from pipekit.model.status import Status
from pipekit.model.trace import Reads
from pipekit.model.value import Digest, StoredValue

Contents = Literal["all", "values"]


class Store(Protocol):
    """Keeps the records.

    Durable: what `commit` acknowledged survives the death of the process at any later moment, and
    (`durability="full"`) of the machine. Reads see every commit acknowledged before they began,
    from any process. Thread-safe; a store may keep a connection a thread.

    Raises `StoreUnavailable` where the store cannot be reached or written, after waiting for a
    foreign lock as long as its settings say; nothing of that commit has then landed.
    """

    def commit(self, changes: Sequence[Change], *, if_first: bool = False) -> list[bool]:
        """Make the changes, in one transaction, and say of each whether it landed.

        A change whose guard fails (see `Change`) leaves nothing behind, and does not touch the
        others: its place in the answer is False. A memo whose key is known stays as it is (the
        first commit wins); contents that are known are left alone. Both count as landed. Two
        changes of one task may stand in one call and are made in their order. Not idempotent.

        `if_first`: where the first change does not land, none does.
        """

    def find_task(self, task_id: str) -> Task | None:
        """The task of exactly this id."""

    def find_ids(self, prefix: str, *, limit: int = 10) -> list[str]:
        """Ids that begin with `prefix`, oldest first, at most `limit`."""

    def list_tasks(
        self,
        *,
        kinds: Collection[Kind] = (),
        parent: str | None = None,
        statuses: Collection[Status] = (),
        project: str | None = None,
        name: str | None = None,
        step_key: Digest | None = None,
        limit: int | None = None,
    ) -> list[Task]:
        """Tasks that match every filter given (an empty collection or None filters nothing), newest
        first by (created_at, id). A run's steps in start order are this list reversed."""

    def list_attempts(self, task_id: str) -> list[Attempt]:
        """Attempts of a task by number."""

    def list_artifacts(self, task_id: str) -> list[Artifact]:
        """Artifacts of a task in the order in which they were recorded."""

    def list_events(self, task_id: str) -> list[Event]:
        """What happened to a task, in order."""

    def list_metrics(self, task_id: str) -> list[Metric]:
        """What a task has logged, in the order in which it was recorded."""

    def count_attempts(self, parent: str) -> dict[str, int]:
        """Task id -> how many attempts, of each task below `parent` that has any."""

    def list_artifact_sets(self, parent: str) -> dict[str, list[Artifact]]:
        """`list_artifacts` of every task below `parent`, by task id, in one query."""

    def find_memos(self, keys: Collection[Digest]) -> dict[Digest, Memo]:
        """The memos that exist among `keys`."""

    def find_memo_of(self, task_id: str) -> Memo | None:
        """The memo that this task computed; None where there is none (any more)."""

    def remove_memo(self, key: Digest) -> bool:
        """Forget a memo; False where there was none."""

    def find_duration(self, component: str) -> float | None:
        """How many seconds the newest memo of a component took; None where there is none."""

    def list_memos(self) -> list[Memo]:
        """All memos, oldest first."""

    def request_stop(self, task_id: str, at: float) -> bool:
        """Ask whoever runs the task to stop it; False where it has ended, or is not known. The
        first wish stays."""

    def list_stop_requests(self, runs: Collection[str]) -> list[str]:
        """Of these runs and the tasks directly below them, those that have not ended and that
        someone asked to stop, by id."""

    def renew(self, attempts: Mapping[str, int], *, at: float, until: float) -> None:
        """Whoever runs these attempts (id of a task -> number) was alive at that time: their
        heartbeat and lease. A closed attempt stays as it is, and so does one that followed."""

    def claim(
        self, queues: Sequence[str], claimer: Claimer, *, now: float, until: float
    ) -> Task | None:
        """Take the task that has waited longest on the first of these queues that has one and is
        not paused: it is running from now on, in a next attempt that the claimer has until
        `until`, and whose console is `claimed_log`. One transaction: nobody else takes it. None
        where none waits."""

    def list_lost(self, now: float) -> list[Attempt]:
        """Open attempts of agents whose lease was over before `now`."""

    def list_queues(self) -> list[Queue]:
        """The queues that were made and those on which something waits, by name."""

    def make_queue(self, name: str, *, paused: bool = False) -> None:
        """Have a queue listed though nothing waits there; pause it, or let it go on."""

    def remove_queue(self, name: str) -> bool:
        """Forget a queue; False, and nothing is changed, where something waits there."""

    def report_agent(self, agent: Agent) -> None:
        """Record what an agent says of itself, in place of what it said before."""

    def remove_agent(self, agent_id: str) -> None:
        """The agent has ended. Idempotent."""

    def list_agents(self) -> list[Agent]:
        """The agents that did not say that they ended, oldest first."""

    def count_uses(self) -> dict[str, tuple[int, float]]:
        """Id of a task whose outcome was reused -> how often, and when last, as far as the tasks
        that reused it are recorded."""

    def count_outcomes(self) -> dict[str, tuple[int, int]]:
        """Component (`module:qualname`) -> how many of its completed steps were reused, and how
        many computed; without those that say `cache=False`."""

    def pin(self, ids: Collection[str]) -> None:
        """Let no collection take these away: keys of memos, and ids of runs. Idempotent."""

    def unpin(self, ids: Collection[str]) -> None:
        """Take pins away. Idempotent."""

    def list_pins(self) -> set[str]:
        """All that is pinned."""

    def take_lease(self, lease: Lease, *, now: float, instead_of: str = "") -> bool:
        """Take the lease of a key, in one statement; False where another task has it.

        It is had by another task until its `until`, unless that task is `instead_of`, whose process
        the caller knows to be gone. Taking it again renews it.
        """

    def find_lease(self, key: Digest) -> Lease | None:
        """The lease of a key, over or not."""

    def release_leases(self, task_id: str) -> None:
        """Give up what this task has. Idempotent."""

    def collect(
        self, runs: Collection[str], *, contents: Contents = "all", dry: bool = False
    ) -> Collected:
        """Forget these runs with all that lies below them, then what nothing refers to any more, in
        one transaction. `dry`: say what would go, and change nothing.

        What goes: tasks, attempts, artifacts, events and metrics of the runs, but for a run that is
        pinned; the pins and leases of what is gone; each memo that no task computed or
        reused that is left, unless it is pinned; contents that no artifact, memo or spec that
        is left refers to. `contents="values"` leaves, of these, those that none of the artifacts
        and memos which go referred to: a run that goes on may be about to.
        """

    def read_contents(self, digests: Collection[Digest]) -> dict[Digest, bytes]:
        """The inline bytes that exist among `digests`."""

    def remove_contents(self, digests: Collection[Digest]) -> None:
        """Forget inline bytes that are not what they should be, so that they can be written again.
        Idempotent."""

    def close(self) -> None:
        """Release what the store holds. Idempotent."""


class BlobStore(Protocol):
    """Keeps bytes under their digest. Safe for any number of processes and threads at once.

    A blob is either absent or whole: it appears by a rename, after its bytes were written.
    """

    def stage(self) -> AbstractContextManager[IO[bytes]]:
        """A new temporary file on the store's file system (`.name` is its path), removed at exit
        where it was not adopted. Raises `StoreUnavailable` where nothing can be written."""

    def adopt(self, staged: IO[bytes], digest: Digest) -> None:
        """Make the staged bytes the blob `digest` (the caller computed it). Atomic; one that exists
        already is replaced, for its bytes may have been damaged; who reads it is not disturbed."""

    def adopt_folder(self, folder: Path, digest: Digest) -> None:
        """The same for a folder, which becomes one blob."""

    def find(self, digest: Digest) -> Path | None:
        """A local path of the blob, to be read and not changed; None where it is absent."""

    def remove(self, digest: Digest) -> bool:
        """Delete the blob; False where it was absent."""

    def remove_old(self, digest: Digest, *, before: float) -> int | None:
        """Delete the blob unless it was adopted (anew) at or after that time; how many bytes that
        freed, None where it stays. Who adopts it at this moment is not disturbed."""

    def list_sizes(self) -> Iterator[tuple[Digest, int, float]]:
        """Every blob, with its size in bytes and when it was adopted last, in no order."""

    def list_digests(self) -> Iterator[Digest]:
        """Every blob, in no order."""


class Sink(Protocol):
    """Where a serializer writes: hashes and counts the bytes while they pass."""

    def write(self, data: Any, /) -> int:
        """Take the bytes of any contiguous buffer."""


class Serializer(Protocol):
    """Turns values of some types into bytes and back.

    Reading back gives an equal value of the same type. `name` is stored with each value, so it
    never changes its meaning; a new format takes a new name. Where its code was changed, outcomes
    that it stored are not reused.
    """

    name: str

    def accepts(self, value: object) -> bool:
        """Whether `dump` can take this very value. Cheap; imports nothing heavy."""

    def dump(self, value: Any, sink: Sink) -> None:
        """Write the value. Raises any exception where it cannot."""

    def load(self, source: bytes | Path) -> Any:
        """Read it again, from inline bytes or from a file that must not be changed and that may be
        memory-mapped, copy-on-write."""

    def preview(self, value: Any) -> str:
        """A few short lines for people. Never raises for a value that `dump` took."""


class Loop(Protocol):
    """One thread that waits for descriptors, timers and posted calls, and runs callbacks."""

    def post(self, callback: Callable[[], None]) -> None:
        """Run `callback` in the loop's thread soon. Thread-safe; in the order of the calls."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Run `callback` once, not before `seconds` have passed. From the loop's thread only."""

    def watch(self, fd: int, callback: Callable[[], None], *, write: bool = False) -> None:
        """Run `callback` whenever `fd` can be read (or, with `write`, also written) without
        waiting, until `unwatch`. A second call for the same descriptor replaces the first."""

    def unwatch(self, fd: int) -> None:
        """Stop watching. Idempotent."""


@dataclass(slots=True, eq=False)
class Assignment:
    """One attempt that an executor is to run."""

    component: Any
    """A `ComponentSpec`, the same object for each attempt of one component."""
    function: Callable[..., Any]
    """The component's function in this process, for executors that run it here."""
    task_id: str
    label: str
    """How messages speak of the step: `'fit' (01j9zk7…)`."""
    number: int
    """Of the attempt, from 1."""
    arguments: bytes
    inputs: Callable[[], tuple[tuple[StoredValue, bytes | None, str], ...]]
    """Reads the inputs; called when the attempt is sent, not before."""
    timeout_seconds: float | None
    folder: str
    """The working folder that the step is to see."""
    began: Callable[[], None]
    """To be called in the loop's thread when the attempt has a place, after `started_at` is set;
    again where it lost that place and found another."""
    report: Callable[[Outcome], None]
    """To be called once, in the loop's thread, when the attempt has ended."""
    logged: Callable[[Any], None]
    """Takes what the step has logged (a `Logged`), in the loop's thread, before the report."""
    wrote: Callable[[bytes, int], None] | None = None
    """Takes what the attempt has written to its console, in order and soon, in the loop's thread,
    before the report; and how many bytes were left out before it. None: nobody looks."""
    step: Any = None
    """The step, for an executor that runs pipelines."""
    mailbox: Any = None
    """Where the thread that called the component waits, if it is to run the attempt itself."""
    started_at: float = 0.0
    """Wall time; set by the executor when the attempt begins, 0 as long as it waits for a place."""
    refresh: Callable[[], bool] | None = None
    """Where an executor sends attempts ahead of their beginning: brings `started_at` up to date,
    and says whether the attempt is under way at this moment; where not, it waits behind another, or
    its report is on the way. Called before the attempt is recorded as running."""
    host: str = ""
    pid: int = 0
    pid_started_at: float = 0.0
    log_path: str = ""
    """Relative to the home; where its console goes while it runs, from `log_start` on."""
    log_start: int = 0
    shown_to: int = 0
    """Up to where in that file `wrote` was told."""
    resources: Resources | None = None
    """What it is to have for itself; None: a place like any other. Executors that cannot see to it
    say so, or refuse it."""
    turn: int = 0
    """In which order it came; for executors in which attempts wait."""
    overtaken: int = 0
    """By how many that came later, while it was the first of those that waited."""
    asked_afresh: bool = False
    """A second worker was asked, after one whose code was older."""
    find_change: Callable[[], str] = lambda: ""
    """What the step rests on and has changed in this process since its key was made, as a phrase;
    for executors that run it here."""
    codes: str = ""
    """The code that its inputs are made of, as it is to be where it runs."""
    found_changed: str = ""
    """What a worker found changed by an earlier step of its own; set where another took over."""
    stop_reason: str = ""
    """Set by an executor that was told to stop it, before its thread has begun with it."""
    is_audited: bool = False
    """What its key cannot count is to be looked at, and told through `logged`."""


@dataclass(slots=True, eq=False)
class Outcome:
    """How an attempt ended. `failure_kind` None: it returned, and `outputs` are stored."""

    duration_seconds: float
    failure_kind: FailureKind | None = None
    outputs: tuple[tuple[str, StoredValue, bytes | None], ...] = ()
    none: bool = False
    """The function returned None and nothing else."""
    reads: Reads = ()
    """What it was seen to read and write."""
    unsure: str = ""
    """Why what it read does not settle its outcome, where that is so."""
    changed: str = ""
    """What the step rested on and has changed in its process, as a phrase."""
    message: str = ""
    traceback: str = ""
    exception_class: str = ""
    bases: tuple[str, ...] = ()
    exception: bytes = b""
    log_path: str = ""
    log_start: int = 0
    log_end: int | None = None
    cpu_seconds: float | None = None
    """Of all processors, as far as it is known."""
    peak_bytes: int | None = None
    """The most memory that it had at once, as far as it is known."""
    next_memory: int = 0
    """For an attempt that was ended for its memory: as much as the next one may have; 0 where there
    is no more."""
    interrupted: bool = False
    """Ctrl-C ended it, in a pipeline that was called in a pipeline."""
    is_recorded: bool = False
    """Whoever ran it, elsewhere, has recorded how it ended."""


class Executor(Protocol):
    """Runs attempts somewhere. No policy: what runs, how often and in what order, it is told.

    All methods are called in the loop's thread. Each assignment that was started is reported
    exactly once, also when it was stopped, its process died, or its time was over; never from
    inside `start` itself.
    """

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Take these attempts, to be started in this order as places are free."""

    def stop(self, assignment: Assignment) -> None:
        """Make the attempt end soon; it is reported as stopped unless it completed first.
        Idempotent; unknown assignments are left alone."""

    def kill(self, assignment: Assignment) -> bool:
        """End the attempt at once, whatever becomes of it: it is reported before this returns, or
        in this turn of the loop. False, and nothing is done, where that cannot be."""

    def close(self) -> None:
        """End everything at once and release it. Idempotent."""
