"""`pipekit plan`: what a run of a TARGET would do, with its parameters made from text."""

from __future__ import annotations

import json
import sys

from pipekit.cli.arguments import find_target, parse
from pipekit.cli.binding import bind
from pipekit.cli.outcome import DONE, FAILED, last_user_frame, tell, tell_hint, user_traceback
from pipekit.cli.parameter import parameters_of
from pipekit.cli.run import files_of, stdout_for
from pipekit.cli.target import load_pipeline
from pipekit.console.quantity import seconds_text
from pipekit.console.table import draw_table
from pipekit.console.terminal import one_line
from pipekit.control.termination import stopped_by_signals
from pipekit.errors import PipekitError, StoreError, UsageError
from pipekit.model.excerpt import excerpt
from pipekit.model.plan import Necessity, Plan, PlannedStep

_WHY_CHARACTERS = 70
_NEITHER = ("--until", "--audit", "--pdb", "--executor")
HELP = """\
Usage: pipekit plan TARGET [--param VALUE]... [--json]

  Say what a run would do now: which steps must run, which may run (an equal value of a step
  before them spares them), which are cached; with the time that each took before. No step runs and
  no run is recorded. The pipeline function itself is called, to learn which steps it has: what it
  does beside calling components is done. Where it uses the value of a step that would run, the plan
  ends.

  The parameters are those of pipekit run TARGET --help, also -p NAME=VALUE and --params FILE.

Options:
  --json      Print the plan as JSON.
  -h, --help  Show this."""


def plan(arguments: list[str]) -> int:
    """Print what a run would do, as it was typed; the exit code.

    Raises:
        UsageError: what was typed does not fit the pipeline.
        UserCodeFailed: its module cannot be imported.
        StoreError: the records cannot be read.
    """
    target, rest = find_target(arguments)
    if not {"-h", "--help"}.isdisjoint(rest):
        print(HELP)
        return DONE
    if not target:
        raise UsageError(
            "'pipekit plan' needs a TARGET.", hint="pipekit plan path/file.py:function"
        )
    # What the pipeline function prints is not the plan.
    with stopped_by_signals(), stdout_for(the_result=True):
        pipeline = load_pipeline(target)
        parameters = parameters_of(pipeline.function)
        given = parse(rest, parameters)
        if given.until or given.with_debugger or given.with_audit or given.executor:
            raise UsageError(
                "A plan runs nothing, so it takes none of " + ", ".join(_NEITHER) + ".",
                hint="leave it out, or use 'pipekit run'.",
            )
        args, kwargs = bind(parameters, given, files_of(given), pipeline=pipeline.name,
                            target=target)  # fmt: skip
        try:
            found = pipeline.plan(*args, **kwargs)
        except (StoreError, UsageError):
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - user code
            return _fail(error)
    if given.as_json:
        print(json.dumps(found.record(), allow_nan=False))
    else:
        _draw(found)
    return DONE


def _fail(error: BaseException) -> int:
    """Say what the pipeline function raised; the exit code."""
    if not isinstance(error, PipekitError):
        tell(user_traceback(error))
        return FAILED
    tell(f"Error: {error.message}")
    where = last_user_frame(error.__traceback__)
    if where:
        tell(f"  at {where}")
    tell_hint(error)
    return FAILED


def _draw(plan: Plan) -> None:
    if plan.steps:
        draw_table(("step", "plan", "time", "why"), [_row(step) for step in plan.steps])
        print()
    for sentence in plan.open_ends:
        print(sentence)
    print(_total(plan))
    sys.stdout.flush()


def _row(step: PlannedStep) -> list[str]:
    time = "" if step.seconds is None or step.is_pipeline else seconds_text(step.seconds)
    if time and step.necessity is Necessity.CACHED:
        time = f"({time})"
    why = excerpt(one_line(step.why), _WHY_CHARACTERS)
    return [step.name, step.necessity.value, time, why]


def _total(plan: Plan) -> str:
    least, most = plan.seconds
    known = [step for step in (*plan.must_run, *plan.may_run) if not step.is_pipeline]
    if not known:
        return f"{plan.counts}."
    unknown = sum(step.seconds is None for step in known)
    if unknown == len(known):
        return f"{plan.counts}; none of those was timed before."
    parts = [f"{seconds_text(least)} of steps that must run"]
    if plan.may_run:
        parts.append(f"{seconds_text(most)} with those that may")
    if unknown:
        parts.append(f"{unknown} never timed")
    return f"{plan.counts}; by earlier runs {', '.join(parts)}."
