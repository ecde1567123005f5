"""Gathers what the steps of an audited run were seen to do. Looks at nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipekit.control.run import Run
from pipekit.model.audit import Audit, AuditedStep, AuditReport

if TYPE_CHECKING:
    from pipekit.control.step import Step


class Audits:
    """What the steps of a run, and of the runs below it, have told. Filled in the loop's thread."""

    def __init__(self) -> None:
        self._found: dict[str, Audit] = {}

    def add(self, step: Step, audit: Audit) -> None:
        """One attempt at the step has told."""
        earlier = self._found.get(step.task_id)
        self._found[step.task_id] = audit if earlier is None else earlier.merged_with(audit)

    def report(self, run: Run) -> AuditReport:
        """What is known once the run has ended."""
        steps: list[AuditedStep] = []
        reused: list[str] = []
        lost: list[str] = []
        self._add(run, "", steps, reused, lost)
        return AuditReport(run.label, tuple(steps), len(reused), tuple(lost))

    def _add(
        self, run: Run, path: str, steps: list[AuditedStep], reused: list[str], lost: list[str]
    ) -> None:
        for step in run.steps:
            name = path + step.name
            audit = self._found.get(step.task_id)
            if step.use.is_pipeline:
                if step.child is not None:
                    self._add(step.child, f"{name}/", steps, reused, lost)
            elif audit is not None:
                steps.append(AuditedStep(step.task_id, name, step.use.name, audit))
            elif step.reused_from is not None:
                # An equal call of this very run has been looked at.
                if step.reused_from not in self._found:
                    reused.append(name)
            elif step.started_at is not None:
                lost.append(name)
