"""One worker process from its controller's side: starting it, talking to it, ending it."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipekit.liveness import started_at
from pipekit.model.failure import FailureKind
from pipekit.ports import Assignment
from pipekit.worker.board import Board
from pipekit.worker.message import Call, ComponentSpec, Introduce, Setup, Unpacker, pack
from pipekit.worker.process import BOARD_FD, SOCKET_FD

_READ_BYTES = 1 << 18
_FIRST_FREE_FD = 16
"""Descriptors of ours are moved above those that the child is to have, before they are placed."""


class WorkerProcess:
    """A worker, what it was sent and has not answered, and where its console goes."""

    def __init__(self, setup: Setup, *, log: Path, log_name: str, folder: Path) -> None:
        """Start it. Returns at once; it answers `Ready` when it has set itself up.

        Raises:
            OSError: no process, descriptor or file can be made.
        """
        self.log_name = log_name
        self.log = log
        self.in_flight: dict[int, Assignment] = {}
        self._status: int | None = None
        self.load = 0.0
        """Seconds that what is in flight is expected to take."""
        self.log_at = 0
        """Where the console of the call that it is in begins."""
        self.ending: tuple[Assignment, FailureKind, str] | None = None
        """The call for which it is being ended, and why."""
        self._unpacker = Unpacker()
        self._unsent: list[bytes] = []
        self._introduced: set[int] = set()
        self._next_token = 0
        self._connection, theirs = socket.socketpair()
        try:
            self.board = Board(_unlinked_file(folder), new=True)
            self.pid = _spawn(theirs.fileno(), self.board.fd, log)
        except OSError:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self.pid_started_at = started_at(self.pid) or 0.0
        self._connection.setblocking(False)
        self._messages: list[Any] = [setup]

    @property
    def fd(self) -> int:
        return self._connection.fileno()

    @property
    def last_token(self) -> int:
        return self._next_token - 1

    def assign(self, assignment: Assignment) -> int:
        """Queue one attempt for sending; its token.

        Raises:
            PipekitError: its inputs cannot be read; nothing was queued.
        """
        inputs = assignment.inputs()
        spec: ComponentSpec = assignment.component
        if spec.number not in self._introduced:
            self._introduced.add(spec.number)
            self._messages.append(Introduce(spec.number, spec))
        token = self._next_token
        self._next_token += 1
        self.in_flight[token] = assignment
        self._messages.append(
            Call(
                token,
                spec.number,
                assignment.task_id,
                assignment.arguments,
                inputs,
                assignment.folder,
            )
        )
        return token

    def flush(self) -> bool:
        """Send what is queued; False where some of it has to wait until the socket can be written.

        Raises:
            OSError: the worker is gone.
        """
        if self._messages:
            self._unsent.append(pack(self._messages))
            self._messages = []
        while self._unsent:
            frame = self._unsent[0]
            try:
                sent = self._connection.send(frame)
            except BlockingIOError:
                return False
            if sent < len(frame):
                self._unsent[0] = frame[sent:]
            else:
                del self._unsent[0]
        return True

    def receive(self) -> list[Any] | None:
        """The messages that have come; None where the worker has closed its end."""
        messages: list[Any] = []
        while True:
            try:
                data = self._connection.recv(_READ_BYTES)
            except BlockingIOError:
                return messages
            except OSError:
                data = b""
            if not data:
                return messages or None
            messages.extend(self._unpacker.feed(data))
            if len(data) < _READ_BYTES:
                return messages

    def interrupt(self, signal_number: int) -> None:
        """Send a signal to the worker's process group."""
        try:
            os.killpg(self.pid, signal_number)
        except (ProcessLookupError, PermissionError):
            pass  # it is gone already

    def end(self) -> int:
        """Kill its process group, wait for it, release everything; its wait status."""
        self.interrupt(signal.SIGKILL)
        if self._status is None:
            try:
                _, self._status = os.waitpid(self.pid, 0)
            except ChildProcessError:
                self._status = 0
        self._connection.close()
        self.board.close()
        return self._status

    def has_exited(self) -> bool:
        """Whether the process is gone, whatever still holds its end of the socket."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 0
            if pid:
                self._status = status
        return self._status is not None


def _unlinked_file(folder: Path) -> int:
    path = folder / f"board-{os.getpid()}-{os.urandom(6).hex()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return fd


def _spawn(socket_fd: int, board_fd: int, log: Path) -> int:
    """Start the worker as the leader of a session of its own, so that the terminal's Ctrl-C does
    not reach it and all that it starts can be ended with it."""
    high_socket = fcntl.fcntl(socket_fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD)
    high_board = fcntl.fcntl(board_fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *_interpreter_flags(), "-m", "pipekit.worker"],
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, high_socket, SOCKET_FD),
                (os.POSIX_SPAWN_DUP2, high_board, BOARD_FD),
            ],
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGTERM],
        )
    finally:
        os.close(high_socket)
        os.close(high_board)


def _interpreter_flags() -> Sequence[str]:
    """Flags of this interpreter that change what code means, and `-P`: nothing in the working
    folder may stand in for a module that the worker itself needs."""
    flags = ["-P", *["-O"] * sys.flags.optimize]
    if sys.flags.utf8_mode:
        flags += ["-X", "utf8"]
    if sys.flags.dev_mode:
        flags += ["-X", "dev"]
    for option in sys.warnoptions:
        flags += ["-W", option]
    return flags


_PACKAGE_PARENT = str(Path(__file__).resolve().parent.parent.parent)


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    # Until the setup replaces its path, the worker must find the very pipekit that runs here.
    theirs = environment.get("PYTHONPATH")
    ours = [_PACKAGE_PARENT, theirs] if theirs else [_PACKAGE_PARENT]
    environment["PYTHONPATH"] = os.pathsep.join(ours)
    return environment
