"""`pipekit run`: a pipeline from its TARGET, with its parameters made from text."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipekit.api import conductor
from pipekit.api.pipeline import Pipeline
from pipekit.cli.arguments import Arguments, find_target, parse
from pipekit.cli.binding import bind
from pipekit.cli.home import open_home
from pipekit.cli.outcome import (
    DONE,
    FAILED,
    WRONG_USE,
    last_user_frame,
    tell,
    tell_hint,
    user_traceback,
)
from pipekit.cli.parameter import parameters_of
from pipekit.cli.target import load_pipeline
from pipekit.control.step import Step
from pipekit.control.termination import stopped_by_signals
from pipekit.control.until import Reached
from pipekit.errors import (
    CallbackFailed,
    PipekitError,
    StepError,
    StepSkipped,
    UsageError,
    listed,
    nearest,
    short,
)
from pipekit.model.status import Status
from pipekit.settings import read_settings

if TYPE_CHECKING:
    from pipekit.cli.parameter_file import ParameterFile
    from pipekit.control.run import Run
    from pipekit.model.audit import AuditReport


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
            from pipekit.cli.usage import command_help

            print(command_help())
            return DONE
        raise UsageError("'pipekit run' needs a TARGET.", hint="pipekit run path/file.py:function")
    with stopped_by_signals(), stdout_for(the_result="--json" in rest) as stdout:
        pipeline = load_pipeline(target)
        parameters = parameters_of(pipeline.function)
        if not {"-h", "--help"}.isdisjoint(rest):
            from pipekit.cli.usage import target_help

            _print_help(target_help(target, pipeline, parameters), stdout)
            return DONE
        given = parse(rest, parameters)
        pipeline = _as_asked(pipeline, given)
        args, kwargs = bind(
            parameters, given, files_of(given), pipeline=pipeline.name, target=target
        )
        conducted = conductor.run_now(
            pipeline, args, kwargs, until=given.until, audit=given.with_audit
        )
        value = None
        try:
            value, code = conducted.result(), DONE
            if given.until:
                code = _tell_not_reached(conducted, given.until)
            if conducted.unmet:
                tell(f"Error: {conducted.unmet_text(conducted.unmet)}")
                code = WRONG_USE
        except StepSkipped as skipped:
            if conducted.run.status is not Status.SKIPPED:
                code = _fail(conducted, skipped, arguments, given)
            else:
                tell(str(skipped))
                code = DONE  # the pipeline's own code says that there is nothing to do
        except Reached as reached:
            code = DONE
            if reached.step.status is not Status.COMPLETED:
                code = _fail(conducted, reached.step.error(), arguments, given)
        except (Exception, SystemExit) as error:
            if conducted.run.fatal is error and isinstance(error, PipekitError):
                raise  # not the pipeline's fault: its records cannot be kept
            code = _fail(conducted, error, arguments, given)
    if conducted.audit is not None:
        _tell_audit(conducted.audit, arguments)
    if given.as_json:
        _print_json(conducted, value)
    return code


def files_of(given: Arguments) -> list[ParameterFile]:
    """The files of parameters that were named, read."""
    if not given.files:
        return []
    from pipekit.cli.parameter_file import read_parameter_file

    return [read_parameter_file(path) for path in given.files]


def _as_asked(pipeline: Pipeline[Any, Any], given: Arguments) -> Pipeline[Any, Any]:
    """The pipeline with what the command line says of how it runs."""
    executor = given.executor
    if given.with_debugger:
        from pipekit.cli.post_mortem import check_terminal
        from pipekit.worker.kept_error import keep_errors

        if executor not in ("", "inline"):
            raise UsageError(
                f"--pdb runs the steps in this process, so it does not go with --executor "
                f"{executor}.",
                hint="leave one of them out.",
            )
        check_terminal()
        keep_errors()
        executor = "inline"
    if executor:
        pipeline = pipeline.options(executor=executor)
    if given.without_cache:
        pipeline = pipeline.options(cache=False)
    return pipeline.options(refresh=given.refresh) if given.refresh else pipeline


def _fail(
    conducted: conductor.Conducted,
    error: BaseException,
    typed: Sequence[str],
    given: Arguments,
) -> int:
    """Say why the run failed and what to type next; the exit code."""
    if not isinstance(error, Exception | SystemExit):
        raise error
    failed = _failed_step(conducted, error)
    _tell_failure(error, failed)
    _tell_next(conducted, failed, [] if given.with_debugger else typed)
    if given.with_debugger:
        from pipekit.cli.post_mortem import debug

        debug(error)
    return FAILED


def tell_failed(conducted: conductor.Conducted, error: BaseException) -> int:
    """Say why a run failed, for a command that takes no TARGET; the exit code."""
    if not isinstance(error, Exception | SystemExit):
        raise error
    failed = _failed_step(conducted, error)
    _tell_failure(error, failed)
    _tell_next(conducted, failed, [])
    return FAILED


def _tell_audit(report: AuditReport, typed: Sequence[str]) -> None:
    from pipekit.console.audit import audit_lines  # where there is something to say

    again = "" if "-" in typed else f"pipekit run {shlex.join(typed)} --no-cache"
    tell("\n".join(audit_lines(report, again=again or "add --no-cache.")))


def _tell_not_reached(conducted: conductor.Conducted, until: str) -> int:
    """The pipeline came to its end without that step; the exit code."""
    names = [step.name for step in conducted.run.steps]
    has = f"Its steps: {listed(names)}." if names else "It called none."
    tell(f"Error: The whole pipeline has run, for it called no step {until!r}. {has}")
    near = nearest(until, names)
    if near:
        tell(f"Hint: {near}")
    return WRONG_USE


def _print_help(text: str, stdout: int) -> None:
    sys.stdout.flush()
    os.write(stdout, f"{text}\n".encode(errors="replace"))


def _failed_step(conducted: conductor.Conducted, error: BaseException) -> Step | None:
    """The step whose failure the error is; else one that failed and that nobody handled."""
    run = conducted.run
    while isinstance(error, StepError):
        for step in run.steps:
            if step.task_id == error.task_id and step.status is Status.FAILED:
                return step
        if not isinstance(error.__cause__, StepError):
            break
        error = error.__cause__
    return next(iter(run.roots), None)


def _tell_failure(error: BaseException, failed: Step | None) -> None:
    if not isinstance(error, PipekitError):
        tell(user_traceback(error))
        return
    if isinstance(error, CallbackFailed) and error.traceback:
        tell(error.traceback.rstrip())
    if isinstance(error, StepError) and failed is not None:
        _tell_traceback(failed)
    tell(f"Error: {error.message}")
    where = last_user_frame(error.__traceback__)
    if where:
        tell(f"  at {where}")
    tell_hint(error)


def _tell_traceback(failed: Step) -> None:
    """The step's traceback, unless it stands on stderr already."""
    trace = failed.failure.traceback.rstrip() if failed.failure is not None else ""
    if trace and not failed.run.session.reporter.has_told(failed.task_id):
        tell(trace)


