"""ClearML's words for statuses."""

from __future__ import annotations

from collections.abc import Iterable

from pipekit.errors import UsageError, nearest
from pipekit.model.status import Status

_WORDS = {
    Status.DRAFT: "created",
    Status.PENDING: "created",
    Status.QUEUED: "queued",
    Status.RUNNING: "in_progress",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.STOPPED: "stopped",
    Status.SKIPPED: "skipped",
}
_MEANT = {
    **{word: (status,) for status, word in _WORDS.items()},
    "created": (Status.DRAFT, Status.PENDING),
    "closed": (Status.COMPLETED,),
    "published": (Status.COMPLETED,),
    "publishing": (),
    "aborted": (Status.STOPPED,),
    "unknown": (),
}


class TaskStatusEnum:
    """ClearML's names of the words."""

    created = "created"
    queued = "queued"
    in_progress = "in_progress"
    stopped = "stopped"
    closed = "closed"
    failed = "failed"
    completed = "completed"
    published = "published"
    publishing = "publishing"
    unknown = "unknown"


def word_of(status: Status) -> str:
    """ClearML's word for a status."""
    return _WORDS[status]


def statuses_of(words: str | Iterable[str] | None) -> tuple[Status, ...]:
    """The statuses that ClearML's words mean.

    Raises:
        UsageError: there is no such word.
    """
    given = (words,) if isinstance(words, str) else tuple(words or ())
    found: dict[Status, None] = {}
    for word in given:
        text = str(word)
        if text not in _MEANT:
            raise UsageError(
                f"No status is {text!r}. There are: {', '.join(_MEANT)}.",
                hint=nearest(text, list(_MEANT)),
            )
        found.update(dict.fromkeys(_MEANT[text]))
    return tuple(found)
