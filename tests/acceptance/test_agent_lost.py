"""What an agent has left behind waits again: on this host at once, on another when its lease is
over."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from test_dead import Fixed

from pipekit.control import agent as agent_module
from pipekit.control import project_copy
from pipekit.control.agent import Agent
from pipekit.control.archive import Archive
from pipekit.control.lost import MOST_LOST, hand_back, hand_back_lost, take_back
from pipekit.errors import PipekitError, StoreUnavailable
from pipekit.liveness import host_name, started_at
from pipekit.model.records import Attempt, Change, Claimer, Closing, Kind, Move, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.settings import read_settings
from pipekit.stores.memory import MemoryStore

ELSEWHERE = Claimer("a1", "elsewhere", 7, 50.0)


@pytest.fixture
def archive(home: Path) -> Iterator[Archive]:
    opened = Archive(read_settings(), clock=Fixed())
    task = Task(
        "run", Kind.PIPELINE, "train", "p", Status.QUEUED, 1.0, TaskSpec("flow:train"),
        queue="services", queued_at=1.0,
    )  # fmt: skip
    assert all(opened.store.commit([Change("run", create=task)]))
    yield opened
    opened.close()


def claimed(archive: Archive, claimer: Claimer = ELSEWHERE) -> Attempt:
    now = archive.clock.now()
    assert archive.store.claim(["services"], claimer, now=now, until=now + 30) is not None
    return archive.store.list_attempts("run")[-1]


def task_of(archive: Archive) -> Task:
    found = archive.store.find_task("run")
    assert found is not None
    return found


def test_a_task_of_another_host_is_handed_back_when_its_lease_is_over(archive: Archive) -> None:
    claimed(archive)
    assert hand_back_lost(archive) == []
    archive.clock.advance(31)  # type: ignore[attr-defined]
    (handed,) = hand_back_lost(archive)
    assert handed.status is Status.QUEUED
    assert task_of(archive).queue == "services"
    assert archive.store.list_attempts("run")[-1].exit == "lost"


def test_a_task_whose_agent_lives_stays_with_it(archive: Archive) -> None:
    pid = os.getpid()
    claimed(archive, Claimer("a1", host_name(), pid, started_at(pid) or 0.0))
    archive.clock.advance(3600)  # type: ignore[attr-defined]  # as when the machine slept
    assert hand_back_lost(archive) == []


def test_an_agent_hands_back_what_it_has_and_knows_nothing_of(archive: Archive) -> None:
    agent = Agent(archive, queues=("services",), drain=True)
    pid = os.getpid()
    claimed(archive, Claimer(agent.id, host_name(), pid, started_at(pid) or 0.0))
    agent.run()
    lost, ended = archive.store.list_attempts("run")
    assert (lost.exit, ended.exit) == ("lost", "import")
    assert archive.store.list_agents() == []


def test_a_task_is_handed_back_once(archive: Archive) -> None:
    attempt = claimed(archive)
    assert hand_back(archive, attempt, "gone") is not None
    assert hand_back(archive, attempt, "gone") is None


def test_open_steps_of_a_lost_run_are_closed_with_it(archive: Archive) -> None:
    attempt = claimed(archive)
    step = replace(
        task_of(archive), id="fit", kind=Kind.STEP, parent="run", queue=None, queued_at=None
    )
    opened = Attempt("fit", 1, 1.0, "elsewhere", 8, 51.0)
    assert all(archive.store.commit([Change("fit", create=step, open=opened)]))
    assert hand_back(archive, attempt, "gone") is not None
    found = archive.store.find_task("fit")
    assert found is not None
    assert found.status is Status.STOPPED
    assert archive.store.list_attempts("fit")[0].exit == "lost"


def test_steps_that_wait_for_agents_of_their_own_are_left_to_them(archive: Archive) -> None:
    attempt = claimed(archive)
    step = replace(task_of(archive), id="fit", kind=Kind.SCRIPT, parent="run")
    waiting = replace(step, status=Status.QUEUED, queue="gpu", queued_at=2.0)
    assert all(archive.store.commit([Change("fit", create=waiting)]))
    assert hand_back(archive, attempt, "gone") is not None
    found = archive.store.find_task("fit")
    assert found is not None
    assert found.status is Status.QUEUED


def test_losses_in_a_row_end_a_task(archive: Archive) -> None:
    for number in range(1, MOST_LOST):
        handed = hand_back(archive, claimed(archive), f"gone {number}")
        assert handed is not None
        assert handed.status is Status.QUEUED
    handed = hand_back(archive, claimed(archive), "gone at last")
    assert handed is not None
    assert handed.status is Status.FAILED
    failure = task_of(archive).failure
    assert failure is not None
    assert failure.message.splitlines()[1:] == [
        "Attempt 1: gone 1", "Attempt 2: gone 2", "Attempt 3: gone at last",
    ]  # fmt: skip


def test_an_end_of_the_agent_is_no_loss_of_the_task(archive: Archive) -> None:
    for _ in range(2 * MOST_LOST):
        handed = hand_back(archive, claimed(archive), "Its agent ended.", counts=False)
        assert handed is not None
        assert handed.status is Status.QUEUED


def test_a_lost_task_that_was_to_be_stopped_is_stopped(archive: Archive) -> None:
    attempt = claimed(archive)
    archive.store.request_stop("run", archive.clock.now())
    handed = hand_back(archive, attempt, "gone")
    assert handed is not None
    assert handed.status is Status.STOPPED


@pytest.mark.parametrize("asked", [False, True])
def test_what_its_agent_stopped_waits_again_unless_someone_else_wanted_it_stopped(
    archive: Archive, asked: bool
) -> None:
    claimed(archive)
    if asked:
        archive.store.request_stop("run", archive.clock.now())
    now = archive.clock.now()
    move = Move(frozenset({Status.RUNNING}), Status.STOPPED, now)
    closing = Closing(1, now, "stopped")
    assert all(archive.store.commit([Change("run", close=closing, move=move)]))
    assert take_back(archive, "run", 1) is not asked
    assert task_of(archive).status is (Status.STOPPED if asked else Status.QUEUED)


def test_copies_that_another_process_removes_at_this_moment_are_none_of_this_ones_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are listed first; by then one may be gone."""
    copy = tmp_path / "pipekit-run-1-b"
    copy.mkdir()
    listed = [tmp_path / "pipekit-run-1-a", copy]
    monkeypatch.setattr(Path, "glob", lambda *_: iter(listed))
    project_copy.remove_copies("run", 1)
    assert not copy.exists()


