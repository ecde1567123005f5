"""A function counts as it was written, whether or not pytest has rewritten its asserts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook

from pipekit.capture.fingerprint import Fingerprinter

SOURCE = '''
def positive(number, limit=0):
    """Lets through what is above a limit."""
    assert number > limit, "too small"

    def inner(other):
        assert other in (number, limit)
        return other

    return inner(number)


class Gate:
    def open(self, number):
        assert positive(number) == number
        return [n for n in range(number) if n]
'''


def load(file: Path, *, rewritten: bool, config: pytest.Config) -> ModuleType:
    sys.modules.pop(file.stem, None)
    loader = None
    if rewritten:
        loader = AssertionRewritingHook(config)
        loader.mark_rewrite(file.stem)
    spec = importlib.util.spec_from_file_location(file.stem, file, loader=loader)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(sys.modules, "gate_flow", ModuleType("gate_flow"))
    path = tmp_path / "gate_flow.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize("name", ["positive", "Gate"])
def test_rewritten_asserts_do_not_count(name: str, file: Path, pytestconfig: pytest.Config) -> None:
    codes = []
    for rewritten in (False, True):
        module = load(file, rewritten=rewritten, config=pytestconfig)
        assert ("@pytest_ar" in vars(module)) is rewritten
        fingerprinter = Fingerprinter(root=file.parent)
        codes.append(fingerprinter.code_of(getattr(module, name)))
    assert codes[0] == codes[1]


def test_a_changed_assert_counts_although_it_is_rewritten(
    file: Path, pytestconfig: pytest.Config
) -> None:
    codes = []
    for text in (SOURCE, SOURCE.replace("number > limit", "number >= limit")):
        file.write_text(text)
        module = load(file, rewritten=True, config=pytestconfig)
        codes.append(Fingerprinter(root=file.parent).fingerprint(module.positive).digest)
    assert codes[0] != codes[1]


def test_rewritten_code_whose_file_has_changed_does_not_count_as_that_file(
    file: Path, pytestconfig: pytest.Config
) -> None:
    old = load(file, rewritten=True, config=pytestconfig).positive
    file.write_text(SOURCE.replace("number > limit", "number != limit"))
    mine = Fingerprinter(root=file.parent).fingerprint(old)
    new = load(file, rewritten=False, config=pytestconfig).positive
    theirs = Fingerprinter(root=file.parent).fingerprint(new)
    assert mine.digest != theirs.digest
