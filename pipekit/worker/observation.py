"""What one step read and wrote, gathered while it runs and judged when it has ended. Owns the rules
of what counts as an input; where the events come from is `observe`'s matter.

Theory of operation. The first event at a path decides what it is to the step. Read first: an input,
by its content, and it must be the same when the step has ended, else nobody can tell which content
the outcome rests on. Written first: the step's own, which is no input however often it is read
back. Both hold for folders (their names) and for environment variables.
"""

from __future__ import annotations

import os
import threading
from time import time_ns
from types import FrameType
from typing import NamedTuple

from pipekit.artifacts.files import RACY_NS
from pipekit.artifacts.place import (
    Identity,
    Places,
    digest_of_status,
    find_stat,
    identity_of,
    is_folder,
    is_plain,
)
from pipekit.model.trace import (
    ABSENT,
    APPENDED,
    ENVIRONMENT,
    FILE,
    LEFT,
    LISTING,
    THERE,
    UNKNOWN,
    VARIABLE,
    WROTE,
    Read,
    Reads,
    digest_of_environment,
    digest_of_variable,
)
from pipekit.model.value import Digest
from pipekit.worker.caller import Caller, find_caller

READ, WRITE, APPEND, REMOVE = "read", "write", "append", "remove"
_CLOCK_NS = 20_000_000
"""How far the time stamps of files may lag behind the clock."""


class _Seen:
    """A path that the step has touched."""

    __slots__ = ("before", "digest", "first", "is_read", "keepers", "kind")

    def __init__(self, first: str, before: Identity | None) -> None:
        self.first = first
        self.before = before
        self.is_read = first == READ
        self.kind = FILE
        self.digest: Digest | None = None
        """As it was at first, where the identity alone would not tell of a change."""
        self.keepers: frozenset[str] = frozenset()


class Trace(NamedTuple):
    """What a step has read and written."""

    reads: Reads
    unsure: str
    """Why its outcome cannot be remembered; empty where it can."""
    kept: dict[str, set[Read]]
    """What functions and modules may keep of it in this process."""


