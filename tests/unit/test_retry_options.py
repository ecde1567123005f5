"""What `retry_on=`, its delays and the callbacks take, and how they are recorded."""

from __future__ import annotations

import pytest

from pipekit.errors import UsageError
from pipekit.model.options import ComponentOptions


def policy(error: Exception, attempt: int) -> bool:
    return attempt < 3


async def later(error: Exception, attempt: int) -> bool:
    return True


def test_one_type_several_and_a_policy_are_taken() -> None:
    options = ComponentOptions()
    assert options.replaced("it", {"retry_on": OSError}).retry_on == (OSError,)
    assert options.replaced("it", {"retry_on": [OSError, KeyError]}).retry_on == (OSError, KeyError)
    assert options.replaced("it", {"retry_on": policy}).retry_on is policy
    assert options.replaced("it", {"retry_on": None}).retry_on == ()


@pytest.mark.parametrize("given", [3, "OSError", [OSError, 3], int, later])
def test_what_is_neither_types_nor_a_plain_function_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="retry_on"):
        ComponentOptions().replaced("it", {"retry_on": given})


@pytest.mark.parametrize("given", [-1, "1", float("nan")])
@pytest.mark.parametrize("name", ["retry_delay", "retry_delay_max"])
def test_a_delay_is_seconds(name: str, given: object) -> None:
    with pytest.raises(UsageError, match=name):
        ComponentOptions().replaced("it", {name: given})


def test_functions_are_recorded_by_their_names() -> None:
    options = ComponentOptions(retry_on=policy, before=print, retry_delay_max=5.0)
    assert options.settings() == {
        "retry_on": "policy",
        "before": "print",
        "retry_delay_max": 5.0,
    }


def test_who_only_calls_the_function_sees_no_callbacks() -> None:
    plain = ComponentOptions(retries=2)
    assert plain.without_callbacks() is plain
    watched = ComponentOptions(retries=2, before=print, after=print, retry_on=policy)
    assert watched.is_watched
    assert watched.without_callbacks() == plain
