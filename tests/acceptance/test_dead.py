"""A run whose process is gone is closed, and one that somebody conducts is left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipekit.control.archive import Archive
from pipekit.control.dead import close_dead
from pipekit.control.heartbeat import LEASE_SECONDS, Heartbeat
from pipekit.control.loop import SelectorLoop
from pipekit.control.run import Run
from pipekit.control.session import session_for
from pipekit.liveness import host_name, started_at
from pipekit.model.records import Attempt, Change, Closing, Kind, Lease, Move, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.settings import read_settings
from pipekit.testing import FakeClock

_NOW = 1000.0


class Fixed(FakeClock):
    """Stands still unless it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0

    def now(self) -> float:
        return _NOW + self._passed

    def advance(self, seconds: float) -> None:
        self._passed += seconds


@pytest.fixture
def archive(home: Path) -> Iterator[Archive]:
    opened = Archive(read_settings(), clock=Fixed())
    yield opened
    opened.close()


def record(archive: Archive, *, host: str, pid: int, began: float, lease_until: float) -> None:
    """A run with a running step, a waiting one, and a child run with a running step."""

    def task(task_id: str, kind: Kind, status: Status, parent: str | None) -> Task:
        return Task(task_id, kind, task_id, "p", status, 1.0, TaskSpec("flow:x"), parent=parent)

    def attempt(task_id: str) -> Attempt:
        return Attempt(task_id, 1, 1.0, host, pid, began, lease_until=lease_until)

    running, step = Status.RUNNING, Kind.STEP
    tasks = [
        task("run", Kind.PIPELINE, running, None),
        task("fit", step, running, "run"),
        task("report", step, Status.PENDING, "run"),
        task("child", Kind.PIPELINE, running, "run"),
        task("inner", step, running, "child"),
    ]
    changes = [
        Change(one.id, create=one, open=attempt(one.id) if one.status is running else None)
        for one in tasks
    ]
    assert all(archive.store.commit(changes))


def statuses(archive: Archive) -> dict[str, str]:
    return {task.id: str(task.status) for task in archive.store.list_tasks()}


UNTOUCHED = {"run": "running", "fit": "running", "child": "running", "inner": "running"} | {
    "report": "pending"
}
CLOSED = dict.fromkeys(UNTOUCHED, "stopped") | {"run": "failed"}


def test_a_run_whose_process_is_gone_is_closed_with_all_below_it(archive: Archive) -> None:
    record(archive, host=host_name(), pid=os.getpid(), began=-1.0, lease_until=_NOW + 20)
    assert [run.id for run in close_dead(archive)] == ["run"]
    assert statuses(archive) == CLOSED
    for task_id in ("run", "fit", "child", "inner"):
        (attempt,) = archive.store.list_attempts(task_id)
        assert (attempt.ended_at, attempt.exit) == (_NOW, "lost")
    assert archive.store.list_attempts("report") == []
    failure = archive.get_task("run").failure
    assert failure is not None
    assert "ended without recording an end" in failure.message
    assert "pipekit resume run" in failure.message


def test_a_run_whose_process_lives_is_left_alone(archive: Archive) -> None:
    began = started_at(os.getpid()) or 0.0
    record(archive, host=host_name(), pid=os.getpid(), began=began, lease_until=0.0)
    assert close_dead(archive) == []
    assert statuses(archive) == UNTOUCHED


def test_of_another_host_the_lease_decides(archive: Archive) -> None:
    record(archive, host="elsewhere", pid=1, began=1.0, lease_until=_NOW + 1.0)
    assert close_dead(archive) == []
    assert statuses(archive) == UNTOUCHED
    clock = archive.clock
    assert isinstance(clock, Fixed)
    clock.advance(2.0)
    assert len(close_dead(archive)) == 1
    assert statuses(archive) == CLOSED


def test_a_run_that_was_closed_is_not_closed_again(archive: Archive) -> None:
    record(archive, host=host_name(), pid=1, began=-1.0, lease_until=0.0)
    assert len(close_dead(archive)) == 1
    assert close_dead(archive) == []


