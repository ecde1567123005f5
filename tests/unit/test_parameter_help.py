"""What a docstring says of a parameter is found, however it is written; the help says it."""

from __future__ import annotations

import inspect
from enum import Enum
from pathlib import Path

import pytest

from pipekit import pipeline
from pipekit.cli.docstring import first_line, parameter_texts
from pipekit.cli.parameter import parameters_of
from pipekit.cli.usage import target_help

GOOGLE = """Fit a model.

    Args:
        n: How many
            numbers.
        rate (float, optional): The rate: of learning.

            A second paragraph.
        *more: The rest.
        **named: By name.

    Returns:
        score: What it scored.
    """
NUMPY = """Fit a model.

    Parameters
    ----------
    n : int
        How many
        numbers.
    rate : float, optional
        The rate: of learning.

        A second paragraph.
    *more
        The rest.
    left, right : int
        Either side.

    Returns
    -------
    score : float
        What it scored.
    """
REST = """Fit a model.

    :param n: How many
        numbers.
    :param float rate: The rate: of learning.
    :type n: int
    :param \\*more: The rest.
    :returns score: What it scored.
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_a_parameter_s_text_is_found(docstring: str) -> None:
    texts = parameter_texts(inspect.cleandoc(docstring))
    assert texts["n"] == "How many numbers."
    assert texts["rate"] == "The rate: of learning."
    assert texts["more"] == "The rest."
    assert "score" not in texts


def test_numpy_s_several_names_on_one_line_share_a_text() -> None:
    texts = parameter_texts(inspect.cleandoc(NUMPY))
    assert texts["left"] == texts["right"] == "Either side."


def test_a_docstring_without_such_a_section_says_nothing() -> None:
    assert parameter_texts("Fit: a model.\n\nn: not a section of its own\n") == {}
    assert parameter_texts("") == {}


def test_the_first_paragraph_is_one_line() -> None:
    assert first_line("Fit a model\nto numbers.\n\nMore.") == "Fit a model to numbers."
    assert first_line("") == ""


class Colour(Enum):
    RED = "red"


@pipeline(name="train")
def function(
    count: int,
    rate: float = 0.5,
    data: Path = Path("a.csv"),
    colour: Colour = Colour.RED,
    fast: bool = True,
    sizes: list[int] | None = None,
    until: str = "end",
    *more: int,
    **named: float,
) -> None:
    """Fit a model.

    Args:
        count: How many.
        until: When.
    """


def test_the_help_of_a_target_has_text_type_and_default_of_each_parameter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = target_help("flow.py:train", function, parameters_of(function.function))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "Usage: pipekit run flow.py:train [OPTIONS] --count INT"
    assert lines[2] == "Fit a model."
    for expected in (
        "--count int How many. [required]",
        "--rate float [default: 0.5]",
        "--data Path [default: a.csv]",
        "--colour 'red' [default: red]",
        "--fast / --no-fast [default: fast]",
        "--sizes list[int] or none ... [default: none]",
        "-p until=str When. [default: 'end']",
        "--more list[int] ...",
        "--NAME float Any further name.",
        "--until STEP Stop after the first step of this name (fit, fit-2).",
    ):
        assert expected in lines


def test_the_help_keeps_to_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = target_help("flow.py:train", function, parameters_of(function.function))
    assert max(map(len, text.splitlines())) <= 60
