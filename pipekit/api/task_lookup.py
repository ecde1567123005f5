"""Finding recorded tasks: by id, by name, by what they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pipekit.api.task_handle import TaskHandle, archive_here
from pipekit.errors import StoreUnavailable, TaskNotFound, UsageError, listed, nearest, short
from pipekit.model.records import RUN_KINDS, Kind
from pipekit.model.records import Task as TaskRecord
from pipekit.model.status import Status

if TYPE_CHECKING:
    from pipekit.control.archive import Archive

T = TypeVar("T", bound=TaskHandle)

_MOST_KNOWN = 1000


class TaskList(list[T]):
    """Tasks that were found; a list, and more."""

    def to_frame(self) -> Any:
        """A pandas frame with a row for each task: what it is, its parameters as
        `parameters.General/rate`, its metrics as `metrics.loss`.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise UsageError(
                "to_frame() needs pandas.", hint="pip install pandas, or read the list itself."
            ) from error
        rows = [_row(task) for task in self]
        return pandas.DataFrame(rows, columns=list(_COLUMNS) if not rows else None)


_COLUMNS = ("id", "name", "project", "kind", "type", "status", "created_at", "duration_seconds")


def _row(task: Any) -> dict[str, Any]:
    record = task.record
    row = {name: getattr(task, name) for name in _COLUMNS}
    row |= {"kind": record.kind.value, "status": record.status.value}
    row |= {f"parameters.{key}": value for key, value in record.spec.parameters.items()}
    return row | {f"metrics.{name}": value for name, value in task.metrics.items()}


class LookupVerbs(TaskHandle):
    """The part of `Task` that finds others."""

    @classmethod
    def get_task(
        cls,
        task_id: str | None = None,
        *,
        project_name: str | None = None,
        task_name: str | None = None,
        tags: Iterable[str] = (),
    ) -> Self:
        """The task of an id, or the newest of a name: a run or a script, a step where no run is
        called so. Where there are several, it says on stderr which it took.

        Looks into the home of the script's project, else that of the working folder's, or that of
        `PIPEKIT_HOME`; in a step, into the one that it is recorded in.

        Args:
            task_id: The id, or its beginning as long as that is unique.
            project_name: Without an id: only of this project.
            task_name: Without an id: only of this name.
            tags: Without an id: only with all of these; `-old`: without that one.

        Raises:
            TaskNotFound: there is none, or the id's beginning is that of more than one.
        """
        archive = archive_here()
        close_the_dead(archive)
        if task_id is not None:
            return cls(archive, archive.get_task(task_id).id)
        for kinds in (RUN_KINDS, ()):
            found = [
                task
                for task in archive.store.list_tasks(
                    kinds=kinds, project=project_name, name=task_name
                )
                if _has_tags(task, _tags(tags))
            ]
            if found:
                _say_which(found, project_name, task_name, _tags(tags))
                return cls(archive, found[0].id)
        raise _not_found(archive, project_name, task_name, _tags(tags))

    @classmethod
    def get_tasks(
        cls,
        *,
        project_name: str | None = None,
        task_name: str | None = None,
        status: Status | str | Iterable[Status | str] | None = None,
        kind: Kind | str | Iterable[Kind | str] | None = None,
        tags: Iterable[str] = (),
        parent: str | None = None,
        limit: int | None = None,
    ) -> TaskList[Self]:
        """Recorded tasks, newest first: runs of pipelines, scripts, and steps, under the project of
        their run.

        Args:
            project_name: Only of this project.
            task_name: Only of this name.
            status: Only in this status, or one of several.
            kind: Only `pipeline`, `script` or `step`, or several of these.
            tags: Only with all of these; `-old`: without that one.
            parent: Only the steps of the run of this id.
            limit: At most so many.

        Returns:
            A list; its `to_frame()` is a pandas frame.

        Raises:
            UsageError: there is no such status or kind.
        """
        archive = archive_here()
        close_the_dead(archive)
        wanted = _tags(tags)
        found = archive.store.list_tasks(
            kinds=members_of(Kind, kind, "kind"),
            parent=parent,
            statuses=members_of(Status, status, "status"),
            project=project_name,
            name=task_name,
            limit=None if wanted else limit,
        )
        fitting = [task for task in found if _has_tags(task, wanted)]
        return TaskList(cls(archive, task.id) for task in fitting[:limit])

    @classmethod
    def query(cls, **filters: Any) -> list[str]:
        """The ids of what `get_tasks` finds by the same filters.

        Raises:
            UsageError: there is no such status or kind.
        """
        return [task.id for task in cls.get_tasks(**filters)]


def close_the_dead(archive: Archive) -> None:
    """Have runs and scripts whose process is gone recorded as ended, where that can be."""
    from pipekit.control.dead import close_dead

    try:
        close_dead(archive)
    except StoreUnavailable:
        pass  # who only looks may look at what is there


def members_of(enum: Any, given: Any, what: str) -> tuple[Any, ...]:
    """One word of an enumeration or several, as its members; none for None.

    Raises:
        UsageError: there is no such word.
    """
    if given is None:
        return ()
    words = [known.value for known in enum]
    wanted = (given,) if isinstance(given, str) else tuple(given)
    for one in wanted:
        if one not in words:
            raise UsageError(
                f"No {what} is {one!r}. There are: {', '.join(words)}.",
                hint=nearest(str(one), words),
            )
    return tuple(enum(one) for one in wanted)


def _tags(given: Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _has_tags(task: TaskRecord, wanted: tuple[str, ...]) -> bool:
    return all(
        tag[1:] not in task.tags if tag.startswith("-") else tag in task.tags for tag in wanted
    )


def _say_which(
    found: list[TaskRecord], project: str | None, name: str | None, tags: tuple[str, ...]
) -> None:
    if len(found) < 2:
        return
    from pipekit.console.note import note  # where there is something to say

    newest = found[0]
    wanted = _wanted(project, name, tags)
    what = f"of {wanted}" if wanted else "recorded"
    note(
        f"{len(found)} tasks are {what}: the newest was taken, {newest.name!r} "
        f"({short(newest.id)}), {newest.status}."
    )


def _wanted(project: str | None, name: str | None, tags: tuple[str, ...] = ()) -> str:
    given = {"project": project, "name": name, "tags": ", ".join(tags)}
    return " and ".join(f"{key} {value!r}" for key, value in given.items() if value)


def _not_found(
    archive: Archive, project: str | None, name: str | None, tags: tuple[str, ...]
) -> TaskNotFound:
    runs = archive.store.list_tasks(kinds=RUN_KINDS, limit=_MOST_KNOWN)
    known = sorted({task.name for task in runs})
    wanted = _wanted(project, name, tags)
    has = f"There are runs of: {listed(known)}." if known else "There are no runs."
    hint = nearest(name or "", known)
    if project and not hint:
        hint = nearest(project, sorted({task.project for task in runs} - {project}))
    return TaskNotFound(
        f"No run has the {wanted}. {has}" if wanted else has,
        hint=hint or "'pipekit doctor' shows which store is used.",
    )
