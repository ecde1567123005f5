"""Steps that would take the machine, their worker or the console down: each costs one clear
failure, and nothing of it lives on. The milder ones are in test_hostile_steps."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.workspace import PIPEKIT, Said, Workspace

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="what is left is found in /proc"
)

_GONE_SECONDS = 15

FLOW = """
    import itertools
    import os
    import signal
    import subprocess
    import sys
    import time
    from pipekit import component, get, pipeline

    @component(timeout=0.7)
    def bombs() -> None:
        # Each forks on until there are enough; a limit of the machine's own ends it earlier.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for _ in range(6):
            try:
                os.fork()
            except OSError:
                pass
        time.sleep(1000)

    @component(timeout=0.5)
    def spins() -> None:
        sum(itertools.repeat(1))

    @component(timeout=0.5)
    def hides() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        subprocess.Popen(["sh", "-c", "trap '' INT TERM; sleep 1000 & sleep 1000"])
        time.sleep(1000)

    @component
    def hides_without_end() -> None:
        subprocess.Popen(["sh", "-c", "trap '' INT TERM; sleep 1000 & echo begun; sleep 1000"])
        time.sleep(1000)

    @component(cache=False)
    def leaves_something(i: int) -> int:
        subprocess.Popen(["sleep", "1000"])
        return 1

    @component
    def kills_its_group() -> None:
        os.killpg(0, signal.SIGKILL)

    @component
    def stops_itself_for_good() -> None:
        os.kill(os.getpid(), signal.SIGABRT)

    @component
    def shouts() -> int:
        for number in range(20_000):
            print(f"line {number}", file=sys.stderr)
        return 1

    @component
    def fills_a_line() -> int:
        sys.stdout.write("x" * 20_000_000)
        return 1

    @component
    def writes_rubbish() -> int:
        os.write(1, bytes(range(256)) * 100)
        return 1

    @component
    def fine() -> str:
        return "fine"

    @pipeline
    def dies_after_it() -> None:
        get([leaves_something(1), leaves_something(2)])
        os.kill(os.getpid(), signal.SIGKILL)

    @pipeline
    def flow(name: str) -> str:
        try:
            said = get(globals()[name]())
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        return f"{fine()} after {said}"
"""


class Poisoned(Workspace):
    """Whose processes bear a mark."""

    def environment(self, **variables: str) -> dict[str, str]:
        return super().environment(POISONED=self.mark, **variables)

    @property
    def mark(self) -> str:
        return str(self.folder)

    def left(self) -> list[str]:
        """Command lines of processes that do not end."""
        deadline = time.monotonic() + _GONE_SECONDS
        while (found := self._marked()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def _marked(self) -> list[str]:
        wanted = f"POISONED={self.mark}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return [command for command in found if command]


@pytest.fixture
def space(tmp_path: Path) -> Poisoned:
    made = Poisoned(tmp_path)
    made.write("flow.py", FLOW)
    return made


def run(space: Poisoned, name: str, **variables: str) -> Said:
    return space.pipekit(
        "run", "flow.py:flow", "--name", name, "--json",
        **{"PIPEKIT_EXECUTOR": "process:2", "PIPEKIT_PROGRESS": "lines", **variables},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bombs", "timeout of 0.7 s"),
        ("spins", "timeout of 0.5 s"),
        ("hides", "timeout of 0.5 s"),
        ("kills_its_group", "ended by signal 9 (SIGKILL)"),
        ("stops_itself_for_good", "ended by signal 6 (SIGABRT)"),
    ],
)
def test_a_poisonous_step_fails_alone_and_nothing_of_it_is_left(
    space: Poisoned, name: str, says: str
) -> None:
    said = run(space, name)
    value = said.json["value"]
    assert value.startswith("fine after StepFailed: ")
    assert says in value
    assert space.left() == []
    with closing(sqlite3.connect(space.home / "pipekit.db")) as database:
        query = "SELECT COUNT(*) FROM attempts WHERE ended_at IS NULL"
        assert database.execute(query).fetchone() == (0,)


@pytest.mark.parametrize("name", ["shouts", "fills_a_line", "writes_rubbish"])
def test_a_loud_step_completes_and_is_logged_whole(space: Poisoned, name: str) -> None:
    said = run(space, name)
    assert said.json["value"] == "fine after 1"
    size = sum(path.stat().st_size for path in (space.home / "logs").iterdir())
    sizes = {
        "shouts": sum(len(f"line {number}\n") for number in range(20_000)),
        "fills_a_line": 20_000_000,
        "writes_rubbish": 25_600,
    }
    assert size == sizes[name]
    assert len(said.err) < 4_000_000


def test_a_module_that_a_worker_cannot_import_fails_each_step_once(space: Poisoned) -> None:
    space.write(
        "broken.py",
        """
        from pipekit import component, pipeline

        @component(retries=3)
        def step() -> int:
            return 1

        @pipeline
        def flow() -> int:
            return step() + step()

        if __name__ == "__main__":
            flow()
        else:
            import nowhere_to_be_found
        """,
    )
    said = space.python("broken.py")
    assert said.code == 1
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in said.err
    assert "attempt 2" not in said.err
    assert space.left() == []


def test_what_a_step_has_started_dies_with_its_controller(space: Poisoned) -> None:
    command = (PIPEKIT, "run", "flow.py:flow", "--name", "hides_without_end")
    going = space.start(*command, PIPEKIT_EXECUTOR="process:1")
    going.wait_for("begun", "err")
    going.process.kill()
    going.end()
    assert space.left() == []


def test_what_a_step_has_left_dies_with_its_controller_too(space: Poisoned) -> None:
    for _ in range(10):
        assert space.pipekit("run", "flow.py:dies_after_it").code == -9
        assert space.left() == []
