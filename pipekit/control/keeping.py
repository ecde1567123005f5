"""Has the steps of a resumed run keep what they gave in an earlier attempt where that still counts,
and run again where not. In the loop's thread; `recorded` says what counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipekit.control.inputs import note_nested
from pipekit.control.output import KEPT_BYTES, Output
from pipekit.diagnostics import debug
from pipekit.errors import ArtifactError, short
from pipekit.model.planner import Event, KeyLooked

if TYPE_CHECKING:
    from pipekit.control.archive import Archive
    from pipekit.control.recorder import Recorder
    from pipekit.control.run import Run
    from pipekit.control.step import Step
    from pipekit.model.value import Digest
    from pipekit.reporting import Reporter


class Keeping:
    """What becomes of steps that are recorded from an earlier attempt at their run."""

    def __init__(
        self,
        archive: Archive,
        recorder: Recorder,
        reporter: Reporter,
        handle: Callable[[Run, Event], None],
    ) -> None:
        """`handle` takes the answers to look-ups."""
        self._archive = archive
        self._recorder = recorder
        self._reporter = reporter
        self._handle = handle
        self._told: set[tuple[str, str, str]] = set()
        """Run, component, and what was said of its code."""

    def called(self, step: Step) -> None:
        """A recorded step was called again. One without an outcome runs, and its record says so;
        but where an agent still has it, its end is waited for."""
        if not (step.kept or step.earlier.goes_on):
            self._recorder.resumed(step, self._archive.clock.now())

    def keep(self, steps: list[Step]) -> list[Step]:
        """Answer for those whose outcome counts; the others, as far as their keys are wanted."""
        recorded = [step for step in steps if step.kept]
        if not recorded:
            return steps
        blobs = {v.blob for s in recorded for v in s.earlier.outputs.values() if v.inline}
        contents = self._archive.store.read_contents(blobs) if blobs else {}
        left = [step for step in steps if not step.kept]
        for step in recorded:
            objection = self._objection(step)
            if not objection and self._take(step, contents):
                self._handle(step.run, KeyLooked(step.number, "", True))
                continue
            self._run_again(step, objection)
            if step.use.is_keyed:
                left.append(step)
            else:
                self._handle(step.run, KeyLooked(step.number, "", False))
        return left

    def _objection(self, step: Step) -> str:
        recorded = step.run.recorded
        try:
            note_nested(step, self._archive.hasher)
            objection: str = recorded.objection(step, self._archive)
            changed = recorded.code_change(step) if not step.again else ""
        except Exception as error:  # noqa: BLE001 - user code: what hashing a value calls
            return f"what it is given cannot be compared: {error}"
        if changed and not step.use.is_pipeline and (recorded.accepts or objection == changed):
            self._tell_code(step, changed)
        return objection

    def _tell_code(self, step: Step, changed: str) -> None:
        run = step.run
        said = (run.task_id, step.use.entry, changed)
        if said in self._told:
            return
        self._told.add(said)
        who = f"Completed steps of {step.use.name!r}"
        if run.recorded.accepts:
            self._reporter.warned(f"{who} are kept, though {changed} since.")
            return
        root = run
        while root.parent is not None:
            root = root.parent
        self._reporter.warned(
            f"{who} run again, for {changed} since "
            f"('pipekit resume {short(root.task_id)} --accept-changes' would have kept them)."
        )

    def _take(self, step: Step, contents: dict[Digest, bytes]) -> bool:
        """Whether the bytes are there; the step then has its outputs."""
        outputs = {
            name: Output(value, contents.get(value.blob) if value.inline else None)
            for name, value in step.earlier.outputs.items()
        }
        for name, (value, content) in outputs.items():
            what = f"output {name!r} of {step.label}"
            ended_at = step.earlier.task.ended_at or 0.0
            try:
                self._archive.check_value(value, content, what=what, stored_at=ended_at)
            except ArtifactError as error:
                if value.inline and content is not None:
                    self._archive.store.remove_contents([value.blob])
                step.renews = True
                self._reporter.warned(
                    f"Step {step.label} runs again: what it gave cannot be used. {error.message}"
                )
                return False
            if content is not None and len(content) > KEPT_BYTES:
                outputs[name] = Output(value, None)
        step.outputs = outputs
        step.reused_from = step.earlier.task.reused_from
        debug("resume", "%s is kept", step.label)
        return True

    def _run_again(self, step: Step, objection: str) -> None:
        step.kept = False
        step.note = objection or "what it gave cannot be used"
        step.renews = step.renews or step.again is not None
        self._recorder.resumed(step, self._archive.clock.now())
        debug("resume", "%s runs again: %s", step.label, step.note)
