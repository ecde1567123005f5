"""What a user of the API sees, on every executor of this machine."""

from __future__ import annotations

import inspect
import os
import threading
from pathlib import Path

import flows
import pytest

from pipekit import Pipeline, StepFailed, StepSkipped, Task

pytestmark = pytest.mark.usefixtures("home")

EXECUTORS = ["inline", "process:2"]


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(pipeline: Pipeline, executor: str, *args: object, **kwargs: object) -> Task:
    task = pipeline.options(executor=executor).run(*args, **kwargs)
    assert isinstance(task, Task)
    return task


def lines(journal: Path) -> list[str]:
    return journal.read_text().split() if journal.exists() else []


# --- values -----------------------------------------------------------------------------------


def test_a_call_returns_the_plain_value(executor: str) -> None:
    value = flows.arithmetic.options(executor=executor)(start=4)
    assert value == 12
    assert type(value) is int


def test_the_run_has_status_value_steps_and_parameters(executor: str) -> None:
    task = run(flows.arithmetic, executor, start=4)
    assert (task.status, task.value, task.kind) == ("completed", 12, "pipeline")
    assert [step.name for step in task.steps] == ["increment", "increment-2", "add"]
    assert task.parameters == {"start": 4}
    assert task["add"].parameters == {
        "a": "${increment.artifacts.value}",
        "b": "${increment-2.artifacts.value}",
        "sign": 1,
    }
    assert task["add"].parent == task.id


def test_futures_travel_in_any_nesting(executor: str) -> None:
    assert run(flows.nested_arguments, executor).value == [15, 5, "tuple"]


def test_plain_python_decides_what_runs(executor: str) -> None:
    task = run(flows.branch, executor, 6)
    assert task.value == "even"
    assert len(task.steps) == 5


def test_several_outputs_unpack_without_waiting(executor: str) -> None:
    task = run(flows.unpacking, executor)
    assert task.value == [[1], [5, 9], 3, "3"]
    assert list(task["split"].artifacts) == ["low", "high"]
    assert list(task["pair"].artifacts) == ["value_0", "value_1"]


def test_instances_come_back_as_the_very_class(executor: str) -> None:
    found = run(flows.objects, executor).value
    assert found[:2] == [True, True]
    assert type(found[2]) is flows.Point


def test_a_value_changed_by_the_pipeline_travels_as_changed(executor: str) -> None:
    assert run(flows.mutated, executor).value == [3, 103]


def test_a_pipeline_in_a_pipeline_is_a_child_run(executor: str) -> None:
    task = run(flows.parent, executor)
    assert task.value == 6
    first, second = task.steps
    assert [first.kind, second.kind] == ["pipeline", "pipeline"]
    assert [len(first.steps), len(second.steps)] == [2, 3]
    assert first.parent == task.id


def test_a_failure_in_pipelines_in_pipelines_names_the_outermost_and_the_root(
    executor: str,
) -> None:
    with pytest.raises(StepFailed) as caught:
        flows.fails_below.options(executor=executor)(depth=3)
    text = str(caught.value)
    assert text.startswith("Step 'fails_below' (")
    assert text.endswith("failed in attempt 1 of 1 with ValueError: too large: 7")
    assert text.count("Step '") == 2


def test_a_pipeline_that_calls_itself_without_end_fails(executor: str) -> None:
    task = run(flows.endless, executor)
    assert task.status == "failed"
    assert "Pipeline 'endless' was called 51 runs deep" in str(task.error)


def test_a_failure_of_the_pipeline_function_is_told_without_the_lines_of_pipekit() -> None:
    task = run(flows.wrong_call, "inline")
    assert task.failure is not None
    assert task.failure.place.endswith("in wrong_call")
    assert task.failure.traceback.count("  File ") == 1


def test_a_pipeline_may_be_a_method(executor: str) -> None:
    task = run(flows.Trainer(3).train, executor, n=5)
    assert task.value == 15
    assert task.parameters == {"n": 5}
    assert run(flows.trainers, executor).value == [4, 6]
    assert list(inspect.signature(flows.Trainer(3).train).parameters) == ["n"]


def test_threads_of_the_pipeline_function_call_steps(executor: str) -> None:
    task = run(flows.threaded, executor)
    assert task.value == [1, 2, 3, 11]
    assert len(task.steps) == 4


