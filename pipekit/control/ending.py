"""What an attempt's outcome means for its step: the failure, whether another attempt may help and
when it is due, whether it may be remembered. Decides; changes nothing.
"""

from __future__ import annotations

import pickle
import random

from pipekit.capture.fingerprint import Fingerprint, differences
from pipekit.control.inputs import path_digests
from pipekit.control.step import Step
from pipekit.errors import CodeChanged
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.hashing import Hasher
from pipekit.model.status import Status
from pipekit.ports import Outcome
from pipekit.worker.raised import class_name

_NO_RETRY = frozenset(
    {
        FailureKind.IMPORT,
        FailureKind.CODE_CHANGED,
        FailureKind.OUTPUTS,
        FailureKind.INPUTS,
        FailureKind.STOPPED,
    }
)


def failure_of(step: Step, outcome: Outcome) -> Failure:
    """Why the attempt failed."""
    message = outcome.message
    if outcome.failure_kind is FailureKind.CODE_CHANGED and outcome.exception:
        theirs: Fingerprint = pickle.loads(outcome.exception)
        differs = differences(step.use.fingerprint, theirs)
        message = str(CodeChanged(component=step.use.name, differs=differs, hint=_way_out(differs)))
    return Failure(
        outcome.failure_kind or FailureKind.ERROR,
        message,
        outcome.traceback,
        outcome.exception_class,
    )


def skip_failure(step: Step, root: Step, chain: tuple[str, ...]) -> Failure:
    """Why a step was skipped: `chain` leads from it to `root`."""
    return Failure(
        FailureKind.SKIPPED,
        f"Step {step.name!r} was skipped: {_root_cause(root)} ({' <- '.join(chain)}).",
        traceback=root.failure.traceback if root.failure is not None else "",
        step=root.name,
        chain=chain,
    )


def is_worth_keeping(step: Step, outcome: Outcome, hasher: Hasher) -> bool:
    """Whether the outcome may be remembered, and taken by equal steps of the run: it has a value,
    and what the step was given by path is still what its key says."""
    if not step.memo_key or (outcome.none and step.use.options.cache is not True):
        return False
    if not step.path_digests:
        return True
    try:
        return path_digests(step, hasher) == step.path_digests
    except Exception:  # noqa: BLE001 - whatever lies there now: it is not what it was
        return False


def is_retryable(step: Step, outcome: Outcome) -> bool:
    """Whether a further attempt may end better, by the kind of failure and `retry_on`."""
    if outcome.failure_kind in _NO_RETRY:
        return False
    retry_on = step.use.options.retry_on
    if not retry_on or outcome.failure_kind is not FailureKind.ERROR:
        return True
    return not {class_name(cls) for cls in retry_on}.isdisjoint(outcome.bases)


def retry_delay(step: Step) -> float:
    """Exponential, with jitter of half its length, so that steps that failed together part."""
    base = step.use.options.retry_delay * 2.0 ** (step.attempt - 1)
    return base * random.uniform(0.75, 1.25)


def _way_out(differs: list[str]) -> str:
    if differs and all(text.startswith("global ") for text in differs):
        return (
            "it was changed after its module was imported, and a worker imports the module anew: "
            "pass the value as an argument; where it does not matter for the outcome, write "
            f"ignore=[{', '.join(text.split(' ')[1] for text in differs)}]."
        )
    return ""


def _root_cause(root: Step) -> str:
    if root.status is Status.STOPPED:
        return f"{root.name!r} was stopped"
    if root.failure is None:
        return f"{root.name!r} did not complete"
    if root.failure.kind is FailureKind.ERROR:
        return f"{root.name!r} failed in attempt {root.attempt} with {root.failure.message}"
    return f"{root.name!r} failed: {root.failure.message.partition(chr(10))[0]}"
