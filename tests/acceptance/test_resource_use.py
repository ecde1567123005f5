"""What steps ask for they get, alone; what they use is recorded; more than that ends them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import resource_flows as flows

from pipekit import Task
from pipekit.executors.capacity import Capacity
from pipekit.executors.limit import Limits
from pipekit.executors.machine import usable_cpus
from pipekit.executors.memory import MemoryWatch, used_bytes
from pipekit.model.records import Attempt
from pipekit.model.resources import Resources
from pipekit.ports import Assignment

pytestmark = pytest.mark.usefixtures("home", "gpus")
linux = pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that tells")
MIB = 1 << 20


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices, of which none exists."""
    monkeypatch.delenv(flows.DEVICES, raising=False)
    monkeypatch.setenv("PIPEKIT_GPUS", "a,b")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "held"
    made.mkdir()
    return made


def attempts(task: Task) -> list[Attempt]:
    return list(task.attempts)


# --- GPUs -------------------------------------------------------------------------------------


def test_a_worker_knows_its_devices_before_it_imports_anything() -> None:
    assert flows.at_import() in ("a", "b")


def test_no_device_is_held_by_two_steps_at_once(folder: Path) -> None:
    held = flows.share_devices.options(executor="process:4")(folder, [1, 1, 2, 1, 1, 2, 1])
    assert [len(names.split(",")) for names, _ in held] == [1, 1, 2, 1, 1, 2, 1]
    assert {name for names, _ in held for name in names.split(",")} == {"a", "b"}


def test_pools_of_one_run_share_the_devices(folder: Path) -> None:
    held = flows.share_devices_of_two_pools(folder)
    assert {names for names, _ in held} <= {"a", "b"}


def test_a_worker_serves_the_steps_that_get_its_devices(folder: Path) -> None:
    held = flows.share_devices.options(executor="process:2")(folder, [1] * 8)
    assert len({pid for _, pid in held}) == len({names for names, _ in held})


def test_a_step_that_asks_for_no_device_has_the_environment_as_it_is(folder: Path) -> None:
    before, bound, after = flows.with_and_without.options(executor="process:1")(folder)
    assert bound in ("a", "b")
    assert before is after is None


def test_what_waits_for_a_device_can_be_stopped(folder: Path) -> None:
    task = flows.fails_while_others_wait.run(folder)
    assert task.status == "failed"
    assert task.steps[0].status == "completed"
    assert task.steps[-1].status == "stopped"
    assert not attempts(task.steps[-1])


# --- CPUs -------------------------------------------------------------------------------------


def test_a_step_that_asks_for_all_cpus_runs_alone() -> None:
    if usable_cpus() > 2:
        pytest.skip("it would take a step for each CPU")
    wide, narrow = flows.wide_among_narrow.options(executor="process:2")()
    for began, ended in wide:
        others = [*narrow, *(other for other in wide if other != (began, ended))]
        assert all(end <= began or begin >= ended for begin, end in others)


def test_a_wide_step_gets_its_turn_among_narrow_ones(tmp_path: Path) -> None:
    if usable_cpus() > 2:
        pytest.skip("it would not have to wait")
    journal = tmp_path / "journal"
    flows.one_wide.options(executor="process:2")(journal, 300)
    lines = journal.read_text().splitlines()
    assert len(lines) == 305
    assert lines.index("wide") < 150


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"cpu": 100_000}, "it asks for 100000 CPUs, of "),
        ({"gpu": 3}, "it asks for 3 GPUs, of 2 that this machine has"),
        ({"memory": "1000TiB"}, "it asks for 1000TiB of memory, of "),
    ],
)
def test_what_can_never_be_had_fails_at_once(asked: dict[str, object], said: str) -> None:
    step = flows.ask.run(**asked).steps[0]
    assert step.status == "failed"
    assert said in str(step.error)
    assert not attempts(step)  # it never began, and no retry helps


# --- memory -----------------------------------------------------------------------------------


