"""Looks, while an audited step runs, at what its key cannot count: code of the user's outside of
its fingerprint, the network, other programs, compiled libraries. Only audited runs import this;
what is said of it is `console.audit`'s matter.

Theory of operation. From Python 3.12 on the interpreter tells of every function that begins, and
can be told to be silent about one that has been judged. So a function costs one look a step, but
one a call while several steps run in this process at once. What a module does while it is imported
counts by what it leaves behind, so of that the module alone is named. The rest are audit events,
which belong to the user's innermost line on the stack. Compiled code that does such things by
itself raises none.
"""

from __future__ import annotations

import os
import sys
import threading
from _thread import get_ident
from collections.abc import Callable, Iterator
from functools import wraps
from types import CodeType, FrameType
from typing import Any

from pipekit.capture.closure import Closure, Place, place_of, places_in
from pipekit.capture.ownership import USER, owner_of_file, owner_of_loaded
from pipekit.model.audit import CODE, LIBRARY, MODULE, NETWORK, PROGRAM, Audit, Sight
from pipekit.origin import stable_name
from pipekit.worker.caller import is_border, is_importer, is_pipekits, is_standard
from pipekit.worker.monitor import SILENT, Monitor, find_obstacle
from pipekit.worker.observation import Observation
from pipekit.worker.observe import find_observation
from pipekit.worker.outside_event import EVENTS

_MOST_SIGHTS = 1000
_MOST_AT_ONE_LINE = 5

_NO_CODE = "code outside of the key was not looked at: "
_PART = "part of what it did is not listed: "

_audits: dict[Observation, StepAudit] = {}
"""Of the steps that run in this process and are audited."""
_own: set[int] = set()
"""Threads that are looking at something themselves."""
_lock = threading.Lock()


