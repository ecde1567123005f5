"""The planner's rules, each as one event and the commands that follow."""

from __future__ import annotations

from pipekit.model import planner as p
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.status import Status

BROKEN = Failure(FailureKind.ERROR, "ValueError: no")
HALTED = Failure(FailureKind.STOPPED, "stopped")
ONCE = p.Budget("errors", 1)


def started(planner: p.Planner, step: int, *needs: int, **options: object) -> list[p.Command]:
    """Call a step that has no remembered outcome; everything commanded until it is started."""
    commands = planner.handle(p.StepCalled(step, needs, **options))  # type: ignore[arg-type]
    if commands == [p.LookUp(step)]:
        commands += planner.handle(p.KeyLooked(step, f"key-{step}", False))
    return commands


def test_a_step_without_needs_is_looked_up_at_once() -> None:
    assert p.Planner().handle(p.StepCalled(0)) == [p.LookUp(0)]


def test_a_step_with_cache_off_is_started_without_a_look() -> None:
    assert p.Planner().handle(p.StepCalled(0, keyed=False)) == [p.Start(0, 1)]


def test_a_remembered_outcome_is_reused() -> None:
    planner = p.Planner()
    planner.handle(p.StepCalled(0))
    assert planner.handle(p.KeyLooked(0, "k", True)) == [p.Reuse(0)]


def test_a_step_waits_for_all_that_it_needs() -> None:
    planner = p.Planner()
    started(planner, 0)
    started(planner, 1)
    assert planner.handle(p.StepCalled(2, (0, 1))) == []
    assert planner.handle(p.AttemptCompleted(0, 1)) == [p.Complete(0, 1)]
    assert planner.handle(p.AttemptCompleted(1, 1)) == [p.Complete(1, 1), p.LookUp(2)]


def test_equal_steps_under_way_are_one_computation() -> None:
    planner = p.Planner()
    for step in (0, 1):
        planner.handle(p.StepCalled(step))
    assert planner.handle(p.KeyLooked(0, "same", False)) == [p.Start(0, 1)]
    assert planner.handle(p.KeyLooked(1, "same", False)) == []
    assert planner.handle(p.AttemptCompleted(0, 1)) == [p.Complete(0, 1), p.Share(1, 0)]


def test_an_equal_step_called_later_takes_the_outcome() -> None:
    planner = p.Planner()
    planner.handle(p.StepCalled(0))
    planner.handle(p.KeyLooked(0, "same", False))
    planner.handle(p.AttemptCompleted(0, 1))
    planner.handle(p.StepCalled(1))
    assert planner.handle(p.KeyLooked(1, "same", False)) == [p.Share(1, 0)]


def test_an_outcome_that_is_not_shareable_is_computed_by_each() -> None:
    planner = p.Planner()
    for step in (0, 1):
        planner.handle(p.StepCalled(step))
        planner.handle(p.KeyLooked(step, "same", False))
    assert planner.handle(p.AttemptCompleted(0, 1, False)) == [p.Complete(0, 1), p.Start(1, 1)]


def test_a_step_called_after_one_that_is_not_shareable_runs_itself() -> None:
    planner = p.Planner()
    planner.handle(p.StepCalled(0))
    planner.handle(p.KeyLooked(0, "same", False))
    planner.handle(p.AttemptCompleted(0, 1, False))
    planner.handle(p.StepCalled(1))
    assert planner.handle(p.KeyLooked(1, "same", False)) == [p.Start(1, 1)]


def test_a_failed_attempt_is_retried_while_the_budget_lasts() -> None:
    planner = p.Planner()
    started(planner, 0)
    assert planner.handle(p.AttemptFailed(0, 1, BROKEN, ONCE)) == [p.Retry(0, 1, BROKEN)]
    assert planner.handle(p.RetryDue(0)) == [p.Start(0, 2)]
    assert planner.handle(p.AttemptFailed(0, 2, BROKEN, ONCE)) == [p.Fail(0, 2, BROKEN)]


