"""What steps read and wrote beside their arguments: whether a remembered outcome still holds, which
steps of a run read what another wrote, and files that are named by an argument's text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from pipekit.artifacts.place import Places, find_stat, is_plain
from pipekit.control.archive import Archive
from pipekit.control.step import Produced, Step
from pipekit.diagnostics import debug
from pipekit.model.reason import NOT_REMEMBERED
from pipekit.model.records import Memo
from pipekit.model.trace import ABSENT, FILE, LEFT, WROTE, Read, Reads
from pipekit.ports import Outcome

_MOST_CHARACTERS = 4096
"""Of a text that may name a file: no system takes a longer path."""


def still_holds(step: Step, memo: Memo, archive: Archive) -> bool:
    """Whether all that a remembered outcome rests on is as it was. If not, the one that comes takes
    its place: a key has one outcome, of what was seen last."""
    changed = _find_changed(memo, archive.places)
    if changed is None:
        return True
    step.note = f"{changed} changed"
    debug("cache", "%s runs again: %s", step.label, step.note)
    step.renews = True
    return False


def _find_changed(memo: Memo, places: Places) -> Read | None:
    environment = os.environ
    for read in memo.reads:
        if not places.is_unchanged(read, environment):
            return read
    return None


def is_settled(step: Step, outcome: Outcome, places: Places) -> bool:
    """Whether what the step read settles its outcome: nothing of it changed meanwhile."""
    unsure = outcome.unsure
    for read in step.named_files:
        if not unsure and read in outcome.reads and not places.is_unchanged(read, {}):
            unsure = f"{read} changed while it ran"
    if unsure:
        step.note = f"{NOT_REMEMBERED}{unsure}"
        debug("cache", "%s is %s", step.label, step.note)
    return not unsure


# files that an argument's text names


def named_files(step: Step, places: Places) -> Reads:
    """The files that arguments of the step name by their text, as they are now."""
    reads = []
    for argument in step.arguments:
        if argument.text and len(argument.text) <= _MOST_CHARACTERS:
            path = os.path.join(step.run.folder, argument.text)
            if not places.counts(path):
                continue
            found = find_stat(path)
            if found is not None and is_plain(found):
                path = os.path.abspath(path)
                reads.append(Read(FILE, places.name(path), places.digest(path)))
    return tuple(reads)


def with_named(named: Reads, reads: Reads) -> Reads:
    """What a step read, and the files that its arguments named, but for those that it wrote without
    reading them before."""
    if not named:
        return reads
    written = {read.name for read in reads if read.kind in (WROTE, LEFT)}
    added = [read for read in named if read.name not in written]
    return tuple(dict.fromkeys((*reads, *added)))


def remembered(reads: Reads) -> Reads:
    """What of it goes into the memo."""
    return tuple([read for read in reads if read.kind != LEFT])


# steps of one run that meet in a file


class Meeting(NamedTuple):
    """Two steps, one of which read what the other wrote, though neither waits for the other."""

    reader: Step
    writer: Step
    path: str

    def __str__(self) -> str:
        return (
            f"Step {self.reader.name!r} read {self.path!r}, which step {self.writer.name!r} of the "
            "same run wrote, and does not depend on it: which comes first is chance. Hint: "
            f"{self.reader.use.name}.options(after=…) with the future of {self.writer.name!r}, or "
            "pass the path on as its value."
        )


class Meetings:
    """The files that the steps of one run read and wrote, as far as they have ended."""

    __slots__ = ("_readers", "_told", "_writers")

    def __init__(self) -> None:
        self._readers: dict[str, Step] = {}
        self._writers: dict[str, Step] = {}
        self._told: set[tuple[int, int]] = set()

    def add(self, step: Step, reads: Reads) -> list[Meeting]:
        """The step has ended, or was reused: whom it met unawares, each pair once."""
        found = []
        for kind, name, _ in reads:
            if kind in (FILE, ABSENT):
                self._readers.setdefault(name, step)
                writer = self._writers.get(name)
                if writer is not None:
                    found.append(Meeting(step, writer, name))
            elif kind in (WROTE, LEFT):
                self._writers[name] = step
                reader = self._readers.get(name)
                if reader is not None:
                    found.append(Meeting(reader, step, name))
        return [meeting for meeting in found if self._is_news(meeting)]

    def _is_news(self, meeting: Meeting) -> bool:
        reader, writer, _ = meeting
        pair = (reader.number, writer.number)
        if reader is writer or pair in self._told:
            return False
        if _depends(reader, writer) or _depends(writer, reader):
            return False
        if _is_awaited(writer, reader) or _is_awaited(reader, writer):
            return False
        self._told.add(pair)
        return True


def _is_awaited(first: Step, second: Step) -> bool:
    """Whether the pipeline function called the second when the first had ended, as it does once it
    has used its value. Where each step runs at its call that says nothing by itself."""
    if first.ended_at is None or first.ended_at > second.called_at:
        return False
    return first.values is not None or first.mailbox is None


def _depends(step: Step, other: Step) -> bool:
    """Whether a step waits, over however many others, for another."""
    seen: set[int] = set()
    open_ = [step]
    while open_:
        for before in _needs(open_.pop()):
            if before is other:
                return True
            if before.number > other.number and before.number not in seen:
                seen.add(before.number)
                open_.append(before)
    return False


def _needs(step: Step) -> Iterator[Step]:
    for source in step.sources:
        if type(source) is Produced:
            yield source.step
    yield from step.after
