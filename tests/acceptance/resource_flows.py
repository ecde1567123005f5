"""Steps that ask for something, and pipelines over them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from pipekit import component, get, pipeline, wait

DEVICES = "CUDA_VISIBLE_DEVICES"
AT_IMPORT = os.environ.get(DEVICES)


@component(cache=False, resources={"gpu": 1}, ignore="resource_flows.AT_IMPORT")
def seen_at_import() -> str | None:
    return AT_IMPORT


@component(cache=False, resources={"gpu": 1})
def hold_device(folder: Path) -> tuple[str, int]:
    """Fails where another step holds one of its devices."""
    names = os.environ[DEVICES].split(",")
    for name in names:
        os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL))
    time.sleep(0.05)
    for name in names:
        (folder / name).unlink()
    return os.environ[DEVICES], os.getpid()


@component(cache=False)
def devices() -> str | None:
    return os.environ.get(DEVICES)


@pipeline
def at_import() -> str | None:
    return seen_at_import()


@pipeline
def share_devices(folder: Path, counts: list[int]) -> list[tuple[str, int]]:
    return [hold_device.options(resources={"gpu": count})(folder) for count in counts]


@pipeline
def share_devices_of_two_pools(folder: Path) -> list[tuple[str, int]]:
    return [
        hold_device.options(executor=f"process:{2 + number % 2}")(folder) for number in range(8)
    ]


@pipeline
def with_and_without(folder: Path) -> list[str | None]:
    before = devices()
    bound = hold_device(folder)
    return [before, bound[0], devices.options(after=bound)()]


@component(cache=False)
def nap(seconds: float) -> tuple[float, float]:
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


@pipeline
def wide_among_narrow() -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    narrow = [nap(0.03 + number / 1000) for number in range(6)]
    wide = [nap.options(resources={"cpu": 2})(0.03 + number / 1000) for number in range(2)]
    narrow += [nap(0.04 + number / 1000) for number in range(6)]
    return get(wide), get(narrow)


@component(cache=False)
def note(journal: Path, text: str) -> None:
    time.sleep(0.001)
    with journal.open("a") as file:
        file.write(f"{text}\n")


@pipeline
def one_wide(journal: Path, count: int) -> None:
    first = [note(journal, f"narrow {number}") for number in range(4)]
    last = note.options(resources={"cpu": 2})(journal, "wide")
    wait(first, [note(journal, f"later {number}") for number in range(count)], last)


@component(cache=False, retries=3)
def never() -> None: ...


@pipeline
def ask(cpu: float = 1, gpu: int = 0, memory: str = "1MiB") -> None:
    never.options(resources={"cpu": cpu, "gpu": gpu, "memory": memory})()


@component(cache=False, resources={"memory": "120MiB"})
def allocate(mebibytes: int, seconds: float) -> int:
    data = bytearray(mebibytes << 20)
    time.sleep(seconds)
    return len(data) >> 20


@component(cache=False, resources={"memory": "120MiB"})
def allocate_in_child(mebibytes: int, kind: str) -> None:
    code = f"import time; data = bytearray({mebibytes} << 20); time.sleep(60)"
    command = [sys.executable, "-c", code]
    if kind == "orphan":
        command = ["sh", "-c", '"$@" &', "sh", *command]
    subprocess.run(command, start_new_session=kind == "apart", check=False)
    time.sleep(60)


@pipeline
def too_much(mebibytes: int, seconds: float = 60.0, retries: int = 0) -> int:
    return allocate.options(memory_retries=retries, retries=2)(mebibytes, seconds)


@pipeline
def too_much_in_child(kind: str) -> None:
    allocate_in_child(200, kind)


@component(cache=False)
def work(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@component(cache=False)
def work_in_child(seconds: float) -> None:
    code = f"import time\nwhile time.process_time() < {seconds}: pass"
    subprocess.run([sys.executable, "-c", code], check=True)


@component(cache=False)
def fill(mebibytes: int) -> None:
    data = bytearray(mebibytes << 20)
    time.sleep(0.01)
    del data


@component(cache=False, timeout=0.3)
def work_too_long() -> None:
    work.function(60.0)


@pipeline(on_failure="continue")
def used() -> None:
    steps = [work(0.1), work_in_child(0.1), fill(100), fill(1), work_too_long()]
    for step in steps:
        wait(step)


@pipeline
def used_inline() -> None:
    work(0.1)


@pipeline
def fails_while_others_wait(folder: Path) -> None:
    first = [hold_device.options(resources={"gpu": 2})(folder) for _ in range(4)]
    wait(first[0])
    raise ValueError("enough")
