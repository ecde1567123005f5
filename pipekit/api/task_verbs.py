"""What users say of a task, and wait for: its tags, its artifacts, its end. How that is recorded is
decided below."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from pipekit.api.task_handle import TaskHandle
from pipekit.api.task_lookup import close_the_dead, members_of
from pipekit.errors import TaskFailed, UsageError, short
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.name import check_name
from pipekit.model.status import TERMINAL, Status, Transition

if TYPE_CHECKING:
    from pipekit.model.records import Attempt

_FIRST_LOOK_SECONDS = 0.02
_LOOK_SECONDS = 0.2
_DEAD_SECONDS = 1.0


class StatusVerbs(TaskHandle):
    """The part of `Task` that is about what becomes of it."""

    def get_status(self) -> str:
        """`draft`, `pending`, `queued`, `running`, `completed`, `failed`, `stopped` or
        `skipped`."""
        return self.record.status.value

    def wait_for_status(
        self,
        status: Status | str | Iterable[Status | str] = (Status.COMPLETED, Status.STOPPED),
        raise_on_status: Status | str | Iterable[Status | str] = (Status.FAILED,),
        *,
        timeout: float | None = None,
    ) -> str:
        """Wait until it is in one of these statuses, and return which.

        Args:
            status: One, or several.
            raise_on_status: Those at which an error is raised.
            timeout: Seconds to wait at most; None: as long as it takes.

        Raises:
            TaskFailed: it came to a status of `raise_on_status`, or has ended in another than is
                waited for.
            TimeoutError: it was in none of them in time.
            UsageError: there is no such status.
        """
        wanted, refused = _statuses(status), _statuses(raise_on_status)
        end = None if timeout is None else monotonic() + timeout
        pause, looked_at = _FIRST_LOOK_SECONDS, monotonic()
        while True:
            record = self.record
            if record.status in wanted and record.status not in refused:
                return record.status.value
            if record.status in refused or record.status in TERMINAL:
                reason = record.failure.message if record.failure is not None else ""
                raise TaskFailed(
                    task=record.name, task_id=self.id, status=record.status.value, reason=reason
                )
            now = monotonic()
            if end is not None and now >= end:
                raise TimeoutError(
                    f"Task {record.name!r} ({short(self.id)}) is {record.status} after {timeout} s."
                )
            if now - looked_at >= _DEAD_SECONDS:
                looked_at = now
                close_the_dead(self._archive)
            sleep(pause if end is None else min(pause, max(0.0, end - now)))
            pause = min(_LOOK_SECONDS, pause * 1.5)

    def mark_completed(self) -> None:
        """Say that it has completed: the task of this process's script, or one that runs elsewhere,
        which then records nothing more.

        Raises:
            UsageError: it does not run.
        """
        self._mark(Transition.COMPLETED, None)

    def mark_failed(self, reason: str = "") -> None:
        """Say that it has failed, and why.

        Raises:
            UsageError: it has ended, or has not begun.
        """
        failure = Failure(FailureKind.ERROR, reason or "marked as failed")
        self._mark(Transition.FAILED, failure)

    def mark_stopped(self, reason: str = "") -> None:
        """Say that it was stopped. To end what runs elsewhere, use `stop()`.

        Raises:
            UsageError: it has ended, or has not begun.
        """
        self._mark(Transition.STOPPED, Failure(FailureKind.STOPPED, reason or "marked as stopped"))

    def _mark(self, transition: Transition, failure: Failure | None) -> None:
        from pipekit.api import script
        from pipekit.control.marking import mark

        own = script.find_own(self.id)
        if script.is_followed(self.id):
            return
        if own is not None:
            own.end(transition, failure=failure)
            script.ended(self.id)
        else:
            mark(self._archive, self.record, transition, failure)
        self._changed()

    def reset(self) -> None:
        """Make a draft of a script's task that has ended: what it was given stays, what it made is
        not its any more.

        Raises:
            UsageError: it has not ended, or is no script's.
        """
        from pipekit.control.reset import reset

        reset(self._archive, self.record)
        self._changed()

    def delete(self) -> None:
        """Forget it, with all that lies below it. Bytes that nothing else refers to go with the
        next `pipekit gc`.

        Raises:
            UsageError: it has not ended, is pinned, or is a part of a run.
        """
        from pipekit.control.reset import delete

        delete(self._archive, self.record)
        self._changed()

    def close(self) -> None:
        """End the task of this process's script as completed, though the script goes on; what it
        prints is not kept any more. Of another task this does nothing. Idempotent."""
        from pipekit.api import script

        if script.find_own(self.id) is not None:
            script.close()

    # what is said of it

    def get_project_name(self) -> str:
        """The project that it is listed under."""
        return self.record.project

    @property
    def comment(self) -> str:
        """What was said of it in words."""
        return self.record.comment

    def set_comment(self, comment: str) -> None:
        """Say something of it in words, in place of what was said before."""
        if not isinstance(comment, str):
            raise UsageError(f"A comment is to be text, not {comment!r}.")
        self._edit(comment=comment)

    def add_tags(self, tags: str | Iterable[str]) -> None:
        """Add one tag, or several; those that it has stay."""
        self._edit(tags=tuple(dict.fromkeys((*self.record.tags, *_checked(tags)))))

    def set_tags(self, tags: str | Iterable[str]) -> None:
        """Set its tags, in place of those that it has."""
        self._edit(tags=tuple(dict.fromkeys(_checked(tags))))

    def _edit(self, **said: Any) -> None:
        from pipekit.api.script import is_followed
        from pipekit.model.records import Change, Edit

        if is_followed(self.id):
            return
        if not self._archive.store.commit([Change(self.id, edit=Edit(**said))])[0]:
            raise UsageError(f"Task {short(self.id)} is not in the store any more.")
        self._changed()

    def set_progress(self, progress: float) -> None:
        """Say how far it has come, from 0 to 100; `get_progress()` reads it, also elsewhere.

        Raises:
            UsageError: it is no such number, or the task is not the one whose code runs here.
        """
        if isinstance(progress, bool) or not isinstance(progress, int | float):
            raise UsageError(f"Progress is to be a number from 0 to 100, not {progress!r}.")
        if not 0 <= progress <= 100:
            raise UsageError(f"Progress is to be from 0 to 100, not {progress}.")
        log = self._log("Its progress")
        if log is not None:
            log.progress(progress, 100)

    def get_progress(self) -> float | None:
        """How far it has come, from 0 to 100, as it said last; None where it said nothing."""
        from pipekit.control.script import PROGRESS

        logged = self._archive.store.list_metrics(self.id)
        since = self.last_forgotten(self.record)
        said = [one.value for one in logged if one.name == PROGRESS and one.attempt > since]
        return said[-1] if said else None

    # what belongs to it

    def upload_artifact(self, name: str, artifact_object: Any) -> None:
        """Store a value with the task: any that a step may return; of a `Path`, the file or folder
        itself. It is stored when this returns; under the same name, the later one counts.

        On a draft that is what it is given: its script reads `task.artifacts[name]`, and its clones
        have it too.

        Raises:
            UsageError: the task has ended, or runs in another process.
            NotSerializable: the value cannot be stored.
        """
        from pipekit.api.script import is_followed
        from pipekit.control.marking import give

        log = self._log("")
        if log is not None:
            log.artifact(name, artifact_object)
        elif not is_followed(self.id):
            give(self._archive, self.record, name, artifact_object)

    def _log(self, what: str) -> Any:
        """The log of the code that runs here, where that is this task's; else None, or the error
        that `what` cannot be said of another."""
        from pipekit.api.script import find_script
        from pipekit.control.current import current_run
        from pipekit.worker.task_log import current_script, current_step

        run = current_run.get()
        logs = (current_step(), run.log if run is not None else None, current_script())
        found = next((log for log in logs if log is not None and log.task_id == self.id), None)
        if found is None and what and find_script(self.id) is None:
            raise UsageError(
                f"{what} is said by the task's own code: {self.record.name!r} "
                f"({short(self.id)}) is another task than the one that runs here."
            )
        return found

    def get_reported_console_output(self, number_of_reports: int = 1) -> list[str]:
        """What it wrote to its console: a text for each of its last attempts, oldest first."""
        attempts = self._archive.store.list_attempts(self.id)[-max(1, number_of_reports) :]
        return [self.read_log(attempt) for attempt in attempts]

    def read_log(self, attempt: Attempt) -> str:
        """What one attempt wrote to its console."""
        if not attempt.log_path:
            return ""
        path = self._archive.settings.home / attempt.log_path
        try:
            with path.open("rb") as file:
                file.seek(attempt.log_start)
                end = attempt.log_end
                data = file.read() if end is None else file.read(end - attempt.log_start)
        except FileNotFoundError:
            return ""
        return data.decode(errors="replace")


def _statuses(given: Any) -> frozenset[Status]:
    return frozenset(members_of(Status, given, "status"))


def _checked(tags: str | Iterable[str]) -> list[str]:
    given = [tags] if isinstance(tags, str) else list(tags)
    for tag in given:
        if not check_name(tag, "Tag"):
            raise UsageError("A tag is to be text that shows.")
    return given
