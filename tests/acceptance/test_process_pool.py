"""How steps are spread over worker processes."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import flows
import pytest

from pipekit.control.session import Session, session_for
from pipekit.executors.process import ProcessExecutor
from pipekit.settings import read_settings

pytestmark = pytest.mark.usefixtures("home")


def session() -> Session:
    return session_for(read_settings())


def pool(name: str) -> ProcessExecutor:
    found = session().executors.get(name)
    assert isinstance(found, ProcessExecutor)
    return found


def test_what_stands_behind_a_slow_step_goes_to_another_worker() -> None:
    ended = flows.one_slow_among_short.options(executor="process:2")(200, 20)
    slow = ended.pop(20)
    assert max(ended) < slow


def test_workers_are_kept_between_runs_of_a_session() -> None:
    for start in range(3):
        flows.arithmetic.options(executor="process:2")(start)
    assert pool("process:2").workers_started <= 2


def test_a_chain_needs_one_worker() -> None:
    flows.child.options(executor="process:2")(10)
    assert pool("process:2").workers_started == 1


def test_what_is_reused_starts_no_worker() -> None:
    flows.arithmetic.options(executor="process:2")(5)
    flows.arithmetic.options(executor="process:1")(5)
    assert pool("process:1").workers_started == 0


def test_a_component_is_still_a_function_for_other_pools() -> None:
    with ProcessPoolExecutor(1) as other:
        assert list(other.map(flows.increment, [1, 2])) == [2, 3]


def test_workers_do_not_collect_the_components_of_each_run() -> None:
    for start in range(5):
        flows.arithmetic.options(executor="process:1")(start)
    (worker,) = pool("process:1")._workers
    assert len(worker._introduced) == 2


def test_pools_that_are_imported_in_a_run_carry_it() -> None:
    code = """if True:
        from pipekit import component, pipeline, get
        pool = None

        @component
        def increment(x):
            return x + 1

        @pipeline
        def first():
            global pool
            from concurrent.futures import ThreadPoolExecutor
            pool = ThreadPoolExecutor(1)
            return get(list(pool.map(increment, range(3))))

        task = first.run()
        print(task.value, len(task.steps), pool.submit(increment, 5).result())
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "[1, 2, 3] 3 6\n", done.stderr
