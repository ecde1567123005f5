"""What pipekit adds to the time in which a process starts and ends.

`import pipekit`, `pipekit --help`, a script with a pipeline of three steps (in an empty home, and
again when all three are cached), and a worker, from its start until it says that it is ready. The
floor of each is `python -c pass`.

    python benchmarks/startup.py
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from measurement import Row, arguments, in_turn, new_home, report, run_process, seconds

FLOW = """
from pipekit import component, pipeline

@component
def square(number: int) -> int:
    return number * number

@component
def add(left: int, right: int) -> int:
    return left + right

@pipeline
def three() -> int:
    return add(square(3), square(4))

if __name__ == "__main__":
    assert three() == 25
"""


def pipekit_program() -> str:
    beside = Path(sys.executable).with_name("pipekit")
    program = str(beside) if beside.exists() else shutil.which("pipekit")
    if program is None:
        raise SystemExit("pipekit is not installed for this Python; python -m pip install .")
    return program


def process_seconds(*command: str) -> Callable[[int], float]:
    return lambda number: seconds(lambda: run_process(*command))


def script_seconds(script: Path) -> Callable[[int], float]:
    """The time of the script's process, in an empty home each time."""

    def measure(number: int) -> float:
        with new_home() as home:
            return seconds(lambda: run_process(sys.executable, str(script), home=home))

    return measure


def ready_seconds(home: Path) -> float:
    """The time of a worker from its start until its first message."""
    import select

    from pipekit.executors.worker_process import WorkerProcess
    from pipekit.settings import Settings
    from pipekit.worker.message import Setup

    setup = Setup(
        sys_path=list(sys.path),
        argv=[""],
        main_module="",
        main_path="",
        python_path=None,
        settings=Settings(home=home, project_root=home),
        key=bytes(32),
    )
    start = perf_counter()
    worker = WorkerProcess(setup, log=home / "worker.log", log_name="worker.log", folder=home)
    try:
        worker.flush()
        select.select([worker.fd], [], [], 60)
        if not worker.receive():
            raise SystemExit(f"the worker did not start: {(home / 'worker.log').read_text()}")
        return perf_counter() - start
    finally:
        worker.end()


def main() -> None:
    options = arguments(__doc__, repeat=9).parse_args()
    with new_home() as home:
        script = home / "flow.py"
        script.write_text(FLOW, encoding="utf-8")
        run_process(sys.executable, str(script))
        floor, *figures = in_turn(
            options.repeat,
            process_seconds(sys.executable, "-c", "pass"),
            process_seconds(sys.executable, "-c", "import pipekit"),
            process_seconds(sys.executable, pipekit_program(), "--help"),
            script_seconds(script),
            process_seconds(sys.executable, str(script)),
        )
        worker = statistics.median(ready_seconds(home) for _ in range(options.repeat))
    names = (
        "import pipekit",
        "pipekit --help",
        "3 steps, a whole process",
        "3 steps, all cached",
        "a worker until it is ready",
    )
    report(
        [
            Row(name, figure * 1e3, "ms", "python -c pass", floor * 1e3)
            for name, figure in zip(names, [*figures, worker], strict=True)
        ],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