class StepAudit:
    """One attempt at a step; looks as long as it is entered. Thread-safe."""

    def __init__(
        self,
        observation: Observation,
        find_closure: Callable[[], Closure],
        *,
        root: str,
    ) -> None:
        """
        Args:
            observation: That of the attempt: it tells which threads are the step's.
            find_closure: Finds the code that the key counts; takes a while.
            root: The project's folder.
        """
        self._observation = observation
        self._root = root
        self._sights: dict[Sight, None] = {}
        self._at_line: dict[tuple[str, str, int], int] = {}
        self._judged: set[Place] = set()
        self._outside: set[Place] = set()
        self._closure: Closure | None = None
        obstacle = find_obstacle()
        self._unseen = f"{_NO_CODE}{obstacle}" if obstacle else ""
        self._failed = ""
        if not self._unseen:
            try:
                self._closure = find_closure()
            except Exception as error:  # noqa: BLE001 - user code: what taking values apart calls
                self._unseen = f"{_NO_CODE}what it reaches could not be found out ({error})"

    def __enter__(self) -> None:
        _install()
        with _lock:
            _audits[self._observation] = self
            _monitor.may_silence = len(_audits) == 1
            if self._closure is not None and not _monitor.begin():
                self._unseen = f"{_NO_CODE}other tools have taken all places of sys.monitoring"

    def __exit__(self, *_: object) -> None:
        with _lock:
            _audits.pop(self._observation, None)
            _monitor.may_silence = len(_audits) == 1
            if not _audits:
                _monitor.end()

    def result(self) -> Audit:
        """What was seen."""
        return Audit(tuple(self._sights), self._unseen or self._failed)

    def fail(self, error: BaseException) -> None:
        """Something could not be looked at."""
        self._failed = self._failed or f"{_PART}looking at it failed ({error!r})"

    # code

    def begins(self, code: CodeType, frame: FrameType) -> bool:
        """A function of the user's begins; whether this step need not be told of it again."""
        closure = self._closure
        if closure is None:
            return True
        if code.co_filename.startswith("<"):
            self._begins_made(code, frame, closure)
            return False  # what is made at run time has no place of its own
        place = place_of(code)
        if place not in self._judged:
            if closure.has(code, _module_of(frame)):
                self._judged.add(place)
            elif _is_part_of_import(frame):
                return False  # it may be called later on, too
            else:
                self._judged.add(place)
                self._add_code(code, frame)
        return True

    def _begins_made(self, code: CodeType, frame: FrameType, closure: Closure) -> None:
        """Code without a file: what libraries make is theirs, but for the methods of dataclasses
        and the like, which belong to the class."""
        if not _is_in_users_module(frame) or closure.has(code, _module_of(frame)):
            return
        caller = frame.f_back
        if caller is None or code.co_name == _MAKER or _is_part_of_import(frame):
            return
        if code.co_name == "<module>":
            file = caller.f_code.co_filename
            if owner_of_file(file).kind == USER:
                self._add(
                    Sight(CODE, "a text, by eval or exec", self._shown(file), caller.f_lineno)
                )
            return
        cls = _class_of(code, frame)
        if cls is None:
            self._add_code(code, frame)
            return
        module = stable_name(cls.__module__)
        name = f"{module}.{cls.__qualname__}"
        if not closure.has_class(cls, name):
            file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
            self._add(Sight(CODE, name, self._shown(file), 0, _dependency(name, module)))

    def _add_code(self, code: CodeType, frame: FrameType) -> None:
        module = _module_of(frame)
        name = f"{module}.{code.co_qualname}"
        is_module = code.co_name == "<module>"
        if is_module and not set(code.co_names) - {"__doc__"}:
            return  # an empty `__init__`
        # What a function defines is named with it; what a module does, by itself.
        inside = {place_of(code)} if is_module else set(places_in(code))
        self._judged |= inside
        is_named = not code.co_filename.startswith("<")
        is_first = is_named and not self._is_called_from_outside(frame)
        needs = _dependency(name, module) if is_first else ""
        self._outside |= inside
        self._add(
            Sight(
                MODULE if is_module else CODE,
                module if is_module else name,
                self._shown(code.co_filename),
                code.co_firstlineno,
                needs,
            )
        )

    def _is_called_from_outside(self, frame: FrameType) -> bool:
        """Whether code that was named already has called it."""
        for outer in _outwards(frame.f_back):
            if owner_of_file(outer.f_code.co_filename).kind == USER:
                return place_of(outer.f_code) in self._outside
        return False

    # the rest

    def happens(self, kind: str, what: str, frame: FrameType | None) -> None:
        """The step, or what it called, does something outside of Python's own process."""
        place = _find_line(frame)
        if place is None or (kind == LIBRARY and not _is_users_own(frame)):
            return
        file, line = self._shown(place[0]), place[1]
        sight = Sight(kind, what, file, line)
        count = self._at_line.get((kind, file, line), 0)
        if sight in self._sights or count > _MOST_AT_ONE_LINE:
            return
        if kind == NETWORK and count and (what[0].isdigit() or what[0] == "["):
            return  # the address of what was named right before
        self._at_line[kind, file, line] = count + 1
        self._add(sight if count < _MOST_AT_ONE_LINE else sight._replace(what="and others"))

    def _add(self, sight: Sight) -> None:
        if len(self._sights) < _MOST_SIGHTS:
            self._sights.setdefault(sight)
        else:
            self._failed = self._failed or f"{_PART}it did more than {_MOST_SIGHTS:,} such things"

    def _shown(self, file: str) -> str:
        return file.removeprefix(self._root.rstrip(os.sep) + os.sep)


_MAKER = "__create_fn__"
"""In which `dataclasses` makes methods."""


# functions that begin


def _begins(code: CodeType, _offset: int) -> Any:
    """Called by the interpreter; not for what is called in here."""
    audit = None
    try:
        if owner_of_file(code.co_filename).kind != USER:
            return SILENT
        observation = find_observation()
        audit = _audits.get(observation) if observation is not None else None
        if audit is None:
            return None  # another thread's, which may be no step's
        is_judged = audit.begins(code, sys._getframe(1))
        # Nothing is called from here to the return, so that no other step's audit can begin.
        return SILENT if is_judged and _monitor.may_silence else None
    except Exception as error:  # noqa: BLE001 - an exception here would end what the step does
        if audit is not None:
            audit.fail(error)
        return None


_monitor = Monitor(_begins)


def _module_of(frame: FrameType) -> str:
    return stable_name(str(frame.f_globals.get("__name__", "")))


