"""How a script's process ends is how its task ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from script_bench import ScriptBench, bench_in

BEGIN = "from pipekit import Task\ntask = Task.init('ends', 'job')\n"
WAIT = BEGIN + "import time\nprint('begun', flush=True)\n"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptBench]:
    with bench_in(tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.parametrize(
    ("end", "code", "status", "error"),
    [
        ("print('done')", 0, "completed", None),
        ("import sys; sys.exit()", 0, "completed", None),
        ("import sys; sys.exit(0)", 0, "completed", None),
        ("import sys; sys.exit(3)", 3, "failed", "it ended with exit code 3"),
        ("raise SystemExit(4)", 4, "failed", "it ended with exit code 4"),
        ("raise SystemExit('no data')", 1, "failed", "it ended with: no data"),
        ("exit(5)", 5, "failed", "it ended with exit code 5"),
        (
            "try:\n    raise SystemExit(9)\nexcept SystemExit as end:\n    print(end.code)",
            0, "completed", None,
        ),
        ("{}['missing']", 1, "failed", "KeyError: 'missing'"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "stopped", "stopped by Ctrl-C"),
    ],
)  # fmt: skip
def test_the_end_of_the_process_is_the_end_of_the_task(
    bench: ScriptBench, end: str, code: int, status: str, error: str | None
) -> None:
    said = bench.run(BEGIN + end)
    assert (said.code, bench.task.status, bench.task.error) == (code, status, error)


def test_what_was_raised_is_kept_with_its_traceback(bench: ScriptBench) -> None:
    said = bench.run(BEGIN + "def load():\n    raise ValueError('empty')\nload()")
    assert "ValueError: empty" in said.err
    failure = bench.task.failure
    assert failure is not None
    assert failure.exception == "ValueError"
    assert 'job.py", line 4, in load' in failure.traceback


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_stops_it_as_ctrl_c_does(bench: ScriptBench, name: str) -> None:
    number = signal.Signals[name]
    bench.script(
        BEGIN + "import time\ntry:\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "finally:\n    print('cleaned', flush=True)"
    )
    started = bench.start(sys.executable, "job.py")
    started.wait_for("begun")
    started.process.send_signal(number)
    said = started.end()
    assert said.out.endswith("cleaned\n")
    assert said.code == (-number if name == "SIGINT" else 128 + number)
    assert bench.task.status == "stopped"
    assert bench.task.error == ("stopped by Ctrl-C" if name == "SIGINT" else f"stopped by {name}")


def test_a_script_that_takes_the_interrupt_and_ends_well_has_completed(bench: ScriptBench) -> None:
    bench.script(
        BEGIN + "import time\ntry:\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    pass"
    )
    started = bench.start(sys.executable, "job.py")
    started.wait_for("begun")
    started.process.terminate()
    assert started.end().code == 0
    assert bench.task.status == "completed"


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(0)"])
def test_a_process_that_cannot_tell_its_end_is_closed_as_lost(bench: ScriptBench, end: str) -> None:
    bench.run(BEGIN + f"import os\n{end}")
    task = bench.task
    assert task.status == "failed"
    assert task.attempts[0].exit == "lost"
    assert "ended without recording an end" in (task.error or "")
    assert f"pipekit clone {task.id[:13]} --run" in (task.error or "")


def test_it_is_stopped_from_elsewhere(bench: ScriptBench) -> None:
    bench.script(WAIT + "time.sleep(60)")
    started = bench.start(sys.executable, "job.py")
    started.wait_for("begun")
    said = bench.pipekit("stop", bench.task.id)
    assert said.code == 0
    assert "was stopped" in said.err
    started.end()
    assert (bench.task.status, bench.task.error) == ("stopped", "stopped by 'pipekit stop'")


def test_one_that_does_not_obey_is_ended(bench: ScriptBench) -> None:
    bench.script(
        WAIT + "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    )
    started = bench.start(sys.executable, "job.py", PIPEKIT_STOP_SECONDS="0.2")
    started.wait_for("begun")
    assert bench.pipekit("stop", bench.task.id).code == 0
    assert started.end().code == -signal.SIGKILL
    assert bench.task.status == "stopped"


def test_what_it_starts_does_not_end_it(bench: ScriptBench) -> None:
    """A forked child that ends, or prints, says nothing of the task."""
    bench.run(
        BEGIN + "import os, sys\npid = os.fork()\nif pid == 0:\n    print('child')\n"
        "    sys.exit(3)\nos.waitpid(pid, 0)\nprint('parent')"
    )
    assert bench.task.status == "completed"
    assert bench.task.log == "parent\n"


def test_a_signal_ends_a_forked_child_without_a_traceback(bench: ScriptBench) -> None:
    """A pool of `multiprocessing` ends its workers so."""
    said = bench.run(
        BEGIN + "import os, signal, time\npid = os.fork()\nif pid == 0:\n    time.sleep(60)\n"
        "    os._exit(0)\nos.kill(pid, signal.SIGTERM)\n"
        "print(-os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    assert (said.out, said.err) == ("15\n", "")
    assert bench.task.status == "completed"


def test_its_console_is_kept_and_still_printed(bench: ScriptBench) -> None:
    """Feature row 28: what the script wrote is there to be read."""
    said = bench.run(BEGIN + "import sys\nprint('one')\nprint('two', file=sys.stderr)\n1/0")
    assert said.out == "one\n"
    assert "two\n" in said.err
    log = bench.task.log
    assert log.startswith("one\ntwo\nTraceback")
    assert bench.task.get_reported_console_output() == [log]
    logs = bench.pipekit("logs", bench.task.id)
    assert logs.out == log
    assert "console" in bench.pipekit("show", bench.task.id).out


def test_it_may_end_its_task_itself(bench: ScriptBench) -> None:
    bench.run(BEGIN + "task.mark_failed('too few rows')\nprint('goes on')")
    assert (bench.task.status, bench.task.error) == ("failed", "too few rows")
    bench.run(BEGIN + "task.close()\nprint('not kept')\nother = Task.init('ends', 'other')\n1/0")
    other, closed = bench.tasks[:2]
    assert (closed.status, closed.log) == ("completed", "")
    assert (other.name, other.status) == ("other", "failed")


def test_a_task_that_was_ended_elsewhere_takes_nothing_more(bench: ScriptBench) -> None:
    bench.script(WAIT + "import sys\nsys.stdin.readline()\ntask.upload_artifact('late', 1)")
    process = subprocess.Popen(
        [sys.executable, "job.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ | bench.environment(),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    bench.task.mark_stopped("not needed")
    _, err = process.communicate("\n", timeout=30)
    assert "is not this process's any more" in err
    assert (bench.task.status, bench.task.error) == ("stopped", "not needed")
    assert list(bench.task.artifacts) == []
