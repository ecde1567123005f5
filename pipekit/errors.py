"""Every exception that pipekit raises.

    PipekitError
    ├── UsageError                  a call that cannot be right, said where it was made
    │   ├── UnknownExecutor
    │   ├── TargetNotFound          `file.py:function` does not lead to a pipeline
    │   ├── NotResumable            a run cannot be gone on with
    │   ├── RunElsewhere            a forked process asks for what its parent alone has
    │   └── SettingsError
    ├── NotFound
    │   ├── TaskNotFound
    │   ├── ArtifactNotFound
    │   └── MetricNotFound
    ├── StoreError
    │   ├── StoreUnavailable        cannot be opened, read or written
    │   ├── HomeNotPrivate          others may write there
    │   ├── TaskTaken               this process's task was ended, or given to another
    │   └── StoreVersionMismatch    made by a newer pipekit, or too old to migrate
    ├── ArtifactError
    │   ├── NotSerializable
    │   ├── OutputMismatch          the count of returned values is not that of `outputs`
    │   ├── BlobMissing
    │   ├── BlobCorrupt
    │   └── UntrustedPickle         the signature does not verify: not loaded
    ├── CodeChanged                 a worker's code is not the controller's
    ├── InputCodeChanged            the same of the code that a step's inputs are made of
    ├── CallbackFailed              a callback of a run, a step or a retry raised
    ├── TaskFailed                  a task that was waited for did not come to the wanted end
    ├── TransferFailed              a file cannot be had from, or put, where a URL leads
    ├── ArchiveRefused              an archive that is not unpacked
    └── StepError
        ├── StepFailed
        └── StepSkipped
    Stopped (BaseException)         a wish to stop that `except Exception` must not eat
      DebuggerQuit                  it was `q` in a debugger
    DamagedMemo (UserWarning)       what was remembered of a step cannot be used: it runs again
    PipelineWarning (UserWarning)   a pipeline function asks of a future what none can fake

Each is built from fields; the class writes the sentence, then a hint with something to type.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Any

SHORT_ID = 13
"""Characters of an id that people see: the millisecond and a little of the counter's start."""
_OWN = os.path.dirname(__file__) + os.sep


def short(task_id: str) -> str:
    """The beginning of an id, long enough to be unique in practice."""
    return task_id[:SHORT_ID]


