"""Frames between a controller and its worker, and the page that they share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipekit.worker.board import NO_CALL, Board
from pipekit.worker.message import Ready, Unpacker, pack


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 50))
def test_messages_come_whole_however_the_stream_is_cut(payloads: list[bytes], size: int) -> None:
    stream = b"".join(pack(payload) for payload in payloads)
    unpacker = Unpacker()
    received = []
    for start in range(0, len(stream), size):
        received += unpacker.feed(stream[start : start + size])
    assert received == payloads


def test_a_message_keeps_its_type() -> None:
    (message,) = Unpacker().feed(pack(Ready(7)))
    assert message == Ready(7)
    assert type(message) is Ready


@pytest.fixture
def boards(tmp_path: Path) -> tuple[Board, Board]:
    """The controller's and the worker's view of one page."""
    fd = os.open(tmp_path / "board", os.O_RDWR | os.O_CREAT)
    return Board(fd, new=True), Board(os.dup(fd))


def test_before_the_first_call_the_board_names_none(boards: tuple[Board, Board]) -> None:
    assert boards[0].current() == (NO_CALL, 0.0)


def test_a_call_that_began_is_seen_by_the_controller(boards: tuple[Board, Board]) -> None:
    controller, worker = boards
    assert worker.begin(3, 12.5)
    assert controller.current() == (3, 12.5)


def test_calls_that_were_taken_back_do_not_begin_and_later_ones_do(
    boards: tuple[Board, Board],
) -> None:
    controller, worker = boards
    worker.begin(0, 1.0)
    assert controller.take_back(4) == (0, 1.0)
    assert [worker.begin(token, 2.0) for token in range(1, 6)] == [False, False, False, True, True]


def test_a_second_taking_back_covers_what_was_sent_since(boards: tuple[Board, Board]) -> None:
    controller, worker = boards
    worker.begin(0, 1.0)
    controller.take_back(3)
    controller.take_back(6)
    assert [worker.begin(token, 2.0) for token in range(1, 7)] == [False] * 5 + [True]
