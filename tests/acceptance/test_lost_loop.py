"""A run that begins when nothing can be carried out any more is told so, and does not wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import watched
from workspace import Workspace

from pipekit import pipeline
from pipekit.clock import Timers
from pipekit.control.run import Run
from pipekit.control.session import Session, find_session, set_clock
from pipekit.errors import PipekitError, Stopped, StoreUnavailable
from pipekit.settings import read_settings
from pipekit.testing import FakeClock

pytestmark = pytest.mark.usefixtures("home")
_SECONDS = 30


def _run_of(session: Session, parent: Run | None = None) -> Run:
    return Run(
        session, task_id=session.new_id(), name="late", project="", executor="inline", parent=parent
    )


def _break_loop(session: Session) -> BaseException:
    error = NameError("a mistake in what the loop runs")

    def fail() -> None:
        raise error

    session.post(fail)
    session._loop._thread.join(_SECONDS)
    return error


def test_a_run_that_begins_after_its_loop_has_failed_is_over_with_that_error(
    tmp_path: Path,
) -> None:
    session = Session(read_settings(tmp_path))
    error = _break_loop(session)
    run = _run_of(session)
    session.scheduler.adopt(run)
    assert run.over.is_open
    assert run.fatal is error
    session.close()


def test_whoever_waits_for_a_run_learns_that_its_loop_has_failed(tmp_path: Path) -> None:
    session = Session(read_settings(tmp_path))
    run = _run_of(session)
    session.scheduler.adopt(run)
    waiting = threading.Thread(target=run.over.wait, daemon=True)
    waiting.start()
    error = _break_loop(session)
    waiting.join(_SECONDS)
    assert not waiting.is_alive()
    assert run.fatal is error
    session.close()


def test_a_child_run_that_begins_in_a_lost_run_is_lost_too(tmp_path: Path) -> None:
    session = Session(read_settings(tmp_path))
    parent = _run_of(session)
    session.scheduler.adopt(parent)
    session.scheduler.fail(PipekitError("the store is gone"))
    child = _run_of(session, parent)
    session.scheduler.adopt(child)
    assert child.over.is_open
    assert child.fatal is parent.fatal
    session.close()


def test_a_run_whose_session_is_closed_does_not_wait_for_ever(tmp_path: Path) -> None:
    session = Session(read_settings(tmp_path))
    run = _run_of(session)
    session.scheduler.adopt(run)
    session.close()
    assert run.over.is_open
    assert isinstance(run.fatal, Stopped)


def test_what_fails_while_the_end_of_a_run_is_told_is_raised_there(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(
        "flow.py",
        """
        import logging
        from pipekit import pipeline

        @pipeline
        def nothing():
            return 1

        def fails(record):
            if "ended" in record.msg:
                raise NameError("a mistake in a filter")
            return True

        logging.getLogger("pipekit.run").setLevel(logging.DEBUG)
        logging.getLogger("pipekit.run").addFilter(fails)
        nothing()
        """,
    )
    said = workspace.python("flow.py", PIPEKIT_PROGRESS="off")
    assert said.code == 1
    assert "NameError: a mistake in a filter" in said.err


class _LosingClock(FakeClock):
    """When a wait is over, the store is gone."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = home

    def wait(self, seconds: float, callback: Callable[[], None], timers: Timers) -> None:
        session = find_session(self._home)
        assert session is not None
        session.scheduler.fail(StoreUnavailable("The store is gone."))
        super().wait(seconds, callback, timers)


def test_a_step_that_waits_for_its_next_attempt_has_none_when_its_run_is_lost(
    home: Path, tmp_path: Path
) -> None:
    set_clock(home, _LosingClock(home))
    journal = tmp_path / "journal"
    step = watched.fail_until.options(retries=3, retry_delay=5)
    with pytest.raises(StoreUnavailable):
        pipeline(lambda: step(str(journal), 2)).options(executor="process:1")()
    watched.doubled.options(executor="process:1")()  # behind whatever the one worker has to do
    assert journal.read_text() == "x"
