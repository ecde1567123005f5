"""Whether everything that a fingerprint was made of still is as it was. Owns the comparison, made
to cost next to nothing where nothing has changed; what is compared is taken by `snapshot`.

Theory of operation. A fingerprint is made once, before the first call; a step may change a variable
that it, or another, rests on, in the process that runs it. So before each call the objects are
compared with what they were, by identity, in loops that run in C. Equal here means certainly equal.
Where something differs, the fingerprint is made anew, and what counts is whether that is another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter, is_, itemgetter
from time import perf_counter
from typing import Any

from pipekit.capture.snapshot import ABSENT, Snapshot, attribute_of
from pipekit.model.value import Digest

_SLOW_SECONDS = 0.001
_MANY = 10_000


class Watch:
    """Several snapshots, compared at once."""

    __slots__ = (
        "_absent", "_attributes", "_digest", "_digest_seconds", "_digests", "_empty", "_items",
        "_large_items", "_large_mappings", "_mappings", "_open", "_sets", "_spaces",
    )  # fmt: skip

    def __init__(self, snapshots: Iterable[Snapshot], digest: Callable[[Any], Digest]) -> None:
        """`digest` is of an object that was not taken apart."""
        taken = list(snapshots)
        self._digest = digest
        self._absent: list[tuple[Mapping[str, Any], tuple[str, ...]]] = []
        self._spaces: list[tuple[Mapping[str, Any], Any, tuple[object, ...]]] = []
        self._attributes: list[tuple[Any, list[object], list[object]]] = []
        self._open: list[tuple[object, str]] = []
        """Attributes that were not there, like the content of an empty cell."""
        self._look_ups(taken)
        self._take_attributes(taken)
        mappings = [entry for one in taken for entry in one.mappings]
        items = [entry for one in taken for entry in one.items]
        self._empty = [mapping for mapping, keys, _ in mappings if not keys]
        self._mappings = [entry for entry in mappings if 0 < len(entry[1]) <= _MANY]
        self._large_mappings = [entry for entry in mappings if len(entry[1]) > _MANY]
        self._items = [entry for entry in items if len(entry[1]) <= _MANY]
        self._large_items = [entry for entry in items if len(entry[1]) > _MANY]
        self._sets = [entry for one in taken for entry in one.sets]
        self._digests = [entry for one in taken for entry in one.digests]
        self._digest_seconds = 0.0
        """What comparing them took the last time."""

    def _look_ups(self, taken: list[Snapshot]) -> None:
        spaces: dict[int, tuple[Mapping[str, Any], dict[tuple[str, int], object]]] = {}
        shared = {id(entries): entries for one in taken for entries in one.shared}
        for entries in (*shared.values(), *(one.lookups for one in taken)):
            for space, name, value in entries:
                found = spaces.setdefault(id(space), (space, {}))
                found[1][name, id(value)] = value
        for space, names in spaces.values():
            bound = [(name, value) for (name, _), value in names.items() if value is not ABSENT]
            free = tuple(name for (name, _), value in names.items() if value is ABSENT)
            if free:
                self._absent.append((space, free))
            if bound:
                bound += bound[:1]  # of one name alone the getter would give no tuple
                getter = itemgetter(*(name for name, _ in bound))
                self._spaces.append((space, getter, tuple(value for _, value in bound)))

    def _take_attributes(self, taken: list[Snapshot]) -> None:
        named: dict[str, tuple[list[object], list[object]]] = {}
        for one in taken:
            for obj, name, value in one.attributes:
                if value is ABSENT:
                    self._open.append((obj, name))
                else:
                    objects, values = named.setdefault(name, ([], []))
                    objects.append(obj)
                    values.append(value)
        self._attributes = [(attrgetter(name), *found) for name, found in named.items()]

    def is_as_it_was(self, *, quick: bool = False) -> bool:
        """Whether all of it is certainly unchanged; `quick` leaves out what takes more than
        about a millisecond: large arrays and the like, and containers of many items."""
        try:
            return (
                all(all(map(is_, get(space), values)) for space, get, values in self._spaces)
                and all(space.keys().isdisjoint(names) for space, names in self._absent)
                and all(all(map(is_, map(get, objs), vals)) for get, objs, vals in self._attributes)
                and not any(self._empty)
                and all(attribute_of(obj, name) is ABSENT for obj, name in self._open)
                and all(_same_mapping(*entry) for entry in self._mappings)
                and all(_same_items(*entry) for entry in self._items)
                and all(_same_set(*entry) for entry in self._sets)
                and (quick or all(_same_mapping(*entry) for entry in self._large_mappings))
                and (quick or all(_same_items(*entry) for entry in self._large_items))
                and ((quick and self._digest_seconds > _SLOW_SECONDS) or self._same_digests())
            )
        except (KeyError, AttributeError, ValueError, RuntimeError):
            # It is gone, a cell was emptied, or another thread changes it at this moment.
            return False

    def _same_digests(self) -> bool:
        if not self._digests:
            return True
        started = perf_counter()
        same = all(self._digest(value) == before for value, before in self._digests)
        self._digest_seconds = perf_counter() - started
        return same


def _same_mapping(
    mapping: Mapping[Any, Any], keys: tuple[Any, ...], values: tuple[Any, ...]
) -> bool:
    return (
        len(mapping) == len(keys)
        and all(map(is_, mapping.values(), values))
        and all(map(is_, mapping, keys))
    )


def _same_items(items: Any, before: tuple[Any, ...]) -> bool:
    return len(items) == len(before) and all(map(is_, items, before))


def _same_set(items: Any, before: frozenset[int], _kept: object) -> bool:
    return len(items) == len(before) and before.issuperset(map(id, items))
