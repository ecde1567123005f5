"""Components that log while they run, that are mapped, ordered and watched; and a type of the
user's own with a serializer."""

from __future__ import annotations

import math
import os
import threading
import time
from pathlib import Path
from typing import Any

from pipekit import (
    StepFailed,
    StepSkipped,
    as_completed,
    component,
    current_task,
    get,
    log_artifact,
    log_figure,
    log_metric,
    pipeline,
    register_serializer,
    report_progress,
    task_of,
)
from pipekit.errors import UsageError


@component
def fit(rate: float) -> float:
    for epoch in range(3):
        log_metric("loss", rate / (epoch + 1), step=epoch)
        report_progress(epoch + 1, 3)
    log_metric("accuracy", 1 - rate)
    log_artifact("weights", {"rate": rate})
    return rate


@pipeline
def training(rate: float = 0.5) -> float:
    log_metric("rate", rate)
    log_artifact("note", f"rate {rate}")
    return fit(rate)


@pipeline
def parent(rate: float = 0.5) -> float:
    return training(rate)


@component
def many(count: int) -> int:
    for number in range(count):
        log_metric("number", number, step=number)
    return count


@pipeline
def many_numbers(count: int = 5000) -> int:
    return many(count)


@component
def odd_numbers() -> None:
    log_metric("nan", math.nan)
    log_metric("infinite", math.inf)
    log_metric("true", True)


@pipeline
def odd() -> None:
    odd_numbers()


@component(retries=1, cache=False)
def second_time(folder: str) -> str:
    mark = Path(folder, "tried")
    tries = 2 if mark.exists() else 1
    mark.touch()
    log_metric("tries", tries)
    log_artifact("seen", tries)
    if tries == 1:
        log_metric("only in the first", 1.0)
        raise ValueError("the first time")
    return "done"


@pipeline
def retried(folder: str) -> str:
    return second_time(folder)


@component
def who_am_i() -> dict[str, Any]:
    task = current_task()
    assert task is not None
    return {
        "id": task.id, "name": task.name, "status": str(task.status), "parent": task.parent,
        "attempts": len(task.attempts), "parameters": task.parameters,
    }  # fmt: skip


@pipeline
def introspective() -> tuple[str | None, dict[str, Any]]:
    task = current_task()
    return (task.id if task else None), get(who_am_i())


@component
def threaded() -> int:
    thread = threading.Thread(target=lambda: log_metric("from a thread", 1.0))
    thread.start()
    thread.join()
    return 1


@pipeline
def with_a_thread() -> int:
    return threaded()


@component
def forked() -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            log_metric("from a child", 1.0)
        except UsageError as error:
            os._exit(7 if "started itself" in str(error) else 8)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


@pipeline
def with_a_child() -> bool:
    return forked()


@component
def wrong(what: str) -> None:
    if what == "text":
        log_metric("loss", "0.3")
    elif what == "name":
        log_metric(3, 0.3)  # type: ignore[arg-type]
    elif what == "step":
        log_metric("loss", 0.3, step=0.5)  # type: ignore[arg-type]
    elif what == "output":
        log_artifact("value", 1)
    elif what == "figure":
        log_figure("plot", 1)


@pipeline
def wrongly(what: str) -> None:
    wrong(what)


@component
def drawn() -> int:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2])
    log_figure("by figure", figure)
    log_figure("by axes", axes)
    return 1


@pipeline
def drawing() -> int:
    return drawn()


# --- calls ----------------------------------------------------------------------------------------


@component
def scale(x: float, y: float = 1.0, *, by: float = 1.0) -> float:
    return x * y * by


@pipeline
def mapped(by: float = 2.0) -> list[float]:
    return scale.map([1.0, 2.0, 3.0], (n for n in (10.0, 20.0, 30.0)), by=by)


@pipeline
def map_of_a_future() -> list[float]:
    return scale.map(two_numbers())


@component
def two_numbers() -> list[float]:
    return [1.5, 2.5]