def test_a_future_inside_a_frame_comes_back_as_its_value(executor: str) -> None:
    value = flows.frame_of_futures.options(executor=executor)()
    assert [type(item) for item in value] == [int, int]
    assert list(value) == [2, 3]


def test_a_local_copy_is_the_users_to_change(executor: str) -> None:
    task = run(flows.large_array, executor)
    artifact = task["ones"].artifacts["value"]
    copy = artifact.get_local_copy()
    assert copy.suffix == ".npy"
    copy.chmod(0o600)
    copy.write_bytes(b"ruined")
    assert artifact.get().sum() == 100_000
    assert artifact.get_local_copy().read_bytes() != b"ruined"


def test_a_pipeline_called_by_a_step_runs_where_the_step_is(executor: str) -> None:
    assert run(flows.pipeline_in_a_step, executor).value == 4


def test_outside_a_pipeline_a_component_is_the_plain_function() -> None:
    assert flows.add(1, b=2) == 3
    assert flows.add.function.__name__ == "add"


# --- execution --------------------------------------------------------------------------------


def test_steps_run_in_other_processes_and_inline_in_this() -> None:
    here, there = flows.processes()
    assert here == os.getpid() != there
    assert flows.processes.debug() == (os.getpid(), there)  # the outcome is reused
    assert flows.processes.options(executor="inline").run().steps[0].reused


def test_independent_steps_overlap_in_time() -> None:
    (a_began, a_ended), (b_began, b_ended) = flows.parallel.options(executor="process:2")()
    assert max(a_began, b_began) < min(a_ended, b_ended)


def test_a_step_called_later_does_not_wait_for_what_it_does_not_use() -> None:
    first, third = flows.later_independent.options(executor="process:2")()
    assert third[0] < first[1]


def test_arguments_that_do_not_fit_fail_at_the_call(executor: str) -> None:
    task = run(flows.one_step, executor, "add")
    assert task.status == "failed"
    assert task.error == "TypeError: add() missing a required argument: 'a'"
    assert task.steps == []


def test_keyword_only_arguments_reach_the_step(executor: str) -> None:
    assert flows.add(1, 2, sign=-1) == -1
    task = run(flows.one_step, executor, "add", (1, 2))
    assert task.value == 3


# --- cache ------------------------------------------------------------------------------------


