"""`pipekit task create`: records a script as a draft without running it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pipekit.api.task import Task
from pipekit.cli.outcome import DONE, tell
from pipekit.cli.record import task_record
from pipekit.errors import UsageError
from pipekit.model.sections import from_text


def create(
    script: str, *, arguments: Sequence[str], settings: Sequence[str], name: str, project: str,
    task_type: str, tags: Sequence[str], queue: str, as_json: bool,
) -> int:  # fmt: skip
    """Record it, and print its id; the exit code.

    Args:
        script: Path of the file.
        arguments: Of the script on the command line.
        settings: `key=value` for each parameter.
        name: Default: the script's.
        project: Default: the name of the project's folder.
        task_type: What it is for, in a word.
        tags: By which it is found.
        queue: That it is put on; empty: none.
        as_json: Print one JSON object.

    Raises:
        UsageError: there is no such script, or a setting is none.
        StoreError: the home cannot be written.
    """
    parameters = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {setting} is to be KEY=VALUE.")
        parameters[key] = from_text(text, None)
    task = Task.create(
        script=script, argv=tuple(arguments), parameters=parameters, task_name=name,
        project_name=project, task_type=task_type, tags=tuple(tags),
    )  # fmt: skip
    if queue:
        task.enqueue(queue)
    if as_json:
        print(json.dumps(task_record(task.record), allow_nan=False))
    else:
        print(task.id)
        is_ = f"waits on queue {queue!r}" if queue else "is a draft"
        tell(f"{task.name!r} of project {task.project!r} {is_}.")
    return DONE
