"""The worker process: reads calls from its controller, runs them in order, answers each at once.

Its console goes to a file that it was started with; a call's part of it is told by offsets. When
the controller is gone, so is the worker, with its process group.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic, process_time
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipekit import crash
from pipekit.artifacts import by_value
from pipekit.artifacts.blob import LocalBlobStore
from pipekit.artifacts.files import FileDigests
from pipekit.artifacts.place import Places
from pipekit.artifacts.store import ArtifactStore
from pipekit.model.hashing import Hasher
from pipekit.origin import MAIN, Origin
from pipekit.worker.board import Board
from pipekit.worker.console import Console
from pipekit.worker.message import (
    Broke,
    Call,
    Introduce,
    Ready,
    Report,
    Setup,
    Stale,
    Unpacker,
    pack,
    send_whole,
)
from pipekit.worker.meter import Meter
from pipekit.worker.offspring import MARK, kill_offspring
from pipekit.worker.runner import Runner

if TYPE_CHECKING:
    from pipekit.capture.fingerprint import Fingerprinter

SOCKET_FD = 3
BOARD_FD = 4
_own_mark: list[str] = []
"""By which what this process has started is known."""
_READ_BYTES = 1 << 18
_IMPORT_SECONDS = 300.0
"""What importing a module may take before it counts as the step's own time."""


def main() -> None:
    """Serve the controller at the other end of descriptor 3 until it closes it."""
    for fd in (SOCKET_FD, BOARD_FD):
        os.set_inheritable(fd, False)
    if crash.armed:
        crash.at("worker.starts")
    os.register_at_fork(after_in_child=_let_go)
    # Handed down to what steps start, but none of their business: they look at their environment.
    _own_mark.append(os.environ.get(MARK, ""))
    os.environ._data.pop(os.environ.encodekey(MARK), None)  # type: ignore[attr-defined]
    connection = socket.socket(fileno=SOCKET_FD)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_controller, daemon=True).start()
    try:
        _serve(connection, Board(BOARD_FD), Console())
        _end_group()
    except ConnectionError:
        _end_group()
    except KeyboardInterrupt:
        pass
    except BaseException:  # noqa: BLE001 - the last place to say it
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)  # threads and exit hooks that user code left behind must not keep it


def _let_go() -> None:
    """A child that a step forks does not hold on to its controller: its death must be seen."""
    for fd in (SOCKET_FD, BOARD_FD):
        try:
            os.close(fd)
        except OSError:
            pass  # user code closed it


def _end_with_controller() -> None:
    """Wait, off the interpreter's lock, until the controller's end of the socket is closed."""
    poll = select.poll()
    poll.register(SOCKET_FD, select.POLLHUP | getattr(select, "POLLRDHUP", 0))
    poll.poll()
    _end_group()


def _end_group() -> None:
    """The controller is gone: so goes the worker, with what steps have started and left."""
    if _own_mark and _own_mark[0]:
        kill_offspring(_own_mark[0], os.getpid())
    os.killpg(0, signal.SIGKILL)


def _serve(connection: socket.socket, board: Board, console: Console) -> None:
    unpacker = Unpacker()
    waiting: deque[Any] = deque()
    runner: Runner | None = None
    meter = Meter()
    sending = threading.Lock()

    def send(message: Any) -> None:
        frame = pack(message)
        with sending:  # threads of a step log too
            send_whole(connection, frame)  # a step may be interrupted while it logs

    while True:
        while not waiting:
            data = connection.recv(_READ_BYTES)
            if not data:
                return
            for batch in unpacker.feed(data):
                waiting.extend(batch)
        message = waiting.popleft()
        if type(message) is Call:
            assert runner is not None  # the controller's first message is the setup
            # Importing the component's module is not the step's time, and has a limit of its own.
            grace = 0.0 if runner.has_loaded(message.component) else _IMPORT_SECONDS
            if board.begin(message.token, monotonic() + grace):
                answer = _run(runner, message, console, board, meter, send)
                if crash.armed:
                    crash.at("worker.before-reply")
                frame = pack(answer)
                with sending:  # what interrupts this ends the process
                    connection.sendall(frame)
                if crash.armed:
                    crash.at("worker.replied")
        elif type(message) is Introduce:
            assert runner is not None
            runner.introduce(message.component, message.spec)
        else:
            runner = _set_up(message)
            send(Ready(os.getpid(), process_time()))


def _run(
    runner: Runner, call: Call, console: Console, board: Board, meter: Meter,
    send: Callable[[Any], None],
) -> Report | Stale:  # fmt: skip
    def imported() -> None:
        board.restart(call.token, monotonic())
        meter.begin()

    _go_to(call.folder)
    start = console.begin()
    meter.begin()
    report = runner.run(call, send, imported)
    if isinstance(report, Stale):
        return report
    # A failed attempt ends as a program of its own would.
    end = console.end(report.traceback if isinstance(report, Broke) else "")
    cpu_seconds, peak_bytes = meter.end(report.duration_seconds)
    return report._replace(
        log_start=start, log_end=end, cpu_seconds=cpu_seconds, peak_bytes=peak_bytes
    )


def _go_to(folder: str) -> None:
    """The run's working folder, whatever an earlier step has done to it."""
    try:
        if os.getcwd() != folder:
            os.chdir(folder)
    except OSError:
        pass  # it is gone in the controller too


def _set_up(setup: Setup) -> Runner:
    sys.path[:] = setup.sys_path
    sys.argv[:] = setup.argv
    sys.modules[MAIN] = ModuleType(MAIN)  # this program's own is nobody's script
    if setup.python_path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = setup.python_path
    settings = setup.settings
    home, root = settings.home, settings.project_root
    fingerprinter = _Fingerprinters(root, home / "cache", setup.key)
    files = FileDigests(home / "cache", leave_out=home)
    hasher = Hasher(
        code_of=lambda obj: (
            by_value.find_tag(obj) or fingerprinter.get().codes.digest(obj, first=True)
        ),
        digest_path=lambda path: files.digest_located(path, root),
    )
    artifacts = ArtifactStore(
        LocalBlobStore(settings.blob_folder, fsync=settings.durability == "full"),
        hasher=hasher,
        key=lambda: setup.key,
        files=files,
        copies=home / "copies",
        named=lambda objs: fingerprinter.get().codes.named(objs, first=True),
    )
    return Runner(
        artifacts,
        fingerprinter.get,
        settings,
        Places(settings, files),
        main=Origin(setup.main_module, "", setup.main_path) if setup.main_module else None,
        one_at_a_time=True,
    )


class _Fingerprinters:
    """This process's fingerprinter, made when the first component is loaded: a worker is ready, and
    its module's own imports are under way, before that is needed."""

    def __init__(self, root: Path, cache: Path, key: bytes) -> None:
        self._root = root
        self._cache = cache
        self._key = key
        self._made: Fingerprinter | None = None

    def get(self) -> Fingerprinter:
        if self._made is None:
            from pipekit.capture.code_facts import Facts
            from pipekit.capture.fingerprint import Fingerprinter

            # Whoever sent the call has looked at the same code, and writes that down.
            facts = Facts(self._cache, lambda: self._key, writes=False)
            self._made = Fingerprinter(root=self._root, facts=facts)
        return self._made
