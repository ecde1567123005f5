"""Conducts a run: calls the pipeline function in the run's context, and sees the run to its end."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pipekit.api import run_arguments, watched_run
from pipekit.api.future import get, times_pickled
from pipekit.artifacts.preview import line_of
from pipekit.capture.source_text import source_text_of
from pipekit.control.callbacks import failure_of_callback
from pipekit.control.current import current_run
from pipekit.control.executor_set import parse_executor
from pipekit.control.output import Output
from pipekit.control.reuse import Wishes
from pipekit.control.run import Run
from pipekit.control.session import archive_for, session_for
from pipekit.control.termination import ended_by_signals
from pipekit.control.thread_context import carry_runs
from pipekit.control.until import Reached, Until
from pipekit.control.use import Use
from pipekit.errors import (
    CallbackFailed,
    DebuggerQuit,
    PipekitError,
    PipelineWarning,
    StepError,
    Stopped,
    StoreUnavailable,
    UsageError,
    listed,
    short,
)
from pipekit.executors.interruption import is_main_thread, listening, stack
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.planner import PipelineRaised, PipelineReturned, StopAsked
from pipekit.model.records import Kind, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.ports import Assignment, Outcome
from pipekit.settings import read_settings
from pipekit.worker import loading
from pipekit.worker.kept_error import keep
from pipekit.worker.runner import (
    end_forked,
    is_debugger_quit,
    load_arguments,
    text_of,
    user_traceback,
)
from pipekit.worker.task_log import inside_step

if TYPE_CHECKING:
    from pipekit.api.pipeline import Pipeline
    from pipekit.api.task import Task as TaskView
    from pipekit.control.session import Session
    from pipekit.model.audit import AuditReport

_PACKAGE = __file__.rpartition("api")[0]
_DEEPEST = 50
"""Of runs in runs: each holds a thread of its own until the ones in it have ended."""
_SHOWN_CHARACTERS = 1000
"""Of a parameter that is recorded as a text about it."""
__tracebackhide__ = True
"""For pytest: where a run raises, a test's traceback ends at the user's line."""


class Conducted:
    """A run that has ended."""

    def __init__(self, run: Run, value: Any, error: BaseException | None) -> None:
        self.run = run
        self.error = error
        self._value = value
        self._is_late = False
        """Whether the error came when the run had ended."""

    def tell_end(self, pipeline: Pipeline[Any, Any]) -> None:
        """Have the run's callbacks told of its end."""
        error = watched_run.end(self.run, pipeline)
        if error is not None and self.error is not None:
            self.run.session.reporter.warned(str(error))
        elif error is not None:
            self.error, self._is_late = error, True

    def result(self) -> Any:
        """The pipeline function's value; raises what ended the run."""
        if self.error is not None:
            raise self.error.with_traceback(_user_frames(self.error.__traceback__))
        return self._value

    @property
    def audit(self) -> AuditReport | None:
        """What its steps were seen to do, where that was asked for."""
        return self.run.audits.report(self.run) if self.run.audits is not None else None

    def warned(self) -> Conducted:
        """Itself, after a warning where a step that was to be refreshed was not called."""
        unmet = self.unmet
        if unmet:
            import warnings

            warnings.warn(PipelineWarning(self.unmet_text(unmet)), stacklevel=3)
        return self

    @property
    def unmet(self) -> list[str]:
        """Names of steps that were to be refreshed, and that no step of the run has. None where the
        run did not come to its end."""
        return self.run.wishes.unmet(self.run) if self.run.status is Status.COMPLETED else []

    def unmet_text(self, unmet: list[str]) -> str:
        """What to say of them."""
        names = [step.name for step in self.run.steps]
        listed = f"Its steps: {', '.join(names[:12])}." if names else "It called none."
        wanted = " or ".join(map(repr, unmet))
        return f"Nothing of that name was refreshed: the run called no step {wanted}. {listed}"

    def task(self) -> TaskView:
        """The run's Task. Raises what is no failure of the run: Ctrl-C, an exit, a store that is
        gone, a callback that was told of its end."""
        if self.error is not None and (
            not isinstance(self.error, Exception | Stopped)
            or self.run.fatal is not None
            or self._is_late
        ):
            raise self.error
        from pipekit.api import task

        archive = self.run.session.archive
        if self.run.is_elsewhere:
            archive = archive_for(archive.settings)
        return task.Task(archive, self.run.task_id)


