"""The pipelines of the crash trials: diamonds, chains, a map, runs in runs, large values, steps
that are remembered and steps that are not. Each notes in a journal when it starts and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

from pipekit import as_completed, component, get, pipeline
from pipekit.worker.task_log import current_step

LARGE_BYTES = 150_000


def note(what: str, name: str) -> None:
    """A line at the end of the journal, in one write: `start 01jabc… fit 4711`."""
    step = current_step()
    line = f"{what} {step.task_id if step is not None else '-'} {name} {os.getpid()}\n"
    fd = os.open(os.environ["CRASH_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, line.encode())
    os.close(fd)


def die_if_asked(where: str) -> None:
    """At its nth passing of `where`, in whatever process, user code is killed, or sends its
    controller another signal; once a trial."""
    asked, _, nth = os.environ.get("CRASH_USER", "").partition(":")
    if asked != where:
        return
    for number in range(int(nth)):
        try:
            fd = os.open(f"{os.environ['CRASH_ONCE']}-{number}", os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            continue
        os.close(fd)
        if number == int(nth) - 1:
            asked_for = signal.Signals[os.environ.get("PIPEKIT_CRASH_SIGNAL", "SIGKILL")]
            is_below = where == "step" and asked_for != signal.SIGKILL
            os.kill(os.getppid() if is_below else os.getpid(), asked_for)
        return


def work(name: str) -> None:
    note("start", name)
    die_if_asked("step")
    time.sleep(float(os.environ.get("CRASH_NAP", "0.002")))
    note("end", name)


@component(retries=1)
def number(i: int) -> int:
    work("number")
    return i


@component
def double(x: int) -> int:
    work("double")
    return 2 * x


@component(cache=False)
def triple(x: int, salt: int = 0) -> int:
    work("triple")
    return 3 * x + salt


@component(cache=False, retries=1)
def add(a: int, b: int) -> int:
    work("add")
    return a + b


@component
def large(i: int, salt: int) -> bytes:
    work("large")
    subprocess.Popen(["sleep", "300"])  # it ends with its worker
    return f"{i} of {salt};".encode() * (LARGE_BYTES // 8)


@component(cache=False, retries=2)
def checksum(data: bytes) -> int:
    work("checksum")
    return zlib.crc32(data)


@pipeline
def inner(x: int) -> int:
    return get(add(double(x), triple(x)))


@pipeline
def flow(salt: int = 1, width: int = 3) -> int:
    base = number(salt)
    diamonds = [add(double(add(base, i)), triple(base, i)) for i in range(width)]
    chain = base
    for _ in range(width):
        die_if_asked("pipeline")
        chain = add(chain, 1)
    mapped = number.map([10 * salt + i for i in range(width)])
    nested = [inner(salt), inner(add(salt, 1))]
    sums = [checksum(large(i, salt)) for i in range(width)]
    total = sum(get(done) for done in as_completed(diamonds))
    if total % 2:
        total += get(triple(total))
    return total + chain + sum(get(mapped)) + sum(get(nested)) + sum(get(sums))


@pipeline
def chain(salt: int, count: int) -> int:
    """Each step rests on the one before; all are called at once."""
    value = number(salt)
    for _ in range(count):
        value = add(value, 1)
    return value


@component(retries=3)
def leaf(i: int, salt: int) -> int:
    work("leaf")
    return i + salt


@component(cache=False, retries=3)
def pair(a: int, b: int) -> int:
    work("pair")
    return a + b


@pipeline
def many(salt: int, count: int) -> int:
    """Two steps for each leaf, but for one: a tree."""
    layer = [leaf(i, salt) for i in range(count)]
    while len(layer) > 1:
        rest = layer[-1:] if len(layer) % 2 else []
        layer = [pair(a, b) for a, b in zip(layer[::2], layer[1::2], strict=False)] + rest
    return get(layer[0])


if __name__ == "__main__":
    name, *numbers = sys.argv[1:]
    value = {"flow": flow, "chain": chain, "many": many}[name](*map(int, numbers))
    Path(os.environ["CRASH_VALUE"]).write_text(str(value))
