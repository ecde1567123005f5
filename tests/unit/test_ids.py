"""Ids of tasks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from threading import Barrier, Thread

import pytest

from pipekit.clock import IdMaker, SystemClock


@pytest.fixture
def often_switched() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often_switched")
def test_threads_that_ask_at_once_get_ids_of_their_own() -> None:
    make, together = IdMaker(SystemClock()), Barrier(8)
    made: list[list[str]] = [[] for _ in range(8)]

    def ask(into: list[str]) -> None:
        together.wait()
        into.extend(make() for _ in range(10_000))

    threads = [Thread(target=ask, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [one for into in made for one in into]
    assert len(set(ids)) == len(ids)
    assert all(into == sorted(into) for into in made)
