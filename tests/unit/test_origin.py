"""Names under which any process finds a module, a function or a class."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pipekit import component
from pipekit.origin import Origin, module_name_of, origin_of, step_into, unwrap_to, walk


def plain(x: int) -> int:
    return x


@component
def decorated(x: int) -> int:
    return x


@component
@functools.lru_cache
def remembered(x: int) -> int:
    return x


class Thing:
    @component
    def method(self) -> int:
        return 1

    @component
    @classmethod
    def of_class(cls) -> int:
        return 1

    class Inner:
        pass


def script(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(folder))
    file = folder / name
    file.write_text("")
    return file


def test_a_file_that_its_stem_leads_to_goes_by_its_stem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module_name_of(script(tmp_path, "some_flow.py", monkeypatch)) == "some_flow"


@pytest.mark.parametrize("name", ["numpy.py", "json.py", "some-flow.py", "1.py"])
def test_a_file_whose_stem_is_no_name_for_it_goes_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    found = module_name_of(script(tmp_path, name, monkeypatch))
    assert found.startswith("script_")
    assert found.isidentifier()
    other = tmp_path / "sub"
    other.mkdir()
    assert module_name_of(script(other, name, monkeypatch)) != found


def test_the_place_of_a_file_is_the_same_in_every_copy_of_the_project(tmp_path: Path) -> None:
    names = set()
    for copy in ("one", "two"):
        (tmp_path / copy).mkdir()
        (tmp_path / copy / "pyproject.toml").write_text("")
        names.add(module_name_of(tmp_path / copy / "a flow.py"))
    assert len(names) == 1


def test_what_stands_at_the_top_level_is_found_by_its_name() -> None:
    assert origin_of(plain) == Origin(__name__, "plain", __file__)
    assert str(origin_of(Thing.Inner)) == f"{__name__}:Thing.Inner"


def test_the_function_of_a_component_is_found_behind_it() -> None:
    assert str(origin_of(decorated.function)) == f"{__name__}:decorated"
    assert str(origin_of(remembered.function)) == f"{__name__}:remembered"
    assert str(origin_of(Thing.method.function)) == f"{__name__}:Thing.method"
    function = vars(Thing)["of_class"].__func__.function
    assert str(origin_of(function)) == f"{__name__}:Thing.of_class"


def test_what_has_no_name_or_lost_it_has_no_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    def inner() -> None: ...

    assert origin_of(inner) is None
    assert origin_of(lambda: None) is None
    lost = plain
    monkeypatch.setattr(sys.modules[__name__], "plain", decorated)
    assert origin_of(lost) is None


def test_wrappers_are_looked_into_until_the_wanted_is_found() -> None:
    module = ModuleType("some_module")
    module.Thing = Thing  # type: ignore[attr-defined]
    found = walk(module, "Thing.of_class")
    assert step_into(found) == "function"
    assert unwrap_to(found, vars(Thing)["of_class"].__func__.function) is not None
    assert unwrap_to(found, plain) is None
