"""What a controller and a worker say to each other, and its framing on a stream.

A frame is a length in four bytes, little-endian, and a pickle of that length. Both ends are one
user's processes on one machine, joined by a socket pair that nobody else can open.
"""

from __future__ import annotations

import pickle
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from pipekit.model.failure import FailureKind
from pipekit.model.trace import Reads
from pipekit.model.value import Digest, StoredValue
from pipekit.origin import Origin
from pipekit.settings import Settings

if TYPE_CHECKING:
    from socket import socket

    from pipekit.model.audit import Audit

HEADER = struct.Struct("<I")


class Setup(NamedTuple):
    """First thing that a worker hears: the controller's surroundings, for code to find alike."""

    sys_path: list[str]
    argv: list[str]
    main_module: str
    """Stable name of the controller's main module; empty where it cannot be imported."""
    main_path: str
    python_path: str | None
    """PYTHONPATH as the user has it."""
    settings: Settings
    key: bytes


class ComponentSpec(NamedTuple):
    """All that a worker needs to know of a component, sent once a worker."""

    number: int
    """Its own in this controller, the same for equal specs; never an address, which may be
    another's tomorrow."""
    name: str
    origin: Origin | None
    pickled: bytes
    """The function by value, where `origin` is None."""
    outputs: tuple[str, ...]
    whole: bool
    """The one output is the return value as it is, not its first element."""
    code: Digest
    """The controller's code fingerprint; empty where it is not compared."""
    depends_on: bytes = b""
    """What else counts into it, packed; empty where there is nothing."""
    ignore: tuple[str, ...] = ()
    """Names that do not."""


class Call(NamedTuple):
    """One attempt to run."""

    token: int
    component: int
    task_id: str
    arguments: bytes
    """A pickle of (args, kwargs); persistent id `i` in it stands for `inputs[i]`."""
    inputs: tuple[tuple[StoredValue, bytes | None, str], ...]
    """Stored values: each with its bytes where they are inline, and what to call it."""
    folder: str = ""
    """The working folder that the step is to see."""
    is_audited: bool = False
    """What its key cannot count is to be looked at."""
    codes: str = ""
    """The code that its inputs are made of, by name, as it is to be here."""


class Introduce(NamedTuple):
    """Gives a component its number."""

    component: int
    spec: ComponentSpec


class Ready(NamedTuple):
    """The worker has set itself up."""

    pid: int
    cpu_seconds: float = 0.0
    """What that took."""


class Output(NamedTuple):
    name: str
    value: StoredValue
    content: bytes | None
    """Bytes of an inline value."""


class LoggedMetric(NamedTuple):
    name: str
    value: float
    step: int | None
    at: float


class Logged(NamedTuple):
    """What an attempt has logged while it goes on; with nothing in it: a wish to be recorded."""

    token: int
    metrics: tuple[LoggedMetric, ...] = ()
    artifacts: tuple[Output, ...] = ()
    progress: tuple[float, float | None] | None = None
    """How much is done, and of how much, if that is known."""
    audit: Audit | None = None
    """What an audited attempt was seen to do; sent right before its report."""


class Done(NamedTuple):
    """An attempt returned, and its outputs are stored."""

    token: int
    duration_seconds: float
    log_start: int
    log_end: int
    outputs: tuple[Output, ...]
    none: bool
    """Whether the function returned None, and nothing else."""
    reads: Reads = ()
    """What it was seen to read and write."""
    unsure: str = ""
    """Why what it read does not settle its outcome, where that is so."""
    changed: str = ""
    """What the step rested on and has changed in its process, as a phrase."""
    cpu_seconds: float | None = None
    peak_bytes: int | None = None


class Broke(NamedTuple):
    """An attempt did not return, or its outputs could not be stored."""

    token: int
    duration_seconds: float
    log_start: int
    log_end: int
    kind: FailureKind
    message: str
    traceback: str
    exception_class: str
    bases: tuple[str, ...]
    """Qualified names of the exception's class and those that it inherits from."""
    exception: bytes
    """The exception itself, pickled, where it can be."""
    cpu_seconds: float | None = None
    peak_bytes: int | None = None


class Stale(NamedTuple):
    """An attempt was not begun: this process has kept what it read of a file or variable that has
    changed since, or an earlier step has changed what this one rests on. Another process is to run
    it."""

    token: int
    changed: str = ""
    """What an earlier step has changed in this process, as a phrase."""


Report = Done | Broke


def pack(message: Any) -> bytes:
    """The frame of a message."""
    body = pickle.dumps(message, 5)
    return HEADER.pack(len(body)) + body


def send_whole(connection: socket, frame: bytes) -> None:
    """Send a frame to its end. Where the handler of a signal raises meanwhile, that is raised when
    the frame is sent: after half a frame the other side would understand nothing any more.

    Raises:
        OSError: the other side is gone.
    """
    sent: list[int] = []
    raised: BaseException | None = None
    while True:
        try:
            while (at := sum(sent)) < len(frame):
                # No handler runs between these two: what was sent is known to be.
                sent.extend(map(connection.send, (memoryview(frame)[at:],)))
            break
        except BaseException as error:
            if not sent or (isinstance(error, OSError) and error.errno is not None):
                raise
            raised = error
    if raised is not None:
        raise raised


class Unpacker:
    """Cuts a stream of bytes into messages."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """The messages that are whole once `data` has come."""
        buffer = self._buffer
        buffer += data
        messages = []
        at, end = 0, len(buffer)
        view = memoryview(buffer)
        while end - at >= 4:
            (length,) = HEADER.unpack_from(buffer, at)
            if end - at - 4 < length:
                break
            messages.append(pickle.loads(view[at + 4 : at + 4 + length]))
            at += 4 + length
        view.release()
        del buffer[:at]
        return messages