class FullStore(MemoryStore):
    """Takes no change; tasks can be claimed."""

    def commit(self, changes: Sequence[Change], *, if_first: bool = False) -> list[bool]:
        raise StoreUnavailable("The disk is full.")


def test_an_agent_that_can_neither_start_a_task_nor_say_so_goes_on(archive: Archive) -> None:
    """As on a full disk. The task is handed back when that can be recorded."""
    full = FullStore()
    assert MemoryStore.commit(full, [Change("run", create=task_of(archive))]) == [True]
    archive.store.close()
    archive.store = full
    (archive.settings.home / "logs" / "run-1.log").mkdir(parents=True)
    told: list[str] = []
    Agent(archive, queues=("services",), once=True, tell=told.append).run()
    assert "could not be started" in told[0]
    assert full.list_agents() == []


def test_an_agent_whose_heartbeat_has_failed_ends(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else others would be given what it goes on to run."""

    def fail(_: object) -> None:
        raise ValueError("unforeseen")

    agent = Agent(archive, queues=("other",))
    monkeypatch.setattr(agent_module, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    main = threading.current_thread()
    monkeypatch.setattr(
        agent_module, "hand_back_lost",
        lambda found: [] if threading.current_thread() is main else fail(found),
    )  # fmt: skip
    with pytest.raises(PipekitError, match="heartbeat"):
        agent.run()
