"""The code fingerprint of a function: one digest over the user's code that it can reach, what that
is made of, and how two of them differ. Computes nothing that a value digest is made of.

Theory of operation. Starting from the function object, every definition that it can reach becomes
a node: functions by the normal form of their code object (never by the file's text, which may have
been edited since), with defaults, closure and attributes; classes by their members; variables by
value; installed packages by version; modules that a function imports when it runs, by their file.
The digest is taken over the graph of the nodes. What cannot be followed becomes a blind spot.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from pipekit.capture.closure import Closure
from pipekit.capture.code import Codes
from pipekit.capture.code_facts import Facts
from pipekit.capture.description import Description
from pipekit.capture.imported import find_changed
from pipekit.capture.node import Node, collect, reach_of
from pipekit.capture.ownership import USER
from pipekit.capture.part import BlindSpot, Fingerprint, Part
from pipekit.capture.passing import PassingReach
from pipekit.capture.reach import Reach
from pipekit.capture.snapshot import Snapshot
from pipekit.capture.source_module import find_module
from pipekit.capture.watch import Watch
from pipekit.capture.wrapper import is_wrapper, unwrap
from pipekit.errors import UsageError
from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest

__all__ = ["BlindSpot", "Fingerprint", "Fingerprinter", "Part", "differences"]


class Made:
    """A fingerprint, and what it was made of."""

    __slots__ = ("_kept", "fingerprint", "modules", "root", "watch")

    def __init__(
        self,
        root: Node,
        fingerprint: Fingerprint,
        watch: Watch,
        modules: tuple[str, ...],
        kept: object,
    ) -> None:
        self.root = root
        self.fingerprint = fingerprint
        self.watch = watch
        self.modules = modules
        self._kept = kept  # so that no other object takes their place in memory


class Fingerprinter:
    """Makes fingerprints, and remembers what it has seen. Thread-safe.

    A variable that was looked at once counts as it was then, whatever a step does to it later. So
    that no step can come first, the first fingerprint of a function in a module also looks at
    every other component in that module.

    Args:
        root: The project's folder; paths inside it count relative to it. By default the working
            folder.
        facts: What is known of code objects; by default what this process finds.
    """

    def __init__(self, *, root: Path | None = None, facts: Facts | None = None) -> None:
        self._root = os.path.abspath(root or os.getcwd())
        self.root = self._root
        """The project's folder, absolute."""
        self.facts = facts or Facts()
        """What is known of code objects."""
        self._lock = threading.RLock()
        self._python = _python_node()
        self.thaw()

    def thaw(self) -> None:
        """Forget the values that were seen, for a new run after variables may have changed. What
        was learned of code is kept."""
        with self._lock:
            self._reach = Reach(self._root, self.facts)
            self._modules: set[int] = set()
            self._roots: list[Node] = []
            self._fingerprints: dict[Any, Made] = {}
            self.codes = Codes(self)
            """The code of what is passed as an argument, and in values."""

    def fingerprint(
        self,
        function: Callable[..., Any],
        *,
        depends_on: Sequence[object] = (),
        ignore: Collection[str] = (),
    ) -> Fingerprint:
        """The fingerprint of a function or any other callable.

        Args:
            depends_on: What else counts: functions, classes, modules (or their names), and files
                or folders (as paths) by their content.
            ignore: Names of variables, functions or classes that do not count, `flow.RATE`.

        Raises:
            UsageError: something in `depends_on` does not exist, or is nothing of the kind.
        """
        return self._made(function, depends_on, ignore).fingerprint

    def find_change(
        self,
        function: Callable[..., Any],
        *,
        depends_on: Sequence[object] = (),
        ignore: Collection[str] = (),
        quick: bool = False,
    ) -> str:
        """What is not as the fingerprint says any more, as a phrase; empty where all is.

        Takes some microseconds where nothing was touched, but for large arrays and the like, which
        are digested: `quick` leaves those out.
        """
        made = self._made(function, depends_on, ignore)
        if made.watch.is_as_it_was(quick=quick):
            return ""
        with self._lock:
            again = self.fresh()._made(function, depends_on, ignore)
        if again.fingerprint.digest == made.fingerprint.digest:
            made.watch = again.watch  # other objects, of the same value
            return ""
        return ", ".join(changes(made.fingerprint, again.fingerprint))

    def find_changed_module(
        self,
        function: Callable[..., Any],
        *,
        depends_on: Sequence[object] = (),
        ignore: Collection[str] = (),
    ) -> str:
        """What has changed, since their import, in the modules that the function imports when it
        runs and that count by their file, as a phrase; empty where nothing has."""
        made = self._made(function, depends_on, ignore)
        return find_changed(made.modules, ignore) if made.modules else ""

    def _made(self, function: Any, depends_on: Sequence[object], ignore: Collection[str]) -> Made:
        # By identity: callable instances that compare equal may hold different things.
        key = (id(function), tuple(map(id, depends_on)), frozenset(ignore))
        known = self._fingerprints.get(key)
        if known is None:
            with self._lock:
                known = self._fingerprints[key] = self._make(function, depends_on, ignore)
                self.facts.save(if_much=True)  # workers are about to need it
        return known

    def closure(
        self,
        function: Callable[..., Any],
        *,
        depends_on: Sequence[object] = (),
        arguments: object = (),
    ) -> Closure:
        """Which code counts where the function is called with values such as `arguments`; what is
        to be ignored is known too.

        Raises:
            UsageError: as `fingerprint` does.
            Exception: what taking the user's objects apart raises.
        """
        closure = Closure(self._root)
        with self._lock:
            self._add_reach(closure, function, depends_on)
        self.fresh()._add_reach(closure, arguments, ())
        return closure

    def _add_reach(self, closure: Closure, value: Any, depends_on: Sequence[object]) -> None:
        self._make(value, depends_on, ())
        for node in reach_of(self._roots.pop(), ()):
            closure.add(node, self._reach.functions_apart(node))

    def code_of(self, obj: object) -> Digest:
        """The digest of all the code that a class or function reaches, as it is now."""
        return self.codes.digest(obj)

    def fresh(self) -> Fingerprinter:
        """Another one that has seen nothing yet."""
        return Fingerprinter(root=Path(self._root), facts=self.facts)

    def describe(self, obj: Any, *, passing: bool) -> Made:
        """What a class or function is as far as this fingerprinter has seen it; `passing`: what it
        holds on to as it is now."""
        with self._lock:
            obj = unwrap(obj)
            if not isinstance(obj, FunctionType | type):
                return self._make(obj, (), ())
            self._freeze(obj)
            reach = PassingReach(self._reach) if passing else self._reach
            node = reach.of(obj)
            reach.settle()
            return self.collect(node)

    def describe_variable(self, space: dict[str, Any], name: str) -> Made:
        """What a module's variable holds, as far as this fingerprinter has seen it.

        Raises:
            KeyError: there is none of that name.
        """
        with self._lock:
            node = self._reach.of_global(space, name)
            self._reach.settle()
            return self.collect(node)

    def collect(self, node: Node) -> Made:
        """The fingerprint of one node whose reach is known."""
        return self._collect(node, frozenset(), node)

    def _collect(self, root: Node, ignored: frozenset[str], kept: object) -> Made:
        reached = reach_of(root, ignored)
        snapshots = [node.snapshot for node in reached if node.snapshot]
        return Made(
            root,
            collect(root, (self._python,), ignored),
            Watch(snapshots, self._reach.digest),
            tuple(str(node.held) for node in reached if node.kind == "module"),
            kept,
        )

    def _make(self, function: Any, depends_on: Sequence[object], ignore: Collection[str]) -> Made:
        given, function = function, unwrap(function)
        self._freeze(function)
        root = Node("root", "", held=(function, depends_on))
        to = Description(self._reach, root)
        to.value(function, "the component")
        for other in depends_on:
            to.say("depends on")
            self._depend(to, root, other)
        to.finish()
        root.snapshot = Snapshot()
        root.snapshot.value(function, self._reach.digest)
        self._reach.settle()
        self._roots.append(root)
        return self._collect(root, frozenset(ignore), (given, depends_on))

    def _depend(self, to: Description, root: Node, other: object) -> None:
        other = unwrap(other)
        if isinstance(other, os.PathLike) or (
            isinstance(other, str) and _is_path(other, self._root)
        ):
            path = os.path.join(self._root, os.fspath(other))
            if not os.path.exists(path):
                raise UsageError(
                    f"depends_on names {os.fspath(other)!r}, which does not exist.",
                    hint=f"paths are relative to {self._root}.",
                )
            to.refer(self._reach.of_file(path))
        elif isinstance(other, str):
            found = find_module(other)
            if found is None:
                raise UsageError(
                    f"depends_on names {other!r}, which is neither a file nor a module.",
                    hint="give the module itself, or a Path.",
                )
            if found.owner.kind == USER and found.file:
                to.refer(self._reach.of_module(found))
            else:
                to.name_library(other, found.owner)
        elif isinstance(other, FunctionType | type | ModuleType | BuiltinFunctionType) or callable(
            other
        ):
            to.value(other, "depends_on")
        else:
            raise UsageError(
                f"depends_on holds a {type(other).__qualname__}.",
                hint="give functions, classes, modules or paths.",
            )

    def _freeze(self, obj: Any) -> None:
        """Look at every component of the module that defines `obj`, before one of them can run."""
        if isinstance(obj, FunctionType):
            space = obj.__globals__
        else:
            module = sys.modules.get(getattr(obj, "__module__", None) or "")
            space = vars(module) if module is not None else {}
        if not space or id(space) in self._modules:
            return
        self._modules.add(id(space))
        for value in list(space.values()):
            if is_wrapper(value):
                function = unwrap(value)
                if isinstance(function, FunctionType):
                    node = self._reach.of(function)
                    self._roots.append(node)
        self._reach.settle()


