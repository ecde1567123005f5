"""Classes and functions without a name that others could import: there and back."""

from __future__ import annotations

import collections
import dataclasses
import enum
import gc
import pickle
import typing
from pathlib import Path
from typing import Any

import attrs
import pydantic
import pytest

from pipekit.artifacts import by_value
from pipekit.artifacts.pickling import reduce_named
from pipekit.capture.fingerprint import Fingerprinter

SOURCE = """
import abc, collections, dataclasses, enum, functools, typing
import attrs, pydantic

@dataclasses.dataclass
class Data:
    one: int
    more: list = dataclasses.field(default_factory=list)

@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Frozen:
    one: int

class Plain:
    one = 1
    def method(self): return super().__repr__()
    @property
    def prop(self): return self.one
    @staticmethod
    def static(): return 2

class Lazy:
    @functools.cached_property
    def one(self): return 1

class Slots:
    __slots__ = ("one", "two")

class Color(enum.Enum):
    RED = 1
    ROUGE = 1
    def method(self): return 1

class Flags(enum.IntFlag):
    A = 1
    B = 2
    BOTH = 3

Pair = collections.namedtuple("Pair", "left right")

class Point(typing.NamedTuple):
    x: int = 1

@attrs.define
class Attrs:
    one: int = 3

class Model(pydantic.BaseModel):
    one: int
    more: list[int] = []
    @pydantic.field_validator("one")
    @classmethod
    def check(cls, one): return one

class Generic(typing.Generic[typing.TypeVar("T")]):
    def method(self): return 1

class Abstract(abc.ABC):
    @abc.abstractmethod
    def method(self): ...

class Typed(typing.TypedDict):
    one: int

class Proto(typing.Protocol):
    def method(self): ...

class Broken(ValueError):
    pass

class Outer:
    class Inner:
        def method(self): return Outer
"""
NAMES = [
    "Data", "Frozen", "Plain", "Slots", "Color", "Flags", "Pair", "Point", "Attrs", "Model",
    "Generic", "Abstract", "Typed", "Proto", "Broken", "Outer",
]  # fmt: skip


def define() -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "nowhere"}
    exec(compile(SOURCE, "<nowhere>", "exec", dont_inherit=True), space)
    return space


@pytest.fixture
def fingerprinter() -> Fingerprinter:
    made = Fingerprinter(root=Path(__file__).parent)
    by_value.learn(made.code_of)
    return made


def elsewhere(packed: bytes) -> Any:
    """What `packed` holds, made anew: whatever else had that tag is gone."""
    gc.collect()
    by_value._by_tag.clear()
    return by_value.unpack(packed)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_arrives_as_the_same_code(name: str, fingerprinter: Fingerprinter) -> None:
    cls = define()[name]
    code = fingerprinter.code_of(cls)
    packed = by_value.pack(cls)
    arrived = elsewhere(packed)
    assert arrived is not cls
    assert Fingerprinter(root=Path(__file__).parent).code_of(arrived) == code
    assert by_value.find_tag(arrived) == code


def test_a_class_that_is_here_is_taken(fingerprinter: Fingerprinter) -> None:
    cls = define()["Plain"]
    packed = by_value.pack(cls)
    assert by_value.unpack(packed) is cls


def test_a_class_of_the_same_code_is_one_and_the_same_where_it_arrives(
    fingerprinter: Fingerprinter,
) -> None:
    first, second = (by_value.pack(define()["Plain"]) for _ in range(2))
    assert first == second
    arrived = elsewhere(first)
    assert by_value.unpack(second) is arrived


def test_classes_keep_what_they_can_do(fingerprinter: Fingerprinter) -> None:
    space = define()
    arrived = {name: elsewhere(by_value.pack(space[name])) for name in NAMES}
    assert arrived["Color"]["ROUGE"] is arrived["Color"].RED
    assert arrived["Flags"](3) is arrived["Flags"].BOTH
    assert [field.name for field in dataclasses.fields(arrived["Data"])] == ["one", "more"]
    assert dataclasses.fields(arrived["Data"])[0].default is dataclasses.MISSING
    with pytest.raises(AttributeError):
        arrived["Slots"]().other = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        arrived["Frozen"](1).one = 2
    with pytest.raises(pydantic.ValidationError):
        arrived["Model"](one="x")
    assert arrived["Outer"].Inner().method() is arrived["Outer"]
    assert arrived["Outer"].Inner.__qualname__ == "Outer.Inner"
    assert issubclass(arrived["Color"], enum.Enum)
    assert issubclass(arrived["Pair"], tuple)
    assert arrived["Point"]() == (1,)
    assert attrs.fields(arrived["Attrs"]).one.default == 3
    assert typing.get_type_hints(arrived["Typed"]) == {"one": int}
    assert collections.namedtuple("Pair", "left right")(1, 2) == arrived["Pair"](1, 2)


def test_a_stream_that_breaks_off_leaves_no_half_made_class(fingerprinter: Fingerprinter) -> None:
    sources, stream = pickle.loads(by_value.pack(define()["Data"]))
    with pytest.raises((EOFError, pickle.UnpicklingError)):
        elsewhere(pickle.dumps((sources, stream[: len(stream) // 2])))
    assert not by_value._unfinished
    assert elsewhere(pickle.dumps((sources, stream)))(1).more == []


def test_classes_of_c_are_left_to_pickle() -> None:
    assert reduce_named(type(None)) is NotImplemented
    assert reduce_named(int) is NotImplemented
    assert reduce_named(dataclasses.Field) is NotImplemented
