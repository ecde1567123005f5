"""How one node is described: the text that its digest is made of, what it refers to, and what could
not be followed. Owns what values count as; functions and classes are taken apart elsewhere.
"""

from __future__ import annotations

import contextvars
import functools
import os
import threading
import types
import typing
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipekit.capture.code_facts import Facts
from pipekit.capture.library import find_library_name
from pipekit.capture.node import Node
from pipekit.capture.outside import find_outside, find_read, is_dynamic
from pipekit.capture.ownership import PACKAGE, PIPEKIT, USER, Owner, owner_of_loaded
from pipekit.capture.part import BlindSpot
from pipekit.capture.references import Constants, What
from pipekit.capture.snapshot import LookUp, Snapshot
from pipekit.capture.source_module import Found, find_module
from pipekit.capture.value_form import FORMS, LRU
from pipekit.capture.wrapper import is_ours, is_wrapper, unwrap
from pipekit.model.hashing import Hasher, digest_bytes
from pipekit.model.object_value import reduces_plainly
from pipekit.model.value import Digest
from pipekit.origin import stable_name


class Said(NamedTuple):
    """What a name of a namespace adds to each node that uses it."""

    text: str
    refs: list[Node]
    reads: set[str]
    lookups: list[LookUp]


class Nodes(Protocol):
    """Where nodes come from: one for each object, however often it is asked for."""

    root: str
    """The project's folder."""
    facts: Facts
    """What is known of code objects."""
    said: dict[int, dict[What, Said]]
    """By namespace: what was said of its names while nodes were described, one after another."""

    def of(self, obj: Any) -> Node:
        """The node of a user's function or class."""

    def of_global(self, space: dict[str, Any], name: str) -> Node:
        """The node of a module's variable."""

    def of_module(self, found: Found) -> Node:
        """The node of a whole module, by its file."""

    def of_import(self, found: Found) -> Node:
        """The node of what the import of a module executes, by its file: of the whole module where
        that cannot be told from the rest."""

    def of_definition(self, found: Found, name: str) -> Node:
        """The node of a function in a module, by its file: of the whole module where there is no
        such function any more."""

    def of_package(self, owner: Owner) -> Node:
        """The node of an installed distribution."""

    def of_file(self, path: str) -> Node:
        """The node of a file's content."""


_SLOT_LIKE = (
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
    types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodWrapperType,
)  # fmt: skip
_PASSED_OVER = frozenset(
    [
        "logging",
        "threading",
        "_thread",
        "weakref",
        "_weakref",
        "contextvars",
        "_contextvars",
        "asyncio.locks",
        "multiprocessing.synchronize",
        "concurrent.futures.thread",
        "concurrent.futures.process",
    ]
)
"""Modules whose objects hold the state of this process, never data: what they are bound to counts,
what is in them does not."""


_PLAIN = Hasher()


def counts_as_code(value: object) -> bool:
    """Whether a value is a definition of its own, rather than data that a variable holds."""
    kind = type(value)
    return (
        kind in (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, LRU)
        or issubclass(kind, type)
        or is_wrapper(value)
        or (kind is types.MethodType and find_library_name(value) is not None)
    )


