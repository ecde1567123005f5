"""How steps are spread over worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import flows
import pytest

from pipekit.control import session as sessions
from pipekit.control.reporter import SilentReporter
from pipekit.control.session import Session, session_for
from pipekit.executors.process import ProcessExecutor
from pipekit.reporting import RunFacts, StepFacts
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


class LateReporter(SilentReporter):
    """Holds the loop up between two looks at what workers say: what was sent ahead lies there for
    longer than a moment."""

    def __init__(self) -> None:
        self.running: list[str] = []

    def steps_running(self, steps: Sequence[StepFacts]) -> None:
        self.running += [step.name for step in steps]

    def steps_called(self, run: RunFacts, count: int, components: Mapping[str, int]) -> None:
        time.sleep(0.1)


def test_a_short_step_that_was_sent_ahead_is_not_taken_for_one_that_runs_long() -> None:
    reporter = LateReporter()
    settings = read_settings()
    sessions._sessions[settings.home] = Session(settings, reporter=reporter)
    assert flows.many_then_one.options(executor="process:1")(200) == sum(range(1, 201))
    assert len(reporter.running) < 10  # those that a worker was in at the moment of a look


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


def test_workers_that_end_before_they_begin_a_call_are_not_started_for_ever(
    tmp_path: Path,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'pipekit.worker' in sys.orig_argv:\n"
        "    from pipekit.worker.board import Board\n"
        "    def begin(*arguments):\n"
        "        print('no call can begin here', flush=True)\n"
        "        os._exit(7)\n"
        "    Board.begin = begin\n"
    )
    code = """if True:
        from pipekit import component, pipeline

        @component
        def one():
            return 1

        @pipeline
        def ones():
            return one()

        ones()
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "no worker process could start" in done.stderr
    assert "no call can begin here" in done.stderr