def test_a_step_that_uses_too_much_memory_is_ended_and_says_so() -> None:
    step = flows.too_much.run(200).steps[0]
    (attempt,) = attempts(step)  # `retries` would not help
    assert attempt.exit == "memory"
    assert attempt.peak_bytes is not None
    assert attempt.peak_bytes > 120 * MIB
    assert "and may use 120MiB" in str(step.error)
    assert 'resources={"memory": "240MiB"}' in str(step.error)


def test_it_is_tried_again_with_twice_as_much() -> None:
    task = flows.too_much.run(300, seconds=1.0, retries=2)
    assert task.value == 300
    exits = [attempt.exit for attempt in attempts(task.steps[0])]
    assert exits == ["memory", "memory", "completed"]


@pytest.mark.parametrize("kind", ["child", "orphan", pytest.param("apart", marks=linux)])
def test_what_a_step_has_started_counts_too(kind: str) -> None:
    step = flows.too_much_in_child.run(kind).steps[0]
    assert [attempt.exit for attempt in attempts(step)] == ["memory"]


def test_the_last_try_has_all_there_is() -> None:
    limits = Limits(Capacity(cpus=1, memory=5000, gpus=()), log_limit_bytes=1)
    wanted = [1000, 3000, 5000]
    assert [limits.next_memory(asks_for(memory)) for memory in wanted] == [2000, 5000, 0]


def asks_for(memory: int) -> Assignment:
    def nothing(*_: object) -> None: ...

    return Assignment(
        component=None, function=nothing, task_id="", label="", number=1, arguments=b"",
        inputs=tuple, timeout_seconds=None, folder="", began=nothing, report=nothing,
        logged=nothing, resources=Resources(memory=memory),
    )  # fmt: skip


def test_inline_says_that_it_cannot_hold_a_step_to_its_memory() -> None:
    with pytest.warns(RuntimeWarning, match="120MiB of memory at most"):
        assert flows.too_much.options(executor="inline")(1, seconds=0.0) == 1


FORKS = """if True:
    import os, sys
    data = bytearray(40 << 20)
    for number in range(2):
        if os.fork() == 0:
            break
    os.write(1, b"ready\\n")
    sys.stdin.read()
"""


@linux
def test_what_forked_processes_share_counts_once() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert [process.stdout.readline() for _ in range(3)] == [b"ready\n"] * 3
        watch = MemoryWatch(process.pid, 100 * MIB)
        assert 40 * MIB < watch.look() < 100 * MIB
        assert used_bytes(process.pid, limit=1 << 40) > 120 * MIB  # the plain sum
        assert watch.look() == 0  # so soon there is no second look
        process.stdin.close()


# --- what was used ----------------------------------------------------------------------------


@linux
def test_cpu_seconds_and_memory_of_each_attempt_are_recorded() -> None:
    run = flows.used.options(executor="process:1").run()
    worked, child, large, small, ended = (attempts(step)[0] for step in run.steps)
    assert worked.cpu_seconds is not None
    assert worked.cpu_seconds >= 0.1
    assert child.cpu_seconds is not None
    assert child.cpu_seconds >= 0.1
    assert large.peak_bytes is not None
    assert small.peak_bytes is not None
    assert large.peak_bytes - small.peak_bytes > 90 * MIB  # in the same process
    assert ended.exit == "timeout"
    assert ended.cpu_seconds is not None
    assert ended.cpu_seconds > 0


def test_inline_the_threads_cpu_seconds_are_recorded() -> None:
    (attempt,) = attempts(flows.used_inline.options(executor="inline").run().steps[0])
    assert attempt.cpu_seconds is not None
    assert attempt.cpu_seconds >= 0.1
    assert attempt.peak_bytes is None


def test_show_tells_them() -> None:
    task = flows.used_inline.options(executor="process:1").run()
    command = [str(Path(sys.executable).parent / "pipekit"), "show", task.id, "work"]
    plain, as_json = (
        subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout
        for more in ([], ["--json"])
    )
    assert "CPU" in plain
    (attempt,) = json.loads(as_json)["attempts"]
    assert attempt["cpu_seconds"] >= 0.1
    assert attempt["peak_bytes"] > MIB
