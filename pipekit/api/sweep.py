"""Sweeps: a pipeline or component is called with many values of its parameters, each call a trial,
and the best is found. `tune` asks Optuna what to try next, `grid` goes through all there is."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipekit.api.component import Component
from pipekit.api.pipeline import Pipeline
from pipekit.api.sweeping import Sweeping
from pipekit.api.task import Task
from pipekit.api.trial_value import Objective, check_objective
from pipekit.control.current import current_run
from pipekit.errors import NotFound, UsageError, listed, nearest, short
from pipekit.model.space import Domain, count_points, read_space

if TYPE_CHECKING:
    from pipekit.control.archive import Archive

Target = Pipeline[..., Any] | Component[..., Any]
Direction = Literal["minimize", "maximize"]

__tracebackhide__ = True


def tune(
    target: Target, space: Mapping[str, Any], *, direction: Direction, objective: Objective = None,
    trials: int = 20, parallel: int = 1, sampler: Any = None, pruner: Any = None,
    arguments: Mapping[str, Any] | None = None, name: str = "",
) -> Sweep:  # fmt: skip
    """Look for the best values of a pipeline's parameters with Optuna (`pip install
    'pipekit[tune]'`).

    The sweep is a run, and each trial a run in it: what trials have in common is computed once, a
    trial that fails does not end the sweep, and `pipekit resume` goes on with one that was stopped.

    Args:
        target: A pipeline, or a component.
        space: Parameter -> a list (choices), `(low, high)` or `range(…)` (numbers between), what
            `uniform`, `log_uniform` and `integers` give, or a distribution of Optuna's.
        direction: `"minimize"` or `"maximize"`.
        objective: What a trial is judged by: the name of a metric (`loss`; `fit/loss` is that of
            the step `fit`), a function that makes a number of the trial's `Task`, or None: what the
            target returns.
        trials: How many.
        parallel: How many at once. The fewer, the more each can learn from those before.
        sampler: Any of Optuna's; default: `TPESampler()`.
        pruner: Any of Optuna's: it ends trials that promise nothing, by the numbers that they log
            with `log_metric(name, value, step=…)` under the objective's name. Default: none.
        arguments: The parameters that are the same in all trials.
        name: Of the sweep's run; default: that of the target and `-sweep`.

    Raises:
        UsageError: something does not fit; or Optuna is not installed.
        PipekitError: no trial came to an end with a value.
        Stopped, KeyboardInterrupt: it was stopped.
    """
    from pipekit.api.sampling import import_optuna

    import_optuna()
    if direction not in ("minimize", "maximize"):
        raise UsageError(f"direction={direction!r} is to be 'minimize' or 'maximize'.")
    if pruner is not None and not isinstance(objective, str):
        raise UsageError(
            "A pruner goes by the numbers that a trial logs, so objective= is to be their name.",
            hint="objective='loss', and log_metric('loss', value, step=epoch) in a step.",
        )
    _check_count("trials", trials)
    _check_count("parallel", parallel)
    return _sweep(
        target, space, method="tune", direction=direction, objective=objective, trials=trials,
        parallel=parallel, sampler=sampler, pruner=pruner, arguments=arguments, name=name,
    )  # fmt: skip


def grid(
    target: Target, space: Mapping[str, Any], *, direction: Direction | None = None,
    objective: Objective = None, parallel: int | None = None,
    arguments: Mapping[str, Any] | None = None, name: str = "",
) -> Sweep:  # fmt: skip
    """Call a pipeline with every combination of these values. Needs no further package.

    Args:
        target: A pipeline, or a component.
        space: Parameter -> a list, a `range`, or `(low, high)` of whole numbers.
        direction: `"minimize"` or `"maximize"`: what the best is; None: none is looked for, and
            trials may return anything.
        objective: As for `tune`.
        parallel: How many at once; default: as many as there are processors.
        arguments: The parameters that are the same in all trials.
        name: Of the sweep's run; default: that of the target and `-sweep`.

    Raises:
        UsageError: something does not fit.
        PipekitError: no trial completed.
        Stopped, KeyboardInterrupt: it was stopped.
    """
    if direction not in (None, "minimize", "maximize"):
        raise UsageError(f"direction={direction!r} is to be 'minimize' or 'maximize'.")
    if parallel is not None:
        _check_count("parallel", parallel)
    return _sweep(
        target, space, method="grid", direction=direction or "", objective=objective, trials=0,
        parallel=parallel or os.cpu_count() or 1, sampler=None, pruner=None, arguments=arguments,
        name=name,
    )  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep.

    Attributes:
        number: From 0.
        parameters: What was tried.
        value: By which it is judged; None where it has none.
        status: `completed`, `pruned`, `failed` or `stopped`.
        error: Why it has no value; empty where it has.
        task: Its run; of a component, its step.
    """

    number: int
    parameters: dict[str, Any]
    value: float | None
    status: str
    error: str
    task: Task


def _trial(archive: Archive, told: dict[str, Any], domains: Mapping[str, Any]) -> Trial:
    chosen = {name: domains[name].values[index] for name, index in told.pop("choices").items()}
    parameters, task = told.pop("parameters") | chosen, Task(archive, told.pop("task"))
    return Trial(parameters=parameters, task=task, **told)


class Sweep:
    """A sweep that has ended.

    Attributes:
        task: Its run; the trials are its steps.
        trials: In the order in which they began.
    """

    def __init__(self, archive: Archive, task: Task, domains: Mapping[str, Domain]) -> None:
        told: dict[str, Any] = task.value
        self.task = task
        self.direction: str = told["direction"]
        self.trials: list[Trial] = [_trial(archive, one, domains) for one in told["trials"]]
        self._best: int | None = told["best"]

    @property
    def best(self) -> Trial:
        """The trial with the best value.

        Raises:
            NotFound: none was looked for.
        """
        for trial in self.trials:
            if trial.number == self._best:
                return trial
        raise NotFound(
            f"Sweep {self.task.name!r} ({short(self.task.id)}) was not told what the best is.",
            hint="pass direction='maximize' or 'minimize'.",
        )

    @property
    def best_value(self) -> float:
        """The best trial's."""
        value = self.best.value
        assert value is not None
        return value

    @property
    def best_parameters(self) -> dict[str, Any]:
        """The best trial's, of those that were swept."""
        return self.best.parameters

    def to_frame(self) -> Any:
        """The trials as a pandas frame: a row each, a column for each parameter."""
        import pandas

        return pandas.DataFrame(
            [
                {"number": t.number, **t.parameters, "value": t.value, "status": t.status,
                 "task": t.task.id, "error": t.error}
                for t in self.trials
            ]
        )  # fmt: skip

    @property
    def summary(self) -> str:
        """`Best of 20 trials: 0.93 with rate=0.3 (train-7, 01j9zk7…)`, and how many failed."""
        count = len(self.trials)
        ended = {
            word: sum(trial.status == word for trial in self.trials)
            for word in ("pruned", "failed", "stopped")
        }
        others = ", ".join(f"{number} {word}" for word, number in ended.items() if number)
        said = f"{count} trial{'s' * (count != 1)}{f' ({others})' if others else ''}"
        if self._best is None:
            return f"{said}."
        best = self.best
        given = ", ".join(f"{name}={_text(value)}" for name, value in best.parameters.items())
        return (
            f"Best of {said}: {best.value:.6g} with {given} "
            f"({best.task.name}, {short(best.task.id)})."
        )

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __len__(self) -> int:
        return len(self.trials)

    def __repr__(self) -> str:
        return f"<Sweep {self.task.name!r} {short(self.task.id)}: {self.summary}>"


class SweepPipeline(Pipeline[..., Any]):
    """A sweep as a pipeline, whose steps are the trials. It is found again by its target's name."""

    task_type = "sweep"

    def __init__(self, target: Target, *, name: str = "") -> None:
        super().__init__(
            Sweeping(target),
            name=name or f"{target.name}-sweep",
            project=target.project if isinstance(target, Pipeline) else "",
            executor=target.executor if isinstance(target, Pipeline) else "",
            cache=target.cache if isinstance(target, Pipeline) else True,
        )
        self._target = target

    @property
    def _found_by(self) -> Callable[..., Any]:
        return self._target.function


def _sweep(
    target: Target, space: Mapping[str, Any], *, name: str, arguments: Mapping[str, Any] | None,
    **how: Any,
) -> Sweep:  # fmt: skip
    if not isinstance(target, Pipeline | Component):
        raise UsageError(
            f"A sweep goes over a pipeline or a component, not a {type(target).__qualname__}.",
            hint="write '@pipeline' above the function.",
        )
    if (
        isinstance(target, Component)
        and len(target._options.outputs or ()) > 1
        and not how["objective"]
    ):
        raise UsageError(
            f"Component {target.name!r} has several outputs, and which one a trial is judged by "
            "cannot be told.",
            hint="pass objective='metric' or a function of the trial's task.",
        )
    check_objective(how["objective"])
    fixed = dict(arguments or {})
    parameters = inspect.signature(target.function).parameters
    floats = [one.name for one in parameters.values() if _is_float(one)]
    domains = read_space(space, floats=floats)
    _check(target, domains, fixed, parameters)
    if how["method"] == "grid":
        count_points(domains)
    pipeline = SweepPipeline(target, name=name)
    given = {"space": domains, "arguments": fixed, **how}
    from pipekit.api import conductor

    run = current_run.get()
    if run is not None:
        from pipekit.api.future import source_of

        step: Any = source_of(conductor.call_child(pipeline, run, (), given))
        step.get_output("value")
        return Sweep(run.session.archive, Task.of_step(step), domains)
    conducted = conductor.run_now(pipeline, (), given)
    conducted.result()
    archive = conducted.run.session.archive
    sweep = Sweep(archive, conducted.task(), domains)
    if archive.settings.progress != "off":
        _tell(sweep)
    return sweep


def _text(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _tell(sweep: Sweep) -> None:
    import sys

    print(sweep.summary, file=sys.stderr)


def sweep_of(found: Any, name: str) -> Any:
    """The sweep over what a record's entry leads to; that itself where there is no such."""
    return SweepPipeline(found, name=name) if isinstance(found, Pipeline | Component) else found


def _is_float(parameter: inspect.Parameter) -> bool:
    return parameter.annotation in (float, "float")


def _check(
    target: Target, domains: Mapping[str, Domain], fixed: Mapping[str, Any],
    parameters: Mapping[str, inspect.Parameter],
) -> None:  # fmt: skip
    """
    Raises:
        UsageError, TypeError: the target cannot be called so.
    """
    kinds = {one.kind for one in parameters.values()}
    named = [
        n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    for name in domains:
        if name in fixed:
            raise UsageError(f"{name!r} is in space= and in arguments=.", hint="leave one out.")
        if name not in named and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise UsageError(
                f"{target.name!r} has no parameter {name!r}. It has: {listed(named)}.",
                hint=nearest(name, named),
            )
    first = {name: domain.first for name, domain in domains.items()}
    if isinstance(target, Pipeline):
        target.bind((), {**fixed, **first})
    else:
        try:
            inspect.signature(target.function).bind(**fixed, **first)
        except TypeError as error:
            raise UsageError(f"Component {target.name!r} cannot be called so: {error}.") from error


def _check_count(name: str, value: Any) -> None:
    if type(value) is not int or value < 1:
        raise UsageError(f"{name}={value!r} is to be a whole number above 0.")
