"""`pipekit run`: a pipeline from its TARGET, with its parameters made from text."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipekit.api import conductor
from pipekit.api.pipeline import Pipeline
from pipekit.cli.arguments import Arguments, find_target, parse
from pipekit.cli.cast import cast
from pipekit.cli.home import open_home
from pipekit.cli.outcome import DONE, FAILED, last_user_frame, tell, tell_hint, user_traceback
from pipekit.cli.parameter import Parameter, help_lines, parameters_of
from pipekit.cli.target import load_pipeline
from pipekit.control.step import Step
from pipekit.errors import PipekitError, StepError, UsageError, short
from pipekit.model.status import Status
from pipekit.settings import read_settings

_USAGE = """\
Usage: pipekit run TARGET [--executor NAME] [--json] [--param VALUE]...

  Run a pipeline. TARGET is path/file.py:function or package.module:function; the function may be
  left out where there is one pipeline. Its parameters are options of the same name.

Options:
  --executor NAME  process (default), process:8, or inline.
  --json           Print the run as JSON; what the pipeline prints goes to stderr.
  -p NAME=VALUE    A parameter whose name is one of pipekit's own options.
  -h, --help       With a TARGET: its parameters too."""


def run(arguments: list[str]) -> int:
    """Run a pipeline as it was typed; the exit code.

    Raises:
        UsageError: what was typed does not fit the pipeline.
        UserCodeFailed: its module cannot be imported.
        Stopped, KeyboardInterrupt: the run was stopped.
        StoreError: its records cannot be kept.
    """
    target, rest = find_target(arguments)
    if not target:
        if not {"-h", "--help"}.isdisjoint(rest):
            print(_USAGE)
            return DONE
        raise UsageError("'pipekit run' needs a TARGET.", hint="pipekit run path/file.py:function")
    with _stdout_for(the_result="--json" in rest) as stdout:
        pipeline = load_pipeline(target)
        parameters = parameters_of(pipeline.function)
        if not {"-h", "--help"}.isdisjoint(rest):
            _print_help(target, pipeline, parameters, stdout)
            return DONE
        given = parse(rest, parameters)
        args, kwargs = _bound(pipeline, parameters, given)
        if given.executor:
            pipeline = pipeline.options(executor=given.executor)
        conducted = conductor.run_now(pipeline, args, kwargs)
        value = None
        try:
            value, code = conducted.result(), DONE
        except (Exception, SystemExit) as error:
            if conducted.run.fatal is error and isinstance(error, PipekitError):
                raise  # not the pipeline's fault: its records cannot be kept
            failed = _failed_step(conducted)
            _tell_failure(error, failed)
            _tell_next(conducted, failed)
            code = FAILED
    if given.as_json:
        _print_json(conducted, value)
    return code


def _bound(
    pipeline: Pipeline[Any, Any], parameters: list[Parameter], given: Arguments
) -> tuple[list[Any], dict[str, Any]]:
    """The call's arguments, from what was typed."""
    missing = [p for p in parameters if p.is_required and p.name not in given.texts]
    if missing:
        names = ", ".join(parameter.option for parameter in missing)
        raise UsageError(
            f"Pipeline {pipeline.name!r} needs {names}.",
            hint=f"{missing[0].option} takes {missing[0].type_text}; it has the parameters\n"
            + "\n".join(help_lines(parameters)),
        )
    by_name = {parameter.name: parameter for parameter in parameters}
    any_name = next((p for p in parameters if p.takes_any_name), None)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in parameters:
        texts = given.texts.get(parameter.name)
        if parameter.is_positional:
            args.append(cast(parameter, texts) if texts else parameter.default)
        elif texts and not parameter.takes_any_name:
            kwargs[parameter.name] = cast(parameter, texts)
    for name, texts in given.texts.items():
        if name not in by_name and any_name is not None:
            further = Parameter(name, any_name.annotation)
            kwargs[name] = cast(further, texts)
    return args, kwargs


def _print_help(
    target: str, pipeline: Pipeline[Any, Any], parameters: list[Parameter], stdout: int
) -> None:
    about = (inspect.getdoc(pipeline.function) or "").partition("\n")[0]
    lines = [_USAGE, "", f"Parameters of {pipeline.name!r} ({target}):"]
    if about:
        lines += [f"  {about}", ""]
    lines += help_lines(parameters) or ["  none"]
    sys.stdout.flush()
    os.write(stdout, ("\n".join(lines) + "\n").encode(errors="replace"))


def _failed_step(conducted: conductor.Conducted) -> Step | None:
    """The step at the root of the run's failure, where it was a step's."""
    run = conducted.run
    candidates = (*run.roots, *run.steps)
    return next((step for step in candidates if step.status is Status.FAILED), None)


def _tell_failure(error: BaseException, failed: Step | None) -> None:
    if not isinstance(error, PipekitError):
        tell(user_traceback(error))
        return
    if isinstance(error, StepError) and failed is not None and failed.failure is not None:
        tell(failed.failure.traceback.rstrip())
    tell(f"Error: {error.message}")
    where = last_user_frame(error.__traceback__)
    if where:
        tell(f"  at {where}")
    tell_hint(error)


def _tell_next(conducted: conductor.Conducted, failed: Step | None) -> None:
    run = conducted.run
    before = ""
    home = run.session.archive.settings.home
    if read_settings().home != home:
        before = f"PIPEKIT_HOME={shlex.quote(str(home))} "
    tell(f"See: {before}pipekit show {short(run.task_id)}")
    if failed is not None:
        tell(f"     {before}pipekit logs {short(run.task_id)} {failed.name}")


def _print_json(conducted: conductor.Conducted, value: Any) -> None:
    from pipekit.cli.plain import to_plain_or_text
    from pipekit.cli.record import run_record

    session = conducted.run.session
    with open_home(session.archive.settings) as home:
        task = home.archive.get_task(conducted.run.task_id)
        shown = run_record(home, task)
    shown["value"] = to_plain_or_text(value)
    print(json.dumps(shown, allow_nan=False))


@contextmanager
def _stdout_for(*, the_result: bool) -> Iterator[int]:
    """A descriptor of stdout as it is now; while a result is to be alone there, what the pipeline's
    code prints goes to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        if the_result:
            os.dup2(2, 1)
        yield kept
    finally:
        sys.stdout.flush()
        if the_result:
            os.dup2(kept, 1)
        os.close(kept)
