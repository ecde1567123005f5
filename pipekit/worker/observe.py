"""Sees what steps do with files, folders and environment variables, in whatever library they do it:
an audit hook of the interpreter and a class in the place of that of `os.environ`. Both stay for the
life of the process and do nothing outside of steps. What an event means, `Observation` judges.

A process that a step starts is not seen, nor is compiled code that opens files by itself.
"""

from __future__ import annotations

import os
import sys
import threading
from _thread import get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from types import FrameType
from typing import Any

from pipekit.model.trace import STATUS, THERE
from pipekit.worker.caller import is_users
from pipekit.worker.observation import APPEND, READ, REMOVE, WRITE, Observation

_inside: ContextVar[Observation | None] = ContextVar("pipekit_observation", default=None)
_active: list[Observation] = []
"""Of the steps that run in this process."""
_alone: list[Observation] = []
"""Of the one step, in a process that runs one at a time: its threads are known by that."""
_own: set[int] = set()
"""Threads that are looking at something themselves."""
_installed: list[bool] = []
_lock = threading.Lock()
_ATTRIBUTE = "_pipekit_observation"


@contextmanager
def observing(observation: Observation, *, alone: bool) -> Iterator[None]:
    """Have what the calling code does seen by `observation`.

    Args:
        observation: Of one step.
        alone: No other step runs in this process meanwhile.
    """
    if not _installed:
        install()
    token = _inside.set(observation)
    _active.append(observation)
    os.stat = _stat
    if alone:
        _alone[:] = [observation]
    try:
        yield
    finally:
        _active.remove(observation)
        _alone.clear()
        if not _active:
            os.stat = _real_stat
        _inside.reset(token)


def install() -> None:
    """Begin to listen. Idempotent."""
    with _lock:
        if _installed:
            return
        _installed.append(True)
        _carry_into_threads()
        os.environ.__class__ = _Environ
        sys.addaudithook(_hook)


def find_observation() -> Observation | None:
    """Of the step that the calling code belongs to."""
    if _alone:
        return _alone[0]
    found = _inside.get()
    if found is None:
        thread = threading._active.get(get_ident())  # type: ignore[attr-defined]
        found = getattr(thread, _ATTRIBUTE, None)
        if found is not None and found not in _active:
            return None  # its step has ended
    return found


def _carry_into_threads() -> None:
    """A thread belongs to the step whose thread starts it."""
    start = threading.Thread.start

    @wraps(start)
    def start_observed(self: threading.Thread) -> None:
        if _active and not _alone:
            setattr(self, _ATTRIBUTE, find_observation())
        start(self)

    threading.Thread.start = start_observed  # type: ignore[method-assign]


# files and folders


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    # For every event of the interpreter, of which there are many: what is first decides the cost.
    if _active and event in _HANDLERS:
        _see(_HANDLERS[event], arguments)