def run_now(
    pipeline: Pipeline[Any, Any], args: Any, kwargs: Any, *, until: str = "", audit: bool = False
) -> Conducted:
    """Run the pipeline to its end in this thread, or to the end of its first step named `until`;
    with `audit`, look at what the keys of its steps do not count.

    Raises:
        TypeError: the arguments do not fit.
    """
    if loading.importing:
        raise loading.ImportEnded
    bound = pipeline.bind(args, kwargs)
    settings = read_settings(pipeline.folder)
    # A pipeline called by a step has no run to be a part of: its steps run where it stands.
    executor = "inline" if inside_step.get() else pipeline.executor or settings.executor
    parse_executor(executor)
    session = session_for(settings)
    run = Run(
        session,
        task_id=session.new_id(),
        name=pipeline.name,
        project=pipeline.project or settings.project_root.name,
        executor=executor,
    )
    run.until = Until(until) if until else None
    if audit:
        from pipekit.control.audit import Audits  # for those who ask for it

        run.audits = Audits()
    run.wishes = Wishes(reuses=pipeline.cache, refreshed=pipeline.refresh)
    begin = partial(_record_start, run, pipeline, bound)
    return conduct(session, run, pipeline, args, kwargs, begin)


def conduct(
    session: Session, run: Run, pipeline: Pipeline[Any, Any], args: Any, kwargs: Any,
    begin: Callable[[], None],
) -> Conducted:  # fmt: skip
    """See a run that is a part of no other to its end; `begin` has its beginning recorded."""
    run.view = _viewed
    session.enter_run()
    with listening(), ended_by_signals(lambda name: _interrupt(run, name)):
        try:
            begin()
            conducted = _conduct(run, pipeline, args, kwargs)
            if pipeline.callbacks.is_watched and run.fatal is None:
                conducted.tell_end(pipeline)
            return conducted
        except BaseException as error:
            _give_up(run, error)
            raise
        finally:
            run.callbacks.end()
            if not run.is_elsewhere:
                session.leave_run()


def _interrupt(run: Run, by: str) -> None:
    run.be_interrupted(by)
    run.session.scheduler.send(run, StopAsked())
    run.session.kill_later(run)


def _give_up(run: Run, error: BaseException) -> None:
    """An interrupt came where nothing else takes it: the run is to have an end all the same."""
    if isinstance(error, KeyboardInterrupt):
        run.be_interrupted(str(error))
    if run.is_begun and not run.is_elsewhere and not run.over.is_open:
        run.session.kill(run)
        run.over.wait()


def _viewed(step: Any) -> TaskView:
    """What a callback is given of a step."""
    from pipekit.api.task import Task as View

    return View.of_watched(step)


def call_child(pipeline: Pipeline[Any, Any], run: Run, args: Any, kwargs: Any) -> Any:
    """A pipeline called in a pipeline: a step that is a run of its own; its future."""
    from pipekit.api.call import call

    bound = pipeline.bind(args, kwargs)
    if run.depth >= _DEEPEST:
        raise UsageError(
            f"Pipeline {pipeline.name!r} was called {_DEEPEST + 1} runs deep, each called by the "
            "one before.",
            hint="let the recursion end earlier, or put it into a component: a component that "
            "calls itself is a plain function.",
        )
    with run.lock:
        use = run.uses.get((pipeline, ""))
        if use is None:
            use = run.uses[(pipeline, "")] = Use.of_pipeline(
                lambda assignment: _conduct_child(pipeline, assignment),
                name=pipeline.name,
                entry=pipeline.entry,
                defaults=pipeline.defaults,
                executor=pipeline.executor or run.executor,
                source=source_text_of(pipeline.function, run.session.fingerprinter.root),
                options=pipeline.callbacks,
                fingerprint=run.session.fingerprinter.fingerprint(pipeline.function),
            )
            run.session.keep_source(run, use.source)
            run.session.keep_code(run, use.fingerprint)
    return call(run, use, bound, args, kwargs)