def test_each_class_of_failure_is_paid_from_a_budget_of_its_own() -> None:
    planner = p.Planner()
    started(planner, 0)
    for number, name in enumerate(("errors", "lost", "infrastructure"), 1):
        failed = p.AttemptFailed(0, number, BROKEN, p.Budget(name, 1))
        assert planner.handle(failed) == [p.Retry(0, number, BROKEN)]
        assert planner.handle(p.RetryDue(0)) == [p.Start(0, number + 1)]
    assert planner.handle(p.AttemptFailed(0, 4, BROKEN, p.Budget("lost", 1))) == [
        p.Fail(0, 4, BROKEN)
    ]


def test_the_delay_doubles_with_what_was_spent_of_its_own_budget_up_to_the_most() -> None:
    planner = p.Planner()
    started(planner, 0)
    delays = []
    for number in range(1, 7):
        name = "lost" if number == 3 else "errors"
        commands = planner.handle(p.AttemptFailed(0, number, BROKEN, p.Budget(name, 9, 1.0, 5.0)))
        delays += [command.delay_seconds for command in commands if isinstance(command, p.Retry)]
        planner.handle(p.RetryDue(0))
    assert delays == [1.0, 2.0, 1.0, 4.0, 5.0, 5.0]


def test_a_delay_beyond_the_most_of_doubling_stays_and_never_overflows() -> None:
    budget = p.Budget("errors", 10**6, 10.0, 5.0, jitter=0.5)
    assert [budget.delay(spent) for spent in (0, 1, 10**6)] == [5.0, 5.0, 5.0]
    assert p.Budget("errors", 10**6, 1.0).delay(10**6) > 1e18


def test_what_no_retry_helps_is_not_retried() -> None:
    planner = p.Planner()
    started(planner, 0)
    assert planner.handle(p.AttemptFailed(0, 1, BROKEN, None)) == [p.Fail(0, 1, BROKEN)]


def test_what_depends_on_a_failed_step_is_skipped_with_the_chain_to_it() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepCalled(1, (0,)))
    planner.handle(p.StepCalled(2, (1,)))
    assert planner.handle(p.AttemptFailed(0, 1, BROKEN)) == [
        p.Fail(0, 1, BROKEN),
        p.Skip(1, (1, 0)),
        p.Skip(2, (2, 1, 0)),
    ]


def test_a_step_called_after_its_need_failed_is_skipped_at_once() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.AttemptFailed(0, 1, BROKEN))
    assert planner.handle(p.StepCalled(1, (0,))) == [p.Skip(1, (1, 0))]


def test_the_report_of_an_earlier_attempt_changes_nothing() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.AttemptFailed(0, 1, BROKEN, ONCE))
    planner.handle(p.RetryDue(0))
    assert planner.handle(p.AttemptCompleted(0, 1)) == []


def test_the_run_is_over_when_function_and_steps_are() -> None:
    planner = p.Planner()
    started(planner, 0)
    assert planner.handle(p.PipelineReturned()) == []
    assert planner.handle(p.AttemptCompleted(0, 1)) == [
        p.Complete(0, 1),
        p.Finish(Status.COMPLETED, None, ()),
    ]


def test_a_failure_that_nobody_handled_fails_the_run_at_its_end() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.AttemptFailed(0, 1, BROKEN))
    assert planner.handle(p.PipelineReturned()) == [p.Finish(Status.FAILED, None, (0,))]


def test_a_handled_failure_does_not_fail_the_run() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.AttemptFailed(0, 1, BROKEN))
    planner.handle(p.FailureHandled(0))
    assert planner.handle(p.PipelineReturned()) == [p.Finish(Status.COMPLETED, None, ())]


def test_handling_a_skipped_step_handles_its_root_cause() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepCalled(1, (0,)))
    planner.handle(p.AttemptFailed(0, 1, BROKEN))
    planner.handle(p.FailureHandled(1))
    assert planner.handle(p.PipelineReturned()) == [p.Finish(Status.COMPLETED, None, ())]


def test_an_exception_that_leaves_the_function_stops_the_rest() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepCalled(1, (0,)))
    assert planner.handle(p.PipelineRaised(BROKEN)) == [p.Halt(0, 1), p.Stop(1, 0)]
    assert planner.handle(p.AttemptFailed(0, 1, HALTED)) == [
        p.Stop(0, 1),
        p.Finish(Status.FAILED, BROKEN, ()),
    ]


