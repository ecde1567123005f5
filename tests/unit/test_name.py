"""Which texts may be names."""

from __future__ import annotations

import pytest

from pipekit import component, pipeline
from pipekit.errors import UsageError
from pipekit.model.name import check_name


@pytest.mark.parametrize(
    "name", ["fit", "fit 2", "漢字", "שלום", "👩‍👦 fit", "a\u00a0b", "../x", ""]
)
def test_a_line_of_text_in_any_script_is_a_name(name: str) -> None:
    assert check_name(name, "Component") == name


@pytest.mark.parametrize(
    "name", ["a\nb", "a\tb", "\x1b[2J", "\x07", "\u202eevil", "\u2028", "\ud800", "\x9b2J", " "]
)
def test_what_would_move_the_cursor_or_does_not_show_is_no_name(name: str) -> None:
    with pytest.raises(UsageError, match="Component: name="):
        check_name(name, "Component")


def test_a_component_and_its_outputs_take_only_names() -> None:
    with pytest.raises(UsageError, match="holds"):
        component(name="a\nb")(len)
    with pytest.raises(UsageError, match="holds"):
        component(outputs=["a", "b\x1b"])(divmod)


def test_a_pipeline_and_its_project_take_only_names() -> None:
    def flow() -> None: ...

    with pytest.raises(UsageError, match="holds"):
        pipeline(flow, name="a\nb")
    with pytest.raises(UsageError, match="holds"):
        pipeline(flow).options(project="a\rb")
