"""A step while its run goes on: what was called, with what, and what has become of it.

Written by the loop's thread, but for what the calling thread sets before it hands the step over.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipekit.control.output import Output
from pipekit.errors import StepError, StepFailed, StepSkipped, Stopped, short
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import Attempt
from pipekit.model.status import TERMINAL, Status
from pipekit.model.trace import Reads
from pipekit.model.value import Digest
from pipekit.ports import Assignment
from pipekit.reporting import RunFacts

if TYPE_CHECKING:
    from pipekit.control.use import Use

ASKED_FOR = "it is to run again, as asked for"
"""Why a step of a resumed run does although it completed."""
_NONE_NESTED: Mapping[str, Digest] = {}


class Argument(NamedTuple):
    """One argument of a step, as far as its key needs it.

    Exactly one of these holds: the digest is known at the call; or the argument is what `source`
    gives; or it is a `path`; or it is a structure with sources in it, captured in `nested` (a
    pickle with them as persistent ids).
    """

    name: str
    digest: Digest | None
    shown: Any
    """For the record: plain JSON, or a text."""
    source: int = -1
    nested: bytes = b""
    path: Path | None = None
    """A path, whose content counts as it is when the key is made."""
    text: str = ""
    """A text, which may name a file; in full, unlike `shown`."""
    shape: Digest = ""
    """Of a structure in `nested`: what is around the sources."""
    codes: str = ""
    """Of a structure in `nested`: the code in it that a worker finds by name, and its digests."""
    met: tuple[tuple[object, Digest], ...] = ()
    """Of such a structure: the classes and functions in it, with their digests at the call."""


class Stored(NamedTuple):
    """A source that is a value of the pipeline function's own, stored at the call."""

    output: Output


class Produced(NamedTuple):
    """A source that is another step's output."""

    step: Step
    output: str


Source = Stored | Produced


class Mark(NamedTuple):
    """What is said of a step beside what it does."""

    type: str = ""
    tags: tuple[str, ...] = ()


NO_MARK = Mark()


class StepOwner(Protocol):
    """What a step asks of its run."""

    session: Any
    task_id: str
    name: str
    project: str
    facts: RunFacts
    fatal: BaseException | None
    stopping: Stopped | None
    marks: dict[str, Mark]

    def wait_for(self, steps: Sequence[Step], timeout_seconds: float | None = None) -> bool: ...

    def load(self, step: Step, output: str) -> Any: ...

    def fetched(self, step: Step, output: str) -> Output: ...

    def tell_failure(self, step: Step) -> None: ...


