"""A project with pipelines and a script that wait on queues, and agents that are started there."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from workspace import PIPEKIT, Said, Started, Workspace

FLOW = """
    import os
    import signal
    import time
    from pathlib import Path

    from pipekit import component, pipeline


    def note(journal: Path, text: str) -> None:
        with journal.open("a") as file:
            file.write(f"{text}\\n")


    def wait_for(path: Path) -> None:
        while not path.exists():
            time.sleep(0.01)


    @component(cache=False)
    def measure(number: int, journal: Path) -> int:
        note(Path(str(journal)), f"measure {number}")
        return number * number


    @component(cache=False)
    def hold(number: int, journal: Path, gate: str) -> int:
        note(Path(str(journal)), f"hold {os.getpid()}")
        if gate:
            wait_for(Path(gate))
        note(Path(str(journal)), "held")
        return number


    @pipeline(project="served")
    def plain(number: int = 2, journal: str = "journal") -> int:
        return measure(number, journal)


    @pipeline(project="served")
    def holding(journal: str, gate: str = "") -> int:
        return hold(measure(3, journal), journal, gate)


    @pipeline(project="served")
    def meeting(mine: str, other: str) -> str:
        Path(mine).touch()
        wait_for(Path(other))
        return "met"


    @pipeline(project="served")
    def deadly(journal: str) -> None:
        note(Path(journal), "deadly")
        os.kill(os.getpid(), signal.SIGKILL)


    @pipeline(project="served")
    def broken() -> None:
        raise ValueError("nothing to train on")
"""

SCRIPT = """
    import time
    from pathlib import Path

    from pipekit import Task

    task = Task.init(project_name="served", task_name="script")
    given = task.connect({"number": 1, "journal": "", "gate": ""})
    if given["journal"]:
        with open(given["journal"], "a") as file:
            file.write(f"script {given['number']}\\n")
    while given["gate"] and not Path(given["gate"]).exists():
        time.sleep(0.01)
    task.upload_artifact("double", 2 * given["number"])
"""


class Served(Workspace):
    """The project, its journal, and what is asked of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write("flow.py", FLOW)
        self.journal = folder.parent / "journal"
        self.agents: list[Started] = []

    def environment(self, **variables: str) -> dict[str, str]:
        copies = self.folder.parent / "copies"
        copies.mkdir(exist_ok=True)
        return super().environment(**{"TMPDIR": str(copies), **variables})

    def agent(self, *options: str, **variables: str) -> Started:
        """An agent that goes on, once it serves."""
        started = self.start_agent(*options, **variables)
        started.wait_for("Serving", "err")
        return started

    def start_agent(self, *options: str, **variables: str) -> Started:
        started = self.start(PIPEKIT, "agent", *options, **variables)
        self.agents.append(started)
        return started

    def drain(self, *options: str) -> Said:
        """What an agent says that runs all that waits."""
        return self.done("agent", "--drain", *options)

    def done(self, *arguments: str) -> Said:
        said = self.pipekit(*arguments)
        assert said.code == 0, said.err
        return said

    def submit(self, name: str, *parameters: str, queue: str = "services") -> str:
        """The id of a run that waits."""
        return self.done("submit", f"flow.py:{name}", "--queue", queue, *parameters).out.strip()

    def show(self, task_id: str) -> Any:
        return self.done("show", task_id, "--json").json

    def status(self, task_id: str) -> str:
        status: str = self.show(task_id)["status"]
        return status

    def lines(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    def wait_for_line(self, beginning: str, *, count: int = 1) -> str:
        """The last of so many lines of the journal that begin so."""
        end = monotonic() + 60
        while monotonic() < end:
            found = [line for line in self.lines() if line.startswith(beginning)]
            if len(found) >= count:
                return found[-1]
            sleep(0.02)
        raise AssertionError(f"{beginning!r} did not come {count} times, but {self.lines()}")

    def close(self) -> None:
        """Leave no agent behind."""
        for started in self.agents:
            if started.process.poll() is None:
                started.process.send_signal(signal.SIGKILL)
                started.process.wait()


def is_gone(pid: int) -> bool:
    """Whether a process has ended, within a while."""
    end = monotonic() + 30
    while monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                if file.read().rpartition(b")")[2].split()[0] == b"Z":
                    return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        sleep(0.02)
    return False
