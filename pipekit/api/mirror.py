"""What a controller's pipeline shows of its steps as its own: metrics and artifacts that were asked
for, each value as it is and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipekit.model.status import TERMINAL
from pipekit.worker.message import Logged, LoggedMetric, Output

if TYPE_CHECKING:
    from pipekit.control.node import Node
    from pipekit.control.run import Run
    from pipekit.control.step import Step
    from pipekit.model.value import Digest


class Mirror:
    """What one run mirrors."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: set[tuple[str, float, int | None, str]] | None = None
        """Metrics that the run has, from an earlier attempt at it too."""
        self._artifacts: dict[str, Digest] = {}

    def look(self, node: Node, step: Step) -> None:
        """Mirror what the step has logged since, if anything of it is wanted."""
        source = step.reused_from or step.task_id
        if node.monitor_metrics:
            self._mirror_metrics(node, source)
        if node.monitor_artifacts and step.status in TERMINAL:
            self._mirror_artifacts(node, step)

    def _mirror_metrics(self, node: Node, source: str) -> None:
        store = self._run.session.archive.store
        if self._known is None:
            own = store.list_metrics(self._run.task_id)
            self._known = {(one.name, one.at, one.step, repr(one.value)) for one in own}
        found = []
        for metric in store.list_metrics(source):
            for name, to in node.monitor_metrics:
                # NaN is not equal to itself; its text is.
                key = (to, metric.at, metric.step, repr(metric.value))
                if metric.name == name and key not in self._known:
                    self._known.add(key)
                    found.append(LoggedMetric(to, metric.value, metric.step, metric.at))
        if found:
            self._run.session.log(self._run, Logged(0, tuple(found)))

    def _mirror_artifacts(self, node: Node, step: Step) -> None:
        archive = self._run.session.archive
        stored = {one.name: one.value for one in archive.store.list_artifacts(step.task_id)}
        if step.reused_from is not None:
            theirs = archive.store.list_artifacts(step.reused_from)
            stored = {one.name: one.value for one in theirs} | stored
        if not self._artifacts:
            own = archive.store.list_artifacts(self._run.task_id)
            self._artifacts = {one.name: one.value.digest for one in own}
        found = []
        for name, to in node.monitor_artifacts:
            value = stored.get(name)
            if value is not None and self._artifacts.get(to) != value.digest:
                self._artifacts[to] = value.digest
                found.append(Output(to, value, None))
        if found:
            self._run.session.log(self._run, Logged(0, (), tuple(found)))
