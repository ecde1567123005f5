"""`pipekit tune`: a sweep over the parameters of a TARGET, and one table of its trials."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pipekit.api.sweep import Sweep, Trial, grid, tune
from pipekit.cli.arguments import find_target, parse
from pipekit.cli.binding import bind
from pipekit.cli.cast import cast
from pipekit.cli.outcome import DONE
from pipekit.cli.parameter import Parameter, parameters_of
from pipekit.cli.run import files_of, stdout_for
from pipekit.cli.target import load_pipeline
from pipekit.console.table import draw_table, without_empty
from pipekit.console.terminal import one_line
from pipekit.control.termination import stopped_by_signals
from pipekit.errors import UsageError, listed, nearest, short
from pipekit.model.excerpt import excerpt
from pipekit.model.space import Choices, Domain, parse_domain

if TYPE_CHECKING:
    from pipekit.api.pipeline import Pipeline

_WITH_VALUE = (
    "--space", "--trials", "--parallel", "--objective", "--sampler", "--sampler-seed", "--pruner",
)  # fmt: skip
_ALONE = ("--minimize", "--maximize", "--grid")
_CHARACTERS = 60
HELP = """\
Usage: pipekit tune TARGET --space NAME=VALUES... --minimize|--maximize [--param VALUE]...

  Run a pipeline with many values of its parameters, and find the best. A trial is a run within the
  run of the sweep; what trials have in common is computed once, and 'pipekit resume' goes on with a
  sweep that was stopped.

  The other parameters are those of pipekit run TARGET --help, also -p NAME=VALUE and --params FILE.

Options:
  --space NAME=VALUES  What a parameter may be: 0.1:1.0 (a number between), 0.0001:1:log (each order
                       of magnitude alike), 1:9 (a whole number), 1:9:2 (every second), a,b,c or a
                       JSON list (one of these). Repeatable.
  --minimize, --maximize
                       What the best is.
  --objective METRIC   What a trial is judged by: a logged number (loss; fit/loss is that of the
                       step fit). Default: what the pipeline returns.
  --trials N           How many. Default: 20.
  --parallel N         How many at once. Default: 1, of a grid as many as there are processors.
  --grid               Every combination, without Optuna; --minimize or --maximize may be left out.
  --sampler NAME       tpe (default), random, cmaes, gp or qmc; --sampler-seed N fixes its chance.
  --pruner NAME        End trials that promise nothing, by the objective's numbers on the way:
                       median, halving or hyperband. Default: none.
  --executor NAME      process (default), process:8, or inline.
  --no-cache           Reuse nothing.
  --json               Print the sweep as JSON; what the pipeline prints goes to stderr.
  -h, --help           Show this."""


@dataclass(slots=True)
class _Given:
    """What was typed of the command's own options."""

    space: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)

    def count(self, option: str, default: int | None) -> int | None:
        text = self.values.get(option)
        if text is None:
            return default
        if not text.isdecimal() or (option != "--sampler-seed" and int(text) < 1):
            raise UsageError(f"{option} {text} is to be a whole number above 0.")
        return int(text)


def tune_target(arguments: list[str]) -> int:
    """Sweep over a pipeline's parameters as it was typed; the exit code.

    Raises:
        UsageError: what was typed does not fit the pipeline, or each other.
        UserCodeFailed: its module cannot be imported.
        PipekitError: no trial completed.
        Stopped, KeyboardInterrupt: the sweep was stopped.
        StoreError: its records cannot be kept.
    """
    if not {"-h", "--help"}.isdisjoint(arguments):
        print(HELP)
        return DONE
    given, others = _own(arguments)
    target, rest = find_target(others)
    if not target:
        raise UsageError(
            "'pipekit tune' needs a TARGET.",
            hint="pipekit tune path/file.py:function --space rate=0.1:1.0 --maximize",
        )
    if not given.space:
        raise UsageError("'pipekit tune' needs to know what to try.", hint="--space rate=0.1:1.0")
    with stopped_by_signals(), stdout_for(the_result=True):
        pipeline = load_pipeline(target)
        parameters = parameters_of(pipeline.function)
        space = _space(pipeline, parameters, given.space)
        fixed = [one for one in parameters if one.name not in space]
        typed = parse(rest, fixed)
        if typed.until or typed.with_debugger or typed.with_audit:
            raise UsageError("A sweep takes none of --until, --pdb and --audit.")
        if typed.executor:
            pipeline = pipeline.options(executor=typed.executor)
        if typed.without_cache:
            pipeline = pipeline.options(cache=False)
        if typed.refresh:
            pipeline = pipeline.options(refresh=typed.refresh)
        args, kwargs = bind(fixed, typed, files_of(typed), pipeline=pipeline.name, target=target)
        positional = [one.name for one in fixed if not one.takes_any_name]
        sweep = _sweep(
            pipeline, space, {**dict(zip(positional, args, strict=False)), **kwargs}, given
        )
    if typed.as_json:
        print(json.dumps(_record(sweep), allow_nan=False))
    else:
        _draw(sweep)
    return DONE


