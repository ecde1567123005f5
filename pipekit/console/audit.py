"""How the audit of a run reads. Writes nothing itself."""

from __future__ import annotations

from collections.abc import Sequence

from pipekit.model.audit import (
    CODE,
    LIBRARY,
    MODULE,
    NETWORK,
    PROGRAM,
    Audit,
    AuditedStep,
    AuditReport,
    Sight,
)

_MOST_LINES = 20
"""Of one kind in one step."""
_MOST_NAMES = 8
_TITLES = (
    ((CODE, MODULE), "runs code that its key does not count:"),
    ((NETWORK,), "uses the network:"),
    ((PROGRAM,), "starts other programs:"),
    ((LIBRARY,), "loads compiled code:"),
)


def audit_lines(report: AuditReport, *, again: str) -> list[str]:
    """One block, for people.

    Args:
        report: What is known of the steps.
        again: What to type to look at those that were reused.
    """
    lines = [f"Audit of {report.run}: {_result(report)}"]
    outside = False
    for steps in _alike(report.steps):
        first = steps[0]
        count = f" and {len(steps) - 1:,} more like it" if len(steps) > 1 else ""
        lines.append(f"  {first.name}{count}")
        for kinds, title in _TITLES:
            lines += _section(title, [s for s in first.audit.sights if s.kind in kinds])
        lines += _way_out(first.audit)
        outside = outside or any(s.kind in (NETWORK, PROGRAM, LIBRARY) for s in first.audit.sights)
    if outside:
        lines.append(
            "  Hint: what comes from outside does not count: write cache=False or "
            "cache=timedelta(…), or change version=…"
        )
    return [*lines, *_limits(report, again)]


def _result(report: AuditReport) -> str:
    count = len(report.steps)
    looked = f"{count:,} step{'s' * (count != 1)} looked at"
    found = sum(bool(step.audit.sights) for step in report.steps)
    if found:
        return f"{looked}, {found:,} of them did what a reused result does not see."
    if not count:
        return "no step ran, so none was looked at."
    if _unseen(report):
        return f"{looked}, and nothing found of network, other programs, compiled code of yours."
    return (
        f"{looked}, and clean: no code outside of the keys, no network, no other program, no "
        "compiled code of yours."
    )


def _alike(steps: Sequence[AuditedStep]) -> list[list[AuditedStep]]:
    """Those that did something, by what it was, of one component each."""
    groups: dict[tuple[str, Audit], list[AuditedStep]] = {}
    for step in steps:
        if step.audit.sights:
            groups.setdefault((step.component, step.audit), []).append(step)
    return list(groups.values())


def _section(title: str, sights: Sequence[Sight]) -> list[str]:
    if not sights:
        return []
    lines = [f"    {title}", *(f"      {_text(sight)}" for sight in sights[:_MOST_LINES])]
    if len(sights) > _MOST_LINES:
        lines.append(f"      … and {len(sights) - _MOST_LINES:,} more: --json")
    return lines


def _text(sight: Sight) -> str:
    what = f"module {sight.what}" if sight.kind == MODULE else sight.what
    return f"{what} ({place_text(sight)})" if sight.file else what


def place_text(sight: Sight) -> str:
    """`flow.py:12`; the file alone where no line is known, or where all of it is meant."""
    return f"{sight.file}:{sight.line}" if sight.line and sight.kind != MODULE else sight.file


def _way_out(audit: Audit) -> list[str]:
    wanted = list(dict.fromkeys(sight.depends_on for sight in audit.sights if sight.depends_on))
    whole = {sight.depends_on for sight in audit.sights if sight.kind == MODULE}
    # A module that is named covers what is in it.
    wanted = [
        name for name in wanted if name in whole or repr(name.rpartition(".")[0]) not in whole
    ]
    if not wanted:
        return []
    more = ", …" if len(wanted) > _MOST_NAMES else ""
    return [f"    Hint: @component(depends_on=[{', '.join(wanted[:_MOST_NAMES])}{more}])"]


def _limits(report: AuditReport, again: str) -> list[str]:
    lines = [f"  {why[:1].upper()}{why[1:]}." for why in _unseen(report)]
    if report.lost:
        names = ", ".join(report.lost[:_MOST_NAMES])
        more = ", …" if len(report.lost) > _MOST_NAMES else ""
        lines.append(f"  Not looked at, for they came to no end of their own: {names}{more}.")
    if report.reused:
        one = report.reused == 1
        lines.append(
            f"  {report.reused:,} reused step{'' if one else 's'} did not run, so "
            f"{'it was' if one else 'they were'} not looked at. Hint: {again}"
        )
    return lines


def _unseen(report: AuditReport) -> list[str]:
    """What was not looked at, and why, each once."""
    return list(dict.fromkeys(s.audit.unseen for s in report.steps if s.audit.unseen))