def _is_path(text: str, root: str) -> bool:
    return os.sep in text or os.path.exists(os.path.join(root, text))


def _python_node() -> Node:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    node = Node("python", "python")
    node.text = version
    node.digest = digest_bytes(sys.implementation.name, version, MAGIC_NUMBER)
    return node


def differences(mine: Fingerprint, theirs: Fingerprint) -> list[str]:
    """What differs, a phrase for each: `function 'flow.helper' in flow.py`. Empty where the
    fingerprints are equal, and only there."""
    if mine.digest == theirs.digest:
        return []
    here, there = _by_name(mine), _by_name(theirs)
    found: list[str] = []
    for key in sorted(here.keys() | there.keys()):
        ours, others = here.get(key, []), there.get(key, [])
        if [part.digest for part in ours] != [part.digest for part in others]:
            found.append(_phrase(ours, others))
    return found or ["the same definitions refer to each other in another way"]


def changes(before: Fingerprint, now: Fingerprint) -> list[str]:
    """What has changed in one process, a phrase for each: `global 'flow.RATE' was 1 and is 7`."""
    earlier, later = _by_name(before), _by_name(now)
    found: list[str] = []
    for key in sorted(earlier.keys() | later.keys()):
        old, new = earlier.get(key, []), later.get(key, [])
        if [part.digest for part in old] != [part.digest for part in new]:
            found.append(_change(old, new))
    return found or ["the same definitions refer to each other in another way"]


