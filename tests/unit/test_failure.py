"""A failure as text: where it says that it happened."""

from __future__ import annotations

import json

import pytest

from pipekit.model.failure import Failure, FailureKind


def failure(*frames: str) -> Failure:
    lines = "".join(f'  File "{frame}\n    pass\n' for frame in frames)
    trace = f"Traceback (most recent call last):\n{lines}ValueError: empty\n"
    return Failure(FailureKind.ERROR, "ValueError: empty", trace if frames else "")


def test_the_place_is_the_innermost_line() -> None:
    shown = failure('/home/me/flow.py", line 3, in train', '/home/me/flow.py", line 9, in fit')
    assert shown.place == "/home/me/flow.py:9, in fit"


@pytest.mark.parametrize(
    "library",
    [json.__file__, "/home/me/.venv/lib/python3.12/site-packages/pandas/core/frame.py"],
)
def test_the_place_is_the_users_where_a_library_raised(library: str) -> None:
    shown = failure('/home/me/flow.py", line 3, in train', f'{library}", line 9, in dumps')
    assert shown.place == "/home/me/flow.py:3, in train"


def test_the_place_is_a_librarys_where_no_line_is_the_users() -> None:
    shown = failure(f'{json.__file__}", line 9, in dumps')
    assert shown.place == f"{json.__file__}:9, in dumps"


def test_without_a_traceback_there_is_no_place() -> None:
    assert failure().place == ""