class PipekitError(Exception):
    """The root of the tree. `str()` is one or more sentences and perhaps a `Hint:`."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} Hint: {hint}" if hint else message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return str(self.args[0])  # `KeyError` among the bases would show its repr

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors are built from fields by keyword; pickling rebuilds the state without the sentence.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(cls: type[PipekitError], args: tuple[Any, ...], state: dict[str, Any]) -> PipekitError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


def nearest(name: str, known: Sequence[str]) -> str:
    """`did you mean 'x'?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def listed(known: Sequence[str], *, most: int = 12) -> str:
    """`'load', 'fit' and 30 more`: what there is, in an error about what there is not."""
    shown = ", ".join(repr(name) for name in known[:most])
    return f"{shown} and {len(known) - most} more" if len(known) > most else shown


class UsageError(PipekitError):
    """A call that cannot be right."""


class SettingsError(UsageError):
    """A setting that cannot be read or does not fit."""


class UnknownExecutor(UsageError):
    def __init__(self, *, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No executor is named {name!r}. Known: {', '.join(known)}.",
            hint=nearest(name, known) or "choose one of these, for example executor='process'.",
        )


class RunElsewhere(UsageError):
    def __init__(self, *, run: str, task_id: str) -> None:
        super().__init__(
            f"Run {run!r} ({short(task_id)}) goes on in the process that started it, not in this "
            "one, which was forked from it: no component can be called here, and no value can be "
            "had that was not used before.",
            hint="take the values with get(…) before the fork, and call components in the parent.",
        )


class TargetNotFound(UsageError):
    """A command's TARGET does not lead to a pipeline."""


class NotResumable(UsageError):
    """A run cannot be gone on with."""


class NotRunnable(UsageError):
    """A task cannot be run from its record."""


class NotFound(PipekitError, LookupError):
    """A lookup failed; the message lists what exists."""


class TaskNotFound(NotFound):
    @classmethod
    def of_id(
        cls, wanted: str, *, near: Sequence[str] = (), ambiguous: bool = False
    ) -> TaskNotFound:
        """No task has the id `wanted`, or more than one's begins with it."""
        if ambiguous:
            return cls(
                f"More than one task's id begins with {wanted!r}: {', '.join(near)}.",
                hint="give more characters of the id.",
            )
        if near:
            return cls(
                f"No task has the id {wanted!r}. Near: {', '.join(near)}.",
                hint="'pipekit ls' lists the runs.",
            )
        return cls(
            f"No task has the id {wanted!r}: the store is empty.",
            hint="'pipekit doctor' shows which store is used.",
        )


class ArtifactNotFound(NotFound, KeyError):
    def __init__(self, *, task: str, task_id: str, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        has = f"It has: {listed(known)}." if known else "It has none."
        super().__init__(
            f"Task {task!r} ({short(task_id)}) has no artifact {name!r}. {has}",
            hint=nearest(name, known),
        )


class MetricNotFound(NotFound, KeyError):
    def __init__(self, *, task: str, task_id: str, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known: tuple[str, ...] = tuple(known)
        has = f"It has: {listed(known)}." if known else "It has none."
        super().__init__(
            f"Task {task!r} ({short(task_id)}) has no metric {name!r}. {has}",
            hint=nearest(name, known),
        )


class StoreError(PipekitError):
    """Something is wrong with the place where records are kept."""


class StoreUnavailable(StoreError):
    """The store or the blobs cannot be reached, read or written."""


class HomeNotPrivate(StoreError):
    """Another user may change what is kept in the home."""


class TaskTaken(StoreError):
    """What a process says of its task does not count any more."""

    def __init__(self, *, task: str, task_id: str) -> None:
        super().__init__(
            f"Task {task!r} ({short(task_id)}) is not this process's any more: it was ended from "
            "elsewhere, or given to another process.",
            hint=f"see 'pipekit show {short(task_id)}'.",
        )


class StoreVersionMismatch(StoreError):
    def __init__(self, *, where: str, found: int, known: int) -> None:
        self.found = found
        self.known = known
        if found > known:
            message = (
                f"The store {where} has schema version {found}; "
                f"this pipekit knows versions up to {known}."
            )
            hint = "upgrade pipekit ('pip install -U pipekit'), or choose another PIPEKIT_HOME."
        else:
            message = f"The store {where} has schema version {found}, too old for this pipekit."
            hint = "choose another PIPEKIT_HOME, or open it once with an older pipekit."
        super().__init__(message, hint=hint)


class ArtifactError(PipekitError):
    """A value could not be stored or loaded."""


class NotSerializable(ArtifactError):
    """`where` is how the value is spoken of: `Output 'conn' of component 'load'`."""

    def __init__(self, *, where: str, type_name: str, reason: str = "") -> None:
        self.where = where
        self.type_name = type_name
        because = f" ({reason})" if reason else ""
        if where.startswith("Argument"):
            hint = "pass plain data or a path, and open or make what it stands for in the step."
        elif type_name.endswith("Path"):
            hint = "what a returned path names must exist when the step ends; str(path) is a name."
        else:
            hint = "return a path, plain data, or an object that can be pickled."
        super().__init__(
            f"{where} is a {type_name}, which no serializer accepts{because}.", hint=hint
        )


class OutputMismatch(ArtifactError):
    def __init__(self, *, component: str, outputs: Sequence[str], got: str) -> None:
        names = ", ".join(outputs)
        super().__init__(
            f"Component {component!r} is to return {len(outputs)} values ({names}), got {got}.",
            hint="return a tuple with one value for each name, or change outputs=[…].",
        )


class BlobMissing(ArtifactError):
    def __init__(self, *, digest: str, what: str = "") -> None:
        self.digest = digest
        of = f" of {what}" if what else ""
        super().__init__(
            f"The bytes{of} (blob {digest[:12]}) are gone from the artifact store.",
            hint="run the pipeline again; the step that made them is then computed anew.",
        )


class BlobCorrupt(ArtifactError):
    def __init__(self, *, digest: str, what: str = "", reason: str = "") -> None:
        self.digest = digest
        of = f" of {what}" if what else ""
        because = f": {reason}" if reason else ""
        super().__init__(
            f"The bytes{of} (blob {digest[:12]}) are not what was stored{because}.",
            hint="run the pipeline again; the step that made them is then computed anew.",
        )


class UntrustedPickle(ArtifactError):
    def __init__(self, *, what: str = "") -> None:
        of = f" of {what}" if what else ""
        super().__init__(
            f"The pickle{of} is not signed with this store's key, so it was not loaded.",
            hint="set PIPEKIT_KEY to the key of the machine that wrote it (its <home>/key).",
        )


class CodeChanged(PipekitError):
    """A worker imported other code than the controller."""

    def __init__(self, *, component: str, differs: Sequence[str], hint: str = "") -> None:
        self.differs: tuple[str, ...] = tuple(differs)
        what = "; ".join(differs) or "the code differs"
        super().__init__(
            f"Component {component!r} is not the same code in the worker as in the pipeline: "
            f"{what}. The step was not run.",
            hint=hint or "start the pipeline again, so that both read the same files.",
        )


class CallbackFailed(PipekitError):
    """A callback of the user's raised; that exception is its `__cause__`.

    Attributes:
        callback: `before=check`.
        traceback: Where it raised, as text, from the user's line.
        exception: Qualified name of the class of what it raised; empty where it returned what it
            must not.
    """

    def __init__(
        self, *, callback: str, whose: str, reason: str, traceback: str = "", exception: str = ""
    ) -> None:
        self.callback = callback
        self.traceback = traceback
        self.exception = exception
        frames = [line for line in traceback.splitlines() if line.startswith('  File "')]
        theirs = [line for line in frames if not line.startswith(f'  File "{_OWN}')]
        frames = theirs or frames
        place = frames[-1].removeprefix('  File "').replace('", line ', ":") if frames else ""
        at = f" ({place})" if place else ""
        super().__init__(f"Callback {callback} of {whose} failed: {reason}{at}.")


class TransferFailed(PipekitError):
    """`what` is `downloaded` or `uploaded`; `url` holds no password."""

    def __init__(self, *, url: str, what: str, reason: str, hint: str = "") -> None:
        self.url = url
        failed = f"{url} could not be downloaded"
        went = failed if what == "downloaded" else f"Nothing came to {url}"
        super().__init__(f"{went}: {reason}.", hint=hint or "try again, or look at the URL.")


class ArchiveRefused(PipekitError):
    def __init__(self, *, archive: str, reason: str, hint: str = "") -> None:
        self.archive = archive
        super().__init__(
            f"The archive {archive} was not unpacked: {reason}.",
            hint=hint or "without extract=True the file comes as it is.",
        )


class InputCodeChanged(PipekitError):
    """A step was given a class, function or instance whose code is other code where it was to
    run."""

    def __init__(self, *, step: str, differs: Sequence[str]) -> None:
        self.differs: tuple[str, ...] = tuple(differs)
        what = "; ".join(differs) or "the code differs"
        super().__init__(
            f"What step {step!r} was given is not the same code in the worker as in the pipeline: "
            f"{what}. The step was not run.",
            hint="start the pipeline again, so that both read the same files. What the pipeline "
            "function sets on a class or in a module does not reach workers: pass it as an "
            "argument of its own, keep it on the instance, or use executor='inline'.",
        )


class BlindSpotRefused(UsageError):
    """A component reaches code that cannot be followed, and its policy is to refuse that."""

    def __init__(self, *, component: str, spots: Sequence[str]) -> None:
        self.spots: tuple[str, ...] = tuple(spots)
        super().__init__(
            f"Component {component!r} reaches what its cache key cannot tell of: "
            f"{'; '.join(spots)}. The step was not run.",
            hint="name what it rests on in depends_on=[…], or change version='…' with it; "
            "blind_spots='ok' takes it as it is, cache=False runs the step each time.",
        )


class StepError(PipekitError):
    """The value of a step that has none was asked for.

    Attributes:
        step: Display name of the step.
        task_id: Its id.
        attempt: Number of the last attempt, 0 where there was none.
        traceback: The remote traceback as text, from the user's line.
        root: The sentence about the step that failed first, where this one is a pipeline that
            failed because of it; else its own.
    """

    def __init__(
        self, message: str, *, step: str, task_id: str, attempt: int = 0,
        traceback: str = "", hint: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.step = step
        self.task_id = task_id
        self.attempt = attempt
        self.traceback = traceback
        self.root: str = str(self)


class TaskFailed(PipekitError):
    """A task that was waited for has ended otherwise than wanted.

    Attributes:
        task_id: Its id.
        status: How it ended.
    """

    def __init__(self, *, task: str, task_id: str, status: str, reason: str = "") -> None:
        self.task_id = task_id
        self.status = status
        because = f": {reason.rstrip('.')}" if reason else ""
        super().__init__(
            f"Task {task!r} ({short(task_id)}) is {status}{because}.",
            hint=f"pipekit show {short(task_id)}",
        )


class StepFailed(StepError):
    """A step used up its attempts. `__cause__` is the original exception where it could travel."""


class StepSkipped(StepError):
    """A step was not run, because one that it depends on failed or was stopped."""


class Stopped(BaseException):
    """The run was asked to stop. Not an `Exception`: user code must not swallow it by accident."""


class DebuggerQuit(Stopped):
    """The run was stopped by `q` in a debugger that holds a step or the pipeline function."""


class DamagedMemo(UserWarning):
    """What was remembered of a step is not what was written, or was written by another version."""

    def __init__(self, *, key: str) -> None:
        super().__init__(
            f"What is remembered of a step (memo {key[:12]}) is damaged, and was forgotten: the "
            "step runs again."
        )


class PipelineWarning(UserWarning):
    """Something in a pipeline function's source that will not do what it says."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} Hint: {hint}" if hint else message)
