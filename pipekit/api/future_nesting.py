"""Futures inside of plain data: finds them and replaces them, without touching one.

Looks into lists, tuples, named tuples, the values of dicts and the fields of dataclasses, at any
depth; not at elements of sets or keys of dicts (a future there was hashed, so it was waited for),
nor at attributes of other objects.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipekit.api.future_kind import FutureType
from pipekit.errors import UsageError

if TYPE_CHECKING:
    from pipekit.api.future import Future

_SCALARS = frozenset({bool, int, float, complex, str, bytes, type(None), type(Ellipsis)})
_LONG = 32
"""Elements from which on it pays to ask first whether all are scalars."""


def find_futures(value: Any) -> Sequence[Future[Any]]:
    """The futures in `value`, each once, those that lie less deep first.

    Never waits. Ends on cycles. Costs nothing to speak of for a scalar.
    """
    kind = type(value)
    if type(kind) is FutureType:
        return (value,)
    if kind in _SCALARS or not _is_container(kind):
        return ()
    return list(_Walk(value).futures.values())


def replace_futures(value: Any, replace: Callable[[Any], Any]) -> Any:
    """`value` with each future in it replaced by `replace(future)`, called once for each.

    Only what contains futures is made anew; the rest is shared with `value`, which is left as it
    is. New containers have the class and the attributes of the old ones and are made without
    `__init__` (nor `__post_init__`); what occurred twice, or in itself, does so in the result.

    Raises:
        UsageError: A container that holds a future is of a class that cannot be copied.
    """
    kind = type(value)
    if type(kind) is FutureType:
        return replace(value)
    if kind in _SCALARS or not _is_container(kind):
        return value
    walk = _Walk(value)
    if not walk.futures:
        return value
    made = {me: replace(future) for me, future in walk.futures.items()}
    return _Rebuild(walk.holders(), made)(value)


def _is_container(kind: type[Any]) -> bool:
    return issubclass(kind, (list, tuple, dict)) or hasattr(kind, "__dataclass_fields__")


def _children(container: Any) -> Collection[Any]:
    # The built-in classes' own methods: a subclass's may have effects.
    kind = type(container)
    if kind is tuple or kind is list:
        return container  # type: ignore[no-any-return]
    if issubclass(kind, tuple):
        return list(tuple.__iter__(container))
    if issubclass(kind, list):
        return list(list.__iter__(container))
    if issubclass(kind, dict):
        return dict.values(container)
    return _fields(container).values()


def _fields(value: Any) -> dict[str, Any]:
    from dataclasses import fields  # loaded already, since there is a dataclass

    # A field that was deleted, or never set (init=False), has nothing to look into.
    return {f.name: getattr(value, f.name) for f in fields(value) if hasattr(value, f.name)}


class _Walk:
    """One pass over a container and those in it, each visited once.

    Attributes:
        futures: By id, in the order of the pass.
    """

    __slots__ = ("_containers", "_holding", "_parents", "futures")

    def __init__(self, value: Any) -> None:
        futures: dict[int, Future[Any]] = {}
        parents: dict[int, list[int]] = {id(value): []}
        holding: list[int] = []
        containers = [value]  # grows on the way
        for container in containers:
            children = _children(container)
            if len(children) >= _LONG and _SCALARS.issuperset(map(type, children)):
                continue
            for child in children:
                kind = type(child)
                if kind in _SCALARS:
                    continue
                if type(kind) is FutureType:
                    futures[id(child)] = child
                    holding.append(id(container))
                elif _is_container(kind):
                    if id(child) in parents:
                        parents[id(child)].append(id(container))
                    else:
                        parents[id(child)] = [id(container)]
                        containers.append(child)
        self.futures = futures
        self._parents = parents
        self._holding = holding
        self._containers = containers  # alive, so that no id is given anew

    def holders(self) -> set[int]:
        """Ids of the containers that lead to a future, through other containers too."""
        holders: set[int] = set()
        pending = self._holding
        while pending:
            holder = pending.pop()
            if holder not in holders:
                holders.add(holder)
                pending.extend(self._parents[holder])
        return holders


class _Rebuild:
    """Makes the containers anew that lead to a future, keeping what they share."""

    __slots__ = ("_holders", "_made")

    def __init__(self, holders: set[int], made: dict[int, Any]) -> None:
        self._holders = holders
        self._made = made

    def __call__(self, value: Any) -> Any:
        me = id(value)
        if me in self._made:
            return self._made[me]
        if me not in self._holders:
            return value
        kind = type(value)
        if issubclass(kind, tuple):
            return self._tuple(value)
        # Made before its items, which may lead back to it.
        made = self._made[me] = _copy(value)
        if issubclass(kind, list):
            list.__setitem__(made, slice(None), self._items(list.__iter__(value)))
        elif issubclass(kind, dict):
            for key, item in dict.items(value):
                dict.__setitem__(made, key, self(item))
        else:
            for name, item in _fields(value).items():
                new = self(item)
                if new is not item:
                    object.__setattr__(made, name, new)  # past `frozen=True`
        return made

    def _items(self, items: Iterator[Any]) -> list[Any]:
        return [item if type(item) in _SCALARS else self(item) for item in items]

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        items = self._items(tuple.__iter__(value))
        # A tuple cannot be made before its items: within a cycle, they have made it meanwhile.
        if id(value) not in self._made:
            self._made[id(value)] = _tuple_like(value, items)
        return self._made[id(value)]


def _tuple_like(value: tuple[Any, ...], items: list[Any]) -> Any:
    kind = type(value)
    if kind is tuple:
        return tuple(items)
    try:
        made = tuple.__new__(kind, items)
    except TypeError as error:
        raise _cannot_copy(kind) from error
    if hasattr(value, "__dict__"):
        made.__dict__.update(value.__dict__)
    return made


def _copy(value: Any) -> Any:
    kind = type(value)
    if kind is list or kind is dict:
        return value.copy()
    try:
        made = copy.copy(value)
    except Exception as error:  # the class's own code
        raise _cannot_copy(kind) from error
    if type(made) is not kind or made is value:
        raise _cannot_copy(kind)
    return made


def _cannot_copy(kind: type[Any]) -> UsageError:
    return UsageError(
        f"A {kind.__module__}.{kind.__qualname__} holds a future, and cannot be copied to hold "
        "its value.",
        hint="pass a plain list, tuple, dict or dataclass, or get(x) in place of the future x.",
    )
