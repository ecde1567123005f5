"""How what goes on at this moment reads at the bottom of a screen."""

from __future__ import annotations

import pytest

from pipekit.console.board import Board, Progress
from pipekit.console.panel import Panel
from pipekit.console.terminal import ASCII_MARKS, MARKS, cells
from pipekit.model.status import Status
from pipekit.reporting import RunFacts, StepEnd, StepFacts

RUN = RunFacts("01j9zk7abcdefghijk", "train", "iris", "process")
CHILD = RunFacts("child-id", "prepare", "iris", "process", "train")
NOW = 1000.0


def running(
    name: str, *, seconds: float = 1.0, run: RunFacts = RUN, task_id: str = "", attempt: int = 1
) -> StepFacts:
    component = name.partition("-")[0]
    return StepFacts(run, task_id or f"id-{name}", name, component, attempt, 3, NOW - seconds)


def ended(name: str, status: Status = Status.COMPLETED, reused_from: str = "") -> StepEnd:
    component = name.partition("-")[0]
    return StepEnd(RUN, f"id-{name}", name, component, status, 1.0, reused_from, None, 1, 1)


def board_of(*steps: StepFacts, called: dict[str, int]) -> Board:
    board = Board()
    board.began(RUN, NOW - 12)
    board.called(RUN, sum(called.values()), called, NOW)
    board.steps_running(steps)
    return board


def drawn(board: Board, *, columns: int = 100, height: int = 12, reason: str = "") -> list[str]:
    panel = Panel(MARKS, has_colour=False, find_reason=lambda task_id: reason)
    return panel.draw(board, columns=columns, height=height, now=NOW)


def test_the_first_line_counts_what_runs_waits_and_has_ended() -> None:
    board = board_of(running("fit-3"), called={"fit": 8})
    board.steps_ended(
        [ended("fit"), ended("fit-2", reused_from="train 01"), ended("fit-4", Status.FAILED)]
    )
    head = drawn(board, columns=120)[0]
    assert head.startswith("▶ train  01j9zk7abcdef  12 s  ━━━━━━━━━───────────────  3/8  1 running")
    assert head.endswith("4 waiting  1 failed  1 completed  1 reused")


def test_a_running_step_is_one_line_with_how_far_it_has_come_and_what_is_left() -> None:
    board = board_of(running("fit", seconds=10), called={"fit": 1})
    board.progressed(running("fit"), 10, 100, NOW - 9)
    board.progressed(running("fit"), 40, 100, NOW)
    assert drawn(board)[1] == "  fit      10 s  ━━━━━━━━────────────  40/100  18 s left"


def test_a_later_attempt_is_named() -> None:
    board = board_of(running("fit", attempt=2), called={"fit": 1})
    assert "attempt 2 of 3" in drawn(board)[1]


def test_why_a_step_runs_stands_behind_it() -> None:
    board = board_of(running("fit"), called={"fit": 1})
    assert drawn(board, reason="its code changed")[1].endswith("its code changed")


def test_many_steps_of_a_component_have_a_line_for_all() -> None:
    board = board_of(running("fit-12"), running("fit-13"), called={"fit": 100, "load": 1})
    board.steps_ended([ended("fit") for _ in range(11)])
    lines = drawn(board)
    assert lines[1].split() == ["fit", "━━──────────────────", "11/100", "2", "running"]
    assert [line.split()[0] for line in lines[2:]] == ["fit-12", "fit-13"]


def test_where_there_is_no_room_only_that_line_remains() -> None:
    board = board_of(*(running(f"fit-{i}") for i in range(30)), called={"fit": 100})
    lines = drawn(board)
    assert len(lines) == 2
    assert lines[1].endswith("0/100  30 running")


def test_what_does_not_fit_is_counted() -> None:
    steps = [running(f"step{i}") for i in range(30)]
    lines = drawn(board_of(*steps, called={step.component: 1 for step in steps}))
    assert len(lines) == 12
    assert lines[-1] == "  … and 20 more"


def test_steps_of_a_child_run_stand_below_it() -> None:
    board = board_of(running("prepare", task_id="child-id"), called={"prepare": 1})
    board.called(CHILD, 4, {"load": 4}, NOW)
    board.steps_running([running("load", run=CHILD)])
    lines = drawn(board)
    assert lines[1].split()[0] == "prepare"
    assert lines[1].endswith("0/4")
    assert [line.split()[0] for line in lines[2:]] == ["load", "load"]
    assert lines[3].startswith("      load")


@pytest.mark.parametrize("columns", [20, 40, 59, 60, 80, 300])
@pytest.mark.parametrize("height", [1, 2, 5, 30])
def test_no_line_is_wider_than_the_screen_and_there_are_never_more_than_asked(
    columns: int, height: int
) -> None:
    steps = [running(f"日本語の長い名前-{i}") for i in range(4)]
    steps += [running(f"other{i}") for i in range(4)]
    board = board_of(*steps, called={"日本語の長い名前": 9} | {f"other{i}": 1 for i in range(4)})
    board.began(RunFacts("second", "second", "", "process"), NOW)
    lines = drawn(board, columns=columns, height=height, reason="argument 'x' changed")
    assert len(lines) <= height
    assert all(cells(line) < columns for line in lines)


def test_an_encoding_without_the_marks_gets_plain_ones() -> None:
    board = board_of(running("fit"), called={"fit": 2})
    board.progressed(running("fit"), 1, 2, NOW)
    panel = Panel(ASCII_MARKS, has_colour=False, find_reason=lambda task_id: "")
    assert all(line.isascii() for line in panel.draw(board, columns=80, height=9, now=NOW))


def test_a_run_that_has_ended_is_gone() -> None:
    board = board_of(running("fit"), called={"fit": 1})
    board.run_ended(RUN.id)
    assert drawn(board) == []


def test_time_left_follows_the_rate_and_runs_down_between_two_reports() -> None:
    progress = Progress(0, 100, 0.0)
    assert progress.seconds_left(0.0) is None
    progress.move(25, 100, 5.0)
    assert progress.seconds_left(5.0) == pytest.approx(15.0)
    assert progress.seconds_left(8.0) == pytest.approx(12.0)
    progress.move(100, 100, 20.0)
    assert progress.seconds_left(20.0) is None


def test_progress_that_begins_anew_is_measured_anew() -> None:
    progress = Progress(0, 10, 0.0)
    progress.move(8, 10, 8.0)
    progress.move(1, 10, 9.0)
    progress.move(2, 10, 11.0)
    assert progress.seconds_left(11.0) == pytest.approx(16.0)
