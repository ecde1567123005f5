"""Tests of the pipelines in `flow`, each of which passes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import flow
import pytest
from flow import fetching, mean, means, outer, split

from pipekit import StepFailed, Task, component, pipeline
from pipekit.testing import Home, assert_ran, assert_reused, run_step, temporary_home


def test_a_component_outside_of_a_pipeline_is_the_plain_function() -> None:
    assert mean([1.0, 3.0]) == mean.function([1.0, 3.0]) == 2.0


def test_a_run_is_recorded_in_the_home(pipekit_home: Home, tmp_path: Path) -> None:
    assert pipekit_home.runs == []
    assert means() == 3.0
    assert pipekit_home.last_run.status == "completed"
    assert pipekit_home.path == tmp_path / ".pipekit"
    assert (pipekit_home.path / "pipekit.db").exists()


def test_runs_are_listed_newest_first(pipekit_home: Home) -> None:
    first, second = means.run(), outer.run()
    assert pipekit_home.runs == [second, first]
    assert pipekit_home.last_run == second


def test_each_test_begins_with_an_empty_cache(pipekit_home: Home) -> None:
    assert_ran(means.run())


def test_steps_run_in_this_process(pipekit_home: Home) -> None:
    assert {step.attempts[0].pid for step in means.run().steps} == {os.getpid()}


def test_what_a_test_patches_is_what_steps_use(
    pipekit_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert means() == 3.0
    monkeypatch.setattr(flow, "sum", lambda numbers: 0.0, raising=False)
    assert means() == 0.0


@pytest.mark.pipekit(executor="process:1")
def test_the_mark_runs_steps_in_worker_processes(pipekit_home: Home) -> None:
    assert os.getpid() not in {step.attempts[0].pid for step in means.run().steps}


@pytest.mark.pipekit(store="memory")
class TestMarkedClass:
    @pytest.mark.pipekit(executor="process:1")
    def test_marks_of_class_and_function_are_joined(self, pipekit_home: Home) -> None:
        run = means.run()
        assert run["load"].attempts[0].pid != os.getpid()
        assert_reused(means.run())
        assert pipekit_home.last_run.id != run.id
        assert not (pipekit_home.path / "pipekit.db").exists()


def test_reused_and_computed_steps_are_told_apart(pipekit_home: Home) -> None:
    means.run()
    assert_reused(means.run())
    run = means.run(limit=4.0)
    assert_reused(run, "load")
    assert_reused(run["load"])
    assert_ran(run, "split", "mean-2", mean)
    assert_ran(run["mean-2"])


def test_the_name_of_a_component_is_all_of_its_steps(pipekit_home: Home) -> None:
    means.run(count=6, limit=3.0)
    run = means.run(count=7, limit=3.0)  # only what is above the limit differs
    assert_reused(run, "mean-2")
    for name in ("mean", mean):
        with pytest.raises(AssertionError, match="1 of 2 steps"):
            assert_reused(run, name)


def test_the_steps_of_a_child_run_are_named_by_it(pipekit_home: Home) -> None:
    run = outer.run()
    assert_ran(run, "means/load", "means-2/mean-2", "means", means)
    assert_ran(run["means-2"], "load")
    assert_reused(outer.run())


@component
def checked(number: int) -> int:
    assert number > 0, "too small"
    return number + 1


@pipeline
def checking(number: int) -> int:
    return checked(number)


@pytest.mark.pipekit(executor="process:1")
def test_workers_run_components_of_test_modules_that_assert(pipekit_home: Home) -> None:
    assert checking(1) == 2
    with pytest.raises(StepFailed, match="too small"):
        checking(-1)


@pytest.mark.parametrize("executor", ["inline", "process:1"])
def test_delays_of_retries_pass_at_once(executor: str, pipekit_home: Home, tmp_path: Path) -> None:
    run = fetching.options(executor=executor).run(tmp_path / "attempts")
    assert run.value == "fetched"
    first, second = pipekit_home.clock.waits
    assert 45 <= first <= 75
    assert 90 <= second <= 150
    began = [attempt.started_at for attempt in run["fetch"].attempts]
    assert first <= began[1] - began[0] < first + 30
    assert second <= began[2] - began[1] < second + 30
    assert run.duration_seconds is not None
    assert first + second <= run.duration_seconds < first + second + 30


def test_what_runs_after_the_clock_was_moved_is_younger(pipekit_home: Home) -> None:
    before = means.run()
    pipekit_home.clock.advance(24 * 3600)
    after = means.run(count=7)
    assert (after.created_at - before.created_at).days == 1
    assert 0 <= (after["load"].duration_seconds or 0.0) < 30


def test_runs_of_other_processes_are_seen(pipekit_home: Home) -> None:
    command = [sys.executable, "-m", "pipekit", "run", f"{flow.__file__}:means"]
    subprocess.run(command, check=True, capture_output=True)
    assert pipekit_home.last_run.name == "means"
    assert_reused(means.run())
    assert len(pipekit_home.runs) == 2


async def test_pipelines_run_in_threads_of_a_coroutine(pipekit_home: Home) -> None:
    await asyncio.gather(asyncio.to_thread(means.run, 6), asyncio.to_thread(means.run, 7))
    assert {run.parameters["count"] for run in pipekit_home.runs} == {6, 7}
    assert means() == 3.0


def test_a_second_home_leaves_the_first_as_it_was(
    pipekit_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = means.run()
    monkeypatch.setenv("PIPEKIT_EXECUTOR", "process:1")
    with temporary_home(tmp_path / "second", store="memory") as second:
        assert_ran(means.run())
        assert len(second.runs) == 1
    assert_reused(means.run())
    assert pipekit_home.runs[-1] == first
    assert os.environ["PIPEKIT_HOME"] == str(pipekit_home.path)


def test_the_environment_is_as_it_was_before() -> None:
    assert os.environ["PIPEKIT_EXECUTOR"] == "process:1"
    assert os.environ["PIPEKIT_HOME"].endswith("not-to-be-used")
    assert "PIPEKIT_STORE" not in os.environ


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Task]:
    with temporary_home(tmp_path_factory.mktemp("home")):
        yield means.run()


def test_a_home_of_a_wider_scope_serves_several_tests(trained: Task, pipekit_home: Home) -> None:
    means.run()
    assert trained.value == 3.0
    assert len(pipekit_home.runs) == 1


def test_one_component_can_be_run_as_a_step(pipekit_home: Home) -> None:
    step = run_step(split, [1.0, 2.0], limit=2.0)
    assert step.artifacts["high"].get() == [2.0]
    assert_ran(step)
    assert_reused(run_step(split, [1.0, 2.0], limit=2.0))


def test_a_step_that_fails_is_returned_as_well(pipekit_home: Home) -> None:
    step = run_step(mean, [])
    assert step.status == "failed"
    assert "ZeroDivisionError" in str(step.error)
    assert_ran(step)
