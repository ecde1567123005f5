"""A run that begins when nothing can be carried out any more is told so, and does not wait."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from workspace import Workspace

from pipekit.control.run import Run
from pipekit.control.session import Session
from pipekit.errors import PipekitError, Stopped
from pipekit.settings import read_settings

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
