"""What a process may use, as the files of the operating system say it: those of a folder here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pipekit.executors.machine import find_gpus, memory_bytes, usable_cpus
from pipekit.executors.memory_group import MemoryGroup, find_base
from pipekit.executors.obituary import obituary

ALL_MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
GROUPS = "sys/fs/cgroup"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    """A root with cgroup v2, in which this process is in `/user/app/run`."""
    write(tmp_path / "proc/self/cgroup", "0::/user/app/run\n")
    write(tmp_path / GROUPS / "user/app/run/cgroup.procs", "")
    return tmp_path


def test_without_control_groups_the_machine_is_what_there_is(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) == ALL_MEMORY
    assert usable_cpus(tmp_path) >= 1


def test_the_lowest_limit_on_the_way_up_counts(unified: Path) -> None:
    write(unified / GROUPS / "user/app/run/memory.max", "max\n")
    write(unified / GROUPS / "user/app/memory.max", "50000000\n")
    write(unified / GROUPS / "user/memory.max", "60000000\n")
    assert memory_bytes(unified) == 50_000_000


def test_a_quota_counts_as_so_many_cpus(unified: Path) -> None:
    write(unified / GROUPS / "user/cpu.max", "50000 100000\n")
    assert usable_cpus(unified) == 1


def test_no_quota_leaves_all_cpus(unified: Path) -> None:
    free = usable_cpus(unified)
    write(unified / GROUPS / "user/cpu.max", "max 100000\n")
    assert usable_cpus(unified) == free


def test_the_older_layout_counts_too(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n")
    write(tmp_path / GROUPS / "memory/memory.limit_in_bytes", "70000000\n")
    write(tmp_path / GROUPS / "cpu/cpu.cfs_quota_us", "100000\n")
    write(tmp_path / GROUPS / "cpu/cpu.cfs_period_us", "100000\n")
    assert memory_bytes(tmp_path) == 70_000_000
    assert usable_cpus(tmp_path) == 1


@pytest.fixture
def no_variable(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


def test_gpus_are_those_of_the_driver(no_variable: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_gpus(root=tmp_path) == ()
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "proc/driver/nvidia/gpus" / bus).mkdir(parents=True)
    assert find_gpus(root=tmp_path) == ("0", "1")


def test_a_setting_goes_before_the_driver(no_variable: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_gpus("3, 5", tmp_path) == ("3", "5")


def test_what_was_allotted_goes_before_the_setting(no_variable: pytest.MonkeyPatch) -> None:
    no_variable.setenv("CUDA_VISIBLE_DEVICES", "GPU-aa,GPU-bb")
    assert find_gpus("3,5") == ("GPU-aa", "GPU-bb")


@pytest.mark.parametrize(
    ("allotted", "found"), [("", ()), ("-1", ()), ("2,-1,0", ("2",)), ("1,1", ("1",))]
)
def test_a_list_of_devices_is_read_as_cuda_reads_it(
    no_variable: pytest.MonkeyPatch, allotted: str, found: tuple[str, ...]
) -> None:
    no_variable.setenv("CUDA_VISIBLE_DEVICES", allotted)
    assert find_gpus("3,5") == found


# memory


def test_a_group_is_made_where_memory_is_handed_on(unified: Path) -> None:
    assert find_base(unified) is None
    write(unified / GROUPS / "user/app/cgroup.subtree_control", "cpu memory pids\n")
    write(unified / GROUPS / "user/app/cgroup.procs", "")
    assert find_base(unified) == unified / GROUPS / "user/app"


def test_a_group_holds_its_process_to_a_limit_and_gives_it_free_again(tmp_path: Path) -> None:
    group = MemoryGroup.make(tmp_path, 4711)
    assert group is not None
    (folder,) = tmp_path.iterdir()
    assert (folder / "cgroup.procs").read_text() == "4711"
    assert (folder / "memory.oom.group").read_text() == "1"
    assert group.limit(1 << 30)
    assert (folder / "memory.max").read_text() == str(1 << 30)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert group.limit(None)
    assert (folder / "memory.max").read_text() == "max"


@pytest.mark.parametrize(("count", "killed"), [(0, False), (2, True)])
def test_a_group_tells_that_the_kernel_has_killed(tmp_path: Path, count: int, killed: bool) -> None:
    group = MemoryGroup.make(tmp_path, 4711)
    assert group is not None
    (folder,) = tmp_path.iterdir()
    write(folder / "memory.events", f"low 0\noom 3\noom_kill {count}\noom_group_kill 1\n")
    assert group.has_killed() is killed


def test_where_no_group_can_be_made_there_is_none(tmp_path: Path) -> None:
    assert MemoryGroup.make(tmp_path / "is" / "not" / "there", 4711) is None


def test_an_end_beside_the_out_of_memory_killer_is_said_so(tmp_path: Path) -> None:
    text = obituary("Attempt 1", signal.SIGKILL, 2.0, tmp_path / "no.log", 0, oom=True)
    assert "ended by signal 9 (SIGKILL) after 2.0 s. The machine was out of memory" in text