class Observation:
    """One step, from its beginning to its end. Thread-safe."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._began_ns = time_ns()
        self._lock = threading.RLock()
        self._paths: dict[str, _Seen] = {}
        self._listings: dict[str, _Seen] = {}
        self._asked: dict[tuple[str, str], Read] = {}
        self._made_folders: set[str] = set()
        self._variables: dict[str, Read] = {}
        self._own_variables: set[str] = set()
        self._kept: dict[str, set[Read]] = {}
        self.unsure = ""
        """Why its outcome cannot be remembered, where that is known already."""

    # while it runs; `frame` is where it happens

    def touch(self, path: str, how: str, frame: FrameType | None, *, both: bool = False) -> None:
        """A file is opened to read, write or append, or removed. `both`: to read and write."""
        path = _absolute(path)
        seen = self._paths.get(path)
        if seen is not None:
            seen.is_read = seen.is_read or how == READ or both
            if how == READ:
                self._attribute(seen, frame)
            return
        if not self._places.counts(path):
            return
        caller = find_caller(frame)
        if not caller.counts:
            return
        with self._lock:
            if path not in self._paths:
                self._begin(path, how, caller, both)

    def _begin(self, path: str, how: str, caller: Caller, both: bool) -> None:
        found = find_stat(path)
        before = None if found is None else _identity(found)
        if both:
            # What can be written in place is the step's own where it makes it, else an input.
            how = WRITE if before is None else READ
        if how == APPEND and before is None:
            how = WRITE
        if how == READ and self._is_own(path):
            how = WRITE
        seen = self._paths[path] = _Seen(how, before)
        seen.keepers = caller.keepers
        if how != READ or found is None:
            return
        if is_folder(found):
            del self._paths[path]
        elif not is_plain(found):
            self.unsure = self.unsure or f"{self._places.name(path)!r} is no file to read twice"
        elif self._is_passing(path, found):
            seen.first = WRITE
        elif both or time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < RACY_NS:
            seen.digest = self._places.digest(path)

    def ask(self, path: str, kind: str, found: os.stat_result | None, frame: FrameType) -> None:
        """The step asks whether something lies at a path, or for its size or time."""
        path = _absolute(path)
        if (path, kind) in self._asked or not self._places.counts(path):
            return
        known = self._paths.get(path)
        if (known is not None and known.first != READ) or self._is_own(path):
            return
        with self._lock:
            read = Read(kind, self._places.name(path), digest_of_status(found, kind))
            self._asked[path, kind] = read
            self._keep(read, find_caller(frame).keepers)

    def list(self, path: str, frame: FrameType | None) -> None:
        """The names in a folder are read."""
        path = _absolute(path)
        seen = self._listings.get(path)
        if seen is not None:
            self._attribute(seen, frame)
            return
        if not self._places.counts(f"{path}/") or self._is_own(path):
            return
        caller = find_caller(frame)
        if not caller.counts:
            return
        found = find_stat(path)
        if found is None:
            self.touch(path, READ, frame)
            return
        seen = _Seen(READ, None)
        seen.kind, seen.keepers = LISTING, caller.keepers
        seen.digest = self._places.digest_listing(path)
        with self._lock:
            self._listings.setdefault(path, seen)

    def make_folder(self, path: str) -> None:
        """A folder is about to be made."""
        path = _absolute(path)
        if find_stat(path) is None:
            self._made_folders.add(path)

    def move(self, source: str, target: str, frame: FrameType | None) -> None:
        """A file or folder takes another's place."""
        found = find_stat(source)
        if found is not None and is_folder(found):
            if _absolute(source) in self._made_folders:
                self._made_folders.add(_absolute(target))
            else:
                name = self._places.name(_absolute(source))
                self.unsure = self.unsure or f"folder {name!r} was moved"
            return
        self.touch(source, READ, frame)
        self.touch(target, WRITE, frame)

    def variable(self, name: str, value: str | None, frame: FrameType | None) -> None:
        """An environment variable is looked up."""
        known = self._variables.get(name)
        if name in self._own_variables:
            return
        caller = find_caller(frame)
        if not caller.reads_settings or not caller.counts:
            return
        read = known or Read(VARIABLE, name, digest_of_variable(value))
        with self._lock:
            self._variables[name] = read
            self._keep(read, caller.keepers)

    def environment(self, values: dict[str, str], frame: FrameType | None) -> None:
        """All environment variables are looked at."""
        caller = find_caller(frame)
        if not caller.reads_settings or not caller.counts:
            return
        read = Read(ENVIRONMENT, "", digest_of_environment(values))
        with self._lock:
            if self._own_variables:
                self.unsure = self.unsure or "it changed the environment and then read all of it"
            read = self._variables.setdefault("", read)
            self._keep(read, caller.keepers)

    def set_variable(self, name: str) -> None:
        """A variable is set or deleted: from now on it is the step's own."""
        self._own_variables.add(name)

    def fail(self, error: BaseException) -> None:
        """Something could not be observed."""
        self.unsure = self.unsure or f"what it read could not be observed ({error})"

    def _attribute(self, seen: _Seen, frame: FrameType | None) -> None:
        seen.keepers |= find_caller(frame).keepers

    def _keep(self, read: Read, keepers: frozenset[str]) -> None:
        for name in keepers:
            self._kept.setdefault(name, set()).add(read)

    def _is_own(self, path: str) -> bool:
        """Whether the step has made the path or a folder that it lies in."""
        made = self._made_folders
        while made and len(path) > 1:
            if path in made:
                return True
            path = os.path.dirname(path)
        return False

    def _is_passing(self, path: str, found: os.stat_result) -> bool:
        """Whether it lies in the temporary folder, and came there while the step ran: a program
        that the step started will have put it there."""
        if self._places.is_inside(path) or not path.startswith(_temporary_folders()):
            return False
        return found.st_ctime_ns >= self._began_ns - _CLOCK_NS

    # when it has ended

    def finish_kept(self) -> dict[str, set[Read]]:
        """Of a step that failed, or a module's import: what may have been kept."""
        if self._kept or any(
            seen.keepers for seen in [*self._paths.values(), *self._listings.values()]
        ):
            return self.finish().kept
        return {}

    def finish(self, kept: frozenset[Read] = frozenset()) -> Trace:
        """Judge what was seen. Reads every file that the step read.

        Args:
            kept: What was read before, in this process, by those whom the step reaches.
        """
        if not (self._paths or self._listings or self._variables or self._asked or kept):
            return Trace((), self.unsure, {})
        reads: list[Read] = []
        with self._lock:
            for path, seen in self._paths.items():
                read = self._judge(path, seen)
                if read is not None:
                    reads.append(read)
                    self._keep(read, seen.keepers)
            for path, seen in self._listings.items():
                read = Read(LISTING, self._places.name(path), seen.digest or "")
                if self._places.digest_listing(path) != seen.digest:
                    self._doubt(f"the names in folder {read.name!r} changed while it ran")
                reads.append(read)
                self._keep(read, seen.keepers)
            for (path, kind), read in self._asked.items():
                if kind == THERE and self._is_known_input(path):
                    continue
                if not self._places.is_unchanged(read, {}):
                    self._doubt(f"{read} changed while it ran")
                reads.append(read)
            reads += self._variables.values()
            return Trace(tuple({**dict.fromkeys(reads), **dict.fromkeys(kept)}), self.unsure,
                         self._kept)  # fmt: skip

    def _is_known_input(self, path: str) -> bool:
        """Whether what the step read at a path says also whether something lies there."""
        seen = self._paths.get(path)
        return path in self._listings or (seen is not None and seen.first == READ)

    def _judge(self, path: str, seen: _Seen) -> Read | None:
        name = self._places.name(path)
        after = identity_of(path)
        if seen.first == READ:
            return self._judge_input(path, name, seen, after)
        if not self._places.is_inside(path):
            return Read(LEFT, name) if after is not None else None
        if seen.first == APPEND:
            if seen.is_read:
                self._doubt(f"file {name!r} was added to and read")
            return Read(APPENDED, name)
        if after is not None:
            return Read(WROTE, name, self._places.digest(path))
        return Read(WROTE, name) if seen.before is not None else None

    def _judge_input(
        self, path: str, name: str, seen: _Seen, after: Identity | None
    ) -> Read | None:
        if seen.before is None:
            if after is not None:
                self._doubt(f"file {name!r} was looked for, and then made")
            return Read(ABSENT, name)
        if after is None:
            self._doubt(f"file {name!r} was read, and then removed")
            return Read(FILE, name, seen.digest or UNKNOWN)
        digest = self._places.digest(path)
        same = after == seen.before if seen.digest is None else digest == seen.digest
        if not same or identity_of(path) != after:
            self._doubt(f"file {name!r} changed while it ran")
            return Read(FILE, name, UNKNOWN)
        return Read(FILE, name, digest)

    def _doubt(self, why: str) -> None:
        self.unsure = self.unsure or why


def _absolute(path: str) -> str:
    if path[:1] == "/" and "/." not in path and "//" not in path and path[-1:] != "/":
        return path
    return os.path.abspath(path)


def _temporary_folders() -> tuple[str, ...]:
    # `tempfile` would be 10 ms, to say the same.
    named = os.environ.get("TMPDIR")
    return ("/tmp/", "/var/tmp/", *([f"{named.rstrip('/')}/"] if named else ()))


def _identity(found: os.stat_result) -> Identity:
    return (
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns,
    )  # fmt: skip
