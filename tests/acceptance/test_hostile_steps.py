"""What steps do to their worker harms neither the answer nor the steps after them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hostile
import pytest

from pipekit import StepFailed
from pipekit.control.session import close_sessions
from pipekit.errors import UnknownExecutor

pytestmark = pytest.mark.usefixtures("home")

EXECUTORS = ["inline", "process:1"]


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- processes and streams --------------------------------------------------------------------


def test_a_forked_child_does_not_answer_for_its_parent(executor: str) -> None:
    assert hostile.one.options(executor=executor)("forks") == "parent"


def test_the_exit_of_a_forked_child_is_the_childs() -> None:
    assert hostile.one.options(executor="process:1")("forks_and_exits") == 5


@pytest.mark.parametrize("step", ["closes_streams", "loses_stdout", "leaves_a_thread"])
def test_the_next_step_has_its_console(step: str) -> None:
    task = hostile.then_says.options(executor="process:1").run(step, "still here")
    assert task.value == [1, "still here"]
    assert task["says"].log == "still here\n"


def test_a_step_that_changes_the_folder_leaves_the_next_where_the_run_is() -> None:
    assert hostile.stays_put.options(executor="process:1")() == ["/", os.getcwd()]


def test_workers_see_the_folder_that_a_later_run_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = hostile.folders.options(executor="process:1")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    texts = []
    for name in ("a", "b"):
        monkeypatch.chdir(tmp_path / name)
        texts.append(hostile.one.options(executor="process:1")("reads_here"))
    assert texts == ["a", "b"]
    assert pipeline([tmp_path / "a" / "file"]) == ["a"]


def test_a_death_is_seen_although_a_child_holds_the_socket() -> None:
    with pytest.raises(StepFailed, match=r"timeout of 0\.5 s"):
        hostile.one.options(executor="process:1")("daemon_holds_on")


# --- exceptions -------------------------------------------------------------------------------


def test_an_exception_without_a_text_is_still_a_failure(executor: str) -> None:
    with pytest.raises(StepFailed, match="Mute: <its text cannot be had: RuntimeError>"):
        hostile.one.options(executor=executor)("raises_mute")


def test_a_huge_message_is_cut(executor: str) -> None:
    task = hostile.one.options(executor=executor).run("raises_huge")
    assert task.status == "failed"
    assert len(str(task.error)) < 100_000
    assert "characters left out" in str(task.error)


def test_a_steps_own_interrupt_fails_the_run() -> None:
    task = hostile.untouched.options(executor="process:1").run("interrupts_itself")
    assert task.status == "failed"


def test_a_worker_can_be_stopped_again_and_again() -> None:
    pipeline = hostile.interrupted.options(executor="process:1")
    for number in range(3):
        task = pipeline.run(number)
        assert (task.status, task["naps"].status) == ("failed", "stopped")
    with pytest.raises(StepFailed, match="timeout"):
        hostile.timed.options(executor="process:1")(1)


# --- whose answer it is -----------------------------------------------------------------------


def test_a_component_is_never_taken_for_one_that_is_gone() -> None:
    for salt in range(5):
        assert hostile.breaks_off.options(executor="process:2").run(20).status == "failed"
        found = hostile.many_components.options(executor="process:2")(20, salt)
        assert found == [salt * 1000 + number for number in range(20)]


def test_a_path_counts_as_it_is_when_the_step_runs(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    pipeline = hostile.reads_after_a_change.options(executor=executor)
    path.write_text("old")
    first = pipeline(path)
    assert first in ("old", "new")  # whichever it read, it is not remembered as the other
    path.write_text("old")
    again = hostile.one_read.options(executor=executor)(path)
    assert again == "old"


def test_equal_files_in_different_folders_are_different_inputs(
    executor: str, tmp_path: Path
) -> None:
    paths = [tmp_path / name / "1.txt" for name in ("cat", "dog")]
    for path in paths:
        path.parent.mkdir()
        path.write_text("same")
    assert hostile.folders.options(executor=executor)(paths) == ["cat", "dog"]


def test_a_closure_that_changes_is_other_code(executor: str) -> None:
    assert hostile.changing_closure.options(executor=executor)() == [10, 20]


def test_callables_that_compare_equal_are_told_apart(executor: str) -> None:
    assert hostile.equal_callables.options(executor=executor)() == [6, 15]


def test_a_default_that_is_passed_stays_itself(executor: str) -> None:
    assert hostile.sentinels.options(executor=executor)() == [False, False, False, True]


# --- bytes that are gone ----------------------------------------------------------------------


def ruin_inline(home: Path) -> None:
    connection = sqlite3.connect(home / "pipekit.db")
    connection.execute("DELETE FROM contents")
    connection.commit()
    connection.close()


def ruin_blobs(home: Path) -> None:
    for blob in home.glob("blobs/??/*"):
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes()[:-1] + b"y")


def truncate_blobs(home: Path) -> None:
    for blob in home.glob("blobs/??/*"):
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("count", "ruin"), [(10, ruin_inline), (100_000, ruin_blobs), (100_000, truncate_blobs)]
)
def test_what_is_lost_is_said_once_and_computed_anew(
    executor: str, home: Path, count: int, ruin: Callable[[Path], None]
) -> None:
    pipeline = hostile.measures.options(executor=executor)
    assert pipeline(count) == count
    close_sessions()
    ruin(home)
    said = pipeline.run(count)
    if said.status != "completed":  # a truncated blob is a miss already
        assert "run the pipeline again" in str(said.error)
    assert pipeline(count) == count


def test_the_home_is_no_part_of_a_folder_that_it_lies_in(executor: str, tmp_path: Path) -> None:
    pipeline = hostile.listing.options(executor=executor)
    first, second = pipeline.run(tmp_path), pipeline.run(tmp_path)
    assert first.value == second.value
    assert second["lists"].reused


# --- odd code ---------------------------------------------------------------------------------


def test_classes_defined_in_functions_are_no_other_code(executor: str) -> None:
    assert hostile.local_class_in_a_closure.options(executor=executor)() == 11


def test_what_a_step_does_to_its_path_harms_no_one_else(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_text("x")
    assert hostile.removing.options(executor=executor)(path) == 1


def test_a_relative_path_is_where_the_pipeline_function_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    here = os.getcwd()
    found = hostile.goes_to.options(executor="process:1")(tmp_path, "file")
    assert found == ["here", here]


def test_an_exception_that_takes_no_notes_is_a_step_failed(executor: str) -> None:
    with pytest.raises(StepFailed, match="Stubborn: as it is"):
        hostile.one.options(executor=executor)("raises_stubborn")


def test_a_helper_in_a_closure_is_looked_at_each_time(executor: str) -> None:
    found = hostile.deep_closure.options(executor=executor)()
    assert found == [[1], [1, 2], [1, 2]]


def test_an_unknown_executor_of_a_component_fails_at_the_call() -> None:
    with pytest.raises(UnknownExecutor, match="'slurm'"):
        hostile.one_elsewhere()
    assert hostile.one("forks") == "parent"


def test_an_array_that_was_damaged_between_two_processes_is_not_used(
    home: Path, tmp_path: Path
) -> None:
    code = "import hostile; print(hostile.ramp_sum.run(100_000).error or 'fine')"

    def said() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    assert said() == "fine\n"
    (blob,) = home.glob("blobs/??/*")
    times = blob.stat()
    blob.chmod(0o600)
    with blob.open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    os.utime(blob, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "are not what was stored" in said()
    assert said() == "fine\n"  # it was forgotten, and computed anew


# --- what is shared ---------------------------------------------------------------------------


def test_an_outcome_whose_path_has_changed_is_not_shared(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    assert hostile.twice.options(executor=executor)(path) == ["old", "changed"]


def test_a_path_counts_where_it_led_at_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    pipeline = hostile.leaves_before_it_is_read.options(executor="process:1")
    for text in ("here", "new"):
        (tmp_path / "here" / "file").write_text(text)
        monkeypatch.chdir(tmp_path / "here")
        assert pipeline(tmp_path / "there") == text


def test_equal_closures_over_different_objects_stay_apart() -> None:
    first, second = [1], [1]
    pipeline = hostile.asks.options(executor="inline")
    held, other = hostile.holding(first), hostile.holding(second)
    assert pipeline(held) == [1]
    first.append(2)
    assert pipeline(other) == [1]
    assert pipeline(held) == [1, 2]


def test_a_remembered_none_is_taken_only_where_cache_is_true(executor: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    pipeline = hostile.returns_none.options(executor=executor)
    for keep in (True, True, False):
        pipeline(str(journal), keep)
    assert journal.read_text() == "xx"


def test_runs_at_once_do_not_mix_up_their_components() -> None:
    pipeline = hostile.numbered.options(executor="process:2")
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(pipeline, range(24)))
    assert found == [[(0, number, k) for k in range(10)] for number in range(24)]
