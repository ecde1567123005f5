"""The home that the commands look into: opened for reading, and the tasks in it found by what was
typed. Makes no home where there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipekit import liveness
from pipekit.api.task import Task as TaskView
from pipekit.capture.source_text import parts_of
from pipekit.cli.outcome import tell
from pipekit.control.archive import Archive
from pipekit.control.dead import close_dead
from pipekit.control.run_text import RunTexts, run_text
from pipekit.errors import NotFound, SettingsError, StoreUnavailable, TaskNotFound, short
from pipekit.model.records import RUN_KINDS, Task
from pipekit.model.status import Status
from pipekit.settings import Settings, read_settings

HOW_TO_BEGIN = "pipekit run path/file.py:function"


class Home:
    """The records and values of one home."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.store = archive.store
        self._run_texts = RunTexts(archive.store)
        self._gone: dict[str, bool] = {}
        """Run -> whether the process that conducts it has ended."""

    def view(self, task: Task) -> TaskView:
        """The task as the API shows it."""
        return TaskView(self.archive, task.id)

    def list_runs(
        self,
        limit: int,
        *,
        statuses: Collection[Status] = (),
        name: str | None = None,
        project: str | None = None,
    ) -> list[Task]:
        """Runs that were started by themselves and match what is given, newest first: no child
        runs."""
        asked = limit
        while True:
            found = self.store.list_tasks(
                kinds=RUN_KINDS, statuses=statuses, name=name, project=project, limit=asked
            )
            runs = [task for task in found if task.parent is None]
            if len(runs) >= limit or len(found) < asked:
                return runs[:limit]
            asked *= 4

    def list_steps(self, run: Task) -> list[Task]:
        """The steps of a run in the order of their calls, child runs among them."""
        return self.store.list_tasks(parent=run.id)[::-1]

    def get_task(self, typed: str) -> Task:
        """The task of a shortened id; where none was typed, the newest run, which is said.

        Raises:
            TaskNotFound: no task, or more than one, has such an id.
            NotFound: there is no run yet.
        """
        if typed:
            try:
                return self.archive.get_task(typed)
            except TaskNotFound as error:
                raise self._of_name(typed) or error from None
        runs = self.list_runs(1)
        if not runs:
            raise NotFound("There are no runs yet.", hint=HOW_TO_BEGIN)
        tell(f"The newest run: {run_text(runs[0])}")
        return runs[0]

    def _of_name(self, typed: str) -> TaskNotFound | None:
        """The error for a name that was typed in place of an id; None where nothing has it."""
        message = f"No task has the id {typed!r}."
        if runs := self.list_runs(1, name=typed):
            hint = f"the newest run of that name is {short(runs[0].id)}"
            return TaskNotFound(message, hint=hint)
        for run in self.list_runs(1):
            for step in self.list_steps(run):
                if step.name == typed:
                    hint = f"the newest run has a step of that name: {short(step.id)}"
                    return TaskNotFound(message, hint=hint)
        return None

    def find_source(self, task: Task) -> tuple[str, int, str] | None:
        """File, line and text of the task's function as it was when it was loaded; None where that
        was not recorded."""
        address = task.spec.source
        content = self.store.read_contents([address]).get(address) if address else None
        return parts_of(content) if content is not None else None

    def run_text(self, step_id: str | None) -> str:
        """`train 01j9zk7abcdef`: the run that a step is part of; empty where there is no step."""
        return "" if step_id is None else self._run_texts.of(step_id)

    def process_is_gone(self, task: Task) -> bool:
        """Whether a task is recorded as running, but the process that conducts it has ended."""
        if task.status is not Status.RUNNING:
            return False
        root = self.archive.root_of(task)
        if root.id not in self._gone:
            self._gone[root.id] = self.conductor_is_gone(root)
        return self._gone[root.id]

    def conductor_is_gone(self, run: Task) -> bool:
        """Whether the process that conducts this very run has ended, asked anew."""
        opened = [attempt for attempt in self.store.list_attempts(run.id) if not attempt.ended_at]
        return any(
            liveness.is_alive(attempt.host, attempt.pid, attempt.pid_started_at) is False
            for attempt in opened
            if not attempt.agent  # else another agent goes on with it
        )


def has_store(settings: Settings) -> bool:
    """Whether anything was ever recorded there. Makes nothing."""
    scheme, _, place = settings.store_url.partition(":///")
    return scheme != "sqlite" or Path(place).exists()


def check_folder(settings: Settings) -> None:
    """
    Raises:
        SettingsError: the home is something else than a folder.
    """
    if settings.home.exists() and not settings.home.is_dir():
        raise SettingsError(
            f"The home {settings.home} is not a folder.", hint="set PIPEKIT_HOME to a folder."
        )


@contextmanager
def open_home(settings: Settings | None = None) -> Iterator[Home]:
    """The home of the working folder, or of these settings; closed at the end.

    Raises:
        NotFound: there is none yet.
        StoreUnavailable, StoreVersionMismatch: it cannot be used.
        SettingsError: a setting does not fit.
    """
    settings = settings or read_settings()
    if not has_store(settings):
        check_folder(settings)
        raise NotFound(f"There are no runs yet in {settings.home}.", hint=HOW_TO_BEGIN)
    archive = Archive(settings)
    try:
        with suppress(StoreUnavailable):  # who only looks may look at what is there
            close_dead(archive)
        yield Home(archive)
    finally:
        archive.close()
