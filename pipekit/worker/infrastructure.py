"""Tells what a step needs around it, and did not have (space, the store, descriptors), from what it
did itself. Looks at errors alone.
"""

from __future__ import annotations

import errno

from pipekit.errors import ArtifactError, StoreUnavailable
from pipekit.model.failure import FailureKind

_SPACE = "free some space, or move the home: PIPEKIT_HOME, or PIPEKIT_ARTIFACTS for large values."
_DESCRIPTORS = "allow more open files ('ulimit -n'), or use fewer workers, as with 'process:2'."
_PROCESSES = "end other processes, or use fewer workers, as with 'process:2'."
_DISK = "see whether the disk is whole ('dmesg'), or move the home: PIPEKIT_HOME."
_WAYS_OUT = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: "set PIPEKIT_HOME or PIPEKIT_ARTIFACTS to a folder that can be written.",
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.EMFILE: _DESCRIPTORS,
    errno.ENFILE: _DESCRIPTORS,
}
_WAYS_OUT_OF_NO_WORKER = {**_WAYS_OUT, errno.EAGAIN: _PROCESSES, errno.ENOMEM: _PROCESSES}


def is_infrastructure(error: BaseException) -> bool:
    """Whether the error, met while a value was stored or loaded, is not the value's."""
    return isinstance(error, StoreUnavailable) or _cause(error) is not None


def kind_of(error: BaseException, otherwise: FailureKind) -> FailureKind:
    """The kind of failure that such an error makes."""
    return FailureKind.INFRASTRUCTURE if is_infrastructure(error) else otherwise


def sentence_of(error: BaseException, what: str) -> str:
    """What happened to `what`, and what to do about it."""
    cause = _cause(error)
    if isinstance(error, StoreUnavailable) or cause is None:
        return str(error)
    return f"{what}: {_reason(cause)}. Hint: {_WAYS_OUT[cause.errno or 0]}"


def no_worker(error: OSError) -> str:
    """Why no worker process can be started, and what to do about it."""
    hint = _WAYS_OUT_OF_NO_WORKER.get(error.errno or 0, "see 'pipekit doctor'.")
    return f"No worker process can be started: {_reason(error)}. Hint: {hint}"


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{reason} ({error.filename})" if error.filename else reason


def _cause(error: BaseException | None) -> OSError | None:
    """The operating system's error behind an error in storing or loading."""
    if isinstance(error, ArtifactError):
        error = error.__cause__
    return error if isinstance(error, OSError) and error.errno in _WAYS_OUT else None