def _change(old: list[Part], new: list[Part]) -> str:
    part = (old or new)[0]
    name = f"{part.kind} {part.name!r}"
    if not old or not new:
        return f"{name} is reached {'now' if new else 'no more'}"
    if part.kind == "global" and old[0].text != new[0].text:
        return f"{name} was {old[0].text} and is {new[0].text}"
    if part.kind == "class" and (texts := _other_lines(old[0], new[0])):
        return f"{name} had {texts[0]} and has {texts[1]}"
    return f"{name} has changed"


def _by_name(fingerprint: Fingerprint) -> dict[tuple[str, str], list[Part]]:
    found: dict[tuple[str, str], list[Part]] = {}
    for part in fingerprint.parts:
        found.setdefault((part.kind, part.name), []).append(part)
    return found


def _phrase(ours: list[Part], others: list[Part]) -> str:
    part = (ours or others)[0]
    name = f"{part.kind} {part.name!r}" if part.kind != "python" else "Python"
    place = f" in {part.file}" if part.file and part.kind not in ("file", "module") else ""
    if not ours:
        return f"{name}{place} is reached there alone"
    if not others:
        return f"{name}{place} is reached here alone"
    if part.kind in ("global", "package", "python") and ours[0].text != others[0].text:
        return f"{name} is {others[0].text} there and {ours[0].text} here"
    if part.kind == "class" and (texts := _other_lines(ours[0], others[0])):
        return f"{name} has {texts[1]} there and {texts[0]} here"
    return f"{name}{place}"


def _other_lines(one: Part, other: Part) -> tuple[str, str] | None:
    """What the texts of two classes say that the other does not; None where that is nothing."""
    mine, theirs = one.text.split("\n"), other.text.split("\n")
    if one.text == other.text:
        return None
    here = ", ".join(line for line in mine if line not in theirs)
    there = ", ".join(line for line in theirs if line not in mine)
    return here or "no such attribute", there or "no such attribute"
