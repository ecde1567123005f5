"""What steps write to their consoles, as lines of the run's. Owns how much of it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from pipekit.console.message import Message
from pipekit.reporting import StepFacts

_MOST_LINES_A_SECOND = 1000
_WINDOW_SECONDS = 1.0


class StepOutput:
    """Lines of steps: more than anyone could follow are counted, and where they are is said."""

    def __init__(self) -> None:
        self._window_at = float("-inf")
        self._window_lines = 0
        self._left_out: dict[str, tuple[StepFacts, int]] = {}
        """Step -> how many bytes of it were not shown, and nobody was told so far."""

    def take(
        self, message: Message, step: StepFacts, lines: Sequence[str], left_out: int, now: float
    ) -> list[str]:
        """What to write now, of new lines of a step."""
        told = []
        if now - self._window_at >= _WINDOW_SECONDS:
            self._window_at = now
            self._window_lines = 0
            told = self.rest(message)
        room = max(0, _MOST_LINES_A_SECOND - self._window_lines)
        shown = lines[max(0, len(lines) - room) :]
        hidden = left_out + sum(len(line) + 1 for line in lines[: len(lines) - len(shown)])
        if hidden:
            self._leave_out(step, hidden)
        if room:
            told += self.end_of(message, step.id)
        self._window_lines += len(shown)
        told += message.wrote(step, shown)
        return told

    @property
    def hides(self) -> bool:
        """Whether there is anything of which nobody was told."""
        return bool(self._left_out)

    def end_of(self, message: Message, step_id: str) -> list[str]:
        """What to say of a step that has ended: how much of it was not shown."""
        left_out = self._left_out.pop(step_id, None)
        if left_out is None:
            return []
        step, count = left_out
        return [message.not_shown(step, count)]

    def rest(self, message: Message) -> list[str]:
        """What to say of all steps of which something was not shown."""
        left_out = list(self._left_out.values())
        self._left_out.clear()
        if len(left_out) > 3:
            total = sum(count for _, count in left_out)
            return [message.not_shown_of_many(left_out[0][0].run, len(left_out), total)]
        return [message.not_shown(step, count) for step, count in left_out]

    def _leave_out(self, step: StepFacts, count: int) -> None:
        _, before = self._left_out.get(step.id, (step, 0))
        self._left_out[step.id] = (step, before + count)