def _conduct_child(pipeline: Pipeline[Any, Any], assignment: Assignment) -> Outcome:
    step = assignment.step
    parent = step.run
    session = parent.session
    child = step.child = Run(
        session,
        task_id=step.task_id,
        name=step.name,
        project=pipeline.project or parent.project,
        executor=step.use.executor,
        parent=parent,
        logged=lambda logged: session.post(lambda: assignment.logged(logged)),
    )
    child.started_at = session.now()
    child.recorded = parent.recorded.below(step) if parent.recorded is not None else None
    child.attempt = step.attempt
    child.wishes = parent.wishes.below(step, reuses=pipeline.cache, refreshed=pipeline.refresh)
    try:
        args, kwargs = load_arguments(
            assignment.arguments, assignment.inputs(), session.archive.artifacts
        )
    except Exception as error:  # noqa: BLE001 - user code: classes that are unpickled
        return Outcome(0.0, FailureKind.INPUTS, message=str(error))
    session.scheduler.adopt(child)
    if assignment.stop_reason:
        child.be_stopped(assignment.stop_reason)
    conducted = _conduct(child, pipeline, args, kwargs)
    if child.is_elsewhere:
        end_forked(conducted.error)
    if conducted.error is not None:
        keep(step.task_id, conducted.error)
    if child.status is Status.COMPLETED and child.value is not None:
        return Outcome(0.0, outputs=(("value", child.value.value, child.value.content),))
    failure = child.failure or Failure(FailureKind.STOPPED, "stopped")
    kind = FailureKind.STOPPED if child.status is Status.STOPPED else failure.kind
    return Outcome(
        0.0,
        kind,
        message=failure.message,
        traceback=failure.traceback,
        exception_class=failure.exception,
        exception=_pickled(conducted.error),
        interrupted=isinstance(conducted.error, KeyboardInterrupt) or parent.stopping is not None,
    )


def _pickled(error: BaseException | None) -> bytes:
    try:
        return pickle.dumps(error, 5) if isinstance(error, StepError) else b""
    except Exception:  # noqa: BLE001 - user code: what the error carries
        return b""


def _record_start(run: Run, pipeline: Pipeline[Any, Any], bound: dict[str, Any]) -> None:
    session = run.session
    run.started_at = session.now()
    source = source_text_of(pipeline.function, session.fingerprinter.root)
    stored = run_arguments.store(session.archive, bound)
    task = Task(
        id=run.task_id,
        kind=Kind.PIPELINE,
        name=run.name,
        project=run.project,
        status=Status.RUNNING,
        created_at=run.started_at,
        started_at=run.started_at,
        spec=TaskSpec(
            pipeline.entry,
            parameters={name: shown_parameter(value) for name, value in bound.items()},
            settings={"executor": run.executor}
            | ({"until": run.until.name} if run.until is not None else {})
            | ({"audit": True} if run.audits is not None else {})
            | ({} if pipeline.cache else {"cache": False})
            | ({"refresh": list(pipeline.refresh)} if pipeline.refresh else {})
            | ({run_arguments.NOT_STORED: stored.missing} if stored.missing else {}),
            source=source.digest,
            file=pipeline.file,
            folder=run.folder,
        ),
        arguments=stored.values,
        type=pipeline.task_type,
        version=pipeline.version,
    )
    session.begin(run, task, stored.contents)
    session.keep_source(run, source)


def shown_parameter(value: Any) -> Any:
    """A value as it is recorded among the parameters: itself where it is plain, else a line about
    it."""
    if type(value) in run_arguments.PLAIN:
        return value
    return line_of(value, _SHOWN_CHARACTERS)


