"""Which waiting step gets a place next, and what of the machine is taken. Decides; starts nothing,
and knows no process.

Theory of operation. Steps get their places in the order in which they came, but one that does not
fit does not hold up those behind it that do. So that it is not overtaken for ever, it lets
`MOST_OVERTAKING` pass; then nothing starts before it, and what runs makes room by ending. Steps
that ask for the same are equal here: a choice looks at one of each kind only, however many wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from pipekit.model.resources import Resources, cpu_number, size_text

MOST_OVERTAKING = 16
"""Steps that may start before an earlier one that does not fit yet."""


class Share(NamedTuple):
    """What a step has while it runs."""

    asked: Resources
    gpus: tuple[str, ...]


class Capacity:
    """What a machine has, and what of it is taken. Shared by all who start steps there."""

    def __init__(self, *, cpus: int, memory: int, gpus: tuple[str, ...]) -> None:
        """`cpus` whole ones, `memory` in bytes, `gpus` by name."""
        self.cpus = cpus
        self.memory = memory
        self.gpus = gpus
        self.free_memory = memory
        self.free_gpus = list(gpus)
        self.waiting: dict[object, Callable[[], None]] = {}
        """Who is to be told when something was given back, by owner."""

    def refusal(self, asked: Resources, places: int) -> str:
        """Why a step can never run here, where `places` are counted as so many CPUs at least; empty
        where it can."""
        cpus = max(self.cpus, places)
        has: list[str] = []
        if asked.cpu > 1000 * cpus:
            has.append(f"{cpu_number(asked.cpu):g} CPUs, of {cpus}")
        if asked.gpu > len(self.gpus):
            has.append(f"{_counted(asked.gpu, 'GPU')}, of {len(self.gpus) or 'none'}")
        if asked.memory is not None and asked.memory > self.memory:
            has.append(f"{size_text(asked.memory)} of memory, of {self.memory / 2**30:.1f}GiB")
        return "; ".join(has)

    def fits(self, asked: Resources) -> bool:
        """Whether so much memory and so many GPUs are free."""
        return (asked.memory or 0) <= self.free_memory and asked.gpu <= len(self.free_gpus)

    def take(self, asked: Resources, gpus: tuple[str, ...] = ()) -> Share:
        """Take what `fits`; of the GPUs those named, where they are free."""
        chosen = gpus if gpus else tuple(self.free_gpus[: asked.gpu])
        for gpu in chosen:
            self.free_gpus.remove(gpu)
        self.free_memory -= asked.memory or 0
        return Share(asked, chosen)

    def give_back(self, share: Share) -> None:
        """The step has ended, and its processes are gone or idle."""
        self.free_memory += share.asked.memory or 0
        self.free_gpus += share.gpus
        self.free_gpus.sort(key=self.gpus.index)
        for tell in list(self.waiting.values()):
            tell()


class Waiting(Protocol):
    """What waits for a place."""

    resources: Resources | None
    turn: int
    """Its number in the order in which they came, set by the line."""
    overtaken: int
    """How many have started before it while it was the first."""


W = TypeVar("W", bound=Waiting)
P = TypeVar("P")


class Line(Generic[W]):
    """Those who wait, in the order in which they came."""

    def __init__(self) -> None:
        self.plain: deque[W] = deque()
        """Those that ask for nothing."""
        self._asking: dict[Resources, deque[W]] = {}
        self._next_turn = 0

    def __bool__(self) -> bool:
        return bool(self.plain or self._asking)

    def __iter__(self) -> Iterator[W]:
        for queue in (self.plain, *self._asking.values()):
            yield from queue

    @property
    def has_asking(self) -> bool:
        """Whether one waits that asks for something."""
        return bool(self._asking)

    def add(self, items: Iterable[W]) -> None:
        """Put them at the end."""
        for item in items:
            item.turn = self._next_turn
            self._next_turn += 1
            if item.resources is None:
                self.plain.append(item)
            else:
                self._asking.setdefault(item.resources, deque()).append(item)

    def put_back(self, items: list[W]) -> None:
        """Put what was taken back in front of its like, in its order."""
        for item in reversed(items):
            if item.resources is None:
                self.plain.appendleft(item)
            else:
                self._asking.setdefault(item.resources, deque()).appendleft(item)

    def remove(self, item: W) -> bool:
        """Take one out; False where it does not wait."""
        queue = self.plain if item.resources is None else self._asking.get(item.resources)
        if queue is None or item not in queue:
            return False
        queue.remove(item)
        self._drop_empty(item)
        return True

    def clear(self) -> None:
        """Take all out."""
        self.plain.clear()
        self._asking.clear()

    def choose(self, find_place: Callable[[W], P | None]) -> tuple[W, P] | None:
        """Take out the one that is to start now, with the place that `find_place` gave; None where
        none can. Where `find_place` raises, nothing was taken out."""
        if not self._asking:  # as long as nobody asks for anything, this is all
            if not self.plain:
                return None
            place = find_place(self.plain[0])
            return None if place is None else (self.plain.popleft(), place)
        heads = [queue[0] for queue in (self.plain, *self._asking.values()) if queue]
        heads.sort(key=lambda item: item.turn)
        for item in heads:
            place = find_place(item)
            if place is not None:
                if item is not heads[0]:
                    heads[0].overtaken += 1
                (self.plain if item.resources is None else self._asking[item.resources]).popleft()
                self._drop_empty(item)
                return item, place
            if heads[0].overtaken >= MOST_OVERTAKING:
                return None
        return None

    def _drop_empty(self, item: W) -> None:
        if item.resources is not None and not self._asking[item.resources]:
            del self._asking[item.resources]


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
