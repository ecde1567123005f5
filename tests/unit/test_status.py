"""The life of a task as a table."""

from __future__ import annotations

import pytest

from pipekit.model.status import TERMINAL, TRANSITIONS, Status, Transition, sources_of


def test_a_terminal_status_is_left_by_resume_and_reset_alone() -> None:
    leaving = {happened for status, happened in TRANSITIONS if status in TERMINAL}
    assert leaving == {Transition.RESUMED, Transition.RESET}


@pytest.mark.parametrize("status", sorted(set(Status) - TERMINAL - {Status.DRAFT}))
def test_what_has_not_ended_can_be_stopped_fail_and_complete(status: Status) -> None:
    reached = {to for (source, _), to in TRANSITIONS.items() if source is status}
    assert reached >= {Status.STOPPED, Status.FAILED, Status.COMPLETED}


def test_every_status_but_draft_is_reached() -> None:
    assert set(TRANSITIONS.values()) == set(Status)


def test_a_completion_is_expected_of_running_tasks_and_of_short_steps() -> None:
    assert sources_of(Transition.COMPLETED) == {Status.RUNNING, Status.PENDING}
