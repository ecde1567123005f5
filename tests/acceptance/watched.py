"""Pipelines with callbacks and retry policies; what is called is noted in this process."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from pipekit import StepFailed, StepSkipped, Task, component, get, pipeline, task_of, wait
from pipekit.model.status import Status

calls: list[Any] = []
"""What callbacks were called with, in order."""
threads: set[int] = set()


def note_before(task: Task) -> None:
    threads.add(threading.get_ident())
    calls.append(("before", task.name, task.parameters, str(task.status)))


def note_after(task: Task) -> None:
    threads.add(threading.get_ident())
    calls.append(("after", task.name, str(task.status)))


def note_status(task: Task, old: Status, new: Status) -> None:
    threads.add(threading.get_ident())
    calls.append((task.name, str(old), str(new)))


def refuse(task: Task) -> bool:
    return False


def fail_in_callback(task: Task, *rest: Any) -> None:
    raise LookupError(f"no mail for {task.name}")


def answer_zero(task: Task) -> Any:
    return 0


@component(before=note_before, after=note_after, on_status=note_status)
def double(x: int) -> int:
    return 2 * x


@component
def increment(x: int) -> int:
    return x + 1


@component
def rest(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@component(cache=False)
def fail(text: str) -> None:
    raise ValueError(text)


@component(cache=False)
def fail_until(journal: str, count: int) -> str:
    with open(journal, "a") as file:
        file.write("x")
    if len(Path(journal).read_text()) < count:
        raise ConnectionError(f"attempt {len(Path(journal).read_text())}")
    return "done"


@pipeline
def doubled(x: int = 3) -> int:
    return double(increment(x))


@pipeline
def watched_failure() -> str:
    try:
        get(fail.options(before=note_before, after=note_after, on_status=note_status)("no good"))
    except StepFailed:
        return "handled"
    return ""


@pipeline
def declined() -> list[str]:
    first = increment.options(before=refuse)(1)
    second = increment(first)
    other = increment(10)
    wait(first, second)
    said = [str(task_of(first).status), str(task_of(second).status), str(other)]
    for future in (first, second):
        try:
            get(future)
        except StepSkipped as error:
            said.append(str(error))
    return said


@pipeline
def broken(option: str, seconds: float = 0.0) -> int:
    given: Any = {option: fail_in_callback}
    first = increment.options(**given)(1)
    slow = rest(seconds)
    return get(increment(first)) + int(get(slow))


def read_value(task: Task) -> None:
    print(task.value)


@pipeline
def early() -> int:
    return increment.options(before=read_value)(1)


@pipeline
def undecided() -> int:
    return increment.options(before=answer_zero)(1)


@pipeline(before=note_before, after=note_after, on_status=note_status)
def watched(x: int = 1) -> int:
    calls.append("function")
    return increment(x)


@pipeline
def parent() -> int:
    return watched(5) + 1


@pipeline
def retried(journal: str, policy: Any, retries: int = 3) -> str:
    return fail_until.options(retries=retries, retry_on=POLICIES[policy])(journal, 3)


asked: list[tuple[str, str, int]] = []


def note_policy(error: Exception, attempt: int) -> bool:
    threads.add(threading.get_ident())
    asked.append((type(error).__name__, str(error), attempt))
    return True


def wait_half_a_minute(error: Exception, attempt: int) -> float:
    return 30.0


def give_up_at_two(error: Exception, attempt: int) -> bool:
    return attempt < 2


def fail_as_policy(error: Exception, attempt: int) -> bool:
    raise KeyError("limit")


def return_none(error: Exception, attempt: int) -> Any:
    return None


POLICIES: dict[str, Any] = {
    function.__name__: function
    for function in (note_policy, wait_half_a_minute, give_up_at_two, fail_as_policy, return_none)
}


def block(task: Task) -> None:
    calls.append("blocked")
    released.wait(60)


released = threading.Event()


@pipeline
def blocked() -> int:
    """A callback blocks; steps without one go on meanwhile."""
    held = increment.options(before=block)(1)
    other = get(increment(5))
    calls.append("other is done")
    released.set()
    return other + held


@pipeline
def runs_in_callback() -> int:
    return increment.options(after=run_another)(7)


def run_another(task: Task) -> None:
    calls.append((watched(20), double(4)))
