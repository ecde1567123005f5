"""How the arguments of a call are bound and sent."""

from __future__ import annotations

import operator
from typing import Any

import pytest

from pipekit.api.signature import Binder


def takes(a: int, b: int = 2, *, c: int = 3) -> None: ...


def test_defaults_are_filled_in_in_the_order_of_the_signature() -> None:
    binder = Binder(takes, "takes")
    assert list(binder.bind((1,), {"c": 5}).items()) == [("a", 1), ("b", 2), ("c", 5)]


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [((), {}, "missing"), ((1, 2, 3), {}, "too many"), ((1,), {"cc": 1}, "'cc'; did you mean 'c'")],
)
def test_what_does_not_fit_is_refused_as_the_call_would(
    args: tuple[Any, ...], kwargs: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        Binder(takes, "takes").bind(args, kwargs)


def test_a_function_without_a_signature_takes_what_it_is_given() -> None:
    binder = Binder(max, "max")
    assert binder.bind((1, 2), {"key": operator.neg}) == {
        "args": (1, 2),
        "kwargs": {"key": operator.neg},
    }


def test_a_mutable_default_is_sent_unless_the_call_gives_another() -> None:
    def collect(x: int, into: list[int] = [], *, also: dict[str, int] = {}) -> None: ...  # noqa: B006

    binder = Binder(collect, "collect")
    assert binder.without_defaults((1,), {}) == ((1,), {"into": [], "also": {}})
    assert binder.without_defaults((1, [5]), {"also": {"a": 1}}) == ((1, [5]), {"also": {"a": 1}})


def test_a_default_that_code_may_compare_by_identity_is_not_sent() -> None:
    missing = object()

    def look(x: object = missing) -> None: ...

    binder = Binder(look, "look")
    assert binder.without_defaults((missing,), {}) == ((), {})
    assert binder.without_defaults((), {"x": missing}) == ((), {})
