"""Killing any process at any moment loses no completed step and leaves nothing stuck."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import pipekit
from pipekit import crash
from tests.acceptance.workspace import PIPEKIT
from tests.crash.oracle import inputs_came_first, judge
from tests.crash.storm import rage
from tests.crash.trial import (
    POINTS,
    STOP_POINTS,
    Ground,
    expected_of,
    first_command,
    plan_of,
    run_stop,
    run_trial,
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="what is left is found in /proc"
)

_AT_ONCE = 2
_TRIALS = -(-100 // len(POINTS))
_LONG_TRIALS = -(-500 // len(POINTS))
PASSING = re.compile(r"( *)if crash\.armed:\n\1    crash\.at\(\"([a-z.-]+)\"\)\n")


def sources() -> dict[str, str]:
    folder = Path(pipekit.__file__).parent
    return {str(path): path.read_text() for path in folder.rglob("*.py") if path.stem != "crash"}


def test_each_point_is_passed_at_one_place_behind_the_flag() -> None:
    passed = [point for text in sources().values() for _, point in PASSING.findall(text)]
    assert sorted(passed) == sorted(crash.POINTS)
    assert sum(text.count("crash.at(") for text in sources().values()) == len(passed)


def test_without_the_variable_no_point_is_armed() -> None:
    assert crash.VARIABLE not in os.environ
    assert not crash.armed


@pytest.mark.parametrize("text", ["controller.nowhere", "worker.starts:0", "worker.starts:x"])
def test_a_point_that_there_is_not_is_refused(text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import pipekit.crash"],
        env={**os.environ, crash.VARIABLE: text}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{text!r} is none of controller.run-begins, " in done.stderr


@pytest.mark.parametrize("point", POINTS)
def test_who_is_killed_loses_nothing(
    point: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    count = _LONG_TRIALS if request.config.getoption("--long") else _TRIALS
    first = int(os.environ.get("CRASH_SEED", "0"))
    plans = [plan_of(point, seed) for seed in range(first, first + count)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        verdicts = list(pool.map(lambda plan: run_trial(plan, tmp_path), plans))
    wrong = [str(verdict) for verdict in verdicts if verdict.problems]
    assert not wrong, "\n\n".join(wrong)
    assert all(verdict.killed for verdict in verdicts)


@pytest.mark.parametrize("point", ["controller.before-commit", "controller.in-commit"])
def test_no_step_starts_before_what_it_takes_is_durable(point: str, tmp_path: Path) -> None:
    def try_at(nth: int) -> tuple[int, list[str]]:
        ground = Ground(tmp_path / str(nth), nap=0.01, pause=0.05)
        ground.call(first_command("chain", {"salt": 1, "count": 30}), "process:1", f"{point}:{nth}")
        assert ground.was_killed(point)
        records = ground.records()
        return len(records.lines), list(inputs_came_first(records))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(try_at, range(10, 22, 3)))
    assert [problems for _, problems in found] == [[]] * len(found)
    assert max(lines for lines, _ in found) >= 4


@pytest.mark.long  # seconds of waiting between the attempts
def test_workers_that_all_die_at_their_start_fail_the_run_once(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "ground")
    command = [sys.executable, "flow.py", "flow", "1"]
    code = ground.call(command, "process:2", "worker.starts", once=False)
    assert code == 1
    assert "no worker process could start (ended by signal 9 (SIGKILL))" in ground.said
    (run,) = ground.records().runs
    assert run["status"] == "failed"
    assert ground.left_processes() == []
    assert ground.call([PIPEKIT, "resume", run["id"]], "process:2") == 0, ground.said
    records = ground.records()
    assert judge(records, [], {run["id"]: expected_of(1)}, ground.home) == []


@pytest.mark.parametrize("point", STOP_POINTS)
def test_a_stop_ends_in_order_and_the_run_is_resumed(point: str, tmp_path: Path) -> None:
    plans = [plan_of(point, seed) for seed in (0, 1)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        verdicts = list(pool.map(lambda plan: run_stop(plan, tmp_path), plans))
    wrong = [str(verdict) for verdict in verdicts if verdict.problems]
    assert not wrong, "\n\n".join(wrong)
    assert all(verdict.killed for verdict in verdicts)


def test_random_kills_lose_nothing(tmp_path: Path) -> None:
    storm = rage(tmp_path, seed=1, seconds=30, leaves=120, nap=0.01)
    print(storm)
    assert not storm.problems, str(storm)
    assert sum(storm.kills.values()) >= 20


@pytest.mark.long
def test_random_kills_lose_nothing_of_2000_steps(tmp_path: Path) -> None:
    storm = rage(tmp_path, seed=2, seconds=60, leaves=1000, nap=0.04)
    print(storm)
    assert not storm.problems, str(storm)
    assert storm.steps >= 1999