def test_what_a_dead_run_was_computing_is_free_for_others(archive: Archive) -> None:
    record(archive, host=host_name(), pid=1, began=-1.0, lease_until=0.0)
    lease = Lease("k", "inner", host_name(), 1, -1.0, _NOW + 30)
    assert archive.store.take_lease(lease, now=_NOW)
    close_dead(archive)
    assert archive.store.find_lease("k") is None


def test_a_run_that_was_resumed_in_the_meantime_keeps_its_steps(archive: Archive) -> None:
    """The first change is the guard: nothing of the others lands where it does not."""
    record(archive, host=host_name(), pid=1, began=-1.0, lease_until=0.0)
    store = archive.store
    (mine,) = store.list_attempts("run")
    assert store.commit([Change("run", close=Closing(1, 5.0, "lost"))]) == [True]
    assert store.commit([Change("run", open=Attempt("run", 2, 6.0, "elsewhere", 1, 1.0))]) == [True]
    late = [
        Change("run", close=Closing(mine.number, 7.0, "lost")),
        Change("report", move=Move(frozenset({Status.PENDING}), Status.STOPPED, 7.0)),
    ]
    assert store.commit(late, if_first=True) == [False, False]
    assert statuses(archive)["report"] == "pending"


def test_a_heartbeat_renews_the_lease_of_a_run(archive: Archive) -> None:
    record(archive, host="elsewhere", pid=1, began=1.0, lease_until=_NOW - 500)
    session = session_for(read_settings())
    run = Run(session, task_id="run", name="run", project="p", executor="inline")
    loop = SelectorLoop(lambda: None, lambda error: None)
    Heartbeat(loop, archive.store, archive.clock, [run], pytest.fail).beat()
    (attempt,) = archive.store.list_attempts("run")
    assert (attempt.heartbeat_at, attempt.lease_until) == (_NOW, _NOW + LEASE_SECONDS)
    assert close_dead(archive) == []


def test_a_run_that_another_process_has_taken_is_lost_here(archive: Archive) -> None:
    """As after the machine has slept. The lease is the other's, and is not renewed for it."""
    record(archive, host="elsewhere", pid=1, began=0.0, lease_until=_NOW + 5)
    loop = SelectorLoop(lambda: None, lambda error: None)
    session = session_for(read_settings())
    run = Run(session, task_id="run", name="run", project="p", executor="inline")
    lost: list[BaseException] = []
    heartbeat = Heartbeat(loop, archive.store, archive.clock, [run], lost.append)
    heartbeat.beat()
    assert not lost
    taken = Change("run", close=Closing(1, _NOW, "lost"))
    again = Attempt("run", 2, _NOW, "elsewhere", 2, 0.0, lease_until=_NOW + 7)
    assert all(archive.store.commit([taken, Change("run", open=again)]))
    heartbeat.beat()
    assert "Run 'run'" in str(lost[0])
    assert archive.store.list_attempts("run")[-1].lease_until == _NOW + 7


@pytest.mark.parametrize(("slept", "is_lost"), [(LEASE_SECONDS - 1, False), (60.0, True)])
def test_after_a_sleep_longer_than_the_lease_a_run_is_looked_after_before_anything_is_recorded(
    archive: Archive, slept: float, is_lost: bool
) -> None:
    record(archive, host="elsewhere", pid=1, began=0.0, lease_until=_NOW + LEASE_SECONDS)
    loop = SelectorLoop(lambda: None, lambda error: None)
    session = session_for(read_settings())
    run = Run(session, task_id="run", name="run", project="p", executor="inline")
    lost: list[BaseException] = []
    heartbeat = Heartbeat(loop, archive.store, archive.clock, [run], lost.append)
    heartbeat.beat_later()
    assert isinstance(archive.clock, Fixed)
    archive.clock.advance(slept)
    assert all(archive.store.commit([Change("run", close=Closing(1, _NOW, "lost"))]))
    heartbeat.beat_if_late()
    assert bool(lost) == is_lost
