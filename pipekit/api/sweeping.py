"""The function of a sweep's run: starts trials, waits for them, judges them. What comes next is for
`sampling` to say, or for the points of a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from pipekit.api.future import find_futures, source_of
from pipekit.api.pruning import Pruning
from pipekit.api.sampling import Past, Proposal, Search
from pipekit.api.task import Task
from pipekit.api.trial_value import Objective, value_of
from pipekit.artifacts.preview import line_of
from pipekit.clock import LOOK_UP_SECONDS
from pipekit.control.current import current_run
from pipekit.errors import PipekitError, short
from pipekit.model.space import PLAIN, Choices, points
from pipekit.model.status import Status
from pipekit.worker.runner import text_of

PRUNED = "pruned"


@dataclass(slots=True)
class Ended:
    """A trial as it is kept in the sweep's value."""

    number: int
    parameters: dict[str, Any]
    choices: dict[str, int]
    """Of parameters whose values are not plain: which of the choices; `parameters` has texts."""
    value: float | None
    status: str
    error: str
    task: str
    """Its id."""


class _Trial:
    """A trial that goes on; hears its end."""

    __slots__ = ("_over", "is_past", "number", "step", "values")

    def __init__(
        self, number: int, values: dict[str, Any], step: Any, over: SimpleQueue[_Trial],
        is_past: bool,
    ) -> None:  # fmt: skip
        self.number = number
        self.values = values
        self.step = step
        self.is_past = is_past
        """Whether its value is known from an earlier attempt at the sweep."""
        self._over = over

    def one_ended(self) -> None:
        self._over.put(self)

    give_up = one_ended


class Sweeping:
    """Callable as a pipeline function, once for each attempt at the sweep."""

    __name__ = "sweep"

    def __init__(self, target: Any) -> None:
        self._target = target

    def __call__(
        self, *, space: dict[str, Any], arguments: dict[str, Any], method: str, direction: str,
        objective: Any, trials: int, parallel: int, sampler: Any, pruner: Any,
    ) -> dict[str, Any]:  # fmt: skip
        run: Any = current_run.get()
        run.shares = True
        search: Search | None = None
        past: list[Past] = []
        proposals: Iterator[Proposal] = (
            Proposal(number, one) for number, one in enumerate(_points(method, space))
        )
        if method == "tune":
            search = Search(
                run.session.archive.settings, f"{run.name} {run.task_id}", space,
                direction=direction, sampler=sampler, pruner=pruner, parallel=parallel,
            )  # fmt: skip
            past = search.take_up() if run.recorded is not None else []
            proposals = _asked(search, trials - len(past))
        pruning = None
        if search is not None and isinstance(objective, str):
            pruning = Pruning(run, search, objective)
        attempt = _Attempt(self._target, run, arguments, search, pruning)
        attempt.objective = objective
        attempt.space = space
        attempt.judges = bool(direction or objective)
        try:
            attempt.conduct(past, proposals, parallel)
        finally:
            if pruning is not None:
                pruning.close()
            if search is not None:
                search.give_up()
        return attempt.result(direction)