def _own(arguments: Sequence[str]) -> tuple[_Given, list[str]]:
    """The command's own options, and all that was typed beside them."""
    given, others = _Given(), []
    left = list(reversed(arguments))
    while left:
        text = left.pop()
        name, equals, value = text.partition("=")
        if text in _ALONE:
            given.flags.add(text)
        elif name not in _WITH_VALUE:
            others.append(text)
            if text in ("-p", "--param") and left:
                others.append(left.pop())  # whatever it says
        else:
            if not equals and not left:
                raise UsageError(f"Option {name} needs a value.")
            value = value if equals else left.pop()
            if name == "--space":
                parameter, sign, domain = value.partition("=")
                if not sign:
                    raise UsageError(f"--space {value} has no '='.", hint="--space rate=0.1:1.0")
                given.space[parameter.strip().replace("-", "_")] = domain
            else:
                given.values[name] = value
    return given, others


def _space(
    pipeline: Pipeline[Any, Any], parameters: Sequence[Parameter], typed: Mapping[str, str]
) -> dict[str, Domain]:
    by_name = {one.name: one for one in parameters if not one.takes_any_name}
    space: dict[str, Domain] = {}
    for name, text in typed.items():
        parameter = by_name.get(name)
        if parameter is None:
            raise UsageError(
                f"Pipeline {pipeline.name!r} has no parameter {name!r}. It has: "
                f"{listed(list(by_name))}.",
                hint=nearest(name, list(by_name)),
            )
        domain = parse_domain(name, text, is_float=parameter.annotation is float)
        if isinstance(domain, list):
            one = replace(parameter, default=None)
            domain = Choices(tuple(cast(one, [choice]) for choice in domain))
        space[name] = domain
    return space


def _sweep(
    pipeline: Pipeline[Any, Any], space: dict[str, Domain], arguments: dict[str, Any],
    given: _Given,
) -> Sweep:  # fmt: skip
    if {"--minimize", "--maximize"} <= given.flags:
        raise UsageError("--minimize and --maximize say the opposite.", hint="leave one out.")
    direction: Any = next(
        (flag[2:] for flag in ("--minimize", "--maximize") if flag in given.flags), None
    )
    objective = given.values.get("--objective")
    if "--grid" in given.flags:
        for option in ("--trials", "--sampler", "--sampler-seed", "--pruner"):
            if option in given.values:
                raise UsageError(f"{option} does not go with --grid.", hint="leave one out.")
        return grid(
            pipeline, space, direction=direction, objective=objective, arguments=arguments,
            parallel=given.count("--parallel", None),
        )  # fmt: skip
    if direction is None:
        raise UsageError("What the best is has to be said.", hint="--minimize or --maximize")
    from pipekit.api.sampling import named_pruner, named_sampler

    seed = given.count("--sampler-seed", None)
    sampler = None
    if "--sampler" in given.values or seed is not None:
        sampler = named_sampler(given.values.get("--sampler", "tpe"), seed)
    pruner = given.values.get("--pruner")
    return tune(
        pipeline, space, direction=direction, objective=objective, arguments=arguments,
        trials=given.count("--trials", 20) or 20, parallel=given.count("--parallel", 1) or 1,
        sampler=sampler, pruner=named_pruner(pruner) if pruner else None,
    )  # fmt: skip


def _draw(sweep: Sweep) -> None:
    trials = _ranked(sweep)
    names = list(trials[0].parameters) if trials else []
    headers = ["trial", "id", "value", *names, "status", "error"]
    rows = [
        [
            str(trial.number),
            short(trial.task.id),
            "" if trial.value is None else f"{trial.value:.6g}",
            *(_text(trial.parameters[name]) for name in names),
            trial.status,
            excerpt(one_line(trial.error), _CHARACTERS) if trial.value is None else "",
        ]
        for trial in trials
    ]
    draw_table(*without_empty(headers, rows, always=2))
    sys.stdout.flush()


def _ranked(sweep: Sweep) -> list[Trial]:
    """The best first, those without a value last."""
    sign = -1.0 if sweep.direction == "maximize" else 1.0
    if not sweep.direction:
        return sweep.trials
    return sorted(
        sweep.trials,
        key=lambda one: (one.value is None, sign * (one.value or 0.0), one.number),
    )


def _text(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return excerpt(one_line(text), _CHARACTERS)


def _record(sweep: Sweep) -> dict[str, Any]:
    from pipekit.cli.plain import to_plain_or_text

    def record(trial: Trial) -> dict[str, Any]:
        return {
            "number": trial.number,
            "id": trial.task.id,
            "name": trial.task.name,
            "status": trial.status,
            "value": to_plain_or_text(trial.value),
            "parameters": {n: to_plain_or_text(v) for n, v in trial.parameters.items()},
            "error": trial.error,
        }

    return {
        "id": sweep.task.id,
        "name": sweep.task.name,
        "direction": sweep.direction,
        "best": record(sweep.best) if sweep.direction else None,
        "trials": [record(trial) for trial in sweep.trials],
    }
