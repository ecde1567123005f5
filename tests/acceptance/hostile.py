"""Steps that misbehave, and pipelines that change things under way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipekit import component, get, pipeline


@component
def ok(x: int) -> int:
    return x


@component
def forks() -> str:
    pid = os.fork()
    if pid == 0:
        return "child"
    os.waitpid(pid, 0)
    return "parent"


@component
def forks_and_exits() -> int:
    pid = os.fork()
    if pid == 0:
        sys.exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@component
def closes_streams() -> int:
    os.close(1)
    sys.stderr.close()
    return 1


@component
def loses_stdout() -> int:
    sys.stdout = None
    return 1


@component
def says(text: str) -> str:
    print(text)
    return text


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@component
def raises_mute() -> None:
    raise Mute


@component
def raises_huge() -> None:
    raise ValueError("x" * 1_000_000)


@component
def goes_elsewhere() -> str:
    os.chdir("/")
    return os.getcwd()


@component(cache=False)
def where(x: int) -> str:
    return os.getcwd()


@component
def interrupts_itself() -> None:
    raise KeyboardInterrupt


@component
def leaves_a_thread() -> int:
    threading.Thread(target=time.sleep, args=(60,)).start()
    return 1


@component(timeout=0.5)
def daemon_holds_on() -> None:
    subprocess.Popen(["sleep", "20"], start_new_session=True, close_fds=False)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        time.sleep(20)
        os._exit(0)
    time.sleep(60)


@component
def naps(i: int) -> int:
    time.sleep(30)
    return i


@component(timeout=0.5)
def naps_within(i: int) -> int:
    time.sleep(30)
    return i


@component
def reads(path: Path) -> str:
    return path.read_text()


@component
def folder_of(path: Path) -> str:
    return path.parent.name


@component
def calls(function: Any, x: int) -> Any:
    return function(x)


@dataclass(frozen=True)
class Scale:
    name: str
    factor: int = field(compare=False)

    def __call__(self, x: int) -> int:
        return x * self.factor


UNSET = object()


@component
def is_given(x: int, option: object = UNSET) -> bool:
    return option is not UNSET


@pipeline
def one(name: str) -> Any:
    return get(globals()[name]())


@pipeline
def then_says(name: str, text: str) -> Any:
    first = get(globals()[name]())
    return get([first, says(text)])


@pipeline
def untouched(name: str) -> int:
    globals()[name]()
    return 1


@pipeline
def stays_put() -> list[str]:
    first = get(goes_elsewhere())
    return [first, get(where(1))]


@pipeline
def interrupted(i: int) -> int:
    naps(i)
    raise RuntimeError("stop the rest")


@pipeline
def timed(i: int) -> int:
    return get(naps_within(i))


@pipeline
def reads_after_a_change(path: Path) -> str:
    text = reads(path)
    path.write_text("new")
    return get(text)


@pipeline
def folders(paths: list[Path]) -> list[str]:
    return get([folder_of(path) for path in paths])


@pipeline
def changing_closure() -> list[int]:
    n = 1

    @component
    def scaled(x: int) -> int:
        return x * n

    first = get(scaled(10))
    n = 2
    return [first, get(scaled(10))]


@pipeline
def equal_callables() -> list[int]:
    return get([component(Scale("a", 2), name="a")(3), component(Scale("a", 5), name="b")(3)])


@pipeline
def sentinels() -> list[bool]:
    return get([is_given(1), is_given(2, UNSET), is_given(3, option=UNSET), is_given(4, None)])


@pipeline
def many_components(count: int, salt: int) -> list[int]:
    def made(number: int) -> Any:
        return component(lambda x: x * 1000 + number)

    return get([made(number)(salt) for number in range(count)])


@pipeline
def breaks_off(count: int) -> None:
    for number in range(count):
        component(lambda x, n=number: (x, n), name=f"unused-{number}")(number)
    raise RuntimeError("before they begin")


@component(cache=False)
def reads_here() -> str:
    return Path("file").read_text()


@pipeline
def one_read(path: Path) -> str:
    return get(reads(path))


@component
def letters(count: int) -> str:
    return "x" * count


@component
def length(text: str) -> int:
    return len(text)


@pipeline
def measures(count: int) -> int:
    return get(length.options(cache=False)(letters(count)))


@component
def lists(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


@pipeline
def listing(folder: Path) -> list[str]:
    return get(lists(folder))


@component(timeout=1.0)
def made_locally() -> Any:
    @dataclass
    class Local:
        x: int

    return Local(3).x


@pipeline
def local_class_in_a_closure() -> int:
    class Local:
        factor = 4

    @component
    def uses(x: int) -> int:
        return x * Local.factor

    return get(uses(2)) + get(made_locally())


@component
def removes_its_folder(path: Path) -> int:
    path.unlink(missing_ok=True)
    path.parent.rmdir()
    path.parent.write_text("a file now")
    return 1


@pipeline
def removing(path: Path) -> int:
    return get(removes_its_folder(path))


@pipeline
def goes_to(folder: Path, name: str) -> list[str]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return get([reads(Path(name)), child_here()])
    finally:
        os.chdir(before)


@pipeline
def child_here() -> str:
    return get(where(7))


class Stubborn(Exception):
    def add_note(self, note: str) -> None:
        raise RuntimeError("no notes")


@component
def raises_stubborn() -> None:
    raise Stubborn("as it is")


@pipeline
def deep_closure() -> list[list[int]]:
    box = [1]

    def helper() -> list[int]:
        return list(box)

    @component
    def shown(x: int) -> list[int]:
        return helper()

    first = get(shown.options(name="shown")(1))
    box.append(2)
    return [first, get(shown.options(name="shown")(1)), get(shown(1))]


@pipeline
def one_elsewhere() -> int:
    return get(ok.options(executor="slurm")(1))


@component
def ramp(count: int) -> Any:
    import numpy as np

    return np.arange(count, dtype=float)


@pipeline
def ramp_sum(count: int) -> float:
    return float(ramp(count).sum())


@component
def writes_then_reads(path: Path, text: str) -> str:
    old = path.read_text()
    path.write_text(text)
    return old


@pipeline
def twice(path: Path) -> list[str]:
    """Two equal calls; the first changes what both were given."""
    return get([writes_then_reads(path, "changed"), writes_then_reads(path, "changed")])


@component
def after(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@component
def reads_later(path: Path, gate: float) -> str:
    return path.read_text()


@pipeline
def leaves_before_it_is_read(elsewhere: Path) -> str:
    """The step waits; meanwhile the pipeline function goes to another folder."""
    text = reads_later(Path("file"), after.options(cache=False)(0.2))
    os.chdir(elsewhere)
    return get(text)


def holding(box: list[int]) -> Any:
    @component(cache=False)
    def held(x: int) -> list[int]:
        return list(box)

    return held


@pipeline
def asks(held: Any) -> list[int]:
    return get(held(1))


@pipeline
def returns_none(journal: str, keep: bool) -> None:
    get(notes.options(cache=True if keep else None)(journal))


@component
def notes(journal: str) -> None:
    with open(journal, "a") as file:
        file.write("x")


@pipeline
def numbered(number: int) -> list[int]:
    def made(k: int) -> Any:
        return component(lambda x: (x, number, k), name="made", cache=False)

    return get([made(k)(0) for k in range(10)])
