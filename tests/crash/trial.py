"""One crash trial: a run whose processes die at a point, resumed until it is done, and judged.

`python -m tests.crash.trial POINT SEED [FOLDER]` replays one and says what is wrong.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pipekit import crash
from tests.acceptance.workspace import PIPEKIT
from tests.crash.oracle import (
    Expected,
    Records,
    judge,
    left_open,
    processes_of,
    temporary_files,
    values_are_whole,
)

FLOW = Path(__file__).with_name("crash_flow.py")
USER_POINTS = {
    "user.step": "In the middle of a step's own code.",
    "user.pipeline": "In the middle of the pipeline function's own code.",
}
GC_POINTS = ("controller.collected", "controller.blob-taken")
POINTS = (*crash.POINTS, *USER_POINTS)
_MOST_PASSINGS = {
    "controller.before-commit": 30,
    "controller.in-commit": 30,
    "controller.after-commit": 30,
    "controller.announced": 20,
    "controller.sent": 25,
    "controller.received": 25,
    "controller.in-migration": 12,
    "worker.starts": 1,
    "worker.imported": 3,
    "worker.before-reply": 8,
    "worker.replied": 8,
    "blob.renamed": 2,
    "user.step": 20,
    "user.pipeline": 3,
}
"""At which passing a process may be told to die; elsewhere the first."""
_STOPPED_CODES = (0, 130, 143, -2, -15)
_SECONDS = 60
_MOST_RESUMES = 6
_GONE_SECONDS = 10


@dataclass(frozen=True)
class Plan:
    """What a trial does. Made of its point and its seed alone."""

    point: str
    nth: int
    again: str
    """Where the first resumed run dies too; empty: nowhere."""
    executor: str
    by_command: bool
    """Whether the run is started by `pipekit run`, else as a script."""
    salt: int
    seed: int
    pause: float
    """Seconds that others go on while a process is at its point."""

    @property
    def replay(self) -> str:
        return f"python -m tests.crash.trial {self.point} {self.seed}"


def plan_of(point: str, seed: int) -> Plan:
    chance = random.Random(f"{point} {seed}")
    others = [other for other in crash.POINTS if other.startswith(("controller.", "worker."))]
    again = ""
    if point == "controller.resumed":
        again = point
    elif chance.random() < 0.25:
        other = chance.choice([other for other in others if other not in GC_POINTS])
        again = f"{other}:{chance.randint(1, min(3, _MOST_PASSINGS.get(other, 1)))}"
    return Plan(
        point=point,
        nth=chance.randint(1, _MOST_PASSINGS.get(point, 1)),
        again=again,
        executor="process:1" if chance.random() < 0.25 else "process:2",
        by_command=chance.random() < 0.3,
        salt=chance.randint(1, 2),
        seed=seed,
        pause=0.03 * chance.randint(0, 1),
    )


@dataclass
class Verdict:
    """What a trial found."""

    plan: Plan
    problems: list[str] = field(default_factory=list)
    killed: int = 0
    """How often a process was."""
    resumes: int = 0
    kept: int = 0
    """Steps that had completed when the first run died."""

    def __str__(self) -> str:
        lines = [f"{self.plan}", *(f"  {problem}" for problem in self.problems)]
        return "\n".join([*lines, f"  replay: {self.plan.replay}"])


class Ground:
    """A folder with a project, a home and a journal, and the processes started there."""

    def __init__(self, folder: Path, *, nap: float = 0.002, pause: float = 0.0) -> None:
        self.project = folder / "project"
        self.home = folder / "home"
        self.journal = folder / "journal"
        self._once = folder / "once"
        self._value = folder / "value"
        self._nap = nap
        self._pause = pause
        self.mark = f"CRASH_TRIAL={folder.name}-{os.urandom(6).hex()}"
        self._said = folder / "said"
        self._kills = 0
        self.project.mkdir(parents=True)
        (self.project / "pyproject.toml").touch()
        shutil.copy(FLOW, self.project / "flow.py")

    def environment(self, executor: str) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PIPEKIT_")}
        name, _, text = self.mark.partition("=")
        return {
            **kept, name: text,
            "PIPEKIT_HOME": str(self.home), "PIPEKIT_EXECUTOR": executor,
            "PIPEKIT_BLIND_SPOTS": "ok", "CRASH_JOURNAL": str(self.journal),
            "CRASH_VALUE": str(self._value), "CRASH_NAP": str(self._nap),
        }  # fmt: skip

    def start(
        self, command: list[str], executor: str, point: str = "", *, signal: str = "SIGKILL",
        once: bool = True,
    ) -> subprocess.Popen[bytes]:  # fmt: skip
        """Start a command of which one process is to die at `point`, or to get another signal; all
        that pass it, where it is not to be `once`."""
        environment = self.environment(executor)
        environment[crash.SIGNAL] = signal
        environment[crash.PAUSE] = str(self._pause)
        if point:
            self._kills += 1
            user = point.startswith("user.")
            variable = "CRASH_USER" if user else crash.VARIABLE
            environment[variable] = point.removeprefix("user.")
            if once:
                path = f"{self._once}-{self._kills}"
                environment["CRASH_ONCE" if user else crash.ONCE] = path
        with self._said.open("wb") as said:  # no pipe: a storm lets it run without reading
            return subprocess.Popen(
                command, cwd=self.project, env=environment, stdin=subprocess.DEVNULL,
                stdout=said, stderr=said,
            )  # fmt: skip

    def call(
        self, command: list[str], executor: str, point: str = "", *, signal: str = "SIGKILL",
        once: bool = True,
    ) -> int | None:  # fmt: skip
        """Run a command to its end; its exit code, None where it does not end."""
        process = self.start(command, executor, point, signal=signal, once=once)
        try:
            return process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def was_killed(self, point: str) -> bool:
        """Whether a process of the last command that was to die has died."""
        _, _, nth = point.partition(":")
        last = f"{self._once}-{self._kills}"
        if point.startswith("user."):
            last = f"{last}-{int(nth) - 1}"
        return Path(last).exists()

    @property
    def said(self) -> str:
        """By the last command, on both streams."""
        return self._said.read_text(errors="replace")

    def records(self) -> Records:
        return Records(self.home, self.journal)

    def left_processes(self) -> list[str]:
        """Processes that do not end by themselves. Ended when this returns."""
        deadline = time.monotonic() + _GONE_SECONDS
        while (left := processes_of(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.01)
        for pid in left:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        return [f"process {pid} is left: {command}" for pid, command in left.items()]

    def left_files(self) -> list[str]:
        """Temporary files that a collection does not take away, and values that it does."""
        if not temporary_files(self.home):
            return []
        code = self.call([PIPEKIT, "gc", "--grace", "0s"], "process")
        problems = [] if code == 0 else [f"gc ended with {code}: {self.said}"]
        problems += [f"{path} is left" for path in temporary_files(self.home)]
        return problems + list(values_are_whole(self.records(), self.home))


def first_command(name: str, numbers: dict[str, int], *, by_command: bool = False) -> list[str]:
    if by_command:
        options = [text for key, number in numbers.items() for text in (f"--{key}", str(number))]
        return [PIPEKIT, "run", f"flow.py:{name}", *options]
    return [sys.executable, "flow.py", name, *map(str, numbers.values())]


STOP_POINTS = [
    point
    for point in POINTS
    if not point.startswith("blob.") and point not in (*GC_POINTS, "controller.resumed")
]
"""Where a run is stopped instead. Whoever stores a blob does not know who is to be told."""


@cache
def expected_of(salt: int) -> Expected:
    """What the pipeline gives when nothing disturbs it."""
    with tempfile.TemporaryDirectory() as name:
        ground = Ground(Path(name) / "undisturbed")
        code = ground.call(first_command("flow", {"salt": salt}), "process:2")
        assert code == 0, ground.said
        records = ground.records()
        (run,) = records.runs
        expected = Expected(records.value_of(run["id"]), records.names_below(run["id"]))
        problems = judge(records, [], {run["id"]: expected}, ground.home)
        assert not problems, problems
        return expected


def run_trial(plan: Plan, folder: Path) -> Verdict:
    """Do what the plan says in a new folder below this one."""
    verdict = Verdict(plan)
    for nth in dict.fromkeys((plan.nth, (plan.nth + 2) // 3, 1)):
        ground = Ground(folder / f"{plan.point}-{plan.seed}-{nth}", pause=plan.pause)
        _disturb(ground, plan, nth, verdict)
        if verdict.killed:
            break
        verdict.problems += ground.left_processes()
    else:
        verdict.problems.append(f"no process has died: {ground.said}")
        return verdict
    return _go_on_and_judge(ground, plan, verdict)


def _go_on_and_judge(ground: Ground, plan: Plan, verdict: Verdict) -> Verdict:
    before = _resume_to_the_end(ground, plan, verdict)
    verdict.problems += ground.left_processes()
    records = ground.records()
    verdict.kept = len(before[0].completed)
    expected = {run["id"]: expected_of(run_salt(run)) for run in records.runs}
    if not expected:
        verdict.problems.append("missed: there is no run")
    verdict.problems += judge(records, before, expected, ground.home)
    verdict.problems += ground.left_files()
    if not verdict.problems:
        shutil.rmtree(ground.home.parent)
    return verdict


def run_stop(plan: Plan, folder: Path) -> Verdict:
    """The same, but that the run is stopped at the point: it is to end by itself, in order."""
    verdict = Verdict(plan)
    signal = ("SIGINT", "SIGTERM")[plan.seed % 2]
    ground = Ground(folder / f"stop-{plan.point}-{plan.seed}")
    command = first_command("flow", {"salt": plan.salt}, by_command=plan.by_command)
    point = f"{plan.point}:1"
    code = ground.call(command, plan.executor, point, signal=signal)
    verdict.killed += ground.was_killed(point)
    records = ground.records()
    ended = [run["status"] for run in records.runs]
    if code not in _STOPPED_CODES or not set(ended) <= {"stopped", "completed"}:
        verdict.problems.append(f"{signal}: ended with {code}, runs {ended}: {ground.said}")
    verdict.problems += [f"{signal}: {problem}" for problem in left_open(records)]
    verdict.problems += ground.left_processes()
    return _go_on_and_judge(ground, plan, verdict)


def run_salt(run: dict[str, object]) -> int:
    """Which of the runs of a home it is, by its parameters."""
    import json

    spec = json.loads(str(run["spec"]))
    found = next(part["salt"] for part in spec if isinstance(part, dict) and "salt" in part)
    return int(found)


def _disturb(ground: Ground, plan: Plan, nth: int, verdict: Verdict) -> None:
    """The run that dies at the point; for what only another command passes, one that dies
    elsewhere and then that command."""
    command = first_command("flow", {"salt": plan.salt}, by_command=plan.by_command)
    point = f"{plan.point}:{nth}"
    if plan.point in GC_POINTS:
        _collect_and_die(ground, plan, point, command, verdict)
        return
    if plan.point == "controller.resumed":
        point = "controller.after-commit:2"
    ground.call(command, plan.executor, point)
    verdict.killed += ground.was_killed(point)


def _collect_and_die(
    ground: Ground, plan: Plan, point: str, command: list[str], verdict: Verdict
) -> None:
    """An old run of other values, a run that dies half way, a collection that dies in it."""
    import sqlite3
    from contextlib import closing

    old = first_command("flow", {"salt": 3 - plan.salt})
    assert ground.call(old, "process:2") == 0, ground.said
    with closing(sqlite3.connect(ground.home / "pipekit.db")) as connection, connection:
        connection.execute(
            "UPDATE tasks SET created_at = created_at - 4e6, ended_at = ended_at - 4e6"
        )
    ground.call(command, plan.executor, "controller.after-commit:4")
    collect = [PIPEKIT, "gc", "--grace", "0s", "--runs-older-than", "30d"]
    ground.call(collect, "process", point)
    verdict.killed += ground.was_killed(point)
    problems = values_are_whole(ground.records(), ground.home)
    # A blob that was taken out goes back with the next collection.
    verdict.problems += [] if plan.point == "controller.blob-taken" else problems
    if ground.call(collect, "process") != 0:
        verdict.problems.append(f"gc after a gc that died: {ground.said}")


def _resume_to_the_end(ground: Ground, plan: Plan, verdict: Verdict) -> list[Records]:
    """What was there before each start. The last one has ended by itself, unless it did not."""
    before = [ground.records()]
    again = plan.again
    while not (before[-1].runs and before[-1].runs[-1]["status"] == "completed"):
        if verdict.resumes >= _MOST_RESUMES:
            verdict.problems.append(f"not done after {verdict.resumes} resumes: {ground.said}")
            break
        verdict.resumes += 1
        if before[-1].runs:
            command = [PIPEKIT, "resume", before[-1].runs[-1]["id"]]
        else:
            command = first_command("flow", {"salt": plan.salt}, by_command=plan.by_command)
        code = ground.call(command, plan.executor, again)
        if code is None:
            verdict.problems.append(f"{command} did not end: {ground.said}")
        if again:
            verdict.killed += ground.was_killed(again)
        again = ""
        before.append(ground.records())
    return before


def main() -> None:
    point, seed, *rest = sys.argv[1:]
    folder = Path(rest[0]) if rest else Path(tempfile.mkdtemp(prefix="crash-"))
    verdict = run_trial(plan_of(point, int(seed)), folder)
    print(verdict)
    print(f"  killed {verdict.killed}, resumes {verdict.resumes}, kept {verdict.kept}; in {folder}")
    sys.exit(1 if verdict.problems else 0)


if __name__ == "__main__":
    main()
