"""Functions as a user has them, made components; and pipelines over them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipekit import StepFailed, component, get, pipeline, task_of, wait


@component
def increment(x: int) -> int:
    return x + 1


@component
def add(a: Any, b: Any = 10, *, sign: int = 1) -> Any:
    return a + sign * b


@component
def total(values: Any) -> Any:
    return sum(values.values()) if isinstance(values, dict) else sum(values)


@component(outputs=["low", "high"])
def split(values: list[int], at: int) -> tuple[list[int], list[int]]:
    return [v for v in values if v < at], [v for v in values if v >= at]


@component
def pair(x: int) -> tuple[int, str]:
    return x, str(x)


@component
def log_call(journal: str, name: str, result: Any = 1) -> Any:
    with open(journal, "a") as file:
        file.write(f"{name}\n")
    return result


@component
def nap(seconds: float, label: str) -> tuple[float, float]:
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


@component
def fail(text: str) -> None:
    raise ValueError(text)


@component
def process_id(salt: int) -> int:
    return os.getpid()


@component
def kind_of(value: Any) -> str:
    return type(value).__name__


@dataclass(frozen=True)
class Point:
    x: int
    y: int

    def moved(self) -> Point:
        return Point(self.x + 1, self.y)


@component
def make_point(x: int, y: int) -> Point:
    return Point(x, y)


@component
def is_point(value: Any) -> bool:
    return type(value) is Point


@component
def say_everything() -> int:
    print("from python")
    subprocess.run(["sh", "-c", "echo from a child"], check=True)
    os.write(2, b"from the descriptor\n")
    return 1


@component
def exit_hard(code: int) -> None:
    print("last words")
    os._exit(code)


@component
def exit_softly(code: int) -> None:
    raise SystemExit(code)


@component
def crash() -> None:
    ctypes.string_at(0)


@component
def recurse(depth: int = 0) -> Any:
    return recurse.function(depth + 1)


@component
def unserializable() -> Any:
    return threading.Lock()


@component(outputs=["a", "b"])
def three_values() -> Any:
    return 1, 2, 3


@component(timeout=0.3)
def hang() -> None:
    time.sleep(60)


@component(retries=2)
def flaky(journal: str, succeed_at: int) -> str:
    with open(journal, "a") as file:
        file.write("x")
    if len(Path(journal).read_text()) < succeed_at:
        raise RuntimeError("not yet")
    return "done"


@component(retries=3, retry_on=(KeyError,))
def picky(journal: str) -> None:
    with open(journal, "a") as file:
        file.write("x")
    raise ValueError("no retry")


@component
def flood() -> None:
    while True:
        print("x" * 1000)


@pipeline
def one_step(name: str, args: tuple[Any, ...] = ()) -> Any:
    return get(globals()[name](*args))


@pipeline(project="demo")
def arithmetic(start: int = 1) -> int:
    x = increment(start)
    y = add(x, b=increment(x))
    return y + 1


@pipeline
def nested_arguments() -> Any:
    a, b = increment(1), increment(2)
    return get([total([a, b, 10]), total({"a": a, "b": (b * 1)}), kind_of((a, b))])


@pipeline
def branch(limit: int) -> str:
    x = increment(1)
    while x < limit:
        x = increment(x)
    return "even" if x % 2 == 0 else "odd"


@pipeline
def parallel() -> list[tuple[float, float]]:
    return get([nap(0.4, "a"), nap(0.4, "b")])


@pipeline
def later_independent() -> Any:
    """`second` depends on `first`; `third` is called after it and depends on nothing."""
    first = nap(0.3, "first")
    second = add(first, (0.0,))
    third = nap(0.3, "third")
    wait(second, third)
    return get([first, third])


@pipeline
def unpacking() -> Any:
    low, high = split([1, 5, 9], at=5)
    number, text = pair(3)
    return get([low, high, number, text])


@pipeline
def handled() -> str:
    broken = fail("as planned")
    try:
        return str(broken + 1)
    except StepFailed as error:
        cause = error.__cause__
        return (
            f"{type(error).__name__} from {type(cause).__name__}: {cause}; {task_of(broken).status}"
        )


@pipeline
def untouched_failure() -> int:
    fail("nobody looks")
    return get(increment(1))


@pipeline
def skipping_many(n: int) -> int:
    x = fail("root")
    for _ in range(n):
        x = increment(x)
    return x


@pipeline
def skipping() -> int:
    return get(increment(increment(fail("root"))))


@pipeline
def objects() -> Any:
    point = make_point(1, 2)
    return get([is_point(point), is_point(point.moved()), point])


@pipeline
def journaled(journal: str, names: tuple[str, ...] = ("a", "b")) -> Any:
    return get([log_call(journal, name) for name in names])


@pipeline
def equal_calls(journal: str, result: Any) -> Any:
    return get([log_call(journal, "same", result) for _ in range(3)])


@pipeline
def uncached(journal: str) -> Any:
    step = log_call.options(cache=False)
    return get([step(journal, "same") for _ in range(3)])


@pipeline
def child(n: int, start: int = 0) -> int:
    x = increment(start)
    for _ in range(n):
        x = increment(x)
    return x


@pipeline
def parent() -> int:
    first = child(1)
    return child(2, start=first) + 1


@pipeline
def processes() -> tuple[int, int]:
    return os.getpid(), get(process_id(1))


@pipeline
def retried(journal: str, succeed_at: int) -> str:
    return get(flaky(journal, succeed_at))


@pipeline
def not_retried(journal: str) -> None:
    get(picky(journal))


@pipeline
def survivors() -> Any:
    before = [increment(i) for i in range(4)]
    dead = exit_hard(9)
    after = [increment(i) for i in range(4, 8)]
    wait(dead)
    with suppress(StepFailed):
        get(dead)
    return get([total(before), total(after), str(task_of(dead).status)])


@pipeline
def mutated() -> Any:
    low, _ = split([1, 2], at=5)
    before = total(low)
    low.append(100)
    return get([before, total(low)])


@pipeline
def many(n: int) -> int:
    return sum(get([increment(i) for i in range(n)]))


@pipeline
def many_then_one(n: int) -> int:
    first = [increment(i) for i in range(n)]
    last = increment(-first[0])
    return sum(get([*first, last]))


@component
def sometimes_slow(i: int, slow_at: int) -> float:
    if i == slow_at:
        time.sleep(1.0)
    return time.time()


@pipeline
def one_slow_among_short(n: int, slow_at: int) -> list[float]:
    get([sometimes_slow(-i, slow_at) for i in range(1, 20)])
    return get([sometimes_slow(i, slow_at) for i in range(n)])


@component
def calls_pipeline(n: int) -> int:
    return child(n) + 1


@pipeline
def pipeline_in_a_step() -> int:
    return get(calls_pipeline(2))


@component
def kill_itself() -> None:
    print("last words")
    os.kill(os.getpid(), 9)


@component
def use_up_memory() -> None:
    bytearray(1 << 60)


@pipeline
def threaded() -> list[int]:
    last: list[int] = []
    thread = threading.Thread(target=lambda: last.append(increment(10)))
    with ThreadPoolExecutor(2) as pool:
        first = list(pool.map(increment, range(3)))
    thread.start()
    thread.join()
    return get(first + last)


@pipeline
def frame_of_futures() -> Any:
    import pandas as pd

    return pd.Series({"a": increment(1), "b": increment(2)})


@component
def ones(count: int) -> Any:
    import numpy as np

    return np.ones(count)


@pipeline
def large_array() -> float:
    return float(ones(100_000).sum())


@pipeline
def fails_below(depth: int = 0) -> Any:
    return fails_below(depth - 1) if depth else fail("too large: 7")


@pipeline
def endless(count: int = 0) -> Any:
    return endless(count + 1)


@pipeline
def wrong_call() -> Any:
    return increment(wrong=1)  # type: ignore[call-arg]


class Trainer:
    def __init__(self, rate: int) -> None:
        self.rate = rate

    @component
    def fit(self, n: int) -> int:
        return self.rate * n

    @pipeline
    def train(self, n: int = 2) -> int:
        return self.fit(n)


@pipeline
def trainers() -> list[int]:
    return [Trainer(2).train(), Trainer(3).train(n=2)]
