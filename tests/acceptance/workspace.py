"""A folder of its own with a home in it, and `pipekit` run there as it is typed."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIPEKIT = str(Path(sys.executable).with_name("pipekit"))
_SECONDS = 60


@dataclass
class Said:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class Workspace:
    """The folder. `write` puts files in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def environment(self, **variables: str) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PIPEKIT_")}
        return {**kept, "PIPEKIT_HOME": str(self.home), **variables}

    def pipekit(self, *arguments: str, **variables: str) -> Said:
        started = self.start(PIPEKIT, *arguments, **variables)
        out, err = started.process.communicate(timeout=_SECONDS)
        return Said(started.process.returncode, out.decode(), err.decode())

    def python(self, file: str, **variables: str) -> Said:
        started = self.start(sys.executable, file, **variables)
        out, err = started.process.communicate(timeout=_SECONDS)
        return Said(started.process.returncode, out.decode(), err.decode())

    def start(self, *command: str, **variables: str) -> Started:
        return Started(
            subprocess.Popen(
                command, cwd=self.folder, env=self.environment(**variables),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip


class Started:
    """A command that goes on."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._read = {"out": b"", "err": b""}

    def wait_for(self, text: str, stream: str = "out") -> None:
        """Read until the text has come."""
        pipe = self.process.stdout if stream == "out" else self.process.stderr
        assert pipe is not None
        while text.encode() not in self._read[stream]:
            ready = select.select([pipe], [], [], _SECONDS)[0]
            data = os.read(pipe.fileno(), 65536) if ready else b""
            assert data, f"{text!r} did not come, but {self._read[stream]!r}"
            self._read[stream] += data

    def end(self) -> Said:
        """All that it wrote, once it has ended by itself."""
        out, err = self.process.communicate(timeout=_SECONDS)
        return Said(
            self.process.returncode,
            (self._read["out"] + out).decode(),
            (self._read["err"] + err).decode(),
        )