@pipeline
def map_of_unequal() -> list[float]:
    return scale.map([1.0, 2.0], [1.0])


@component(cache=False)
def write(path: str, text: str) -> None:
    time.sleep(0.05)
    with Path(path).open("a") as file:
        file.write(text)


@pipeline
def in_order(path: str) -> None:
    first = write(path, "a")
    second = write.options(after=first)(path, "b")
    write.options(after=[first, [second]])(path, "c")


@component
def fails() -> int:
    raise ValueError("no")


@pipeline(on_failure="continue")
def after_a_failure(path: str) -> str:
    broken = fails()
    last = write.options(after=broken)(path, "x")
    try:
        get(broken)
    except StepFailed:
        pass
    try:
        get(last)
    except StepSkipped as error:
        return f"{type(error).__name__} {task_of(last).status}"
    return "ran"


@component(cache=False)
def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pipeline
def by_completion() -> list[float]:
    naps = [nap(0.4), nap(0.01)]
    return [get(one) for one in as_completed(naps)]


@component(outputs=["a", "b"])
def both(x: int) -> tuple[int, int]:
    return x, x + 1


@pipeline(on_failure="continue")
def completion_of_anything() -> list[str]:
    items: list[Any] = [both(1), 5, [fails(), both(2)]]
    ended = list(as_completed(items))
    statuses = [task_of(item[0]).status for item in ended if not isinstance(item, int)]
    try:
        get(items[2])
    except StepFailed:
        pass
    return [str(len(ended)), *sorted(statuses)]


@pipeline
def too_slow() -> str:
    slow = nap(0.5)
    try:
        list(as_completed([slow], timeout=0.01))
    except TimeoutError as error:
        return str(error)
    return "in time"


@component(cache=False)
def stamp() -> int:
    return time.perf_counter_ns()


@pipeline
def keyed() -> list[str]:
    for key in ("a", "b"):
        stamp.options(key=key)()
    stamp()
    return []


@pipeline
def keyed_in_a_chain() -> None:
    stamp.options(retries=2).options(key="a").options(timeout=5)()


@pipeline
def from_threads(key: bool = False) -> int:
    def ask(name: str) -> None:
        (stamp.options(key=name) if key else stamp)()

    for name in ("a", "b"):
        thread = threading.Thread(target=ask, args=(name,))
        thread.start()
        thread.join()
    return 0


# --- a type of the user's own -------------------------------------------------------------------


class Point:
    """Cannot be pickled; has a serializer."""

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (other.x, other.y) == (self.x, self.y)

    def __hash__(self) -> int:
        return hash((self.x, self.y))

    def __reduce__(self) -> Any:
        raise TypeError("points are not pickled")


@register_serializer
class PointSerializer:
    """Points as text."""

    name = "point"

    def accepts(self, value: object) -> bool:
        return isinstance(value, Point)

    def dump(self, value: Point, sink: Any) -> None:
        sink.write(f"{value.x},{value.y}".encode())

    def load(self, source: bytes | Path) -> Point:
        data = source if isinstance(source, bytes) else source.read_bytes()
        return Point(*map(int, data.decode().split(",")))

    def preview(self, value: Point) -> str:
        return f"({value.x}, {value.y})"


@component
def make_point(x: int) -> Point:
    return Point(x, x + 1)


@component
def mirrored(point: Point) -> Point:
    return Point(point.y, point.x)


@pipeline
def points(x: int = 1) -> Point:
    return mirrored(make_point(x))


class Silent:
    """What cannot be shown."""

    def __repr__(self) -> str:
        raise ValueError("no text")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Silent)

    __hash__ = None  # type: ignore[assignment]


SILENT = Silent()


@component
def name_of(thing: Silent = SILENT, others: Any = ()) -> str:
    return type(thing).__name__ + "".join(type(other).__name__ for other in others)


@pipeline
def silent(thing: Silent) -> list[str]:
    first = name_of(thing)
    return [first, name_of(), name_of(thing, [first, thing])]
