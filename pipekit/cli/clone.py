"""`pipekit clone`: a new draft of a recorded task with other parameters, perhaps run at once."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pipekit.cli.execute import execute
from pipekit.cli.home import Home, open_home
from pipekit.cli.outcome import DONE, tell
from pipekit.cli.record import task_record
from pipekit.control.clone import clone as make_clone
from pipekit.control.enqueue import enqueue
from pipekit.control.execute import check_runnable
from pipekit.errors import UsageError, short
from pipekit.model.records import Kind, Task


def clone(
    typed: str, *, settings: Sequence[str], name: str, queue: str, run: bool, as_json: bool
) -> int:
    """Clone what was typed, and print the id of the clone; the exit code.

    Args:
        typed: Beginning of the id of a task.
        settings: `key=value` for each parameter that is to be another.
        name: Of the clone.
        queue: That it is put on; empty: none.
        run: Whether it is run here and now.
        as_json: Print one JSON object.

    Raises:
        UsageError: nothing was typed, a setting is none, or a value does not fit.
        NotRunnable: it is to be run, and cannot be.
        NotFound: there is no such task.
        StoreError: the home cannot be read or written.
    """
    if not typed:
        raise UsageError("'pipekit clone' needs the id of a task.", hint="pipekit ls")
    if queue and run:
        raise UsageError("A clone is run here or put on a queue.", hint="leave out --run.")
    texts = dict(_parted(one) for one in settings)
    with open_home() as home:
        source = home.get_task(typed)
        if source.kind is not Kind.SCRIPT:
            from pipekit.cli.conduct import clone_run

            made = clone_run(home, source, texts, name=name, queue=queue, run=run)
        else:
            made = _clone_script(home, source, texts, name=name, queue=queue, run=run)
        if as_json:
            found = home.store.find_task(made.id) or made
            print(json.dumps(task_record(found), allow_nan=False), flush=True)
        elif not run:
            print(made.id, flush=True)
    return execute(made.id) if run else DONE


def _clone_script(
    home: Home, source: Task, texts: dict[str, str], *, name: str, queue: str, run: bool
) -> Task:
    if queue or run:
        check_runnable(source)
    made = make_clone(home.archive, source, name=name, texts=texts)
    if queue:
        enqueue(home.archive, made, queue)
    is_ = f"waits on queue {queue!r}" if queue else "is a draft"
    if run:
        tell(f"{made.name!r} ({short(made.id)}) is cloned from {short(source.id)}.")
    else:
        tell(f"{made.name!r} {is_}, cloned from {source.name!r} ({short(source.id)}).")
    return made


def _parted(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {setting} is to be KEY=VALUE.", hint=f"--set {key or 'rate'}=0.1")
    return key, value