def _dependency(name: str, module: str) -> str:
    """What would make it count: the function or class at the top level of its module, else the
    module."""
    top = name.removeprefix(f"{module}.").partition(".")[0]
    return f"{module}.{top}" if top.isidentifier() else repr(module)


def _is_part_of_import(frame: FrameType) -> bool:
    """Whether it runs because a module is being imported, and is not that module itself."""
    code = frame.f_code
    is_module = code.co_name == "<module>" and not code.co_filename.startswith("<")
    has_importer = False
    for outer in _outwards(frame.f_back):
        if is_importer(outer.f_code.co_filename):
            has_importer = True
            if not is_module:
                return True
        elif has_importer and outer.f_code.co_name == "<module>":
            return True  # of a module that was imported by this one's importer
    return False


def _is_in_users_module(frame: FrameType) -> bool:
    module = sys.modules.get(str(frame.f_globals.get("__name__", "")))
    return (
        module is not None
        and vars(module) is frame.f_globals
        and owner_of_loaded(module).kind == USER
    )


def _class_of(code: CodeType, frame: FrameType) -> type | None:
    """The class that a method was made for."""
    if not code.co_argcount:
        return None
    first = type(frame.f_locals.get(code.co_varnames[0]))
    for cls in first.__mro__:
        if any(getattr(member, "__code__", None) is code for member in vars(cls).values()):
            return cls
    return None


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """From a frame to that of the step's function."""
    while frame is not None and not is_border(frame.f_code.co_filename):
        yield frame
        frame = frame.f_back


# connections, programs, libraries


def _install() -> None:
    """Begin to listen to audit events, which no process can stop to. Idempotent."""
    with _lock:
        if not _installed:
            _installed.append(True)
            _wrap_spawning()
            sys.addaudithook(_hook)


_installed: list[bool] = []


def _wrap_spawning() -> None:
    """`multiprocessing` raises no event where it starts a process other than by a fork."""
    from multiprocessing import util

    spawn: Any = util.spawnv_passfds

    @wraps(spawn)
    def spawn_seen(*args: Any, **kwargs: Any) -> Any:
        if _audits:
            _see(PROGRAM, lambda *_: "another Python process", (), sys._getframe(1))
        return spawn(*args, **kwargs)

    util.spawnv_passfds = spawn_seen


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _audits and event in EVENTS:
        frame = sys._getframe(1)
        # A `Popen` that goes on to spawn has told already, and of the program behind a shell.
        if event != "os.posix_spawn" or frame.f_code.co_filename != _POPEN_FILE:
            _see(*EVENTS[event], arguments, frame)


_POPEN_FILE = os.path.join(os.path.dirname(os.__file__), "subprocess.py")


def _see(
    kind: str, say: Callable[..., str], arguments: tuple[Any, ...], frame: FrameType | None
) -> None:
    ident = get_ident()
    observation = None if ident in _own else find_observation()
    audit = _audits.get(observation) if observation is not None else None
    if audit is None:
        return
    _own.add(ident)
    try:
        what = say(*arguments)
        if what:
            audit.happens(kind, what, frame)
    except Exception as error:  # noqa: BLE001 - an exception here would end what the step does
        audit.fail(error)
    finally:
        _own.discard(ident)


def _find_line(frame: FrameType | None) -> tuple[str, int] | None:
    """The user's innermost line; where a library acts in a thread of its own, that of the library.
    None where pipekit does it for itself."""
    other: tuple[str, int] | None = None
    for outer in _outwards(frame):
        file = outer.f_code.co_filename
        if is_pipekits(file):
            return None
        if not file.startswith("<") and not is_importer(file):
            if owner_of_file(file).kind == USER:
                return file, outer.f_lineno
            if other is None or (is_standard(other[0]) and not is_standard(file)):
                other = (file, outer.f_lineno)
    return other


def _is_users_own(frame: FrameType | None) -> bool:
    """Whether code of the user's does it, rather than a package, whose version the key counts."""
    for outer in _outwards(frame):
        file = outer.f_code.co_filename
        if not is_standard(file):
            return not is_importer(file) and owner_of_file(file).kind == USER
    return False
