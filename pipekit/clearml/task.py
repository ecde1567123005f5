"""`Task` with ClearML's arguments and habits."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipekit.api import task as plain
from pipekit.api.reported import log_of
from pipekit.clearml.artifact import ClearArtifacts
from pipekit.clearml.connecting import connect_object, is_plain_object
from pipekit.clearml.logger import Logger
from pipekit.clearml.status import TaskStatusEnum, statuses_of, word_of
from pipekit.clearml.unused import CONNECTS, PLACE, Unused, take_unused
from pipekit.errors import TaskFailed, TaskNotFound, UsageError
from pipekit.model.status import Status
from pipekit.model.task_type import TaskTypes

_INIT = {
    **PLACE,
    **CONNECTS,
    "continue_last_task": Unused("a task that has ended is not gone on with", (None, False)),
    "auto_resource_monitoring": Unused(""),
    "auto_connect_streams": Unused("what is printed is kept in any case", (None, True)),
    "deferred_init": Unused(""),
}
_CREATE = {
    **PLACE,
    "branch": Unused("the code that is run is that of the working tree"),
    "commit": Unused("the code that is run is that of the working tree"),
    "working_directory": Unused("it is the script's folder", (None, ".")),
    "requirements_file": Unused("code runs in the environment that it is started in"),
    "add_task_init_call": Unused("the script itself calls Task.init()", (None, True)),
    "force_single_script_file": Unused("the whole project travels", (None, False)),
    "base_task_id": Unused("Task.clone() makes a copy of a task"),
}
_UPLOAD = {
    "metadata": Unused("log it as an artifact of its own"),
    "preview": Unused("previews are made of the value"),
    "auto_pickle": Unused(""),
    "wait_on_upload": Unused(""),
    "extension_name": Unused("the value's type says how it is stored"),
    "retries": Unused(""),
    "sort_keys": Unused(""),
}
_FIND = {
    "allow_archived": Unused(""),
    "task_filter": Unused("only its 'status' counts here", (None, {})),
}


class StatusFailed(TaskFailed, RuntimeError):
    """A task that was waited for did not come to the wanted end. A `RuntimeError` too."""


class Task(plain.Task):
    """A script, a run or a step, with ClearML's arguments and habits."""

    TaskTypes = TaskTypes
    TaskStatusEnum = TaskStatusEnum

    # making tasks

    @classmethod
    def init(
        cls, project_name: str | None = None, task_name: str | None = None,
        task_type: str = TaskTypes.training, tags: Iterable[str] | None = None,
        reuse_last_task_id: bool | str = False, **others: Any,
    ) -> Task:  # fmt: skip
        """As `pipekit.Task.init`. Each run of the script is a task of its own, unless
        `reuse_last_task_id=True` is written."""
        take_unused("Task.init", others, _INIT)
        if isinstance(reuse_last_task_id, str):
            raise UsageError(
                "reuse_last_task_id takes True or False here.",
                hint="Task.get_task(task_id) gives a task of an id.",
            )
        return super().init(
            project_name or "", task_name or "", task_type, tags or (),
            reuse_last=reuse_last_task_id,
        )  # fmt: skip

    @classmethod
    def create(  # type: ignore[override]
        cls, project_name: str | None = None, task_name: str | None = None,
        task_type: str | None = None, script: str | None = None,
        argparse_args: Iterable[tuple[str, str]] | None = None, **others: Any,
    ) -> Task:  # fmt: skip
        """Record a script as a draft, without running it: see `pipekit.Task.create`."""
        take_unused("Task.create", others, _CREATE)
        argv = [word for key, value in argparse_args or () for word in (f"--{key}", str(value))]
        return super().create(
            script=script, project_name=project_name or "", task_name=task_name or "",
            task_type=task_type or TaskTypes.training, argv=argv,
        )  # fmt: skip

    def create_function_task(
        self, func: Callable[..., Any], func_name: str | None = None,
        task_name: str | None = None, **kwargs: Any,
    ) -> Task:  # fmt: skip
        """Record a call of a function as a draft, to be enqueued. Nothing of the script runs again,
        but the imports of its module.

        Raises:
            NotRunnable: the function is not found from another process.
        """
        return super().create(
            function=func, project_name=self.project, task_name=task_name or func_name or "",
            parameters={f"Args/{name}": value for name, value in kwargs.items()},
        )  # fmt: skip

    def clone(
        source_task: Task | str, name: str | None = None, comment: str | None = None,
        parent: str | None = None, project: str | None = None, **others: Any,
    ) -> Task:  # fmt: skip
        """A new draft that is a copy of a task: see `pipekit.Task.clone`. `parent` is taken: the
        clone says itself what it is cloned from."""
        made = plain.Task.clone(
            source_task, name or "", project=project or "", comment=comment or "", **others
        )
        return Task(made._archive, made.id)

    def enqueue(
        task: Task | str, queue_name: str | None = None, queue_id: str | None = None,
        force: bool = False,
    ) -> None:  # fmt: skip
        """Put a task on a queue, for an agent.

        Raises:
            UsageError: no queue is named; the task runs, waits, or has ended.
        """
        queue = queue_name or queue_id
        if not queue:
            raise UsageError("No queue is named.", hint="Task.enqueue(task, queue_name='default')")
        plain.Task.enqueue(task, queue, force=force)

    # finding tasks

    @classmethod
    def get_task(  # type: ignore[override]
        cls, task_id: str | None = None, project_name: str | None = None,
        task_name: str | None = None, tags: Iterable[str] | None = None, **others: Any,
    ) -> Task | None:  # fmt: skip
        """The task of an id, or the newest of a name; None where no task has that name.

        Raises:
            TaskNotFound: no task has that id.
        """
        take_unused("Task.get_task", others, _FIND)
        try:
            return super().get_task(
                task_id, project_name=project_name, task_name=task_name, tags=tags or ()
            )
        except TaskNotFound:
            if task_id is not None:
                raise
            return None

    @classmethod
    def get_tasks(  # type: ignore[override]
        cls, task_ids: Iterable[str] | None = None, project_name: str | None = None,
        task_name: str | None = None, tags: Iterable[str] | None = None,
        task_filter: Mapping[str, Any] | None = None, **others: Any,
    ) -> list[Task]:  # fmt: skip
        """Tasks, newest first. `task_name` is a regular expression that their names hold somewhere;
        of `task_filter`, `status` counts."""
        rest = {key: value for key, value in (task_filter or {}).items() if key != "status"}
        take_unused("Task.get_tasks", {**others, "task_filter": rest}, _FIND)
        if task_ids is not None:
            ids = [task_ids] if isinstance(task_ids, str) else task_ids
            return [cls._found(super(Task, cls).get_task(task_id)) for task_id in ids]
        wanted = (task_filter or {}).get("status")
        found = super().get_tasks(
            project_name=project_name, tags=tags or (),
            status=None if wanted is None else statuses_of(wanted),
        )  # fmt: skip
        if not task_name:
            return list(found)
        pattern = re.compile(task_name)
        return [task for task in found if pattern.search(task.name)]

    @classmethod
    def _found(cls, task: Any) -> Task:
        return cls(task._archive, task.id)

    @classmethod
    def query_tasks(cls, **filters: Any) -> list[str]:
        """The ids of what `get_tasks` finds."""
        return [task.id for task in cls.get_tasks(**filters)]

    # parameters

    def connect(self, mutable: Any, name: str | None = None, **others: Any) -> Any:
        """As `pipekit.Task.connect`; also an object of any class of yours, or the class itself, by
        its attributes."""
        take_unused(
            "Task.connect", others,
            {"ignore_remote_overrides": Unused("what a clone was given counts", (None, False))},
        )  # fmt: skip
        if is_plain_object(mutable):
            return connect_object(super().connect, mutable, name or "")
        return super().connect(mutable, name or "")

    def connect_configuration(
        self, configuration: Any, name: str | None = None, description: str | None = None,
        **others: Any,
    ) -> Any:  # fmt: skip
        """Connect a dict as `connect` does, in a section of that name; of the path of a file, store
        the file as an artifact of that name.

        Returns:
            The dict that the script is to use, or the path.
        """
        section = name or "General"
        if isinstance(configuration, Mapping):
            return super().connect(dict(configuration), section)
        path = Path(configuration)
        if not path.is_file():
            raise UsageError(f"There is no file {str(path)!r}.")
        super().upload_artifact(section, path)
        return configuration

    def get_parameters(
        self, backwards_compatibility: bool = True, cast: bool = True
    ) -> dict[str, Any]:
        """All parameters by whole key, each of its type; `cast=False`: each as a text."""
        return super().get_parameters(cast=cast)

    def get_parameters_as_dict(self, cast: bool = True) -> dict[str, Any]:
        """The same as dicts in dicts, by section."""
        nested: dict[str, Any] = {}
        for key, value in self.get_parameters(cast=cast).items():
            *above, last = key.split("/")
            inside = nested
            for part in above:
                inside = inside.setdefault(part, {})
            inside[last] = value
        return nested

    def set_parameters(self, *dicts: Mapping[str, Any], **others: Any) -> None:  # type: ignore[override]
        """Set all parameters: those that are not named are gone. A key without a section means the
        one section that has it, else `General`, and goes before the same with a section."""
        merged = {key: value for one in dicts for key, value in one.items()} | others
        super().set_parameters(merged, replace=True)

    def update_parameters(self, *dicts: Mapping[str, Any], **others: Any) -> None:
        """Set some parameters; the others stay."""
        merged = {key: value for one in dicts for key, value in one.items()} | others
        super().set_parameters(merged)

    def set_parameter(
        self, name: str, value: Any, description: str | None = None, value_type: Any = None
    ) -> None:
        """Set one parameter; the others stay."""
        super().set_parameters({name: value if value_type is None else value_type(value)})

    # reports and artifacts

    def get_logger(self) -> Logger:
        return Logger(log_of(self._archive, self.id))

    def get_reported_single_value(self, name: str) -> float | None:
        """One of the values that are one for the whole task; None where it was not reported."""
        return self.get_reported_single_values().get(name)

    @property
    def artifacts(self) -> Any:
        """Its stored values by name."""
        return ClearArtifacts(super().artifacts)

    def upload_artifact(  # type: ignore[override]
        self, name: str, artifact_object: Any, delete_after_upload: bool = False,
        serialization_function: Callable[[Any], bytes] | None = None, **others: Any,
    ) -> bool:  # fmt: skip
        """Store a value with the task. A text that is the path of a file or folder stores that.

        Returns:
            True: it is stored when this returns.

        Raises:
            UsageError: the task has ended, or runs elsewhere.
            NotSerializable: the value cannot be stored.
        """
        take_unused("upload_artifact", others, _UPLOAD)
        value = path_meant(artifact_object)
        stored = value if serialization_function is None else serialization_function(value)
        log = log_of(self._archive, self.id) if self.id and self._runs() else None
        if log is not None:
            log.artifact(name, stored)
        else:
            super().upload_artifact(name, stored)
        if delete_after_upload and isinstance(value, Path) and value.is_file():
            value.unlink()
        return True

    def _runs(self) -> bool:
        return self._standing() is Status.RUNNING

    # statuses

    @property
    def status(self) -> str:  # type: ignore[override]
        """In ClearML's words: `created`, `queued`, `in_progress`, `completed`, `failed`,
        `stopped`."""
        return word_of(self._standing())

    def get_status(self) -> str:
        return self.status

    def wait_for_status(
        self, status: str | Iterable[str] = ("completed", "stopped", "closed"),
        raise_on_status: str | Iterable[str] | None = ("failed",),
        check_interval_sec: float = 60.0, **others: Any,
    ) -> str:  # fmt: skip
        """Wait until it is in one of these statuses; `check_interval_sec` is taken: it is noticed
        at once.

        Raises:
            RuntimeError: it came to one of `raise_on_status`, or has ended in another than is
                waited for.
        """
        try:
            reached = super().wait_for_status(
                statuses_of(status), statuses_of(raise_on_status), **others
            )
        except TaskFailed as error:
            failed = StatusFailed.__new__(StatusFailed)
            failed.args = error.args
            vars(failed).update(vars(error))
            raise failed from error
        return word_of(Status(reached))

    def mark_failed(  # type: ignore[override]
        self, ignore_errors: bool = True, status_reason: str | None = None,
        status_message: str | None = None, force: bool = False,
    ) -> None:  # fmt: skip
        """Say that it has failed, and why."""
        super().mark_failed(status_message or status_reason or "")

    def mark_completed(
        self, ignore_errors: bool = True, status_message: str | None = None, force: bool = False
    ) -> None:
        """Say that it has completed."""
        super().mark_completed()

    def mark_stopped(  # type: ignore[override]
        self, force: bool = False, status_message: str | None = None
    ) -> None:
        """Say that it was stopped."""
        super().mark_stopped(status_message or "")

    def reset(self, set_started_on_success: bool = False, force: bool = False) -> None:
        """Make a draft of a script's task that has ended."""
        super().reset()

    # what is said of it

    def get_tags(self) -> list[str]:
        """Its tags."""
        return list(self.record.tags)

    def set_name(self, name: str) -> None:
        """Have it listed under another name."""
        from pipekit.model.name import check_name

        self._edit(name=check_name(name, "Task"))

    rename = set_name

    def set_project(self, project_name: str) -> None:
        """Have it listed under another project."""
        from pipekit.model.name import check_name

        self._edit(project=check_name(project_name, "Project"))

    def move_to_project(self, new_project_name: str) -> None:
        """As `set_project`."""
        self.set_project(new_project_name)

    def get_parent(self) -> str | None:
        """The id of the run that it belongs to, else of the task that it was cloned from."""
        return self.record.parent or self.record.cloned_from

    @classmethod
    def running_locally(cls) -> bool:
        """Whether the script was started by hand, and not by an agent or `pipekit execute`."""
        from pipekit.api import script

        current = cls.current_task()
        found = script.find_script(current.id) if current is not None else None
        return found is None or bool(getattr(found, "is_own", True))

    # the environment, which is the one that code is started in

    @classmethod
    def add_requirements(cls, package_name: str, package_version: str | None = None) -> None:
        """Nothing: code runs in the environment that it is started in."""
        _environment("add_requirements", package_name)

    @classmethod
    def force_requirements_env_freeze(
        cls, force: bool = True, requirements_file: str | None = None
    ) -> None:
        """Nothing: code runs in the environment that it is started in."""
        _environment("force_requirements_env_freeze", force)

    @classmethod
    def set_credentials(cls, **given: Any) -> None:
        """Nothing: there is no server; `PIPEKIT_STORE` says where records are kept."""
        take_unused(
            "Task.set_credentials", {"api_host": given or True},
            {"api_host": Unused("there is no server; PIPEKIT_STORE says where records are kept")},
        )  # fmt: skip

    def set_base_docker(self, docker_image: str | None = None, **others: Any) -> None:
        """Nothing: code runs in the environment that it is started in."""
        _environment("set_base_docker", docker_image)

    def set_packages(self, packages: str | Sequence[str]) -> None:
        """Nothing: code runs in the environment that it is started in."""
        _environment("set_packages", packages)

    @classmethod
    def set_random_seed(cls, random_seed: int | None) -> None:
        """Seed Python's random numbers, and NumPy's where that is imported."""
        import random
        import sys

        random.seed(random_seed)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(random_seed)


def _environment(call: str, value: Any) -> None:
    take_unused(f"Task.{call}", {"packages": value}, PLACE)


def path_meant(value: Any) -> Any:
    """The path where a text names a file or folder that is there, as ClearML takes it."""
    if not isinstance(value, str) or not value or "\n" in value:
        return value
    try:
        return Path(value) if os.path.exists(value) else value
    except ValueError:
        return value