class Description:
    """Collects what is said of one node."""

    __slots__ = ("_node", "_nodes", "_pieces", "_text", "line")

    def __init__(self, nodes: Nodes, node: Node, *, line: int = 0) -> None:
        self._nodes = nodes
        self._node = node
        self._pieces: list[str] = [node.kind, node.name]
        self._text = ""  # of earlier pieces
        self.line = line

    @property
    def nodes(self) -> Nodes:
        return self._nodes

    def say(self, *text: str) -> None:
        """Text that counts. How much is said must follow from what was said before."""
        self._pieces += text

    def refer(self, node: Node) -> None:
        """A reference, whose order counts."""
        self._node.refs.append(node)
        self._pieces += ("refers", node.kind, node.name)

    def look_up(self, space: Mapping[str, Any], *names: str) -> None:
        """A name was looked up, and what follows it in modules and classes: should one of these
        lead elsewhere one day, this is another description."""
        if self._node.snapshot is None:
            self._node.snapshot = Snapshot()
        self._node.snapshot.path(space, names)

    def warn(self, what: str, line: int = 0) -> None:
        """Name a blind spot."""
        spot = BlindSpot(what, self._node.file, line or self.line)
        self._node.blind_spots.append(spot)

    def about(self, text: Callable[[str], str]) -> None:
        """What the definition says about itself, by kind, should that count."""
        self._node.about = text

    def read_about(self, kinds: Iterable[str]) -> None:
        """What definitions say about themselves may be read."""
        self._node.reads.update(kinds)

    def count_blind_spots(self) -> int:
        return len(self._node.blind_spots)

    def said_in(self, space: dict[str, Any]) -> dict[What, Said]:
        """What was said of the names of a namespace."""
        return self._nodes.said.setdefault(id(space), {})

    def first(self, said: dict[What, Said], what: What, describe: Callable[[], None]) -> None:
        """Say what `describe` says, and note it for `repeat`, unless it names a blind spot: that
        is one of this node, on its line."""
        node = self._node
        before = (self._text, self._pieces, node.refs, node.reads, node.snapshot)
        self._text, self._pieces, node.refs, node.reads = "", [], [], set()
        node.snapshot = Snapshot()
        spots = len(node.blind_spots)
        try:
            describe()
            self._flush()
            heard = Said(self._text, node.refs, node.reads, node.snapshot.lookups)
        finally:
            self._text, self._pieces, node.refs, node.reads, node.snapshot = before
        self.repeat(heard)
        if len(node.blind_spots) == spots:
            said[what] = heard

    def repeat(self, said: Said) -> None:
        """Say again what was said of a name."""
        node = self._node
        if self._pieces:
            self._flush()
        self._text += said.text
        node.refs += said.refs
        if said.reads:
            node.reads |= said.reads
        if node.snapshot is None:
            node.snapshot = Snapshot()
        node.snapshot.shared.append(said.lookups)

    def _flush(self) -> None:
        # Much of the time of a fingerprint goes here: one text, in which each piece has its length.
        self._text += "".join([f"{len(piece)}:{piece}" for piece in self._pieces])
        self._pieces.clear()

    def finish(self) -> None:
        """Give the node its digest."""
        self._flush()
        self._node.digest = digest_bytes(self._text)

    def name_library(
        self, name: str, owner: Owner, called_with: Constants | None = None, line: int = 0
    ) -> None:
        """A library's object, by its name and the version of its distribution."""
        if owner.kind == PIPEKIT:
            return
        self.say("library", name)
        if owner.kind == PACKAGE:
            self._node.refs.append(self._nodes.of_package(owner))
        self.read_about(find_read(name, called_with))
        outside = find_outside(name, called_with)
        if outside:
            self.warn(outside, line)
        if is_dynamic(name, called_with):
            spoken = name.removeprefix("builtins.")
            self.warn(f"{spoken} may reach code by a name that is computed", line)

    def value(self, value: Any, where: str) -> None:
        """What a variable, a default, an attribute or a closure's cell holds.

        Args:
            value: Anything.
            where: How it is spoken of, `global 'flow.CLIENT'`.
        """
        value = unwrap(value)
        cls: Any = type(value)
        structured = FORMS.get(cls)
        if structured is not None:
            structured(self, value, where)
        elif is_ours(cls):
            self.say("future")
            self.warn(f"{where} is a future, whose value is not known yet")
        elif isinstance(value, type):
            self.code(value)
        elif type(value) is str:
            self.say("text", *self._relative_text(value))
        elif value is None or type(value) in (bool, int, float, bytes):
            self.say("value", _PLAIN.digest(value))
        elif isinstance(value, _SLOT_LIKE):
            self._slot(value, where)
        elif _is_passed_over(value):
            self._state_of_process(value, where)
        elif type(value).__module__ == "os" and type(value).__name__ == "_Environ":
            self.name_library("os.environ", Owner(USER))
        else:
            self._other(value, where)

    def _slot(self, slot: Any, where: str) -> None:
        """What a class written in C has under a name, and what that is bound to."""
        self.say("slot", type(slot).__name__, slot.__qualname__)
        named = find_library_name(getattr(slot, "__objclass__", None))
        if named is not None:
            self.name_library(f"{named[0]}.{slot.__name__}", named[1])
        if type(slot) is types.MethodWrapperType:
            self.value(slot.__self__, where)

    def annotation(self, value: Any, space: Mapping[str, Any] = types.MappingProxyType({})) -> None:
        """A field's type.

        Args:
            space: The globals of what it stands in, where names in a text are looked up.
        """
        if isinstance(value, typing.ForwardRef):
            value = value.__forward_arg__
        if isinstance(value, str):
            self.value(value, "an annotation")
            self._names_in(value, space)
            return
        if isinstance(value, list):  # the arguments of a `Callable`
            self.say("annotations", str(len(value)))
            for item in value:
                self.annotation(item, space)
            return
        inside = () if isinstance(value, type) else typing.get_args(value)
        if inside and typing.get_origin(value) is not typing.Literal:
            self.say("annotation of", str(len(inside)))
            for item in (typing.get_origin(value), *inside):
                self.annotation(item, space)
            return
        if isinstance(value, type):
            self.value(value, "an annotation")
            return
        try:
            self._hash(value)
        except Exception:  # noqa: BLE001 - user code: anything may stand in an annotation
            self.say("annotation", repr(value).replace("__main__", stable_name("__main__")))

    def _names_in(self, text: str, space: Mapping[str, Any]) -> None:
        try:
            names = compile(text, "", "eval", dont_inherit=True).co_names
        except (SyntaxError, ValueError):
            return
        for name in names:
            if counts_as_code(space.get(name)):
                self.value(space[name], f"{name!r} in an annotation")

    def code(self, obj: Any) -> None:
        """A function or class: the user's by its own node, a library's by its name."""
        named = find_library_name(obj)
        if named is not None:
            self.name_library(*named)
        elif isinstance(obj, types.BuiltinFunctionType):
            self._extension(obj)
        else:
            self.refer(self._nodes.of(obj))

    def module(self, module: types.ModuleType) -> None:
        """A module as a whole."""
        owner = owner_of_loaded(module)
        name = stable_name(module.__name__)
        if owner.kind != USER:
            self.name_library(name, owner)
            return
        found = find_module(module.__name__)
        if found is None or not found.file:
            self.say("module", name)
            self.warn(f"module {name!r} has no file that could be read")
        else:
            self.refer(self._nodes.of_module(found))

    def _extension(self, obj: types.BuiltinFunctionType) -> None:
        self.say("compiled", obj.__qualname__)
        bound = obj.__self__
        if bound is not None and not isinstance(bound, types.ModuleType):
            self.value(bound, f"what {obj.__name__!r} is bound to")
            return
        module = obj.__module__ or getattr(bound, "__name__", "")
        found = find_module(module) if module else None
        if found is not None and found.file:
            self.refer(self._nodes.of_file(found.file))

    def _state_of_process(self, value: Any, where: str) -> None:
        """A lock, a thread, a logger. Of a user's own class, what the user has put into it counts;
        the library's part of it does not."""
        cls = type(value)
        self.say("passed over", cls.__qualname__)
        if isinstance(value, contextvars.ContextVar):
            try:
                self.value(contextvars.Context().run(value.get), f"the default of {where}")
            except LookupError:
                self.say("no default")
            if value in contextvars.copy_context():
                self.warn(f"{where} is a ContextVar, whose value is not seen")
        elif cls is weakref.ref:
            self.value(value(), f"what {where} refers to")
        elif cls is weakref.WeakValueDictionary:
            self.value(dict(value), where)
        elif cls is threading.local and vars(value):
            self.warn(f"{where} is a threading.local, whose content is not seen")
        if find_library_name(cls) is None:
            self.code(cls)
            self._attributes(value, where)

    def _attributes(self, value: Any, where: str) -> None:
        """What can be digested of an object's attributes, whatever it says for being pickled."""
        state: dict[str, Any] = getattr(value, "__dict__", {})
        for name in sorted(state):
            if not name.startswith("_"):
                self.say("attribute", name)
                self.value(state[name], f"attribute {name!r} of {where}")

    def _other(self, value: Any, where: str) -> None:
        named = find_library_name(value)
        if named is not None:
            self.name_library(*named)
            return
        cls = type(value)
        if cls.__qualname__ == "TypeAdapter" and cls.__module__ == "pydantic.type_adapter":
            # What it has made of these cannot be taken apart.
            self.say("type adapter")
            self.annotation(value._type)
            self.annotation(value._config)
            return
        owner = find_library_name(cls)
        if owner is not None:
            outside = find_outside(owner[0], None)
            if outside:
                self.warn(f"{where} is a {cls.__qualname__}, which {outside}")
        if owner is not None and _is_generator(owner[0]):
            self.warn(f"uses chance: {where} is a {cls.__qualname__}")
        try:
            self._hash(value)
        except Exception as error:  # noqa: BLE001 - user code: `__reduce__` and `__getstate__`
            self.say("not followed", cls.__qualname__)
            reason = str(error).partition("\n")[0]
            self.warn(f"{where} is a {cls.__qualname__}, whose content is not seen ({reason})")
            if owner is None:
                self.code(cls)
        if owner is None and not reduces_plainly(cls):
            # Nothing is pickled on the way to a variable: it is made anew by its module.
            self._attributes(value, where)

    def _hash(self, value: Any) -> None:
        """The digest of a value, where functions and classes in it stand as references."""
        met: dict[int, tuple[str, int, Node]] = {}
        counts: dict[str, int] = {}
        libraries: dict[str, Owner] = {}

        def code_of(obj: Any) -> Digest:
            named = find_library_name(obj)
            if named is not None:
                libraries[named[0]] = named[1]
                return digest_bytes("library", named[0])
            if type(obj) is LRU:
                obj = obj.__wrapped__
            node = self._module_node(obj) if isinstance(obj, types.ModuleType) else None
            node = node or self._nodes.of(obj)
            known = met.get(id(node))
            if known is None:
                # Closures of one function share a name: they are told apart by their order.
                name = f"{node.kind} {node.name}"
                known = met[id(node)] = (name, counts.setdefault(name, 0), node)
                counts[name] += 1
            return digest_bytes("refers", known[0], str(known[1]))

        hasher = Hasher(code_of=code_of, digest_path=self._digest_path, known=_Known(code_of))
        self.say("value", hasher.digest(value))
        for name, _, node in sorted(met.values(), key=lambda item: item[:2]):
            self._pieces.append(name)
            self._node.refs.append(node)
        for name in sorted(libraries):
            if libraries[name].kind == PACKAGE:
                self._node.refs.append(self._nodes.of_package(libraries[name]))

    def _module_node(self, module: types.ModuleType) -> Node | None:
        found = find_module(module.__name__)
        return self._nodes.of_module(found) if found is not None and found.file else None

    def _digest_path(self, path: Path) -> Digest:
        return digest_bytes("path", *self._relative_text(str(path)))

    def _relative_text(self, text: str) -> tuple[str, str]:
        """Text that names a place inside the project is the same in every copy of it."""
        root = self._nodes.root
        if text == root or text.startswith(root + os.sep):
            return "in project", text[len(root) + 1 :]
        return "plain", text


