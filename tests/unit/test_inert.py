"""Values whose class is gone: what is left of them says so, and goes nowhere."""

from __future__ import annotations

import sys
from dataclasses import make_dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipekit.artifacts.blob import LocalBlobStore
from pipekit.artifacts.inert import Inert
from pipekit.artifacts.store import ArtifactStore
from pipekit.errors import ArtifactError, NotSerializable
from pipekit.model.hashing import Hasher


class Plain:
    def __init__(self) -> None:
        self.rate = 0.5
        self.name = "fit"


class Slotted:
    __slots__ = ("rate",)

    def __init__(self) -> None:
        self.rate = 2


class Colour(Enum):
    RED = "red"


Point = make_dataclass("Point", ["x", "y"])


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with classes in it, to be emptied."""
    module = ModuleType("gone_module")
    monkeypatch.setitem(sys.modules, "gone_module", module)
    for cls in (Plain, Slotted, Colour, Point):
        monkeypatch.setattr(cls, "__module__", "gone_module")
        setattr(module, cls.__name__, cls)
    return module


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    hasher = Hasher(code_of=lambda obj: "c" * 64)
    return ArtifactStore(LocalBlobStore(tmp_path), hasher=hasher, key=lambda: b"k" * 32)


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (Plain, {"rate": 0.5, "name": "fit"}),
        (Slotted, {"rate": 2}),
        (lambda: Point(1, 2), {"x": 1, "y": 2}),
        (lambda: Colour.RED, "RED"),
    ],
)
def test_the_state_that_was_stored_is_there_and_the_repr_says_what_it_is(
    gone: ModuleType, artifacts: ArtifactStore, make: Any, state: Any
) -> None:
    value = make()
    stored, content = artifacts.put([value], where="Output 'value'")
    delattr(gone, type(value).__name__)
    (left,) = artifacts.get_or_inert(stored, content, what="it")
    assert isinstance(left, Inert)
    assert left.state == state
    assert repr(left).startswith(f"<what is left of a gone_module.{type(value).__name__}, a class")


def test_a_step_is_given_an_error_and_no_inert_value(
    gone: ModuleType, artifacts: ArtifactStore
) -> None:
    stored, content = artifacts.put(Plain(), where="Output 'value'")
    del gone.Plain
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        artifacts.get(stored, content, what="input 1 of 'fit'")


def test_what_is_left_has_no_other_attributes_and_cannot_be_stored(
    gone: ModuleType, artifacts: ArtifactStore
) -> None:
    stored, content = artifacts.put(Plain(), where="Output 'value'")
    del gone.Plain
    left = artifacts.get_or_inert(stored, content, what="it")
    with pytest.raises(AttributeError, match="what is left of a"):
        left.predict()
    with pytest.raises(NotSerializable):
        artifacts.put(left, where="Argument 'model'")


def test_a_value_whose_class_is_there_is_itself(gone: ModuleType, artifacts: ArtifactStore) -> None:
    stored, content = artifacts.put(Point(1, 2), where="Output 'value'")
    assert artifacts.get_or_inert(stored, content, what="it") == Point(1, 2)
