"""The loop runs what is posted, whatever interrupts the thread that posts."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from pipekit.control.loop import SelectorLoop

_SECONDS = 30


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
def loop(failures: list[BaseException]) -> Iterator[SelectorLoop]:
    loop = SelectorLoop(lambda: None, failures.append)
    loop.start()
    yield loop
    loop.close()
    assert not failures


def test_posted_callbacks_run_in_their_order(loop: SelectorLoop) -> None:
    ran: list[int] = []
    done = threading.Event()
    for number in range(100):
        loop.post(lambda number=number: ran.append(number))
    loop.post(done.set)
    assert done.wait(_SECONDS)
    assert ran == list(range(100))


def test_what_is_posted_after_an_interrupt_while_the_loop_is_woken_still_runs(
    loop: SelectorLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    poster = threading.current_thread()
    interrupted = threading.Event()

    def interrupt_once(fd: int, data: bytes) -> int:
        if threading.current_thread() is poster and not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt
        return write(fd, data)

    monkeypatch.setattr(os, "write", interrupt_once)
    while not interrupted.is_set():  # until the loop was asleep at a post
        try:
            loop.post(lambda: None)
        except KeyboardInterrupt:
            break
    ran = threading.Event()
    loop.post(ran.set)
    assert ran.wait(_SECONDS)


def test_a_loop_that_is_closed_runs_what_was_posted_before(failures: list[BaseException]) -> None:
    loop = SelectorLoop(lambda: None, failures.append)
    ran: list[int] = []
    loop.post(lambda: ran.append(1))
    loop.start()
    loop.close()
    assert ran == [1]
    assert not failures


def test_a_timer_that_is_years_away_ends_nothing(loop: SelectorLoop) -> None:
    loop.post(lambda: loop.call_later(1e9, lambda: None))
    for _ in range(20):  # between two of these it sleeps
        ran = threading.Event()
        loop.post(ran.set)
        assert ran.wait(_SECONDS)


def test_what_is_unwatched_in_a_round_is_not_called_in_it_any_more(loop: SelectorLoop) -> None:
    pipes = [os.pipe() for _ in range(2)]
    called: list[int] = []
    over = threading.Event()

    def be_called(number: int) -> None:
        called.append(number)
        for read, _ in pipes:
            loop.unwatch(read)
        loop.post(over.set)

    def watch_both() -> None:
        for number, (read, _) in enumerate(pipes):
            loop.watch(read, lambda number=number: be_called(number))  # type: ignore[misc]

    for _, write in pipes:
        os.write(write, b"w")
    loop.post(watch_both)
    assert over.wait(_SECONDS)
    assert len(called) == 1
    for pipe in pipes:
        for fd in pipe:
            os.close(fd)