def _points(method: str, space: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return points(space) if method == "grid" else iter(())


def _asked(search: Search, count: int) -> Iterator[Proposal]:
    for _ in range(count):
        proposal = search.ask()
        if proposal is None:
            return
        yield proposal


class _Attempt:
    """One attempt at a sweep, in the thread of its run's function."""

    def __init__(
        self, target: Any, run: Any, arguments: Mapping[str, Any], search: Search | None,
        pruning: Pruning | None,
    ) -> None:  # fmt: skip
        self._target = target
        self._run = run
        self._arguments = arguments
        self._search = search
        self._pruning = pruning
        self.objective: Objective = None
        self.judges = True
        self.space: dict[str, Any] = {}
        self._over: SimpleQueue[_Trial] = SimpleQueue()
        self._going: set[_Trial] = set()
        self._ended: list[Ended] = []

    def conduct(self, past: list[Past], proposals: Iterator[Proposal], parallel: int) -> None:
        """Try what is proposed, so many at once, to the end."""
        for one in past:
            if one.is_pruned:
                self._pass_over(one)
            else:
                self._start(one.number, one.values, is_past=True)
        while True:
            while len(self._going) < parallel and (proposal := next(proposals, None)):
                self._start(proposal.number, proposal.values)
            if not self._going:
                return
            self._end(self._next())

    def _start(self, number: int, values: dict[str, Any], *, is_past: bool = False) -> None:
        if self._pruning is not None and not is_past:
            self._pruning.calling(number)
        future = self._target(**self._arguments, **values)
        step: Any = source_of(next(iter(find_futures(future))))
        if self._search is not None and not is_past:
            self._search.began(number, step.task_id)
        if self._pruning is not None and not is_past:
            self._pruning.called(number, step.task_id)
        trial = _Trial(number, values, step, self._over, is_past)
        self._going.add(trial)
        if not self._run.on_end(step, trial):
            trial.one_ended()

    def _pass_over(self, one: Past) -> None:
        """A trial that was pruned in an earlier attempt at the sweep stays so."""
        self._run.recorded.pass_over(one.task_id)
        self._ended.append(
            Ended(one.number, *self._plain(one.values), None, PRUNED, "pruned before", one.task_id)
        )

    def _plain(self, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
        """What was tried as it can be stored, and which choices that were."""
        chosen = {
            name: next(i for i, one in enumerate(domain.values) if one is values[name])
            for name, domain in self.space.items()
            if isinstance(domain, Choices) and type(values[name]) not in PLAIN
        }
        plain = {name: line_of(v, 200) if name in chosen else v for name, v in values.items()}
        return plain, chosen

    def _next(self) -> _Trial:
        while True:
            for gone in (self._run.fatal, self._run.stopping):
                if gone is not None:
                    raise gone
            try:
                return self._over.get(timeout=LOOK_UP_SECONDS)
            except Empty:
                continue

    def _end(self, trial: _Trial) -> None:
        step, run = trial.step, self._run
        for gone in (run.fatal, run.stopping):
            if gone is not None:
                raise gone
        self._going.remove(trial)
        given = self._plain(trial.values)
        ended = Ended(trial.number, *given, None, step.status.value, "", step.task_id)
        if step.status is Status.COMPLETED:
            self._judge(step, ended)
        else:
            run.tell_failure(step)
            ended.error = step.failure.message if step.failure is not None else "stopped"
            if self._pruning is not None and step.task_id in self._pruning.pruned:
                ended.status = PRUNED
        self._ended.append(ended)
        if not trial.is_past:
            self._tell(ended)
        run.log.progress(len(self._ended), None)

    def _judge(self, step: Any, ended: Ended) -> None:
        if not self.judges:
            output = step.outputs.get("value")
            if output is None or output.value.type not in ("int", "float"):
                return  # nobody asked for a number
        try:
            ended.value = value_of(Task.of_step(step), self.objective)
        except Exception as error:  # noqa: BLE001 - user code: the objective's
            ended.status = Status.FAILED.value
            name = "" if isinstance(error, PipekitError) else f"{type(error).__name__}: "
            ended.error = name + text_of(error)
            self._run.session.reporter.warned(ended.error)
            return
        name = self.objective if isinstance(self.objective, str) else "objective"
        self._run.log.metric(name, ended.value, ended.number)

    def _tell(self, ended: Ended) -> None:
        if self._search is None:
            return
        if ended.value is not None:
            self._search.completed(ended.number, ended.value)
        elif ended.status == PRUNED:
            self._search.pruned(ended.number)
        else:
            self._search.failed(ended.number)

    def result(self, direction: str) -> dict[str, Any]:
        """What the sweep has come to.

        Raises:
            PipekitError: to nothing.
        """
        ended = sorted(self._ended, key=lambda one: one.number)
        good = [one for one in ended if one.status == Status.COMPLETED.value]
        if not good:
            first = next((one for one in ended if one.error and one.status != PRUNED), None)
            why = f" The first, {short(first.task)}: {first.error}" if first else ""
            raise PipekitError(
                f"None of the {len(ended)} trials of {self._run.label} has completed.{why}"
            )
        best = None
        if direction:
            pick = min if direction == "minimize" else max
            best = pick(good, key=lambda one: one.value or 0.0).number
        trials = [{name: getattr(one, name) for name in Ended.__slots__} for one in ended]
        return {"direction": direction, "best": best, "trials": trials}
