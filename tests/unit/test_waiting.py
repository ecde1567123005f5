"""How a thread waits, and what wakes it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from pipekit.control.run import Gate, Waiter
from pipekit.executors.inline import Mailbox


def gate() -> tuple[Callable[[], object], Callable[[], None]]:
    shut = Gate()
    return shut.wait, shut.open


def waiter() -> tuple[Callable[[], object], Callable[[], None]]:
    waits = Waiter(1)
    return waits.wait, waits.give_up


def mailbox() -> tuple[Callable[[], object], Callable[[], None]]:
    box = Mailbox()
    return box.take, lambda: box.deliver(None)


@pytest.mark.parametrize("kind", [gate, waiter, mailbox])
def test_a_signal_that_comes_to_another_thread_ends_the_wait(
    kind: Callable[[], tuple[Callable[[], object], Callable[[], None]]],
) -> None:
    wait, end = kind()
    begins, woken = threading.Event(), threading.Event()
    had_to_be_ended = []

    def interrupt() -> None:
        begins.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        if not woken.wait(20):
            had_to_be_ended.append(True)
            end()

    def begin() -> None:
        begins.set()
        wait()

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        begin()
    woken.set()
    other.join()
    assert not had_to_be_ended


def test_a_wait_that_takes_too_long_says_so() -> None:
    assert Waiter(1).wait(0) is False
    assert Waiter(1).wait(0.6) is False


def test_a_wait_for_what_has_ended_returns_at_once() -> None:
    waits = Waiter(1)
    waits.one_ended()
    assert waits.wait(0) is True
    assert Gate.wait(opened()) is None


def opened() -> Gate:
    it = Gate()
    it.open()
    return it
