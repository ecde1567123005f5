"""What the objects behind one definition hold at one moment, of what can change while a process
lives. Owns which objects can change and how each is looked at again; knows nothing of keys.

What is equal here is certainly unchanged: containers and attributes are compared by the identity of
what is in them, which is kept alive for it. What cannot be compared so goes by its digest.
"""

from __future__ import annotations

import collections
import functools
import pathlib
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipekit.capture.library import find_library_name
from pipekit.capture.wrapper import is_ours
from pipekit.model.value import Digest

ABSENT = object()
"""Stands for a name that is not there."""

_ATOMS = frozenset(
    [
        int, float, str, bytes, bool, complex, type(None), type(...), type(NotImplemented), range,
        pathlib.PosixPath, pathlib.PurePosixPath,
        types.FunctionType, types.ModuleType, types.CodeType, types.GenericAlias, types.UnionType,
        types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
        types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodWrapperType,
    ]
)  # fmt: skip
"""What cannot change, or is a definition that is looked at on its own."""
_FIXED = frozenset({"datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta",
                    "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "uuid.UUID",
                    "re.Pattern", "zoneinfo.ZoneInfo"})  # fmt: skip
"""The like, in modules that are not imported for this."""
_MAPPINGS = frozenset(
    [dict, collections.OrderedDict, collections.defaultdict, collections.Counter,
     types.MappingProxyType]
)  # fmt: skip
_PARTS: dict[type, tuple[str, ...]] = {
    functools.partial: ("func", "args", "keywords"),
    functools.partialmethod: ("func", "args", "keywords"),
    functools.cached_property: ("func",),
    functools.singledispatchmethod: ("dispatcher",),
    type(functools.lru_cache(lambda: None)): ("__wrapped__",),
    types.MethodType: ("__func__", "__self__"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
}
_PURE = frozenset({"abc.ABC", "typing.Generic", "typing.Protocol", "enum.Enum", "enum.StrEnum",
                   "enum.IntEnum", "enum.Flag", "enum.IntFlag", "enum.ReprEnum"})  # fmt: skip
_OF_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__")

LookUp = tuple[Mapping[str, Any], str, object]


class Snapshot:
    """What some objects hold, to be compared with what they hold later."""

    __slots__ = ("_seen", "attributes", "digests", "items", "lookups", "mappings", "sets", "shared")

    def __init__(self) -> None:
        self.lookups: list[LookUp] = []
        """Names in namespaces, and what they lead to."""
        self.shared: list[list[LookUp]] = []
        """The like, of which several snapshots hold the same list."""
        self.attributes: list[tuple[object, str, object]] = []
        self.mappings: list[tuple[Mapping[Any, Any], tuple[Any, ...], tuple[Any, ...]]] = []
        self.items: list[tuple[Any, tuple[Any, ...]]] = []
        self.sets: list[tuple[Any, frozenset[int], tuple[Any, ...]]] = []
        self.digests: list[tuple[object, Digest]] = []
        self._seen: set[int] = set()

    def look_up(self, space: Mapping[str, Any], name: str) -> None:
        """Take what a name leads to, or that it leads nowhere."""
        self.lookups.append((space, name, space.get(name, ABSENT)))

    def path(self, space: Mapping[str, Any], names: tuple[str, ...]) -> None:
        """Take what each name leads to, the first in a namespace, the others in the module or class
        that the one before leads to."""
        for place, name in enumerate(names):
            self.look_up(space, name)
            found = space.get(name)
            if isinstance(found, types.ModuleType):
                space = vars(found)
            elif isinstance(found, type):
                following = names[place + 1 : place + 2]
                spaces = [vars(base) for base in found.__mro__]
                owner = next((one for one in spaces if following and following[0] in one), None)
                if owner is None:
                    return
                for earlier in spaces[: spaces.index(owner)]:
                    self.look_up(earlier, following[0])
                space = owner
            else:
                return

    def function(self, function: types.FunctionType, digest: Callable[[Any], Digest]) -> None:
        """Take a function's code, defaults, closure and attributes, and what is in them."""
        for name in _OF_FUNCTIONS:
            self.attribute(function, name)
        held: list[object] = [function.__defaults__, function.__kwdefaults__, vars(function)]
        for cell in function.__closure__ or ():
            self.attribute(cell, "cell_contents")
            held.append(attribute_of(cell, "cell_contents"))
        for value in held:
            self.value(value, digest)

    def members(self, cls: type, digest: Callable[[Any], Digest]) -> None:
        """Take what a class has, and what is in it, but for what Python and the makers of classes
        note there for themselves."""
        self.attribute(cls, "__bases__")
        members = vars(cls)
        self._mapping(members)
        for name, value in members.items():
            if not (name.startswith("__") and name.endswith("__")):
                self.value(value, digest)

    def attribute(self, obj: object, name: str) -> None:
        """Take what an attribute of an object is."""
        self.attributes.append((obj, name, attribute_of(obj, name)))

    def _mapping(self, mapping: Mapping[Any, Any]) -> None:
        self.mappings.append((mapping, tuple(mapping), tuple(mapping.values())))

    def value(self, value: Any, digest: Callable[[Any], Digest]) -> None:
        """Take all that can change in a value.

        Args:
            digest: Of an object that cannot be taken apart here.
        """
        waiting = [value]
        while waiting:
            one = waiting.pop()
            cls = type(one)
            if one is ABSENT or cls in _ATOMS or isinstance(one, type) or id(one) in self._seen:
                continue
            self._seen.add(id(one))
            waiting += self._take(one, cls, digest)

    def _take(self, one: Any, cls: type, digest: Callable[[Any], Digest]) -> Iterable[Any]:
        """Take one object; what is in it that may change as well."""
        if cls is tuple or cls is frozenset:
            return one  # type: ignore[no-any-return]
        if cls in _MAPPINGS:
            self._mapping(one)
            return (*one, *one.values())
        if cls is list or cls is collections.deque:
            self.items.append((one, tuple(one)))
            return tuple(one)
        if cls is set:
            kept = tuple(one)
            self.sets.append((one, frozenset(map(id, kept)), kept))
            return kept
        parts = _PARTS.get(cls)
        if parts is not None:
            return [getattr(one, name, None) for name in parts]
        if is_ours(cls) or f"{cls.__module__}.{cls.__qualname__}" in _FIXED:
            return ()
        if _is_plain(cls):
            return self._instance(one, cls)
        self.digests.append((one, digest(one)))
        return ()

    def _instance(self, one: Any, cls: type) -> Iterable[Any]:
        self.attribute(one, "__class__")
        found: list[Any] = []
        state = getattr(one, "__dict__", None)
        if state is not None:
            self._mapping(state)
            found += state.values()
        for name in _slots(cls):
            self.attribute(one, name)
            found.append(getattr(one, name, None))
        return found


def attribute_of(obj: object, name: str) -> object:
    """An attribute, or `ABSENT`."""
    try:
        return getattr(obj, name, ABSENT)
    except ValueError:  # an empty cell
        return ABSENT


@functools.lru_cache(maxsize=1024)
def _is_plain(cls: type) -> bool:
    """Whether instances of a class of the user's hold nothing but attributes."""
    for base in cls.__mro__:
        if base is object or f"{base.__module__}.{base.__qualname__}" in _PURE:
            continue
        if find_library_name(base) is not None or _is_compiled(base):
            return False
    return True


def _is_compiled(cls: type) -> bool:
    return any(
        isinstance(member, types.MethodDescriptorType | types.GetSetDescriptorType)
        and name not in ("__dict__", "__weakref__")
        for name, member in vars(cls).items()
    )


@functools.lru_cache(maxsize=1024)
def _slots(cls: type) -> tuple[str, ...]:
    return tuple(
        name
        for base in cls.__mro__
        for name, member in vars(base).items()
        if isinstance(member, types.MemberDescriptorType)
    )
