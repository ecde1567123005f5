"""One worker process from its controller's side: starting it, talking to it, ending it."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipekit import crash
from pipekit.executors.capacity import Share
from pipekit.executors.machine import DEVICES
from pipekit.executors.memory import MemoryWatch
from pipekit.executors.memory_group import MemoryGroup
from pipekit.liveness import started_at
from pipekit.model.failure import FailureKind
from pipekit.ports import Assignment
from pipekit.worker.board import Board
from pipekit.worker.message import Call, ComponentSpec, Introduce, Setup, Unpacker, pack
from pipekit.worker.meter import MAXRSS_BYTES
from pipekit.worker.offspring import MARK, kill_offspring, new_mark
from pipekit.worker.process import BOARD_FD, SOCKET_FD

_READ_BYTES = 1 << 18
_FIRST_FREE_FD = 16
"""Descriptors of ours are moved above those that the child is to have, before they are placed."""


class WorkerProcess:
    """A worker, what it was sent and has not answered, and where its console goes."""

    def __init__(
        self, setup: Setup, *, log: Path, log_name: str, folder: Path, gpus: tuple[str, ...] = ()
    ) -> None:
        """Start it, bound to these GPUs where there are any. Returns at once; it answers `Ready`
        when it has set itself up.

        Raises:
            OSError: no process, descriptor or file can be made.
        """
        self.log_name = log_name
        self.log = log
        self.gpus = gpus
        self.share: Share | None = None
        """What the attempt that it is in has for itself."""
        self.watch: MemoryWatch | None = None
        self.group: MemoryGroup | None = None
        self.was_too_large = False
        """The kernel has ended its group for its memory."""
        self.reported_cpu_seconds = 0.0
        self._usage: resource.struct_rusage | None = None
        self._inherited_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.in_flight: dict[int, Assignment] = {}
        self._status: int | None = None
        self.load = 0.0
        """Seconds that what is in flight is expected to take."""
        self.log_at = 0
        """Where the console of the call that it is in begins."""
        self.ending: tuple[Assignment, FailureKind, str] | None = None
        """The call for which it is being ended, and why."""
        self.is_spent = False
        """A call in it was to end: whether it obeyed or not, no other is sent to it, and what it
        has started ends with it."""
        self._unpacker = Unpacker()
        self._unsent: list[bytes] = []
        self._introduced: set[int] = set()
        self._next_token = 0
        self._connection, theirs = socket.socketpair()
        try:
            self.board = Board(_unlinked_file(folder), new=True)
            self._mark = new_mark()
            self.pid = _spawn(theirs.fileno(), self.board.fd, log, self._mark, gpus)
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
                assignment.is_audited,
                assignment.codes,
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
                if crash.armed:
                    crash.at("controller.sent")
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
            if crash.armed:
                crash.at("controller.received")
            if len(data) < _READ_BYTES:
                return messages

    def interrupt(self, signal_number: int) -> None:
        """Send a signal to the worker's process group."""
        try:
            os.killpg(self.pid, signal_number)
        except (ProcessLookupError, PermissionError):
            pass  # it is gone already

    def end(self, *, offspring: bool = False) -> int:
        """Kill its process group, wait for it, release everything; its wait status. `offspring`:
        end what it has started in other groups too."""
        if offspring and self._status is None:
            self.interrupt(signal.SIGSTOP)
            kill_offspring(self._mark, self.pid)
        self.interrupt(signal.SIGKILL)
        if self._status is None:
            try:
                _, self._status, self._usage = os.wait4(self.pid, 0)
            except ChildProcessError:
                self._status = 0
        if offspring:
            kill_offspring(self._mark)
        if self.group is not None:
            self.was_too_large = self.group.has_killed()
            self.group.remove()
        self._connection.close()
        self.board.close()
        return self._status

    def used(self) -> tuple[float | None, int | None]:
        """After its end: the CPU seconds that no report has told of, and the most bytes that it had
        at once since the last long attempt before that; None for what is not known."""
        usage = self._usage
        if usage is None:
            return None, None
        seconds = usage.ru_utime + usage.ru_stime - self.reported_cpu_seconds
        peak = self.watch.peak if self.watch is not None else 0
        if usage.ru_maxrss > self._inherited_peak:  # else it may be that of this very process
            peak = max(peak, usage.ru_maxrss * MAXRSS_BYTES)
        return max(0.0, seconds), peak or None

    def peak_of(self, reported: int | None) -> int | None:
        """The most bytes that an attempt had at once, by its own report and by who watched it."""
        return reported if self.watch is None else max(reported or 0, self.watch.peak) or None

    def leave_limit(self) -> None:
        """Whatever held it to its memory does so no more."""
        self.watch = None
        if self.group is not None:
            self.group.limit(None)

    def has_exited(self) -> bool:
        """Whether the process is gone, whatever still holds its end of the socket."""
        if self._status is None:
            try:
                pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._status = 0
            else:
                if pid:
                    self._status, self._usage = status, usage
        return self._status is not None


def _unlinked_file(folder: Path) -> int:
    path = folder / f"board-{os.getpid()}-{os.urandom(6).hex()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return fd


def _spawn(socket_fd: int, board_fd: int, log: Path, mark: str, gpus: tuple[str, ...]) -> int:
    """Start the worker as the leader of a session of its own, so that the terminal's Ctrl-C does
    not reach it and all that it starts can be ended with it."""
    high_socket = fcntl.fcntl(socket_fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD)
    high_board = fcntl.fcntl(board_fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *_interpreter_flags(), "-m", "pipekit.worker"],
            _environment(gpus) | {MARK: mark},
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


def _environment(gpus: tuple[str, ...]) -> dict[str, str]:
    environment = dict(os.environ)
    if gpus:
        environment[DEVICES] = ",".join(gpus)
    # Until the setup replaces its path, the worker must find the very pipekit that runs here.
    theirs = environment.get("PYTHONPATH")
    ours = [_PACKAGE_PARENT, theirs] if theirs else [_PACKAGE_PARENT]
    environment["PYTHONPATH"] = os.pathsep.join(ours)
    return environment
