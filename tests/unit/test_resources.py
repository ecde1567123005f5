"""What a step may ask for, and what is said where it asks wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from pipekit import component
from pipekit.errors import UsageError
from pipekit.model.options import ComponentOptions
from pipekit.model.resources import Resources, parse_resources, size_text


def options(**given: Any) -> ComponentOptions:
    return ComponentOptions().replaced("component", given)


def test_what_is_not_written_is_one_cpu_no_gpu_and_no_limit() -> None:
    assert parse_resources({"gpu": 2}) == Resources(cpu=1000, gpu=2, memory=None)


@pytest.mark.parametrize("nothing", [None, {}])
def test_nothing_asked_for_is_nothing(nothing: Any) -> None:
    assert options(resources=nothing).resources is None


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("3KB", 3_000),
        ("3KiB", 3_072),
        ("2MB", 2_000_000),
        ("2 MiB", 2 << 20),
        ("1.5GB", 1_500_000_000),
        ("4GiB", 4 << 30),
        (" 1TiB ", 1 << 40),
        (4096, 4096),
    ],
)
def test_memory_is_a_size_or_bytes(written: str | int, size: int) -> None:
    found = parse_resources({"memory": written})
    assert found is not None
    assert found.memory == size


@pytest.mark.parametrize(("cpu", "thousandths"), [(2, 2000), (0.5, 500), (0.0001, 1)])
def test_a_part_of_a_cpu_can_be_asked_for(cpu: float, thousandths: int) -> None:
    assert parse_resources({"cpu": cpu}) == Resources(cpu=thousandths)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mem": 1}, "did you mean 'memory'?"),
        ({"cpus": 1}, "did you mean 'cpu'?"),
        ({"ram": 1}, 'resources={"cpu": 2, "gpu": 1, "memory": "4GiB"}'),
        ("2 cpu", "is to be a dict"),
        ({"cpu": 0}, "cpu=0 is to be a number above 0"),
        ({"cpu": True}, "cpu=True is to be a number above 0"),
        ({"cpu": float("nan")}, "cpu=nan is to be a number above 0"),
        ({"cpu": "2"}, "cpu='2' is to be a number above 0"),
        ({"gpu": 0.5}, "gpu=0.5 is to be a whole number"),
        ({"gpu": -1}, "gpu=-1 is to be a whole number"),
        ({"memory": "4G"}, "did you mean '4GB'?"),
        ({"memory": "4gib"}, "did you mean '4GiB'?"),
        ({"memory": "16"}, "did you mean '16GB'?"),
        ({"memory": "much"}, "write it as '4GiB'"),
        ({"memory": 0}, "memory=0 is to be a text such as '4GiB', or bytes above 0"),
        ({"memory": 1.5}, "memory=1.5 is to be a text"),
        ({"memory": "0GB"}, "memory='0GB' is to be a text"),
    ],
)
def test_what_cannot_be_right_is_said_with_a_way_out(wrong: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        options(resources=wrong)
    assert said in str(caught.value)


@pytest.mark.parametrize("count", [-1, 1.5, True, "2"])
def test_memory_retries_is_a_count(count: Any) -> None:
    with pytest.raises(UsageError, match=r"memory_retries=.* is to be a whole number"):
        options(resources={"memory": "1GB"}, memory_retries=count)


def test_memory_retries_need_a_memory_that_can_be_doubled() -> None:
    with pytest.raises(UsageError, match=r'resources=\{"memory": "4GiB"\}'):
        options(resources={"gpu": 1}, memory_retries=1)


def test_the_record_shows_what_was_asked_for_as_it_may_be_written() -> None:
    asked = options(resources={"cpu": 0.5, "gpu": 1, "memory": "1.5GiB"}, memory_retries=2)
    assert asked.settings() == {
        "resources": {"cpu": 0.5, "gpu": 1, "memory": "1536MiB"},
        "memory_retries": 2,
    }


def test_what_is_shown_can_be_written_again() -> None:
    asked = Resources(cpu=2500, gpu=3, memory=123_456_000)
    assert parse_resources(asked.shown()) == asked


@pytest.mark.parametrize(
    ("size", "text"), [(1 << 32, "4GiB"), (4_000_000_000, "4GB"), (1_048_577, "1048577 bytes")]
)
def test_a_size_is_shown_exactly(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_call_may_ask_for_other_resources() -> None:
    @component(resources={"gpu": 1})
    def fit() -> None: ...

    assert fit.options(resources={"cpu": 4})._options.resources == Resources(cpu=4000)
    assert fit.options(resources=None)._options.resources is None