def test_nothing_unchanged_runs_again(executor: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.touch()
    names = ("a", "b")
    assert run(flows.journaled, executor, str(journal), names).value == [1, 1]
    again = run(flows.journaled, executor, str(journal), names)
    assert again.value == [1, 1]
    assert [step.reused for step in again.steps] == [True, True]
    assert sorted(lines(journal)) == ["a", "b"]


def test_an_outcome_is_reused_by_every_executor(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    flows.journaled.options(executor="inline")(journal)
    flows.journaled.options(executor="process:2")(journal)
    assert lines(Path(journal)) == ["a", "b"]


def test_equal_calls_in_a_run_are_one_computation(executor: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    task = run(flows.equal_calls, executor, str(journal), 5)
    assert task.value == [5, 5, 5]
    assert lines(journal) == ["same"]
    assert [step.reused for step in task.steps] == [False, True, True]


def test_a_step_that_only_returned_none_runs_each_time(executor: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    run(flows.equal_calls, executor, str(journal), None)
    assert lines(journal) == ["same"] * 3


def test_with_cache_off_each_call_runs(executor: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    run(flows.uncached, executor, str(journal))
    assert lines(journal) == ["same"] * 3


# --- failure ----------------------------------------------------------------------------------


def test_a_failure_can_be_handled_where_its_value_is_used(executor: str) -> None:
    task = run(flows.handled, executor)
    assert task.value == "StepFailed from ValueError: as planned; failed"
    assert task.status == "completed"


def test_a_failure_that_nobody_handled_fails_the_run_at_its_end(executor: str) -> None:
    task = run(flows.untouched_failure, executor)
    assert task.status == "failed"
    assert "ValueError: nobody looks" in str(task.error)
    assert task["increment"].status == "completed"


def test_what_depends_on_a_failure_is_skipped_with_its_root(executor: str) -> None:
    with pytest.raises(
        StepSkipped, match=r"'increment-2' was skipped: 'fail' failed .*root"
    ) as caught:
        flows.skipping.options(executor=executor)()
    cause = caught.value.__cause__
    assert isinstance(cause, StepFailed)
    assert isinstance(cause.__cause__, ValueError)
    assert "in fail" in caught.value.traceback


def test_a_long_chain_of_what_was_skipped_is_told_in_short() -> None:
    with pytest.raises(StepSkipped, match=r"\(increment-30 <- .* <- … 15 more … <- fail\)") as told:
        flows.skipping_many.options(executor="inline")(30)
    assert str(told.value).count("<-") == 16


def test_step_failed_carries_cause_step_attempt_and_traceback(executor: str) -> None:
    with pytest.raises(StepFailed) as caught:
        flows.one_step.options(executor=executor)("fail", ("no good",))
    error = caught.value
    assert (error.step, error.attempt) == ("fail", 1)
    assert isinstance(error.__cause__, ValueError)
    first_frame = error.traceback.splitlines()[1]
    assert "flows.py" in first_frame
    assert "in fail" in first_frame


def test_attempts_are_retried_and_numbered(executor: str, tmp_path: Path) -> None:
    task = run(flows.retried, executor, str(tmp_path / "journal"), 3)
    assert task.value == "done"
    assert [a.exit for a in task.steps[0].attempts] == ["error", "error", "completed"]


def test_only_the_chosen_exceptions_are_retried(executor: str, tmp_path: Path) -> None:
    task = run(flows.not_retried, executor, str(tmp_path / "journal"))
    assert task.status == "failed"
    assert (tmp_path / "journal").read_text() == "x"


@pytest.mark.parametrize(
    ("step", "args", "said"),
    [
        ("exit_softly", (3,), r"the step called sys.exit\(3\)"),
        ("recurse", (), "RecursionError"),
        ("use_up_memory", (), "MemoryError"),
        (
            "unserializable",
            (),
            "Output 'value' of component 'unserializable' is a _thread.lock, which no serializer",
        ),
        ("three_values", (), r"is to return 2 values \(a, b\), got 3"),
    ],
)
def test_what_a_step_does_wrong_is_one_clear_error(
    executor: str, step: str, args: tuple[object, ...], said: str
) -> None:
    with pytest.raises(StepFailed, match=said):
        flows.one_step.options(executor=executor)(step, args)


@pytest.mark.parametrize(
    ("step", "args", "said"),
    [
        ("exit_hard", (9,), r"ended its process with exit code 9 .*\nlast words"),
        ("kill_itself", (), r"signal 9 \(SIGKILL\) .* The usual cause is memory.*\nlast words"),
        ("crash", (), r"ended by signal 11 \(SIGSEGV\)"),
        ("hang", (), "was ended after its timeout of 0.3 s"),
    ],
)
def test_a_worker_that_dies_costs_one_attempt(
    step: str, args: tuple[object, ...], said: str
) -> None:
    with pytest.raises(StepFailed, match=said):
        flows.one_step(step, args)
    assert flows.arithmetic() == 6


def test_a_death_is_charged_to_its_own_step_alone() -> None:
    task = flows.survivors.run()
    assert task.value == [10, 26, "failed"]
    attempts = [len(step.attempts) for step in task.steps]
    assert attempts == [1] * len(attempts)


def test_a_step_that_floods_its_console_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEKIT_LOG_LIMIT_BYTES", "1000000")
    with pytest.raises(StepFailed, match="wrote more than 1,000,000 bytes to its console"):
        flows.one_step("flood")


def test_an_argument_that_cannot_be_stored_is_named() -> None:
    task = flows.one_step.run("kind_of", (threading.Lock(),))
    assert task.status == "failed"
    assert "Argument 'value' of component 'kind_of'" in str(task.error)


# --- console ----------------------------------------------------------------------------------


def test_all_that_a_step_writes_is_captured_by_attempt() -> None:
    task = flows.one_step.run("say_everything")
    assert task.steps[0].log == "from python\nfrom a child\nfrom the descriptor\n"


# --- size -------------------------------------------------------------------------------------


def test_many_small_steps_are_all_recorded() -> None:
    task = flows.many.run(700)
    assert task.value == sum(range(1, 701))
    assert len(task.steps) == 700
    assert all(step.record.status == "completed" for step in task.steps)