def _has_completed_steps(run: Run) -> bool:
    """Whether there is something to keep, in a run below it too."""
    return any(
        step.status is Status.COMPLETED
        or (step.child is not None and _has_completed_steps(step.child))
        for step in run.steps
    )


def _tell_next(conducted: conductor.Conducted, failed: Step | None, typed: Sequence[str]) -> None:
    run = conducted.run
    before = ""
    home = run.session.archive.settings.home
    if read_settings().home != home:
        before = f"PIPEKIT_HOME={shlex.quote(str(home))} "
    tell(f"See: {before}pipekit show {short(run.task_id)}")
    if failed is not None:
        tell(f"     {before}pipekit logs {short(run.task_id)} {failed.name}")
    if typed and "-" not in typed:
        tell(f"     pipekit run {shlex.join(typed)} --pdb")
    if _has_completed_steps(run):
        tell(f"     {before}pipekit resume {short(run.task_id)}")


def _print_json(conducted: conductor.Conducted, value: Any) -> None:
    from pipekit.cli.plain import to_plain_or_text
    from pipekit.cli.record import audit_record, run_record

    session = conducted.run.session
    with open_home(session.archive.settings) as home:
        task = home.archive.get_task(conducted.run.task_id)
        shown = run_record(home, task)
    shown["value"] = to_plain_or_text(value)
    if conducted.audit is not None:
        shown["audit"] = audit_record(conducted.audit)
    print(json.dumps(shown, allow_nan=False))


@contextmanager
def stdout_for(*, the_result: bool) -> Iterator[int]:
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
