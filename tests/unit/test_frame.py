"""A message reaches the other side whole, whatever interrupts the thread that sends it."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from pipekit.worker.message import Unpacker, pack, send_whole

_SECONDS = 30
_LARGE = bytes(1 << 22)
"""More than a socket takes at once."""


class _Interrupted(BaseException):
    pass


@pytest.fixture(autouse=True)
def _interrupting() -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise _Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_message_that_is_interrupted_half_way_is_sent_to_its_end() -> None:
    ours, theirs = socket.socketpair()
    came: list[object] = []

    def receive() -> None:
        unpacker = Unpacker()
        interrupts = 2
        while len(came) < 2:
            data = theirs.recv(1 << 16)
            if not data:
                return
            came.extend(unpacker.feed(data))
            if interrupts:  # the rest waits in the other thread
                interrupts -= 1
                os.kill(os.getpid(), signal.SIGUSR1)

    reading = threading.Thread(target=receive, daemon=True)
    reading.start()
    with pytest.raises(_Interrupted):
        send_whole(ours, pack(_LARGE))
    send_whole(ours, pack("next"))
    reading.join(_SECONDS)
    assert came == [_LARGE, "next"]


def test_a_message_that_nobody_takes_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(ConnectionError):
        send_whole(ours, pack("gone"))


def test_a_frame_is_its_length_and_a_pickle() -> None:
    frame = pack([1, "two"])
    assert int.from_bytes(frame[:4], "little") == len(frame) - 4
    assert pickle.loads(frame[4:]) == [1, "two"]
