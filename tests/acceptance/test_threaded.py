"""Components called in threads: those of the run, and those that are kept from run to run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import threaded

pytestmark = pytest.mark.usefixtures("home")

EACH = ("own_threads", "own_executor", "kept_executor", "joblib_threads", "event_loop")


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_components_called_in_threads_are_steps_of_the_run_that_asked(executor: str) -> None:
    for name in EACH:
        pipeline: Any = getattr(threaded, name).options(executor=executor)
        for n in (2, 3):
            run = pipeline.run(n)
            assert run.value == [i * i for i in range(n)], name
            assert len(run.steps) == n, name


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_a_kept_pool_of_threads_serves_the_run_that_asks(executor: str) -> None:
    for n in (2, 3):
        squares = [i * i for i in range(n)]
        run = threaded.kept_pool.options(executor=executor).run(n)
        assert run.value == [squares, n * n, squares, [n * n]]


def test_outside_of_runs_kept_pools_call_the_plain_function() -> None:
    threaded.kept_pool(1)
    threaded.kept_executor(1)
    assert threaded.pool.map(threaded.square, [2]) == [4]
    assert threaded.executor.submit(threaded.square, 2).result() == 4


def test_a_thread_that_outlives_its_run_says_what_to_do() -> None:
    assert threaded.kept_thread(2) == 4
    error = threaded.kept_thread.run(3).error
    assert "was called for run 'kept_thread' after its pipeline function had ended" in str(error)
    assert "start its own in each run" in str(error)


def test_runs_that_threads_start_at_once_are_each_recorded_whole() -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(threaded.doubled.run, range(80)))
    assert [run.value for run in runs] == [2 * number for number in range(80)]
    assert [run.metrics["number"] for run in runs] == list(range(80))
