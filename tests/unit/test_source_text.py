"""The source text of functions: only where it is certain that they were made of it."""

from __future__ import annotations

import functools
import importlib
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipekit.capture.source_text import NO_SOURCE, parts_of, source_text_of

MODULE = """\
import functools

def traced(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

@traced
def plain(
    a: int,  # a comment
) -> int:
    \"\"\"Its docstring.\"\"\"
    return a + (
        1
    )

class Model:
    def __call__(self, x):
        return x

    def fit(self, x):
        return x

double = lambda x: 2 * x
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "source_of_this.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield importlib.import_module("source_of_this")
    del sys.modules["source_of_this"]


def text_of(function: Any, root: Path) -> str:
    return parts_of(source_text_of(function, str(root)).content)[2]


def test_the_text_is_that_of_the_file_with_its_decorators_and_comments(
    module: ModuleType, tmp_path: Path
) -> None:
    file, line, text = parts_of(source_text_of(module.plain, str(tmp_path)).content)
    assert (file, line) == ("source_of_this.py", 9)
    assert text == MODULE[MODULE.index("@traced") : MODULE.index("class Model") - 1]


def test_methods_instances_and_partials_have_the_text_of_what_is_called(
    module: ModuleType, tmp_path: Path
) -> None:
    assert text_of(module.Model().fit, tmp_path).startswith("    def fit(self, x):")
    assert text_of(module.Model(), tmp_path).startswith("    def __call__")
    assert text_of(functools.partial(module.double, 1), tmp_path) == "double = lambda x: 2 * x\n"


def test_a_file_that_was_edited_since_has_no_text_of_the_function(
    module: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "source_of_this.py"
    path.write_text(MODULE.replace("        1\n", "        2\n"))
    assert source_text_of(module.plain, str(tmp_path)) == NO_SOURCE
    assert source_text_of(module.double, str(tmp_path)) != NO_SOURCE  # this one is as it was
    path.write_text("# a line more\n" + MODULE)
    assert source_text_of(module.double, str(tmp_path)) == NO_SOURCE
    path.unlink()
    assert source_text_of(module.double, str(tmp_path)) == NO_SOURCE


def test_equal_texts_have_one_address(module: ModuleType, tmp_path: Path) -> None:
    first = source_text_of(module.plain, str(tmp_path))
    assert first == source_text_of(module.plain, str(tmp_path))
    assert len(first.digest) == 64


def test_a_cell_of_a_notebook_has_the_text_that_was_typed() -> None:
    text = "def cell(x):\n    return x\n"
    name = "<a cell of this test>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace: dict[str, Any] = {}
    exec(compile(text, name, "exec"), namespace)
    assert parts_of(source_text_of(namespace["cell"], "/").content) == (name, 1, text)
    del linecache.cache[name]


@pytest.mark.parametrize("function", [len, int, dict.get, eval("lambda: 1")])
def test_what_has_no_source_has_none(function: Any) -> None:
    assert source_text_of(function, "/") == NO_SOURCE