def test_with_continue_the_rest_goes_on_after_an_exception() -> None:
    planner = p.Planner()
    started(planner, 0)
    assert planner.handle(p.PipelineRaised(BROKEN, stop_rest=False)) == []
    assert planner.handle(p.AttemptCompleted(0, 1)) == [
        p.Complete(0, 1),
        p.Finish(Status.FAILED, BROKEN, ()),
    ]


def test_a_step_that_completes_although_it_was_to_stop_has_completed() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StopAsked())
    assert planner.handle(p.AttemptCompleted(0, 1)) == [p.Complete(0, 1)]


def test_a_step_called_after_the_stop_is_stopped() -> None:
    planner = p.Planner()
    planner.handle(p.StopAsked())
    assert planner.handle(p.StepCalled(0)) == [p.Stop(0, 0)]


def long_chain() -> p.Planner:
    """The first of 20,000 steps runs, each of the others waits for the one before it."""
    planner = p.Planner()
    started(planner, 0)
    for step in range(1, 20_000):
        planner.handle(p.StepCalled(step, (step - 1,)))
    return planner


def test_a_chain_of_many_steps_ends_without_deep_recursion() -> None:
    commands = long_chain().handle(p.StopAsked())
    assert commands[0] == p.Halt(0, 1)
    assert len(commands) == 20_000


def test_a_long_chain_of_causes_is_told_by_its_ends_and_how_much_is_between_them() -> None:
    skips = long_chain().handle(p.AttemptFailed(0, 1, BROKEN))[1:]
    assert [skip.step for skip in skips if isinstance(skip, p.Skip)] == list(range(1, 20_000))
    assert skips[0] == p.Skip(1, (1, 0))
    assert skips[14] == p.Skip(15, tuple(range(15, -1, -1)))
    assert skips[15] == p.Skip(16, (*range(16, 1, -1), 0), 1)
    assert skips[-1] == p.Skip(19_999, (*range(19_999, 19_984, -1), 0), 19_984)


def test_a_step_that_is_refused_fails_without_an_attempt() -> None:
    planner = p.Planner()
    planner.handle(p.StepCalled(0))
    assert planner.handle(p.StepRefused(0, BROKEN)) == [p.Fail(0, 0, BROKEN)]


def test_a_declined_step_is_skipped_with_what_depends_on_it_and_the_run_completes() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepCalled(1, (0,)))
    planner.handle(p.StepCalled(2, (1,)))
    assert planner.handle(p.StepDeclined(0)) == [
        p.Skip(0, (0,)),
        p.Skip(1, (1, 0)),
        p.Skip(2, (2, 1, 0)),
    ]
    assert planner.handle(p.PipelineReturned()) == [p.Finish(Status.COMPLETED, None, ())]


def test_an_equal_step_runs_itself_where_the_first_was_declined() -> None:
    planner = p.Planner()
    for step in (0, 1):
        planner.handle(p.StepCalled(step))
        planner.handle(p.KeyLooked(step, "same", False))
    assert planner.handle(p.StepDeclined(0)) == [p.Skip(0, (0,)), p.Start(1, 1)]


def test_a_step_that_was_stopped_meanwhile_cannot_be_declined() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StopAsked())
    planner.handle(p.AttemptFailed(0, 1, HALTED))
    assert planner.handle(p.StepDeclined(0)) == []


def test_the_run_is_not_over_before_the_watchers_of_a_step_were_told_of_its_end() -> None:
    planner = p.Planner()
    started(planner, 0, watched=True)
    planner.handle(p.PipelineReturned())
    assert planner.handle(p.AttemptCompleted(0, 1)) == [p.Complete(0, 1)]
    assert planner.handle(p.WatchersTold(0)) == [p.Finish(Status.COMPLETED, None, ())]


def test_a_callback_that_fails_fails_the_run_and_stops_the_rest() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepCalled(1, (0,)))
    assert planner.handle(p.CallbackFailed(BROKEN)) == [p.Halt(0, 1), p.Stop(1, 0)]
    planner.handle(p.PipelineRaised(HALTED))
    assert planner.handle(p.AttemptFailed(0, 1, HALTED)) == [
        p.Stop(0, 1),
        p.Finish(Status.FAILED, BROKEN, ()),
    ]


