"""Scripts in a project of their own, and what is recorded of them, read as another process does."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from workspace import Said, Workspace

from pipekit import Task
from pipekit.control.session import close_session
from pipekit.model.records import Kind


class ScriptBench(Workspace):
    """The project, its home, and the tasks in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write("pyproject.toml", "")

    def script(self, text: str, name: str = "job.py") -> Path:
        return self.write(name, textwrap.dedent(text))

    def run(self, text: str, name: str = "job.py", **variables: str) -> Said:
        """Write a script, and run it to its end."""
        self.script(text, name)
        return self.python(name, **variables)

    @property
    def tasks(self) -> list[Task]:
        """Those of scripts, newest first."""
        return Task.get_tasks(kind=Kind.SCRIPT)

    @property
    def task(self) -> Task:
        """The newest."""
        return self.tasks[0]

    def shown(self, task: Task) -> Any:
        return self.pipekit("show", task.id, "--json").json


@contextmanager
def bench_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptBench]:
    bench = ScriptBench(folder)
    monkeypatch.setenv("PIPEKIT_HOME", str(bench.home))
    monkeypatch.chdir(folder)
    try:
        yield bench
    finally:
        close_session(bench.home)


def printed(said: Said) -> Any:
    """What a script printed as JSON on the last line of its console."""
    assert said.code == 0, said.err
    return json.loads(said.out.splitlines()[-1])
