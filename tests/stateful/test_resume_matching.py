"""Any pipeline that fails anywhere and is resumed gives what it gives at one go, and no step of it
completes twice."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from pipekit import as_completed, component, current_task, get, pipeline
from pipekit.model.status import Status
from pipekit.testing import temporary_home

DONE: list[str] = []
"""Ids of the steps that have completed, in the order in which they did."""
LEFT = [0]
"""How many steps complete before one fails."""
_GLOBALS = [f"{__name__}.{name}" for name in ("DONE", "LEFT")]


class Failed(Exception):
    """What the failing step raises."""


def _work(numbers: list[Any]) -> int:
    if LEFT[0] <= 0:
        raise Failed
    LEFT[0] -= 1
    task = current_task()
    assert task is not None
    DONE.append(task.id)
    return sum(numbers) % 97 + 1


@component(ignore=_GLOBALS)
def cached(*numbers: Any) -> int:
    return _work(list(numbers))


@component(cache=False, ignore=_GLOBALS)
def uncached(numbers: list[Any], words: frozenset[str] = frozenset()) -> int:
    return _work(numbers)


@component(cache=False, ignore=_GLOBALS, outputs=["low", "high"])
def parted(number: Any) -> tuple[int, int]:
    whole = _work([number])
    return whole // 2, whole


@pipeline
def below(program: list[Any], start: int) -> Any:
    return _interpret(program, [start])


@pipeline
def whole(program: list[Any]) -> list[int]:
    return [int(value) for value in get(_interpret(program, [1]))]


def _interpret(program: list[Any], values: list[Any]) -> list[Any]:
    for word, number, inner in program:
        one = values[number % len(values)]
        if word == "cached":
            values.append(cached(one, number))
        elif word == "uncached":
            values.append(uncached([one, values[-1]], frozenset({"a", "b", str(number)})))
        elif word == "parted":
            values += parted(one)
        elif word == "map":
            values += uncached.map([[one], [number], [one]])
        elif word == "completed":
            for value in as_completed([cached(one, n) for n in range(3)]):
                values.append(uncached([value]))
            values.sort(key=int)
        elif word == "threads":
            with ThreadPoolExecutor(2) as threads:
                values += threads.map(lambda n, one=one: cached(one, n, 0), range(3))
        elif word == "loop":
            while int(values[-1]) % 3:
                values.append(uncached([values[-1], number]))
        elif word == "branch":
            values.append(cached(one) if int(one) % 2 else uncached([one]))
        elif word == "child":
            values.append(below(inner, number)[-1])
        else:
            values = _interpret(inner, values)
    return values


_PLAIN = ["cached", "uncached", "parted", "map", "completed", "threads", "loop", "branch"]
_one = st.tuples(st.sampled_from(_PLAIN), st.integers(0, 4), st.just([]))


def _with(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    nested = st.tuples(st.sampled_from(["child", "block"]), st.integers(0, 4), inner)
    return st.lists(st.one_of(_one, nested), min_size=2, max_size=6)


programs = _with(_with(st.lists(_one, max_size=3)))


@contextmanager
def a_home() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder, temporary_home(Path(folder), store="memory"):
        DONE.clear()
        yield


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(program=programs, seed=st.integers(0, 1000))
def test_a_resumed_run_equals_one_that_was_not_interrupted(program: list[Any], seed: int) -> None:
    with a_home():
        LEFT[0] = 1_000_000
        expected = whole(program)
        total = len(DONE)
    chance = random.Random(seed)
    with a_home():
        LEFT[0] = chance.randint(0, total)
        run = whole.run(program)
        for _ in range(total + 1):
            if run.status is Status.COMPLETED:
                break
            assert run.status is Status.FAILED
            LEFT[0] = chance.randint(1, total)
            run = run.resume()
        assert run.value == expected
        assert [task_id for task_id, count in Counter(DONE).items() if count > 1] == []
        assert len(DONE) == total
        names = [step.name for step in run.steps]
        assert len(set(names)) == len(names)