def test_with_continue_a_callback_that_fails_lets_the_rest_finish() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.PipelineReturned())
    assert planner.handle(p.CallbackFailed(BROKEN, stop_rest=False)) == []
    assert planner.handle(p.AttemptCompleted(0, 1)) == [
        p.Complete(0, 1),
        p.Finish(Status.FAILED, BROKEN, ()),
    ]


def test_a_callback_that_fails_while_the_run_is_stopped_leaves_it_stopped() -> None:
    planner = p.Planner()
    started(planner, 0, watched=True)
    planner.handle(p.StopAsked())
    planner.handle(p.AttemptFailed(0, 1, HALTED))
    planner.handle(p.PipelineRaised(HALTED))
    planner.handle(p.CallbackFailed(BROKEN))
    assert planner.handle(p.WatchersTold(0)) == [p.Finish(Status.STOPPED, HALTED, ())]


def test_a_step_that_is_refused_when_it_was_to_start_has_had_no_attempt() -> None:
    planner = p.Planner()
    started(planner, 0)
    assert planner.handle(p.StepRefused(0, BROKEN)) == [p.Fail(0, 0, BROKEN)]


def test_a_step_that_is_asked_to_stop_alone_is_halted_once() -> None:
    planner = p.Planner()
    started(planner, 0)
    assert planner.handle(p.StepStopAsked(0)) == [p.Halt(0, 1)]
    assert planner.handle(p.StepStopAsked(0)) == []


def test_whatever_an_attempt_ends_with_that_was_to_stop_its_step_is_stopped() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepCalled(1, (0,)))
    planner.handle(p.StepStopAsked(0))
    failed = p.AttemptFailed(0, 1, BROKEN, p.Budget("errors", 3))
    assert planner.handle(failed) == [p.Stop(0, 1), p.Skip(1, (1, 0))]


def test_an_attempt_that_completes_although_its_step_was_to_stop_counts() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepStopAsked(0))
    assert planner.handle(p.AttemptCompleted(0, 1)) == [p.Complete(0, 1)]


def test_a_step_that_waits_is_stopped_at_once_and_its_needs_go_on() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepCalled(1, (0,)))
    assert planner.handle(p.StepStopAsked(1)) == [p.Stop(1, 0)]
    assert planner.handle(p.AttemptCompleted(0, 1)) == [p.Complete(0, 1)]


def test_a_step_stopped_alone_that_nobody_handled_fails_the_run() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepStopAsked(0))
    planner.handle(p.AttemptFailed(0, 1, HALTED))
    assert planner.handle(p.PipelineReturned()) == [p.Finish(Status.FAILED, None, (0,))]


def test_an_abandoned_run_is_over_whatever_has_not_ended() -> None:
    planner = p.Planner()
    started(planner, 0)
    planner.handle(p.StepCalled(1))
    assert planner.handle(p.Abandoned(HALTED)) == [
        p.Stop(0, 1),
        p.Stop(1, 0),
        p.Finish(Status.STOPPED, HALTED, ()),
    ]
    assert planner.handle(p.AttemptCompleted(0, 1)) == []


def test_a_step_that_completed_before_is_looked_up_without_a_key_too() -> None:
    planner = p.Planner()
    called = p.StepCalled(0, keyed=False, attempts=2, completed=True)
    assert planner.handle(called) == [p.LookUp(0)]
    assert planner.handle(p.KeyLooked(0, "", True)) == [p.Reuse(0)]


def test_the_attempts_of_a_resumed_step_are_numbered_on() -> None:
    planner = p.Planner()
    called = p.StepCalled(0, keyed=False, attempts=2, completed=True)
    assert planner.handle(called) == [p.LookUp(0)]
    assert planner.handle(p.KeyLooked(0, "", False)) == [p.Start(0, 3)]


def test_what_waits_for_an_equal_step_is_not_begun_by_a_stop_of_the_run() -> None:
    planner = p.Planner()
    for step in (0, 1):
        planner.handle(p.StepCalled(step))
        planner.handle(p.KeyLooked(step, "same", False))
    planner.handle(p.AttemptFailed(0, 1, BROKEN, ONCE))  # it rests, and 1 waits for it
    assert planner.handle(p.StopAsked()) == [p.Stop(0, 0), p.Stop(1, 0)]
