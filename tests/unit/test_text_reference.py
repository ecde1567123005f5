"""How `${…}` is read and written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipekit.errors import UsageError
from pipekit.model.reference import Part, Reference, parse, references_in, resolved

STEPS = ("split", "stage.one", "fit")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("${pipeline.rate}", Reference("pipeline", Part.PARAMETER, "rate")),
        ("${split.id}", Reference("split", Part.FACT, "id")),
        ("${split.status}", Reference("split", Part.FACT, "status")),
        (
            "${split.parameters.General/seed}",
            Reference("split", Part.PARAMETER, "General/seed"),
        ),
        ("${split.artifacts.frame}", Reference("split", Part.ARTIFACT, "frame")),
        ("${split.artifacts.frame.url}", Reference("split", Part.ARTIFACT, "frame", "url")),
        ("${split.artifacts.a.csv}", Reference("split", Part.ARTIFACT, "a.csv")),
        ("${split.artifacts.a.csv.url}", Reference("split", Part.ARTIFACT, "a.csv", "url")),
        ("${split.metrics.loss/train}", Reference("split", Part.METRIC, "loss/train")),
        ("${split.model}", Reference("split", Part.RETURN, "model")),
        ("${stage.one.id}", Reference("stage.one", Part.FACT, "id")),
    ],
)
def test_each_form_is_read_and_written_again(text: str, reference: Reference) -> None:
    assert parse(text, STEPS) == [reference]
    assert str(reference) == text


def test_a_text_that_is_one_reference_takes_the_value_with_its_type() -> None:
    assert resolved("${pipeline.rate}", STEPS, lambda _: 0.25) == 0.25


def test_in_a_longer_text_the_values_stand_as_texts() -> None:
    found = resolved("s3://${pipeline.b}/${split.id}.csv", STEPS, lambda r: r.name)
    assert found == "s3://b/id.csv"


def test_references_stand_in_lists_and_dicts() -> None:
    value = {"a": ["${split.id}", 1], "b": ("x ${fit.id}", {"c": "${split.id}"})}
    assert [reference.step for reference in references_in(value, STEPS)] == ["split", "fit"]
    assert resolved(value, STEPS, lambda r: r.step) == {
        "a": ["split", 1],
        "b": ("x fit", {"c": "split"}),
    }


def test_two_dollars_stand_for_the_text_itself() -> None:
    assert parse("a $${pipeline.x} b", STEPS) == ["a ${pipeline.x} b"]
    assert references_in("$${pipeline.x}", STEPS) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${spilt.id}", "split"),
        ("${later.artifacts.x}", "not there"),
        ("${split}", "names no part"),
        ("${}", "names no part"),
        ("${pipeline.}", "names no part"),
        ("${pipeline.x", "has no '}'"),
        ("a ${split.id} ${split.{id}} b", "has no '}'"),
        ("${split.id $${split.id}", "has no '}'"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_the_way_out(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(text, STEPS)


@given(st.text())
def test_a_text_without_a_mark_is_itself(text: str) -> None:
    if "${" not in text:
        assert resolved(text, STEPS, lambda _: None) == text


@given(st.recursive(st.integers() | st.none(), lambda inner: st.lists(inner), max_leaves=8))
def test_what_is_no_text_stays(value: Any) -> None:
    assert resolved(value, STEPS, lambda _: None) == value
