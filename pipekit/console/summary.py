"""How a run's end reads: counts, what did not complete, what took longest, what to type next.
Writes nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipekit.console.message import Message
from pipekit.console.quantity import seconds_text
from pipekit.console.terminal import cells, one_line
from pipekit.model.status import Status
from pipekit.reporting import RunEnd, StepEnd

_MOST_ROWS = 20
"""Of steps that did not complete."""
_LONG_RUN_SECONDS = 10.0
_MOST_SLOW = 5

Slow = tuple[float, str]
"""How long a step took, and its name."""


def summary(
    message: Message,
    end: RunEnd,
    *,
    told: Collection[str] = (),
    slowest: Sequence[Slow] = (),
) -> list[str]:
    """The last lines of a run. Of a child run only what failed in it and was not told: its own end
    is a step's.

    Args:
        message: Makes lines for the stream.
        end: How the run ended.
        told: Ids of steps whose failures stand above in full.
        slowest: Its slowest steps, the slowest first.
    """
    failed = [step for step in end.unfinished if step.status is Status.FAILED]
    # What stands right above need not be said twice.
    rows = [] if len(failed) == len(end.unfinished) == 1 and failed[0].id in told else failed
    if end.run.parent_name:
        return _failed_rows(message, rows)
    word = end.status.value
    text = f"{end.run.name} {word} in {seconds_text(end.seconds)}"
    show = message.show(end.run)
    after = ""
    # 11: the time and the mark before it.
    if word == Status.COMPLETED.value and message.fits(
        f"{text}: {_counts(end)}   {show}{' ' * 11}"
    ):
        after = message.coloured("dim", f"   {show}")
    lines = [message.event(word, text, f": {_counts(end)}{after}")]
    if end.failure is not None and not failed:
        place = f" ({end.failure.place})" if end.failure.place else ""
        lines.append(f"  {one_line(end.failure.message)}{place}")
    lines += _failed_rows(message, rows)
    lines += _skipped(message, end)
    lines += _slowest(message, end, slowest)
    if word != Status.COMPLETED.value:
        untold = next((step for step in failed if step.id not in told), None)
        if untold is not None:
            lines.append(f"  {message.logs(end.run, untold.name)}")
        lines.append(f"  {show}")
    return lines


def _failed_rows(message: Message, rows: Sequence[StepEnd]) -> list[str]:
    shown = rows[:_MOST_ROWS]
    width = max((cells(message.name(step)) for step in shown), default=0)
    lines = []
    for step in shown:
        name = message.name(step)
        detail = one_line(step.failure.message) if step.failure is not None else ""
        row = f"  failed   {name}{' ' * (width - cells(name))}  {detail}"
        lines.append(message.coloured("failed", message.cut(row), line_head=8))
    if len(rows) > len(shown):
        lines.append(f"  {message.marks.ellipsis} and {len(rows) - len(shown)} more")
    return lines


def _skipped(message: Message, end: RunEnd) -> list[str]:
    """One line for all that were skipped because of the same step, or for the same reason."""
    by_root: dict[str, list[str]] = {}
    for step in end.unfinished:
        if step.status is Status.SKIPPED:
            root = ""
            if step.failure is not None and step.failure.step:
                root = f"because of {step.failure.step}"
            elif step.failure is not None:
                root = one_line(step.failure.message).partition(": ")[2].removesuffix(".")
            by_root.setdefault(root, []).append(step.name)
    lines = []
    for root, names in by_root.items():
        few = names if len(names) <= 8 else [*names[:6], f"{len(names) - 6} more"]
        because = f" ({root})" if root else ""
        row = f"  skipped  {message.prefix(end.run)}{', '.join(few)}{because}"
        lines.append(message.coloured("skipped", message.cut(row), line_head=9))
    return lines


def _slowest(message: Message, end: RunEnd, slowest: Sequence[Slow]) -> list[str]:
    if end.seconds < _LONG_RUN_SECONDS or sum(end.steps.values()) <= 2:
        return []
    shown = [f"{name} {seconds_text(seconds)}" for seconds, name in slowest[:_MOST_SLOW]]
    return [message.cut(f"  slowest  {', '.join(shown)}")] if shown else []


def _counts(end: RunEnd) -> str:
    counts = end.steps
    total = sum(counts.values())
    parts = [
        "1 step" if total == 1 else f"{total} steps",
        f"{end.reused} reused",
        f"{counts.get(Status.FAILED, 0)} failed",
    ]
    if end.kept:
        earlier = end.run.attempt - 1
        when = f"attempt {earlier}" if earlier == 1 else "earlier attempts"
        parts.insert(1, f"{end.kept} kept from {when}")
    for status in (Status.SKIPPED, Status.STOPPED):
        if counts.get(status):
            parts.append(f"{counts[status]} {status.value}")
    return ", ".join(parts)