def _conduct(
    run: Run, pipeline: Pipeline[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Conducted:
    session = run.session
    value: Any = None
    error: BaseException | None = None
    carry_runs()
    run.stops_on_failure = pipeline.on_failure == "fail"
    pickled_before = times_pickled()
    token = current_run.set(run)
    depth = len(stack) if is_main_thread() else None
    try:
        if depth is not None:
            stack.append(run.interruptible)
        if run.fatal is not None:
            raise run.fatal
        if run.stopping is not None:
            raise run.stopping
        if pipeline.callbacks.is_watched and run.parent is None:
            watched_run.begin(run, pipeline)
        value = get(pipeline.call_function(args, kwargs))
        if run.is_elsewhere:
            return Conducted(run, value, None)
        stored, content = session.archive.artifacts.put(
            value, where=f"The value of pipeline {run.name!r}"
        )
        run.value = Output(stored, content)
        if times_pickled() != pickled_before:
            # A future stood where `get` does not look (in a frame, say): give what was stored.
            value = session.archive.load(stored, what="the value", content=content)
        session.warn_of_changes(run)
        _close(run)
        session.scheduler.send(run, PipelineReturned())
    except BaseException as caught:  # noqa: BLE001 - user code; raised again by `result`
        if depth is not None:
            del stack[depth:]
        error = DebuggerQuit("The debugger was quit.") if is_debugger_quit(caught) else caught
        if run.is_elsewhere:
            return Conducted(run, None, error)
        if run.stopping is not None:
            error = _stopped_with(run.stopping, caught)
        _close(run)
        if not isinstance(error, Exception):
            run.leave_steps()
        if isinstance(error, KeyboardInterrupt) and run.parent is None:
            _interrupt(run, str(error))
        stop_rest = pipeline.on_failure == "fail" or not isinstance(error, Exception)
        failure = watched_run.skipped(run, error) or _failure_of(error, run)
        session.scheduler.send(run, PipelineRaised(failure, stop_rest))
    finally:
        if depth is not None:
            del stack[depth:]
        current_run.reset(token)
    error = _see_to_end(run, error)
    run.log.close()
    if run.recorded is not None and run.status is Status.COMPLETED:
        _tell_unreached(run, run.recorded.unreached)
    if run.fatal is None and run.parent is None:
        try:
            session.archive.check()
        except StoreUnavailable as gone:
            run.fatal = gone
            session.retired = True
    if run.fatal is not None and not isinstance(error, KeyboardInterrupt):
        error = run.fatal
    elif run.broken is not None and run.failure == failure_of_callback(run.broken):
        error = error if isinstance(error, KeyboardInterrupt) else run.broken
    elif error is None and run.status is not Status.COMPLETED:
        error = _error_of(run)
    return Conducted(run, value, error)


def _tell_unreached(run: Run, names: list[str]) -> None:
    """A resumed run has completed without these steps of its earlier attempts."""
    if names:
        steps = "step was" if len(names) == 1 else "steps were"
        run.session.reporter.warned(
            f"Run {run.label}: {len(names)} recorded {steps} not called this time: {listed(names)}."
        )


def _close(run: Run) -> None:
    """The run's function has come to its end; callbacks of a controller may log until the run is
    over."""
    if run.is_declared:
        run.log.announce()
    else:
        run.log.close()
    with run.lock:
        run.returned = True


def _see_to_end(run: Run, error: BaseException | None) -> BaseException | None:
    """Wait until the run is over. Ctrl-C stops it; once more, also where it was Ctrl-C that ended
    the pipeline function: what still runs is killed."""
    while not run.over.is_open:
        try:
            run.over.wait()
        except KeyboardInterrupt as interrupt:
            if isinstance(error, KeyboardInterrupt) or run.stopping is not None:
                run.session.kill(run.root)
            else:
                error = interrupt
                _interrupt(run, str(interrupt))
    return error


def _stopped_with(stopping: Stopped, caught: BaseException) -> Stopped:
    """What stands for a run that was to stop, whatever its function raised on its way out."""
    if not isinstance(caught, KeyboardInterrupt | Stopped):
        stopping.__cause__ = caught
    return stopping


def _failure_of(error: BaseException, run: Run) -> Failure:
    if error is run.stopping:
        return Failure(FailureKind.STOPPED, run.stop_reason)
    if isinstance(error, Reached):
        if error.step.status is not Status.COMPLETED:
            return _failure_of(error.step.error(), run)
        return Failure(FailureKind.STOPPED, f"stopped after step {error.step.name!r}, as asked for")
    if isinstance(error, DebuggerQuit):
        return Failure(FailureKind.STOPPED, "stopped in the debugger")
    if isinstance(error, KeyboardInterrupt | Stopped):
        by = isinstance(error, KeyboardInterrupt) and str(error)
        return Failure(FailureKind.STOPPED, f"stopped by {by or 'Ctrl-C'}")
    if isinstance(error, CallbackFailed):
        return failure_of_callback(error)
    if isinstance(error, StepError):
        return Failure(FailureKind.ERROR, str(error), error.traceback, step=error.step)
    text = text_of(error)
    name = type(error).__name__
    if not isinstance(error, PipekitError):
        text = f"{name}: {text}" if text else name
    trace = user_traceback(error.with_traceback(_user_frames(error.__traceback__)))
    return Failure(FailureKind.ERROR, text, trace, name)


def _error_of(run: Run) -> BaseException:
    if run.roots:
        return run.roots[0].error()
    return run.stopping or Stopped(f"Run {run.name!r} ({short(run.task_id)}) was stopped.")


def _user_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of pipekit before and after the user's."""
    frames = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            frames.append(trace)
        trace = trace.tb_next
    kept: TracebackType | None = None
    for frame in reversed(frames):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept
