"""A storm: for a while, processes of runs that go on are killed at random moments, and what has not
ended is resumed at once; then it calms, and all is judged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.workspace import PIPEKIT
from tests.crash.oracle import Expected, Records, judge, processes_of
from tests.crash.trial import Ground, first_command, run_salt

_CALM_SECONDS = 120
_TARGETS = {"controller": 3, "worker": 5, "both": 2}
_LEAST_SECONDS, _MOST_SECONDS = 0.2, 1.0
"""Between two kills."""


@dataclass
class Storm:
    """What was done, and what was found."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    runs: int = 0
    steps: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = f"{self.runs} runs, {self.steps} steps, {self.starts} starts, {dict(self.kills)}"
        return "\n".join([f"storm {self.seed}: {counts}", *self.problems])


def rage(folder: Path, *, seed: int, seconds: float, leaves: int, nap: float) -> Storm:
    """Runs of `2 * leaves - 1` steps, one after the other, while it lasts; the last to its end."""
    storm = Storm(seed)
    chance = random.Random(seed)
    ground = Ground(folder / f"storm-{seed}", nap=nap)
    until = time.monotonic() + seconds
    records = ground.records()
    before: list[Records] = []
    while command := _next_command(records, leaves, raging=time.monotonic() < until):
        if time.monotonic() > until + _CALM_SECONDS:
            storm.problems.append(f"it does not come to an end: {ground.said[-2000:]}")
            break
        before.append(records)
        storm.starts += 1
        process = ground.start(command, "process:2")
        _kill_now_and_then(process, ground, chance, until, storm)
        records = ground.records()
    storm.problems += ground.left_processes()
    records = ground.records()
    expected = {run["id"]: _expected(run_salt(run), leaves) for run in records.runs}
    storm.runs, storm.steps = len(expected), len(records.tasks) - len(expected)
    storm.problems += judge(records, before, expected, ground.home)
    storm.problems += ground.left_files()
    return storm


def _next_command(records: Records, leaves: int, *, raging: bool) -> list[str]:
    """None where all have ended and no other is to begin."""
    runs = records.runs
    if runs and runs[-1]["status"] != "completed":
        return [PIPEKIT, "resume", runs[-1]["id"]]
    if not raging:
        return []
    return first_command("many", {"salt": len(runs) + 1, "count": leaves})


def _kill_now_and_then(
    process: subprocess.Popen[bytes],
    ground: Ground,
    chance: random.Random,
    until: float,
    storm: Storm,
) -> None:
    """Until it has ended, by itself or not."""
    while process.poll() is None:
        left = until - time.monotonic()
        wait = chance.uniform(_LEAST_SECONDS, _MOST_SECONDS) if left > 0 else _CALM_SECONDS
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            if left <= 0:
                storm.problems.append(f"it hangs: {ground.said[-2000:]}")
                process.kill()
                process.wait()
            else:
                _kill(process.pid, ground.mark, chance, storm)


def _kill(controller: int, mark: str, chance: random.Random, storm: Storm) -> None:
    target = chance.choices(list(_TARGETS), list(_TARGETS.values()))[0]
    workers = [pid for pid, command in processes_of(mark).items() if "pipekit.worker" in command]
    pids = [controller] if target != "worker" else []
    if target != "controller" and workers:
        pids.append(chance.choice(workers))
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        storm.kills["controller" if pid == controller else "worker"] += 1


def _expected(salt: int, leaves: int) -> Expected:
    names = Counter(
        name if number == 1 else f"{name}-{number}"
        for name, count in (("leaf", leaves), ("pair", leaves - 1))
        for number in range(1, count + 1)
    )
    return Expected(sum(range(leaves)) + leaves * salt, names)
