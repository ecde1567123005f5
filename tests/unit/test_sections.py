"""What a parameter's key means, and which values may take the place of a default."""

from __future__ import annotations

from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from pipekit.errors import UsageError
from pipekit.model.sections import (
    added,
    check_known,
    fitted,
    flattened,
    from_text,
    merged,
    qualified,
    spread,
)


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("key", "known", "whole"),
    [
        ("rate", [], "General/rate"),
        ("rate", ["Args/rate"], "Args/rate"),
        ("rate", ["Args/rate", "General/rate"], "General/rate"),
        ("rate", ["Args/rate", "Model/rate"], "General/rate"),
        ("Args/rate", [], "Args/rate"),
        ("Args/rate", ["General/rate"], "Args/rate"),
        ("model/rate", ["General/model/rate"], "General/model/rate"),
        ("model/rate", [], "model/rate"),
    ],
)
def test_a_key_means_the_one_section_that_has_it_else_general(
    key: str, known: list[str], whole: str
) -> None:
    assert qualified(key, known) == whole


def test_a_key_without_a_section_beats_one_with_it() -> None:
    for given in ({"rate": 1, "Args/rate": 2}, {"Args/rate": 2, "rate": 1}):
        assert merged({"Args/rate": 0}, given) == {"Args/rate": 1}


def test_merging_leaves_what_is_not_named() -> None:
    assert merged({"General/a": 1, "General/b": 2}, {"b": 3}) == {"General/a": 1, "General/b": 3}


def test_replacing_leaves_nothing_that_is_not_named() -> None:
    assert merged({"Args/a": 1, "Args/b": 2}, {"b": 3}, replace=True) == {"Args/b": 3}


def test_what_was_not_known_is_named() -> None:
    assert added({"General/a": 1}, {"a": 2, "b": 3}) == ["General/b"]


@pytest.mark.parametrize(
    ("given", "default", "value"),
    [
        ("12", "text", "12"),
        ("", "text", ""),
        ("12", 1, 12),
        (12, 1.0, 12.0),
        ("1,500", 1, 1500),
        (3.0, 1, 3),
        ("0.5", 1.0, 0.5),
        ("1e3", 1.0, 1000.0),
        ("no", True, False),
        ("12", None, "12"),
        (None, None, None),
        ("[1, 2]", [], [1, 2]),
        ([1, 2], (0,), (1, 2)),
        ('{"a": 1}', {}, {"a": 1}),
        ("data/x.csv", Path("y"), Path("data/x.csv")),
        ("2026-01-02", date(2020, 1, 1), date(2026, 1, 2)),
        ("red", Colour.RED, Colour.RED),
        (True, False, True),
    ],
)
def test_a_value_takes_the_type_of_the_default(given: Any, default: Any, value: Any) -> None:
    found = fitted("General/x", given, default)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("given", "default"),
    [
        ("twelve", 1),
        (1.5, 1),
        (True, 1),
        (None, 1),
        ("1.5", 1),
        ("1,5", 1),
        (3, "text"),
        (None, "text"),
        ("maybe", True),
        (1, True),
        ("[1", []),
        ('{"a": 1}', []),
        (2**80 + 1, 1.0),
        ("blue", Colour.RED),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(given: Any, default: Any) -> None:
    with pytest.raises(UsageError, match="General/x"):
        fitted("General/x", given, default)


@pytest.mark.parametrize("key", ["model", "General/model"])
def test_a_dict_for_a_group_of_parameters_is_its_parts(key: str) -> None:
    known = ["General/model/net/depth", "General/model/dims", "Args/rate"]
    given = {key: {"net": {"depth": 3}, "dims": {"a": 1}, "new": {"b": 2}}}
    assert spread(given, known) == {
        "General/model/net/depth": 3, "General/model/dims": {"a": 1}, "General/model/new": {"b": 2},
    }  # fmt: skip


def test_a_dict_for_a_section_is_its_parameters() -> None:
    assert spread({"Args": {"rate": 2}}, ["Args/rate"]) == {"Args/rate": 2}


def test_a_dict_that_is_no_group_stays_one() -> None:
    given = {"model": {"depth": 3}, "other": {"a": 1}}
    assert spread(given, ["General/model"]) == given


@pytest.mark.parametrize("value", [3, {}, None, "text"])
def test_only_a_dict_stands_for_a_group(value: Any) -> None:
    with pytest.raises(UsageError, match="is a group of General/model/depth"):
        spread({"model": value}, ["General/model/depth"])


def test_a_text_without_a_default_is_what_it_looks_like() -> None:
    assert [from_text(text, None) for text in ("3", "true", "null", "[1]", "a b", '"3"')] == [
        3, True, None, [1], "a b", '"3"',
    ]  # fmt: skip


def test_a_text_with_a_default_waits_for_its_type() -> None:
    assert from_text("3", "text") == "3"


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="General/rate"):
        check_known("rat", ["General/rate"], whose="Task 'fit'")


def test_dicts_in_a_dict_become_parts_of_the_key() -> None:
    values = {"a": 1, "model": {"rate": 0.1, "opts": {}}}
    assert flattened("General", values) == {
        "General/a": 1,
        "General/model/rate": 0.1,
        "General/model/opts": {},
    }
