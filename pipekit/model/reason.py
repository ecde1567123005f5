"""Why a step ran although an earlier one looks like it: a comparison of two records. Pure."""

from __future__ import annotations

from typing import NamedTuple

from pipekit.model.records import Kind, Task
from pipekit.model.status import Status

_NOT_BEGUN = (Status.DRAFT, Status.PENDING, Status.QUEUED)


class Reason(NamedTuple):
    """One answer, told in two lengths."""

    short: str
    """`its code, argument 'rate' changed`."""
    lines: tuple[str, ...]
    """All that is known, with what it is now and what it was."""
    changes: tuple[Changed, ...] = ()
    """The same in parts, as far as something differs."""


class Changed(NamedTuple):
    """One thing that differs between two steps."""

    kind: str
    """`argument`, `entry`, `code`, `version` or `outputs`; of the code, where that is known:
    `function`, `class`, `global`, `module`, `package`, `python` or `file`."""
    what: str
    """Its name: of the argument with the path inside it (`params['depth']`), `flow.helper`,
    `numpy`; empty where the kind says it all."""
    before: str
    """What it was, as text; empty where there was none, or only that it differs is known."""
    after: str
    text: str
    """The sentence for people."""
    diff: str = ""
    """Of a function whose two sources are known: a unified diff."""
    short: str = ""
    """How it is named in a list: `argument 'rate'`."""

    def record(self) -> dict[str, str]:
        """As JSON."""
        return {
            "kind": self.kind,
            "what": self.what,
            "before": self.before,
            "after": self.after,
            "text": self.text,
            "diff": self.diff,
        }


NOT_REMEMBERED = "not remembered: "
"""So begins a step's note where it says why its outcome was not kept, not why it ran."""
NO_EARLIER = Reason("no earlier run has this step", ("no earlier run has this step",))


def reason_alone(task: Task) -> Reason | None:
    """What can be said of a task without comparing it; None where it ran although an outcome of it
    might have been remembered."""
    text = _alone(task)
    return Reason(text, (text,)) if text else None


def reason(task: Task, earlier: Task, *, returned_none: bool) -> Reason:
    """What of `task` differs from `earlier`, the same step of the run before.

    Args:
        task: A step of which `reason_alone` can say nothing.
        earlier: The other.
        returned_none: Whether None was all that `earlier` returned.
    """
    changes = _changes(task, earlier)
    if changes:
        short = f"{', '.join(change.short for change in changes)} changed"
        return Reason(short, tuple(change.text for change in changes), tuple(changes))
    text = _without_change(earlier, returned_none=returned_none)
    return Reason(text, (text,))


def with_note(found: Reason, note: str) -> Reason:
    """The answer where the step's note may say why what is remembered was not taken: that is then
    why it ran, whatever differs from the step that it is compared with."""
    if not note or note.startswith(NOT_REMEMBERED):
        return found
    lines = found.lines if found.changes else ()
    return Reason(note, (note, *lines), found.changes)


def is_same_argument(name: str, one: Task, other: Task) -> bool:
    """Whether what was passed to two steps under this name is equal, as far as it is recorded."""
    digests = [task.inputs[name][2] for task in (one, other) if name in task.inputs]
    if len(digests) == 2:
        return digests[0] == digests[1]
    # A path, or a list with futures in it, has none where no key was made (`cache=False`).
    left, right = one.spec.parameters, other.spec.parameters
    return name in left and name in right and left[name] == right[name]


def _alone(task: Task) -> str:
    if task.kind is Kind.PIPELINE:
        return "a pipeline runs each time; its steps may be reused"
    if task.status is Status.SKIPPED:
        root = task.failure.step if task.failure is not None else ""
        return f"it was skipped because of {root!r}" if root else "it was skipped"
    if task.status in _NOT_BEGUN:
        return "it has not begun"
    if task.spec.settings.get("cache") is False:
        return "it has cache=False: it runs each time"
    return ""


def _without_change(earlier: Task, *, returned_none: bool) -> str:
    if earlier.status is not Status.COMPLETED:
        return f"it was {earlier.status.value} then; only what completed is remembered"
    if returned_none:
        return "it returned only None then, which is reused where cache=True is written"
    return "no outcome is remembered for its code and inputs"


def _changes(task: Task, earlier: Task) -> list[Changed]:
    now, before = task.spec, earlier.spec
    changes = []
    if now.entry != before.entry:
        text = f"it is another function: {now.entry}, was {before.entry}"
        changes.append(Changed("entry", "", before.entry, now.entry, text, short="its function"))
    elif now.code != before.code:
        text = "its code changed, or code, a global or a package that it uses"
        changes.append(Changed("code", "", before.code, now.code, text, short="its code"))
    if task.version != earlier.version:
        text = f"its version= is {task.version!r}, was {earlier.version!r}"
        changes.append(
            Changed("version", "", earlier.version, task.version, text, short="its version=")
        )
    if now.outputs != before.outputs:
        after, was = ", ".join(now.outputs), ", ".join(before.outputs)
        text = f"its outputs are {after}, were {was}"
        changes.append(Changed("outputs", "", was, after, text, short="the names of its outputs"))
    for name in dict.fromkeys((*now.parameters, *before.parameters)):
        if not is_same_argument(name, task, earlier):
            short = f"argument {name!r}"
            text = short + _argument_change(name, task, earlier)
            changes.append(
                Changed("argument", name, _seen(name, earlier), _seen(name, task), text, "", short)
            )
    return changes


def _seen(name: str, task: Task) -> str:
    """What an argument was, as text; empty where it was not there."""
    if name not in task.spec.parameters:
        return ""
    found = task.inputs.get(name)
    return found[1] if found is not None else str(task.spec.parameters[name])


def _argument_change(name: str, task: Task, earlier: Task) -> str:
    if name not in earlier.spec.parameters:
        return " is new"
    if name not in task.spec.parameters:
        return " is gone"
    now, before = task.inputs.get(name), earlier.inputs.get(name)
    if now is None or before is None:
        return f" is {task.spec.parameters[name]}, was {earlier.spec.parameters[name]}"
    if now[:2] == before[:2]:
        return f" ({now[0]}) has other content" if now[0] else " holds other values"
    return f" is {now[1]}, was {before[1]}"
