"""How tasks of scripts come to be: by a script that runs, from code, from another task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pipekit.api.task_handle import TaskHandle, archive_here
from pipekit.errors import UsageError
from pipekit.model.task_type import TaskTypes


class MakingVerbs(TaskHandle):
    """The part of `Task` that makes tasks."""

    TaskTypes = TaskTypes
    """Words for what a task is for: `Task.TaskTypes.training`. Any other text will do too."""

    @classmethod
    def init(
        cls,
        project_name: str = "",
        task_name: str = "",
        task_type: str = "training",
        tags: Iterable[str] = (),
        *,
        reuse_last: bool = False,
    ) -> Self:
        """The task of the script that runs in this process, recorded from here on: its arguments,
        the files of its project, what it prints, and how it ends.

        Called again it gives the same task. In a step or a pipeline function it gives that task. In
        a process that was started to run a task (by `pipekit execute` or an agent) it is that one.

        Args:
            project_name: Default: the name of the project's folder.
            task_name: Default: the script's name.
            task_type: What it is for, in a word: see `Task.TaskTypes`.
            tags: By which it is found.
            reuse_last: Begin the last task of this name and project anew, where it has ended,
                instead of recording another.

        Raises:
            UsageError: this process has a task of another name.
            StoreUnavailable: it cannot be recorded.
        """
        from pipekit.control.current import current_run
        from pipekit.worker.task_log import current_step

        if current_step() is not None or current_run.get() is not None:
            return cls._of_current()
        from pipekit.api import script

        words = (tags,) if isinstance(tags, str) else tuple(tags or ())
        own = script.init(
            project_name or "", task_name or "", task_type=str(task_type or ""), tags=words,
            reuse_last=reuse_last,
        )  # fmt: skip
        return cls(own.archive, own.task_id)

    @classmethod
    def current_task(cls) -> Self | None:
        """The task whose code is running: a step's, a run's, or the script's after `Task.init`;
        None where there is none."""
        from pipekit.api.current_task import current_task

        return None if current_task() is None else cls._of_current()

    @classmethod
    def _of_current(cls) -> Self:
        from pipekit.api.current_task import current_task

        task = current_task()
        assert task is not None
        return cls.of_running(task._archive, task.id)

    @classmethod
    def create(
        cls,
        *,
        script: str | Path | None = None,
        function: Callable[..., Any] | None = None,
        project_name: str = "",
        task_name: str = "",
        task_type: str = "training",
        argv: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
    ) -> Self:
        """Record a script, or a function, as a draft, without running it: to be enqueued, or to be
        a template that is cloned. Its project's files are kept as they are now.

        Args:
            script: Path of the file.
            function: At the top level of a module of the project. Its arguments are the task's
                parameters, in section `Args`; what it returns is its artifact `value`.
            project_name: Default: the name of the project's folder.
            task_name: Default: the name of the script, or of the function.
            task_type: What it is for, in a word.
            argv: The script's arguments on the command line.
            parameters: What it is to be connected with, by key.
            tags: By which it is found.

        Raises:
            UsageError: neither or both of script and function are given, or it is not found.
            NotRunnable: it cannot be run from a record.
        """
        from pipekit.api.drafting import draft

        archive, task = draft(
            script, function, project=project_name, name=task_name, type_=str(task_type),
            argv=argv, parameters=parameters or {},
            tags=(tags,) if isinstance(tags, str) else tuple(tags),
        )  # fmt: skip
        return cls(archive, task.id)

    def execute_remotely(
        self, queue_name: str | None = None, *, clone: bool = False, exit_process: bool = True
    ) -> None:
        """From here on the script is to run elsewhere: its task is put on a queue, and this process
        ends. In the process that is then started for it, the call does nothing.

        Args:
            queue_name: None: the task is left as a draft, which can be cloned or enqueued later.
            clone: A clone of the task is put there instead; this one ends as completed.
            exit_process: False, only with `clone`: this process goes on, and so does its task.

        Raises:
            UsageError: it is not the task of this process's script.
            NotRunnable: it cannot be run from its record.
        """
        from pipekit.api import script
        from pipekit.api.cloning import clone_task, enqueue_task

        if script.find_script(self.id) is None:
            raise UsageError(
                "execute_remotely() is for the task of the script that runs in this process.",
                hint="Task.enqueue(task, queue_name='default') enqueues another.",
            )
        own = script.find_own(self.id)
        if own is None or not own.is_own:
            return
        if not exit_process and not clone:
            raise UsageError(
                "A task cannot go on here and elsewhere.", hint="exit_process=False needs clone."
            )
        if not clone:
            script.leave_to(queue_name)
        own.record_connected()
        other = clone_task(self, "", {}, "", "", None)
        if queue_name:
            enqueue_task(TaskHandle(self._archive, other.id), queue_name, force=False)
        if exit_process:
            script.close()
            raise SystemExit(0)


def task_of(task: TaskHandle | str) -> TaskHandle:
    """A task that is given itself, or by its id.

    Raises:
        TaskNotFound, UsageError: there is none, or it is something else.
    """
    if isinstance(task, TaskHandle):
        return task
    if not isinstance(task, str):
        raise UsageError(f"{task!r} is to be a task, or the id of one.")
    archive = archive_here()
    return TaskHandle(archive, archive.get_task(task).id)
