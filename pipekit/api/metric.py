"""The numbers that a task has logged, as users see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipekit.errors import MetricNotFound
from pipekit.model.records import Metric


class Metrics(Mapping[str, float]):
    """Name -> the value logged last. `history(name)` has all of them.

    Of a task that was tried more than once, a name has what the last attempt to log it did.
    """

    def __init__(self, task_id: str, task_name: str, logged: Sequence[Metric]) -> None:
        self._task_id = task_id
        self._task_name = task_name
        self._by_name: dict[str, list[Metric]] = {}
        for metric in logged:
            known = self._by_name.setdefault(metric.name, [])
            if known and metric.attempt > known[-1].attempt:
                known.clear()
            known.append(metric)

    def __getitem__(self, name: str) -> float:
        return self.history(name)[-1].value

    def history(self, name: str) -> list[Metric]:
        """Every value of a name in the order of logging; each has `value`, `step` and `at`
        (seconds since the epoch).

        Raises:
            MetricNotFound: nothing was logged under that name.
        """
        found = self._by_name.get(name)
        if found is None:
            raise MetricNotFound(
                task=self._task_name, task_id=self._task_id, name=name, known=list(self._by_name)
            )
        return list(found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __repr__(self) -> str:
        return f"Metrics({dict(self)})"
