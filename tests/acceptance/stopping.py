"""Steps and pipelines that do not end by themselves. Each writes what it started into `pids`."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from pipekit import StepFailed, component, get, pipeline, task_of

_LONG = 1000.0


def tell(*pids: int) -> None:
    """One line, which is there whole or not at all."""
    with open("pids", "a") as file:
        file.write(" ".join(map(str, (os.getpid(), *pids))) + "\n")


@component(cache=False)
def trees(seconds: float = _LONG) -> int:
    long = ["sleep", str(_LONG)]
    copied = {**os.environ}
    started = [
        subprocess.Popen(long),
        subprocess.Popen(long, start_new_session=True),
        subprocess.Popen(long, start_new_session=True, env=copied),
        subprocess.Popen(["sh", "-c", "trap '' INT TERM; sleep 1000 & wait"]),
        subprocess.Popen(["sh", "-c", "setsid sleep 1000 & sleep 1000"]),
    ]
    tell(*[process.pid for process in started])
    time.sleep(seconds)
    return 1


@component(cache=False)
def stubborn() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    tell()
    while True:
        time.sleep(1)


@component(cache=False)
def in_c() -> int:
    tell()
    return sum(range(10**13))


@component(cache=False)
def in_threads() -> None:
    threads = [threading.Thread(target=time.sleep, args=(_LONG,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    tell()
    for thread in threads:
        thread.join()


@component(cache=False)
def cleans_up() -> None:
    tell()
    try:
        time.sleep(_LONG)
    finally:
        Path("cleaned").write_text("up")


@component(cache=False)
def completes_all_the_same() -> int:
    tell()
    try:
        time.sleep(_LONG)
    except KeyboardInterrupt:
        return 5
    return 6


@component(cache=False, retries=3)
def raises_instead() -> None:
    tell()
    try:
        time.sleep(_LONG)
    except KeyboardInterrupt:
        raise ValueError("was interrupted") from None


@component(cache=False, retries=1, retry_delay=_LONG)
def fails() -> None:
    tell()
    raise ValueError("try again")


@component(cache=False)
def nap(number: int) -> int:
    tell()
    time.sleep(_LONG)
    return number


@component(cache=False)
def plus_one(value: int) -> int:
    return value + 1


@component(cache=False)
def takes(value: Any) -> None:
    """Does not begin, where its argument cannot be stored in time."""


class Slow:
    """Takes long to store."""

    def __reduce__(self) -> Any:
        tell()
        time.sleep(_LONG)
        return Slow, ()


@pipeline
def one(step: str) -> int:
    """A step, and one that depends on it."""
    found: Any = globals()[step]
    return plus_one(found())


@pipeline
def handles(step: str = "trees") -> str:
    found: Any = globals()[step]
    try:
        return str(get(found()))
    except StepFailed as failed:
        return f"{plus_one(1)} {failed}"


@pipeline
def untouched() -> int:
    trees()
    return 1


@pipeline
def many() -> list[int]:
    return get(nap.map(range(200)))


@pipeline
def busy() -> None:
    tell()
    while True:
        time.sleep(_LONG)


@pipeline
def swallows() -> int:
    """Its function cannot be interrupted for good, but calls components."""
    tell()
    while True:
        try:
            time.sleep(_LONG)
        except KeyboardInterrupt:
            pass
        plus_one(1)


@pipeline
def inner() -> int:
    return trees()


@pipeline
def busy_inner() -> int:
    tell()
    while True:
        time.sleep(_LONG)


@pipeline
def outer() -> int:
    return plus_one(inner())


@pipeline
def outer_of_busy() -> str:
    try:
        return str(get(busy_inner()))
    except StepFailed as failed:
        return str(failed)


@pipeline
def stores() -> None:
    takes([plus_one(1), Slow()])


@pipeline
def goes_on_after() -> int:
    """A pool whose one worker was ended goes on with another."""
    first = trees()
    return plus_one(1) if wait_for(first) == "stopped" else 0


def wait_for(future: Any) -> str:
    from pipekit import wait

    wait(future)
    return str(task_of(future).status)


@pipeline
def stops_its_own_step() -> str:
    step = trees()
    while not Path("pids").exists():
        time.sleep(0.01)
    task = task_of(step)
    ended = task.stop()
    return f"{ended} {task.status}"


if __name__ == "__main__":
    import sys

    print(globals()[sys.argv[1]](*sys.argv[2:]))
