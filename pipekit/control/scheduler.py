"""Carries out what the planners say: the imperative shell, in the loop's thread.

Theory of operation. Calls and reports arrive as events; a round takes all that have come. The
planner's commands are carried out in an order that keeps one promise: what is recorded in a round
is committed before it is announced, and before anything that rests on it is started. So a result is
never seen that a crash could take back, and one commit serves every step that ended in the round.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from pipekit import crash
from pipekit.control.announcing import announce
from pipekit.control.archive import Archive
from pipekit.control.change import changes_to_tell
from pipekit.control.console_lines import ConsoleLines
from pipekit.control.ending import (
    budget_of,
    failure_of,
    failure_of_run,
    is_for_policy,
    is_worth_keeping,
    resources_after,
    skip_failure,
    with_broken_policy,
)
from pipekit.control.executor_set import ExecutorSet
from pipekit.control.heartbeat import Heartbeat
from pipekit.control.inputs import expect_codes, note_for_record, read_inputs
from pipekit.control.keeping import Keeping
from pipekit.control.leases import Leases
from pipekit.control.lookups import THIS_RUN, Lookups
from pipekit.control.output import Output
from pipekit.control.recorder import Recorder
from pipekit.control.reporter import end_of, end_of_run, facts_of
from pipekit.control.run import Run
from pipekit.control.showing import Showing
from pipekit.control.step import Produced, Step
from pipekit.control.stopping import Stopping
from pipekit.control.trace import is_settled, remembered, with_named
from pipekit.control.watching import Watching
from pipekit.diagnostics import debug
from pipekit.errors import CallbackFailed, PipekitError
from pipekit.executors.inline import left_outcome
from pipekit.model import planner as plan
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.records import Memo
from pipekit.model.status import TERMINAL, Status
from pipekit.ports import Assignment, Loop, Outcome
from pipekit.reporting import Reporter
from pipekit.worker.message import Logged


class Scheduler:
    """Runs any number of runs of one session on one loop."""

    def __init__(
        self,
        loop: Loop,
        archive: Archive,
        recorder: Recorder,
        executors: ExecutorSet,
        reporter: Reporter,
        ending_lock: threading.Lock,
    ) -> None:
        """`ending_lock` guards what threads that wait for steps look at."""
        self._loop = loop
        self._archive = archive
        self._recorder = recorder
        self._executors = executors
        self._reporter = reporter
        self._ending_lock = ending_lock
        self._clock = archive.clock
        self._now = archive.clock.now
        self._events: deque[tuple[Run, plan.Event | Callable[[], None]]] = deque()
        self._runs: set[Run] = set()
        self._lost: BaseException | None = None
        """Why no run can be taken any more."""
        self._starts: list[Step] = []
        self._ended: list[Step] = []
        self._finished: list[Run] = []
        self.stopping = Stopping(
            loop, archive.store, executors, self._runs,
            stop_seconds=archive.settings.stop_seconds, handle=self._handle, leave=self._leave_step,
        )  # fmt: skip
        self.heartbeat = Heartbeat(loop, archive.store, archive.clock, self._runs, self._give_up)
        self._showing = Showing(loop, recorder, reporter, self._now)
        self._outcomes: dict[Step, Outcome] = {}
        self._leases = Leases(archive.store, archive.clock, loop)
        self._keeping = Keeping(archive, recorder, reporter, self._handle)
        self._lookups = Lookups(archive, self._leases, self._keeping, reporter, self._handle)
        self._watching = Watching(loop, self._handle, self._begin, reporter)
        self._do: dict[type, Callable[[Run, Any], None]] = {
            plan.LookUp: self._lookups.add,
            plan.Start: self._start,
            plan.Reuse: self._reuse,
            plan.Share: self._share,
            plan.Complete: self._complete,
            plan.Retry: self._retry,
            plan.Fail: self._fail,
            plan.Skip: self._skip,
            plan.Stop: self._stop,
            plan.Halt: self._halt,
            plan.Finish: self._finish,
        }

    # from any thread

    def adopt(self, run: Run) -> None:
        """A run begins: it is told where it cannot go on, which may be now."""
        with self._ending_lock:
            run.fatal = self._lost or (run.parent.fatal if run.parent is not None else None)
            if run.fatal is None:
                self._runs.add(run)
            else:
                run.over.open()

    def send(self, run: Run, event: plan.Event | Callable[[], None]) -> None:
        """Hand an event, or a call, to the loop. Thread-safe; one thread's keep their order."""
        self._events.append((run, event))
        # Posted each time: an interrupt between two lines must not lose the only wake-up.
        self._loop.post(self._drain)

    def leave_step(self, step: Step) -> None:
        """The thread that was to run the step's attempts was interrupted, and runs none any more:
        where the step has not ended, it is stopped. From that thread; idempotent."""
        step.mailbox.is_left = True
        self._loop.post(lambda: self._leave_step(step))

    def fail(self, error: BaseException, *, for_good: bool = False) -> None:
        """Nothing can be recorded any more: every run ends with `error`, whoever waits is told;
        `for_good`: so does every run that begins from now on, for the loop has ended."""
        with self._ending_lock:
            if for_good:
                self._lost = error
            runs = list(self._runs)
        for run in runs:
            self._reporter.run_lost(run.facts)
        with self._ending_lock:
            for run in self._runs:
                run.fatal = run.fatal or error
                for step in run.steps:
                    for waiter in step.waiters or ():
                        waiter.give_up()
                    step.waiters = None
                    if step.mailbox is not None:
                        step.mailbox.deliver(None)
                run.over.open()
            self._runs.clear()
        self._recorder.forget()
        self._leases.forget()
        self._lookups.forget()
        for table in (self._starts, self._ended, self._finished):
            table.clear()
        self._showing.forget()
        self._watching.forget()

    def _give_up(self, error: PipekitError) -> None:
        self._executors.stop()
        self.fail(error)

    def leave(self) -> None:
        """This process was forked: the runs go on in its parent, and the loop is there alone."""
        self._ending_lock = threading.Lock()
        for run in list(self._runs):
            run.leave()

    # a round, in the loop's thread

    def turn_ended(self) -> None:
        """Look up, commit, announce, start: in this order."""
        self.heartbeat.beat_if_late()
        try:
            self._lookups.answer(self._recorder.flush)
            if self._ended or self._finished:
                self._showing.some_have_ended()
            self._recorder.flush()
            self._leases.release(self._ended)
        except PipekitError as error:
            self._give_up(error)
            return
        self._watching.tell()
        if self._ended:
            ended, self._ended = self._ended, []
            announce(ended, self._reporter, self._ending_lock)
            if crash.armed:
                crash.at("controller.announced")
        if self._starts:
            self._start_all()
            self._watching.tell()
        if self._finished:
            self._announce_runs()

    def _drain(self) -> None:
        calling: dict[Run, None] = {}
        while self._events:
            run, event = self._events.popleft()
            if callable(event):
                event()
                continue
            if run.fatal is not None:
                continue
            if type(event) is plan.StepCalled:
                step = run.steps[event.step]
                self._showing.called(step)
                if step.earlier is not None:
                    self._keeping.called(step)
                calling[run] = None
            self._handle(run, event)
        for run in calling:
            self._reporter.steps_called(run.facts, len(run.steps), run.ordinals)
        self._showing.look_later()

    def _handle(self, run: Run, event: plan.Event) -> None:
        if run.fatal is not None:
            return  # a timer of a run that was given up
        for command in run.planner.handle(event):
            self._do[type(command)](run, command)

    # starting

    def _start(self, run: Run, command: plan.Start) -> None:
        step = run.steps[command.step]
        step.attempt = command.number
        if not (step.use.is_watched and self._watching.asks_first(step)):
            self._starts.append(step)

    def _begin(self, step: Step) -> None:
        self._starts.append(step)

    def _start_all(self) -> None:
        steps, self._starts = self._starts, []
        by_executor: dict[str, list[Assignment]] = {}
        for step in steps:
            step.assignment = self._assignment(step)
            where = "pipeline" if step.use.is_pipeline else step.use.executor
            by_executor.setdefault(where, []).append(step.assignment)
        for name, assignments in by_executor.items():
            self._executors.get(name).start(assignments)

    def _assignment(self, step: Step) -> Assignment:
        use = step.use
        if step.sources and not step.memo_key:
            expect_codes(step)  # else it was done for the key
        lines, wrote = None, None
        if self._reporter.shows_output:
            lines = whole = ConsoleLines()
            wrote = lambda data, left_out: self._wrote(step, whole, data, left_out)  # noqa: E731
        return Assignment(
            component=use.spec,
            function=use.function,
            task_id=step.task_id,
            label=step.label,
            number=step.attempt,
            arguments=step.call,
            inputs=lambda: read_inputs(step, self._archive),
            timeout_seconds=use.options.timeout,
            folder=step.run.folder,
            began=lambda: self._begun(step),
            report=lambda outcome: self._reported(step, outcome, lines),
            logged=lambda logged: self._logged(step, logged),
            wrote=wrote,
            mailbox=step.mailbox,
            step=step,
            find_change=use.find_change,
            codes=step.codes,
            is_audited=step.run.audits is not None,
            resources=step.resources,
        )

    # while it runs

    def _begun(self, step: Step) -> None:
        self._showing.begun(step)
        if step.use.is_watched:
            self._watching.changed(step, Status.RUNNING)

    def _logged(self, step: Step, logged: Logged) -> None:
        if step.run.fatal is not None or step.assignment is None:
            return
        if not step.running_recorded:
            if step.assignment.refresh is not None:
                step.assignment.refresh()
            self._showing.is_running(step)
        self._recorder.logged(step.task_id, step.attempt, logged, self._now())
        if step.run.hears is not None:
            step.run.hears(step, logged)
        if logged.audit is not None and step.run.audits is not None:
            step.run.audits.add(step, logged.audit)
            self._recorder.audited(step, logged.audit, self._now())
        if logged.progress is not None:
            self._reporter.step_progressed(facts_of(step), *logged.progress)

    def _wrote(self, step: Step, lines: ConsoleLines, data: bytes, left_out_bytes: int) -> None:
        whole = lines.take(data)
        if whole or left_out_bytes:
            self._reporter.step_wrote(facts_of(step), whole, left_out_bytes)

    # ends

    def _reported(self, step: Step, outcome: Outcome, lines: ConsoleLines | None) -> None:
        run = step.run
        if run.fatal is not None or step.status in TERMINAL:
            return  # it was left behind
        if lines is not None and (rest := lines.end()):
            self._reporter.step_wrote(facts_of(step), rest, 0)
        self._outcomes[step] = outcome
        assert step.assignment is not None
        step.started_at = step.assignment.started_at or None  # None: it never had a place
        for told in changes_to_tell(step, outcome):
            self._reporter.warned(told)
        if outcome.failure_kind is None:
            step.outputs = {
                name: Output(value, content) for name, value, content in outcome.outputs
            }
            outcome.reads = with_named(step.named_files, outcome.reads)
            step.is_kept = is_worth_keeping(step, outcome, self._archive.hasher) and is_settled(
                step, outcome, self._archive.places
            )
            if outcome.reads:
                self._lookups.meet(step, outcome.reads)
            self._leases.learn(step, outcome.duration_seconds)
            self._handle(run, plan.AttemptCompleted(step.number, step.attempt, step.is_kept))
        else:
            failure = self._failure(step, outcome)
            step.exception = outcome.exception
            if is_for_policy(step, outcome):
                self._watching.ask_policy(
                    step, outcome, lambda: step.cause(failure),
                    lambda said, broken: self._attempt_failed(
                        step, outcome, failure, said=said, broken=broken
                    ),
                )  # fmt: skip
            else:
                self._attempt_failed(step, outcome, failure)
        self._outcomes.pop(step, None)

    def _attempt_failed(
        self, step: Step, outcome: Outcome, failure: Failure, *, said: float | bool = True,
        broken: CallbackFailed | None = None,
    ) -> None:  # fmt: skip
        """`said` and `broken`: what the step's policy answers, or how it failed."""
        if broken is not None:
            failure = with_broken_policy(failure, broken)
        budget = budget_of(step, outcome, said) if broken is None else None
        self._outcomes[step] = outcome
        self._handle(step.run, plan.AttemptFailed(step.number, step.attempt, failure, budget))
        self._outcomes.pop(step, None)

    def _leave_step(self, step: Step) -> None:
        if step.child is not None and not step.child.over.is_open:
            self._handle(step.child, plan.StopAsked())
        # What the thread has reported came before; an attempt that is over hears nothing of this.
        if step.assignment is not None and step.status not in TERMINAL:
            self._reported(step, left_outcome(), None)

    def _failure(self, step: Step, outcome: Outcome) -> Failure:
        if outcome.failure_kind is FailureKind.INPUTS:
            for source in step.sources:
                if isinstance(source, Produced):
                    source.step.run.forget(source.step)
        failure = failure_of(step, outcome)
        if outcome.failure_kind is FailureKind.CODE_CHANGED:
            outcome.exception = b""  # it was the worker's fingerprint
        return failure

    def _complete(self, run: Run, command: plan.Complete) -> None:
        step = run.steps[command.step]
        outcome = self._outcomes[step]
        at = self._now()
        memo = None
        if not step.memo_key:
            note_for_record(step, self._archive.hasher)
        if step.is_kept:
            memo = Memo(
                key=step.memo_key,
                task_id=step.task_id,
                run=run.label,
                created_at=at,
                duration_seconds=outcome.duration_seconds,
                outputs=tuple((name, output.value) for name, output in step.outputs.items()),
                reads=remembered(outcome.reads),
                component=step.use.entry,
            )
        self._end(step, Status.COMPLETED, at, outcome, memo)

    def _reuse(self, run: Run, command: plan.Reuse) -> None:
        self._end(run.steps[command.step], Status.COMPLETED, self._now(), None)

    def _share(self, run: Run, command: plan.Share) -> None:
        step, leader = run.steps[command.step], run.steps[command.leader]
        step.outputs = dict(leader.outputs)
        step.reused_from = leader.reused_from or leader.task_id
        step.reused_run = THIS_RUN
        self._end(step, Status.COMPLETED, self._now(), None)

    def _retry(self, run: Run, command: plan.Retry) -> None:
        step = run.steps[command.step]
        self._recorder.retried(
            step, at=self._now(), outcome=self._outcomes[step], failure=command.failure
        )
        step.status = Status.PENDING
        step.resources = resources_after(step, self._outcomes[step])
        if step.use.is_watched:
            self._watching.changed(step, Status.PENDING)
        self._showing.settled(step)
        failed = end_of(step)._replace(failure=command.failure)
        self._reporter.step_retried(failed, command.delay_seconds)
        event = plan.RetryDue(command.step)
        self._clock.wait(command.delay_seconds, lambda: self._handle(run, event), self._loop)

    def _fail(self, run: Run, command: plan.Fail) -> None:
        step = run.steps[command.step]
        step.failure = command.failure
        self._end(step, Status.FAILED, self._now(), self._outcomes.get(step))

    def _skip(self, run: Run, command: plan.Skip) -> None:
        step = run.steps[command.step]
        if command.chain == (step.number,):  # declined: it says itself why
            self._end(step, Status.SKIPPED, self._now(), None)
            return
        causes = [run.steps[number] for number in command.chain]
        step.failure = skip_failure(step, causes, command.left_out)
        step.root = causes[-1]
        self._end(step, Status.SKIPPED, self._now(), None)

    def _stop(self, run: Run, command: plan.Stop) -> None:
        step = run.steps[command.step]
        if step.stop_reason:
            step.failure = Failure(FailureKind.STOPPED, step.stop_reason)
        self._end(step, Status.STOPPED, self._now(), self._outcomes.get(step))

    def _halt(self, run: Run, command: plan.Halt) -> None:
        step = run.steps[command.step]
        is_asking = self._watching.is_asking(step)
        if is_asking or step in self._starts:
            if is_asking and (outcome := self._watching.give_up(step)) is not None:
                self._outcomes[step] = outcome
            elif not is_asking:
                self._starts.remove(step)
            failure = Failure(FailureKind.STOPPED, "stopped before it began")
            self._handle(run, plan.AttemptFailed(command.step, command.number, failure))
            self._outcomes.pop(step, None)
        elif step.assignment is not None:
            where = "pipeline" if step.use.is_pipeline else step.use.executor
            self._executors.get(where).stop(step.assignment)

    def _end(
        self, step: Step, status: Status, at: float, outcome: Outcome | None,
        memo: Memo | None = None,
    ) -> None:  # fmt: skip
        step.status = status
        step.ended_at = at
        if step.use.is_watched:
            self._watching.changed(step, status)
        self._showing.settled(step)
        if not step.kept:  # else its record says more than this attempt at the run can
            self._recorder.ended(step, at=at, outcome=outcome, memo=memo)
        self._ended.append(step)

    # the run's own end

    def _finish(self, run: Run, command: plan.Finish) -> None:
        run.status = command.status
        run.roots = tuple(run.steps[number] for number in command.roots)
        run.failure = failure_of_run(run, command.failure)
        if run.broken is not None and str(run.broken) != (run.failure and run.failure.message):
            self._reporter.warned(str(run.broken))  # the run has ended for something else
        if run.parent is None:
            if crash.armed:
                crash.at("controller.run-ends")
            value = run.value if run.status is Status.COMPLETED else None
            self._recorder.run_ended(
                run.task_id, run.attempt, run.status, run.failure, value, self._now()
            )
        self._finished.append(run)

    def _announce_runs(self) -> None:
        if crash.armed:
            crash.at("controller.run-ended")
        finished, self._finished = self._finished, []
        for run in finished:
            end = end_of_run(run, self._now())
            self._reporter.run_ended(end)
            debug("run", "%s %s ended: %s; %s steps, of which %s reused", run.name, run.task_id,
                  run.status, len(run.steps), end.reused)  # fmt: skip
            # Last: until it is told, `fail` must find it.
            with self._ending_lock:
                self._runs.discard(run)
            run.over.open()
