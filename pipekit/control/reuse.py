"""Which remembered outcomes a step may take, as far as that is not up to what it read: what was
asked for (`cache=`, `refresh=`), and whether the bytes are what was stored. Starts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pipekit.control.output import KEPT_BYTES, Output
from pipekit.control.step import ASKED_FOR
from pipekit.diagnostics import debug
from pipekit.errors import ArtifactError

if TYPE_CHECKING:
    from pipekit.control.archive import Archive
    from pipekit.control.run import Run
    from pipekit.control.step import Step
    from pipekit.model.records import Memo
    from pipekit.model.value import Digest
    from pipekit.reporting import Reporter


class Wishes:
    """What was asked for of the cache in one run and the runs below it."""

    __slots__ = ("refreshed", "reuses")

    def __init__(self, *, reuses: bool = True, refreshed: Sequence[str] = ()) -> None:
        self.reuses = reuses
        self.refreshed = frozenset(refreshed)

    def below(self, step: Step, *, reuses: bool, refreshed: Sequence[str]) -> Wishes:
        """What holds in a pipeline that is called as a step."""
        reuses = reuses and self.reuses and not self._names(step)
        return Wishes(reuses=reuses, refreshed=(*self.refreshed, *refreshed))

    def objection(self, step: Step) -> str:
        """Why the step is to run whatever is remembered; empty where it is not."""
        if step.again is not None:
            return ASKED_FOR
        if not self.reuses:
            return "the run is to reuse nothing"
        return "it is to be refreshed" if self.refreshed and self._names(step) else ""

    def _names(self, step: Step) -> bool:
        return not self.refreshed.isdisjoint(names_of(step))

    def unmet(self, run: Run) -> list[str]:
        """The names that no step of an ended run has."""
        if not self.refreshed:
            return []
        return sorted(self.refreshed.difference(_all_names(run)))


def names_of(step: Step) -> tuple[str, ...]:
    """What a step goes by: `fit-2`, and the names of its component and its function."""
    return (step.name, step.use.name, getattr(step.use.function, "__name__", ""))


def _all_names(run: Run) -> set[str]:
    names: set[str] = set()
    for step in run.steps:
        names.update(names_of(step))
        if step.child is not None:
            names |= _all_names(step.child)
    return names


class Reuse:
    """Judges remembered outcomes for the steps of a session. In the loop's thread."""

    def __init__(self, archive: Archive, reporter: Reporter) -> None:
        self._archive = archive
        self._reporter = reporter

    def find(self, steps: Sequence[Step]) -> dict[Step, tuple[Memo, dict[str, Output]]]:
        """Of the steps that may take what is remembered: the memo, and its outputs with their small
        bytes. Of one that may not, the note says why."""
        store = self._archive.store
        for step in steps:
            step.renews = False
        memos = store.find_memos({step.memo_key for step in steps})
        taken = {
            step: memos[step.memo_key]
            for step in steps
            if step.memo_key in memos and self._may_take(step, memos[step.memo_key])
        }
        inline = {v.blob for memo in taken.values() for _, v in memo.outputs if v.inline}
        contents = store.read_contents(inline) if inline else {}
        found = {}
        for step, memo in taken.items():
            outputs = self._outputs(step, memo, contents)
            if outputs is not None:
                found[step] = (memo, outputs)
        return found

    def _may_take(self, step: Step, memo: Memo) -> bool:
        objection = step.run.wishes.objection(step) or self._too_old(step, memo)
        if objection:
            step.note = objection
            step.renews = True
            debug("cache", "%s runs again: %s", step.label, objection)
            return False
        return step.use.options.keeps_none or not memo.is_none

    def _too_old(self, step: Step, memo: Memo) -> str:
        most = step.use.options.most_seconds
        if most is None or self._archive.clock.now() - memo.created_at < most:
            return ""
        return f"what is remembered is older than {timedelta(seconds=most)}"

    def _outputs(
        self, step: Step, memo: Memo, contents: dict[Digest, bytes]
    ) -> dict[str, Output] | None:
        """None, after a warning, where some bytes are gone or are not what was stored."""
        outputs = {}
        for name, value in memo.outputs:
            if not self._archive.artifacts.is_current(value):
                step.note = f"the serializer of output {name!r} has changed"
                step.renews = True
                return None
            content = contents.get(value.blob) if value.inline else None
            try:
                what = f"output {name!r} of {memo.run} {step.name!r}"
                self._archive.check_value(value, content, what=what, stored_at=memo.created_at)
            except ArtifactError as error:
                step.note = f"what is remembered cannot be used: {error.message}"
                step.renews = True
                if value.inline and content is not None:
                    self._archive.store.remove_contents([value.blob])
                self._reporter.warned(
                    f"Step {step.label} runs again: what is remembered of it cannot be used. "
                    f"{error.message}"
                )
                return None
            short = content is not None and len(content) <= KEPT_BYTES
            outputs[name] = Output(value, content if short else None)
        return outputs