class Step:
    """One call of a component in a run."""

    __slots__ = (
        "after", "again", "arguments", "assignment", "attempt", "call", "called_at", "child",
        "codes", "earlier", "ended", "ended_at", "exception", "failure", "is_kept", "kept", "key",
        "mailbox", "memo_key", "name",
        "named_files", "nested_digests", "note", "number", "outputs", "path_digests", "recorded",
        "renews", "resources", "reused_from", "reused_run", "root", "run", "running_recorded",
        "sources",
        "started_at", "status", "stop_reason", "task_id", "use", "values", "waiters",
    )  # fmt: skip

    def __init__(
        self, run: StepOwner, use: Use, number: int, *, task_id: str, name: str, key: Digest,
        called_at: float, arguments: tuple[Argument, ...], sources: tuple[Source, ...], call: bytes,
        after: tuple[Step, ...] = (),
    ) -> None:  # fmt: skip
        self.run: Any = run  # whose methods take a run know it as one
        self.use = use
        self.number = number
        self.task_id = task_id
        self.name = name
        self.key = key
        self.called_at = called_at
        self.arguments = arguments
        self.sources = sources
        self.after = after
        """Steps that it waits for without taking anything from them."""
        self.call = call
        """Pickle of (args, kwargs), with the sources as persistent ids."""
        self.status = Status.PENDING
        self.ended = False
        """Whether the end is recorded and announced; `status` may be terminal a moment before."""
        self.attempt = 0
        self.stop_reason = ""
        """How it is told that it was to stop alone: `stopped by 'pipekit stop'`."""
        self.root: Step | None = None
        """For a skipped step: the one at the root of it."""
        self.child: Any = None
        """The run that this step is, where it is a pipeline called in a pipeline."""
        self.earlier: Any = None
        """What is recorded of it from an earlier attempt at its run: a `RecordedStep`."""
        self.kept = False
        """Whether what it gave then counts, as far as is known: its record stays as it is."""
        self.again: Any = None
        """Of a resumed run: what in it is to run again, an `Again`; None: nothing."""
        self.recorded = False
        self.running_recorded = False
        self.outputs: dict[str, Output] = {}
        self.values: dict[str, Any] | None = None
        self.failure: Failure | None = None
        self.exception = b""
        self.reused_from: str | None = None
        self.reused_run = ""
        self.memo_key: Digest = ""
        self.is_kept = False
        """Whether its outcome may be remembered and shared."""
        self.path_digests: tuple[Digest, ...] = ()
        """What lay at its paths when its key was made."""
        self.named_files: Reads = ()
        """The files that its arguments named by their text then."""
        self.codes = ""
        """The code that its inputs are made of, as it is to be where the step runs."""
        self.renews = False
        """Whether its outcome takes the place of what is remembered."""
        self.note = ""
        """For the record: which observed input made it run again, or why it is not remembered."""
        self.nested_digests: Mapping[str, Digest] = _NONE_NESTED
        """Of its arguments with futures inside, once its key is made."""
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.assignment: Assignment | None = None
        self.waiters: list[Any] | None = None
        self.mailbox: Any = None
        self.resources = use.options.resources

    @property
    def label(self) -> str:
        return f"{self.name!r} ({short(self.task_id)})"

    # what a future asks

    def get_output(self, output: str) -> Any:
        """The value of an output: waits for it, loads it once, gives the same object each time.

        Raises:
            StepFailed, StepSkipped: there is none.
            Stopped: the run was stopped before the step ended.
        """
        if self.values is not None and output in self.values:
            return self.values[output]
        if not self.ended:
            self.run.wait_for([self])
        self.check()
        value = self.run.load(self, output)
        if self.values is None:
            self.values = {}
        return self.values.setdefault(output, value)

    def has_output(self, output: str) -> bool:
        """Whether `get_output` would give or raise at once."""
        return self.ended

    def describe_output(self, output: str) -> str:
        """`fit.value, running`: never waits."""
        name = self.name if output == "value" else f"{self.name}.{output}"
        return f"{name}, {self.status.value}"

    def check(self) -> None:
        """Raise what asking for a value of an ended step raises, where it has none; the failure
        then counts as told."""
        if self.status is Status.COMPLETED:
            return
        self.run.tell_failure(self)
        raise self.error()

    def error(self) -> BaseException:
        """The exception that stands for this step's end without outputs."""
        fatal: BaseException | None = self.run.fatal
        if fatal is not None and self.status not in TERMINAL:
            return fatal
        failure = self.failure
        if self.status is Status.STOPPED and failure is not None:
            # The run goes on: that is for its function to handle, as a failure is.
            return StepFailed(
                f"Step {self.label} was {failure.message}.",
                step=self.name,
                task_id=self.task_id,
                attempt=self.attempt,
            )
        if failure is None:
            stopping: Stopped | None = self.run.stopping
            return stopping or Stopped(f"Step {self.label} was stopped.")
        if failure.kind is FailureKind.SKIPPED:
            root = self.root.error() if self.root is not None else None
            skipped = StepSkipped(
                failure.message,
                step=self.name,
                task_id=self.task_id,
                traceback=failure.traceback,
            )
            skipped.__cause__ = root if isinstance(root, Exception) else None
            return skipped
        cause = self.cause(failure)
        ending = _ending(failure, self.attempt, self.use.options.retries)
        inner = cause.root if self.use.is_pipeline and isinstance(cause, StepError) else ""
        error: StepError = StepFailed(
            f"Step {self.label} failed: {inner}" if inner else f"Step {self.label} {ending}",
            step=self.name,
            task_id=self.task_id,
            attempt=self.attempt,
            traceback=failure.traceback,
        )
        error.root = inner or error.root
        error.__cause__ = cause
        return error

    def cause(self, failure: Failure) -> BaseException | None:
        """The exception that its last attempt raised, or what stands for it; loads user code."""
        cause: BaseException | None = None
        if self.exception:
            try:
                cause = pickle.loads(self.exception)
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001 - user code: a class of theirs that will not load
                cause = None
        if not isinstance(cause, BaseException):
            if failure.kind is not FailureKind.ERROR:
                return None
            cause = RemoteError(failure.message)
        if failure.traceback:
            note = f"\nIn step {self.label}:\n{failure.traceback.rstrip()}"
            if self.run.session.reporter.has_told(self.task_id):
                note = f"In step {self.label}, {failure.place}; its traceback was shown above."
            try:
                cause.add_note(note)
            except Exception:  # noqa: BLE001 - user code: an exception that refuses it
                cause = RemoteError(failure.message)
                cause.add_note(note)
        return cause


class RemoteError(Exception):
    """An exception of a step whose class cannot be loaded here; its text."""


def _ending(failure: Failure, attempt: int, retries: int) -> str:
    if failure.kind is FailureKind.ERROR:
        return f"failed in attempt {attempt} of {max(attempt, retries + 1)} with {failure.message}"
    return f"failed: {failure.message}"


def attempt_of(
    step: Step, number: int, assignment: Assignment | None, *, at: float, host: str, pid: int
) -> Attempt:
    """The record of an attempt that began at `at`."""
    if assignment is None or not assignment.pid:
        return Attempt(step.task_id, number, at, host, pid, 0.0)
    return Attempt(
        task_id=step.task_id,
        number=number,
        started_at=at,
        host=assignment.host,
        pid=assignment.pid,
        pid_started_at=assignment.pid_started_at,
        log_path=assignment.log_path,
        log_start=assignment.log_start,
    )