class _Known(dict[type, Callable[[Any], Digest]]):
    """Objects that stand for something whatever they hold, found by their class."""

    def __init__(self, code_of: Callable[[Any], Digest]) -> None:
        super().__init__()
        self._code_of = code_of

    def get(self, cls: type, default: Any = None) -> Any:
        if cls.__module__ != "builtins" and is_ours(cls):
            return self._unwrapped
        if cls is LRU:
            return self._code_of
        if cls is types.ModuleType:
            return self._module
        if cls.__module__ != "builtins" and _is_state(cls):
            own = "" if find_library_name(cls) else self._code_of(cls)
            return lambda value: digest_bytes("passed over", cls.__qualname__, own)
        return default

    def _module(self, value: types.ModuleType) -> Digest:
        if owner_of_loaded(value).kind == USER and getattr(value, "__file__", None):
            return self._code_of(value)
        return digest_bytes("module", stable_name(value.__name__))

    def _unwrapped(self, value: object) -> Digest:
        if not is_wrapper(value):
            raise TypeError("it holds a future")
        return self._code_of(unwrap(value))


def _is_passed_over(value: object) -> bool:
    cls: Any = type(value)
    return _is_state(cls)


@functools.lru_cache(maxsize=1024)
def _is_state(cls: type) -> bool:
    if cls.__module__ == "builtins":
        return False
    if any(getattr(base, "__module__", "") in _PASSED_OVER for base in cls.__mro__):
        return True
    return cls.__name__.endswith(("Logger", "LoggerAdapter")) and find_library_name(cls) is not None


def _is_generator(name: str) -> bool:
    return name in ("random.Random", "random.SystemRandom") or name.startswith("numpy.random.")