def _see(handle: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    ident = get_ident()
    if ident in _own:
        return
    observation = find_observation()
    if observation is None:
        return
    _own.add(ident)
    try:
        handle(observation, sys._getframe(2), *arguments)
    except Exception as error:  # noqa: BLE001 - an exception here would end what the step does
        observation.fail(error)
    finally:
        _own.discard(ident)


def _opened(
    seen: Observation, frame: FrameType | None, path: Any, mode: Any, flags: Any, *_: Any
) -> None:
    if mode is None and _is_beside_a_folder(path, frame):
        return
    text = _text(path)
    if not text:
        return
    kind = flags & os.O_ACCMODE
    if flags & getattr(os, "O_TMPFILE", 0) == getattr(os, "O_TMPFILE", -1):
        return  # it has no name
    if kind == os.O_RDONLY:
        seen.touch(text, READ, frame)
    elif flags & (os.O_TRUNC | os.O_EXCL):
        seen.touch(text, WRITE, frame)
    elif flags & os.O_APPEND:
        seen.touch(text, APPEND, frame)
    else:
        seen.touch(text, READ, frame, both=True)


def _is_beside_a_folder(path: Any, frame: FrameType | None) -> bool:
    """Whether the standard library opens a name relative to an open folder, to remove or walk a
    tree: the event does not say which folder."""
    if frame is None or frame.f_code.co_name not in _BY_FOLDER:
        return False
    return os.path.basename(frame.f_code.co_filename) in ("shutil.py", "os.py", "<frozen os>")


_BY_FOLDER = frozenset(
    {"_rmtree_safe_fd", "_rmtree_safe_fd_step", "fwalk", "_fwalk", "_rmtree_open"}
)


def _listed(seen: Observation, frame: FrameType | None, path: Any = None, *_: Any) -> None:
    text = "." if path is None else _text(path)
    if text:
        seen.list(text, frame)


def _connected(seen: Observation, frame: FrameType | None, database: Any, *_: Any) -> None:
    """A SQLite database may be read and written; what is not yet in its file is in its log."""
    text = _text(database)
    if text.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        text = unquote(urlsplit(text).path)
    if text and text != ":memory:":
        for path in (text, f"{text}-wal", f"{text}-journal"):
            if path == text or os.path.exists(path):
                seen.touch(path, READ, frame, both=True)


def _moved(
    seen: Observation, frame: FrameType | None, source: Any, target: Any, *folders: int
) -> None:
    if _is_plain(folders):
        seen.move(_text(source), _text(target), frame)


def _linked(
    seen: Observation, frame: FrameType | None, source: Any, target: Any, *folders: int
) -> None:
    if _is_plain(folders):
        seen.touch(_text(target), WRITE, frame)


def _removed(seen: Observation, frame: FrameType | None, path: Any, *folders: int) -> None:
    if _is_plain(folders):
        seen.touch(_text(path), REMOVE, frame)


def _truncated(seen: Observation, frame: FrameType | None, path: Any, *_: Any) -> None:
    if text := _text(path):
        seen.touch(text, READ, frame, both=True)


def _made_folder(seen: Observation, frame: FrameType | None, path: Any, *_: Any) -> None:
    seen.make_folder(_text(path))


_HANDLERS: dict[str, Callable[..., None]] = {
    "open": _opened,
    "os.listdir": _listed,
    "os.scandir": _listed,
    "os.mkdir": _made_folder,
    "os.rename": _moved,
    "os.link": _linked,
    "os.symlink": _linked,
    "os.remove": _removed,
    "os.truncate": _truncated,
    "sqlite3.connect": _connected,
}


def _is_plain(folders: tuple[int, ...]) -> bool:
    """Whether paths are not relative to an open folder."""
    return all(folder == -1 for folder in folders)


def _text(path: Any) -> str:
    """A path as text; empty for a descriptor."""
    if isinstance(path, int):
        return ""
    return os.fsdecode(path)


# questions about paths, of which the interpreter tells nothing


_real_stat = os.stat
_ASKING = ("genericpath.py", "posixpath.py", "pathlib.py", "/pathlib/_local.py", "/pathlib/_abc.py",
           "<frozen genericpath>", "<frozen posixpath>")  # fmt: skip
_STATUS_OF = frozenset({"getsize", "getmtime", "getctime", "getatime"})


@wraps(_real_stat)
def _stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
    """`os.stat`, where the step's own code asks, be it through `os.path` or `pathlib`."""
    if dir_fd is not None or not follow_symlinks or isinstance(path, int) or not _active:
        return _real_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
    found = None
    try:
        found = _real_stat(path)
        return found
    finally:
        asked = _find_question(sys._getframe(1))
        if asked is not None:
            kind, frame = asked
            _see(lambda seen, _: seen.ask(_text(path), kind, found, frame), ())


for _supported in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
    _supported.add(_stat)


def _find_question(frame: FrameType | None) -> tuple[str, FrameType] | None:
    """What the user's own code asks of a path, and where; None where a library asks."""
    kind = STATUS
    while frame is not None and frame.f_code.co_filename.endswith(_ASKING):
        name = frame.f_code.co_name
        if name not in _STATUS_OF and name != "stat":
            kind = THERE
        frame = frame.f_back
    if frame is None or not is_users(frame.f_code.co_filename):
        return None
    return kind, frame


# environment variables


class _Environ(os._Environ):  # type: ignore[type-arg]
    """`os.environ` where a step's look at it is seen. The object stays the same."""

    def __getitem__(self, key: Any) -> Any:
        if not _active:
            return super().__getitem__(key)
        value = None
        try:
            value = super().__getitem__(key)
        finally:
            if isinstance(key, str):
                _see_variable(lambda seen, frame: seen.variable(key, value, frame))
        return value

    def __iter__(self) -> Iterator[Any]:
        if _active:
            _see_variable(lambda seen, frame: seen.environment(_values(self), frame))
        return super().__iter__()

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if _active:
            _see_variable(lambda seen, frame: seen.set_variable(key))

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        if _active:
            _see_variable(lambda seen, frame: seen.set_variable(key))


# By its class the fingerprint knows it, and so may others.
_Environ.__name__ = _Environ.__qualname__ = "_Environ"
_Environ.__module__ = "os"


def _values(environ: Any) -> dict[str, str]:
    return {environ.decodekey(key): environ.decodevalue(v) for key, v in environ._data.items()}


def _see_variable(handle: Callable[[Observation, FrameType | None], None]) -> None:
    _see(lambda seen, frame: handle(seen, _beyond_mapping()), ())


def _beyond_mapping() -> FrameType | None:
    """The frame that asks, beyond those of the mapping itself."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_plumbing(frame):
        frame = frame.f_back
    return frame


def _is_plumbing(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file == __file__ or os.path.basename(file) in _MAPPING_FILES


_MAPPING_FILES = frozenset(
    {"os.py", "_collections_abc.py", "<frozen os>", "<frozen _collections_abc>"}
)
