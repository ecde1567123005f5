"""Pipelines as a file's text says, without importing it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from pipekit.cli.outline import defaults_of, list_pipelines


def names_in(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "flow.py"
    path.write_text(dedent(text))
    return [pipeline.name for pipeline in list_pipelines(path)]


@pytest.mark.parametrize(
    "text",
    [
        "from pipekit import pipeline\n@pipeline\ndef f(): ...",
        "from pipekit import pipeline\n@pipeline(name='x')\ndef f(): ...",
        "from pipekit import pipeline as flow\n@flow\ndef f(): ...",
        "import pipekit\n@pipekit.pipeline\ndef f(): ...",
        "import pipekit as pk\n@pk.pipeline(project='p')\ndef f(): ...",
        "from pipekit import pipeline\n@other\n@pipeline\ndef f(): ...",
        "from pipekit import pipeline\ndef g(): ...\nf = pipeline(g)",
        "from pipekit import pipeline\ndef g(): ...\nf = pipeline(name='x')(g)",
    ],
)
def test_a_pipeline_is_known_by_its_decorator_however_that_is_imported(
    tmp_path: Path, text: str
) -> None:
    assert names_in(tmp_path, text) == ["f"]


@pytest.mark.parametrize(
    "text", ["pipeline = (", "x = 'pipeline'", "@component\ndef pipeline(): ...", ""]
)
def test_what_is_no_pipeline_is_not_listed(tmp_path: Path, text: str) -> None:
    assert names_in(tmp_path, text) == []


def test_parameters_are_told_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "flow.py"
    path.write_text(
        dedent(
            """
            from pipekit import pipeline
            @pipeline
            def f(a, b: "list[int]" = [1], /, c=True, *rest, d: Literal["x", "y"] = "x", **more):
                '''What it does.

                At length.'''
            """
        )
    )
    (found,) = list_pipelines(path)
    assert found.about == "What it does."
    assert [(p.name, p.default, p.is_flag, p.choices) for p in found.parameters] == [
        ("a", None, False, ()),
        ("b", "[1]", False, ()),
        ("c", "True", True, ()),
        ("d", "'x'", False, ("x", "y")),
    ]


def test_defaults_are_those_of_the_function_in_a_piece_of_code() -> None:
    assert defaults_of("    @pipeline\n    def f(a, b=1, *, c='x'): ...\n") == {
        "b": "1",
        "c": "'x'",
    }
    assert defaults_of("no code") == {}
