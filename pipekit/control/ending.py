"""What an attempt's outcome means for its step: the failure, whether another attempt may help and
when it is due, whether it may be remembered. Decides; changes nothing.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipekit.capture.fingerprint import Fingerprint, differences
from pipekit.control.inputs import path_digests
from pipekit.control.step import Step
from pipekit.errors import CallbackFailed, CodeChanged, InputCodeChanged
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.hashing import Hasher
from pipekit.model.resources import Resources
from pipekit.model.status import Status
from pipekit.model.turn import Budget
from pipekit.model.value import read_codes
from pipekit.ports import Outcome
from pipekit.worker.raised import class_name

if TYPE_CHECKING:
    from pipekit.control.run import Run

_NO_RETRY = frozenset(
    {
        FailureKind.IMPORT,
        FailureKind.CODE_CHANGED,
        FailureKind.OUTPUTS,
        FailureKind.INPUTS,
        FailureKind.STOPPED,
        FailureKind.RESOURCES,
    }
)
_ERRORS = "errors"
_INFRASTRUCTURE_RETRIES = 3
"""Whatever `retries` says: that is for what the step does itself."""


def failure_of(step: Step, outcome: Outcome) -> Failure:
    """Why the attempt failed."""
    message = outcome.message
    if outcome.failure_kind is FailureKind.CODE_CHANGED and outcome.exception:
        theirs: Fingerprint | dict[str, Fingerprint | None] = pickle.loads(outcome.exception)
        if isinstance(theirs, dict):
            message = str(InputCodeChanged(step=step.name, differs=_other_inputs(step, theirs)))
        else:
            differs = differences(step.use.fingerprint, theirs)
            hint = _way_out(differs)
            message = str(CodeChanged(component=step.use.name, differs=differs, hint=hint))
    return Failure(
        outcome.failure_kind or FailureKind.ERROR,
        message,
        outcome.traceback,
        outcome.exception_class,
    )


def failure_of_run(run: Run, raised: Failure | None) -> Failure | None:
    """Why a run has ended as it has; None where it completed, or was stopped for no reason that is
    told. `raised`: what its function raised."""
    if raised is not None:
        return raised
    if run.roots:
        return _failure_below(run.roots[0])
    if run.status is Status.STOPPED and run.root.stop_reason:
        return Failure(FailureKind.STOPPED, run.root.stop_reason)
    return None


def _failure_below(root: Step) -> Failure:
    """That of a run whose function raised nothing: `root` failed, and nobody looked at it."""
    failure = root.failure
    was = "was" if root.status is Status.STOPPED else "failed:"
    return Failure(
        failure.kind if failure else FailureKind.ERROR,
        f"Step {root.label} {was} {failure.message if failure else ''}",
        failure.traceback if failure else "",
        step=root.name,
    )


def with_broken_policy(failure: Failure, broken: CallbackFailed) -> Failure:
    """The failure of an attempt whose step's policy failed in turn."""
    return replace(
        failure,
        message=f"{failure.message}. {broken}",
        traceback="\n".join(filter(None, (failure.traceback, broken.traceback))),
    )


def skip_failure(step: Step, causes: Sequence[Step], left_out: int) -> Failure:
    """Why a step was skipped: `causes` lead from it to the step that failed, `left_out` of them
    before that are not named."""
    *between, root = causes
    more = (f"… {left_out:,} more …",) if left_out else ()
    chain = (*(cause.name for cause in between), *more, root.name)
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


def is_for_policy(step: Step, outcome: Outcome) -> bool:
    """Whether the step's own policy decides on another attempt, of which there may be one."""
    options = step.use.options
    if outcome.failure_kind is not FailureKind.ERROR or isinstance(options.retry_on, tuple):
        return False
    return bool(step.run.planner.spent(step.number, _ERRORS) < options.retries)


def budget_of(step: Step, outcome: Outcome, said: float | bool = True) -> Budget | None:
    """What a further attempt is paid from, by the kind of failure and `retry_on`; None where none
    may end better. `said`: the answer of the step's policy, if it has one that was asked."""
    kind = outcome.failure_kind
    if kind in _NO_RETRY or step.use.is_pipeline:
        return None  # what failed in a pipeline was tried again there
    if kind is FailureKind.INFRASTRUCTURE:
        return Budget("infrastructure", _INFRASTRUCTURE_RETRIES, 1.0, jitter=_jitter())
    options = step.use.options
    if kind is FailureKind.MEMORY:
        return Budget("memory", options.memory_retries) if outcome.next_memory else None
    if kind is FailureKind.ERROR and isinstance(options.retry_on, tuple) and options.retry_on:
        wanted = {class_name(cls) for cls in options.retry_on}
        if wanted.isdisjoint(outcome.bases):
            return None
    if said is False:
        return None
    if said is not True:
        return Budget(_ERRORS, options.retries, said, most_seconds=said)
    name = "lost" if kind is FailureKind.EXITED else _ERRORS
    return Budget(name, options.retries, options.retry_delay, options.retry_delay_max, _jitter())


def resources_after(step: Step, outcome: Outcome) -> Resources | None:
    """What the step asks for in its next attempt."""
    if step.resources is None or not outcome.next_memory:
        return step.resources
    return replace(step.resources, memory=outcome.next_memory)


def _jitter() -> float:
    return random.uniform(0.75, 1.25)


def _other_inputs(step: Step, theirs: dict[str, Fingerprint | None]) -> list[str]:
    """What is other code where the step was to run, among what its inputs are made of."""
    codes = step.run.session.fingerprinter.codes
    found: list[str] = []
    for name, digest in read_codes(step.codes):
        if name not in theirs:
            continue
        spoken = repr(name.replace("::", ".").replace(":", "."))
        mine, other = codes.find_fingerprint(digest), theirs[name]
        if other is None:
            found.append(f"{spoken} is not there")
        elif mine is None:
            found.append(f"{spoken} is not what it was when the value was made")
        elif mine.digest != other.digest:
            found += differences(mine, other)
    return list(dict.fromkeys(found))


def _way_out(differs: list[str]) -> str:
    if differs and all(text.startswith("global ") for text in differs):
        return (
            "it was changed after its module was imported, and a worker imports the module anew: "
            "pass the value as an argument; where it does not matter for the outcome, write "
            f"ignore=[{', '.join(text.split(' ')[1] for text in differs)}]."
        )
    return ""


def _root_cause(root: Step) -> str:
    if root.status is Status.SKIPPED and root.failure is not None:
        return root.failure.message.removeprefix("Step ").removesuffix(".")
    if root.status is Status.STOPPED:
        return f"{root.name!r} was stopped"
    if root.failure is None:
        return f"{root.name!r} did not complete"
    if root.failure.kind is FailureKind.ERROR:
        return f"{root.name!r} failed in attempt {root.attempt} with {root.failure.message}"
    return f"{root.name!r} failed: {root.failure.message.partition(chr(10))[0]}"
