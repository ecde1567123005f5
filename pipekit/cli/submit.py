"""`pipekit submit`: puts a run of a TARGET on a queue, with its parameters made from text."""

from __future__ import annotations

import json

from pipekit.api.submit import submit_now
from pipekit.cli.arguments import find_target, parse
from pipekit.cli.binding import bind
from pipekit.cli.outcome import DONE, tell
from pipekit.cli.parameter import parameters_of
from pipekit.cli.record import task_record
from pipekit.cli.run import files_of, stdout_for
from pipekit.cli.target import load_pipeline
from pipekit.control.termination import stopped_by_signals
from pipekit.errors import UsageError, short
from pipekit.settings import command_for

_NEITHER = ("--until", "--audit", "--pdb")
HELP = """\
Usage: pipekit submit TARGET [OPTIONS] [--param VALUE]...

  Put a run on a queue, and return at once. An agent that serves the queue runs it (pipekit agent),
  with the project's files as they are now. For now its steps run where the agent does, in worker
  processes of its own.

  The parameters are those of pipekit run TARGET --help, also -p NAME=VALUE and --params FILE.

Options:
  --queue NAME      Where it waits; default: what the
                    pipeline says, else services. A parameter of that name is
                    given as -p queue=VALUE.
  --executor NAME   Where its steps run: process (default), process:8, or inline.
  --params FILE     Parameters from a .json or .toml file, or lines of NAME=value.
  --no-cache        Reuse nothing.
  --refresh STEP    Run this step whatever is remembered. Repeatable.
  --json            Print the run as JSON.
  -h, --help        Show this."""


def submit(arguments: list[str]) -> int:
    """Put a run on a queue as it was typed; the exit code.

    Raises:
        UsageError: what was typed does not fit the pipeline.
        UserCodeFailed: its module cannot be imported.
        NotRunnable: another process could not run it.
        StoreError: it cannot be recorded.
    """
    queue, arguments = _take_queue(arguments)
    target, rest = find_target(arguments)
    if not {"-h", "--help"}.isdisjoint(rest):
        print(HELP)
        return DONE
    if not target:
        raise UsageError(
            "'pipekit submit' needs a TARGET.", hint="pipekit submit path/file.py:function"
        )
    # What the module prints while it is imported is not the run.
    with stopped_by_signals(), stdout_for(the_result=True):
        pipeline = load_pipeline(target)
        parameters = parameters_of(pipeline.function)
        given = parse(rest, parameters)
        if given.until or given.with_debugger or given.with_audit:
            raise UsageError(
                f"'pipekit submit' takes none of {', '.join(_NEITHER)}.",
                hint="leave it out, or use 'pipekit run'.",
            )
        args, kwargs = bind(
            parameters, given, files_of(given), pipeline=pipeline.name, target=target
        )
        pipeline = pipeline.options(
            executor=given.executor or None,
            cache=False if given.without_cache else None,
            refresh=given.refresh or None,
            queue=queue,
        )
        archive, task = submit_now(pipeline, args, kwargs)
        command = command_for(archive.settings.home)
        archive.close()
    if given.as_json:
        print(json.dumps(task_record(task) | {"queue": task.queue}, allow_nan=False))
    else:
        print(task.id)
    tell(f"{task.name} ({short(task.id)}) waits on queue {task.queue}.")
    tell(f"See: {command} show {short(task.id)}")
    tell(f"     {command} logs -f {short(task.id)}")
    return DONE


def _take_queue(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The queue that was typed, and the rest. It is no option of `pipekit run`, so that a parameter
    may have its name there."""
    left, queue = list(arguments), None
    for index, text in enumerate(arguments):
        name, equals, value = text.partition("=")
        if name != "--queue":
            continue
        if not equals and index + 1 == len(arguments):
            raise UsageError("Option --queue needs a value.", hint="write --queue=NAME.")
        queue = value if equals else arguments[index + 1]
        del left[index : index + (1 if equals else 2)]
        break
    return queue, left
