"""What callbacks may answer, and what an answer that means nothing comes to."""

from __future__ import annotations

from typing import Any

import pytest

from pipekit.control.callbacks import Callback, call, seconds_of
from pipekit.errors import CallbackFailed


class _Odd(float):
    def __le__(self, other: Any) -> bool:
        raise ArithmeticError("not to be compared")

    __ge__ = __gt__ = __lt__ = __le__


@pytest.mark.parametrize("answer", [10**400, float("nan"), -1, "soon", _Odd(3)])
def test_an_answer_that_is_no_time_is_the_callbacks_failure(answer: object) -> None:
    """Whatever it is: the thread of the callbacks has to go on."""
    policy = Callback("retry_on", lambda: answer, "step 'fit'")
    said, broken = call(policy, lambda: (), seconds_of)
    assert said is None
    assert isinstance(broken, CallbackFailed)
    assert "retry_on" in str(broken)
