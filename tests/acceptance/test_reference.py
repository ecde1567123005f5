"""The README's reference has every public name, and each argument with its default."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import pipekit
import pipekit.testing
from pipekit import Component, Pipeline, Task
from pipekit.api.artifact import ArtifactView
from pipekit.model.options import ComponentOptions
from pipekit.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
REFERENCE = README[README.index("\n## Reference\n") : README.index("\n## Platforms\n")]
INTERNAL = {
    "call_function",
    "callbacks",
    "last_forgotten",
    "task_type",
    "of_running",
    "of_step",
    "of_watched",
    "bind",
    "defaults",
    "entry",
    "file",
    "folder",
}
"""Attributes for other parts of pipekit."""


def rows(heading: str) -> dict[str, str]:
    """Argument -> default, of the table of arguments under a heading."""
    text = REFERENCE.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    found = re.findall(r"^\| `(\w+)` \| `([^|]*)` \|", text, re.MULTILINE)
    return dict(found)


def options_of(function: Callable[..., Any]) -> dict[str, str]:
    return {
        name: repr(parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty
    }


@pytest.mark.parametrize("name", [name for name in pipekit.__all__ if name != "__version__"])
def test_every_public_name_stands_in_the_reference(name: str) -> None:
    assert re.search(rf"`{name}\b|^### {name}$|{name}\.", REFERENCE, re.MULTILINE)


@pytest.mark.parametrize("name", pipekit.testing.__all__)
def test_every_name_of_the_testing_module_stands_there(name: str) -> None:
    assert f"`{name}`" in REFERENCE


def test_each_option_of_a_component_stands_with_its_default() -> None:
    wanted = {field.name: repr(field.default) for field in fields(ComponentOptions)}
    assert rows("component") == wanted | {"outputs": "None"} | {"name": '""', "version": '""'} | {
        "executor": '""',
        "blind_spots": '""',
    }


def test_each_option_of_a_pipeline_stands_with_its_default() -> None:
    wanted = {name: default.replace("'", '"') for name, default in options_of(Pipeline).items()}
    assert rows("pipeline") == wanted


@pytest.mark.parametrize(
    ("shown", "function"),
    [
        ("as_completed", pipekit.as_completed),
        ("wait", pipekit.wait),
        ("get", pipekit.get),
        ("task_of", pipekit.task_of),
        ("current_task", pipekit.current_task),
        ("log_metric", pipekit.log_metric),
        ("log_artifact", pipekit.log_artifact),
        ("log_figure", pipekit.log_figure),
        ("report_progress", pipekit.report_progress),
        ("register_serializer", pipekit.register_serializer),
        ("tune", pipekit.tune),
        ("grid", pipekit.grid),
        ("get_local_copy", pipekit.get_local_copy),
        ("upload", pipekit.upload),
        ("integers", pipekit.integers),
        ("Task.get_task", Task.get_task),
        ("Task.get_tasks", Task.get_tasks),
        ("Task.create", Task.create),
        ("Task.init", Task.init),
    ],
)
def test_a_function_stands_with_its_very_arguments(
    shown: str, function: Callable[..., Any]
) -> None:
    signature = inspect.signature(function)
    bare = signature.replace(
        parameters=[
            parameter.replace(annotation=inspect.Parameter.empty)
            for parameter in signature.parameters.values()
        ],
        return_annotation=inspect.Signature.empty,
    )
    assert f"`{shown}{bare}`" in REFERENCE


@pytest.mark.parametrize("kind", [Task, ArtifactView, Component, Pipeline])
def test_every_public_attribute_stands_there(kind: type) -> None:
    for name in set(dir(kind)) - INTERNAL:
        if not name.startswith("_"):
            assert re.search(rf"[`.]{name}\b", REFERENCE), name


def test_every_setting_stands_with_its_default() -> None:
    for field in fields(Settings):
        if field.name not in ("project_root", "sources"):
            assert f"`PIPEKIT_{field.name.upper()}`" in README
    assert "| `auto` |" in README
    assert Settings(home=Path(), project_root=Path()).progress == "auto"
