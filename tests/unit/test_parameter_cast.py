"""Text and plain data become typed values, by pydantic's rules; what does not fit is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict, Union

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipekit.cli.cast import Misfit, cast, cast_data
from pipekit.cli.example import example_of
from pipekit.cli.parameter import Parameter, parameters_of
from pipekit.cli.scalar import UNDECIDED, scalar


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Swapped(Enum):
    A = "B"
    B = "A"


@dataclass
class Point:
    x: int
    y: float = 0.5


@dataclass
class Line:
    start: Point
    others: list[Point] = field(default_factory=list)


class Row(TypedDict, total=False):
    number: int
    name: str


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Model(BaseModel):
    depth: int
    at: Point = Point(0)
    rate: float = Field(default=0.1, alias="learning_rate")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    depth: int = 0


UserId = NewType("UserId", int)


def of(annotation: Any) -> Parameter:
    return Parameter("it", annotation)


def same(found: object, value: object) -> bool:
    return type(found) is type(value) and found == value


@pytest.mark.parametrize(
    ("annotation", "texts", "value"),
    [
        (int, ["1_000"], 1000),
        (int, ["3.0"], 3),
        (float, ["inf"], float("inf")),
        (int | None, ["none"], None),
        (int | None, ["7"], 7),
        (str | None, ["none"], "none"),
        (int | str, ["3"], 3),
        (int | str, ["x"], "x"),
        (Literal["auto"] | float, ["0.5"], 0.5),
        (Literal["auto"] | float, ["auto"], "auto"),
        (Literal[1, 2], ["2"], 2),
        (Literal["a", None], ["none"], None),
        (Colour, ["red"], Colour.RED),
        (Colour, ["RED"], Colour.RED),
        (Level, ["HIGH"], Level.HIGH),
        (Level, ["2"], Level.HIGH),
        (Colour | None, ["BLUE"], Colour.BLUE),
        (list[Colour], ["RED", "blue"], [Colour.RED, Colour.BLUE]),
        (date, ["2026-03-14"], date(2026, 3, 14)),
        (datetime, ["2026-03-14T09:30"], datetime(2026, 3, 14, 9, 30)),
        (timedelta, ["1:30:00"], timedelta(hours=1.5)),
        (timedelta, ["P1D"], timedelta(days=1)),
        (Path, ["a/b"], Path("a/b")),
        (UserId, ["5"], 5),
        (Annotated[int, Field(gt=0)], ["5"], 5),
        (Annotated[list[int], Field(min_length=2)], ["1", "2"], [1, 2]),
        (list[int], ["1"], [1]),
        (list[int], ["[1, 2]"], [1, 2]),
        (list[str], ["[x"], ["[x"]),
        (list[str], ['["a", "b"]'], ["a", "b"]),
        (tuple[int, ...], ["1", "2"], (1, 2)),
        (tuple[int, str], ["1", "2"], (1, "2")),
        (set[str], ["a", "a"], {"a"}),
        (frozenset[int], ["1"], frozenset({1})),
        (Sequence[float], ["1"], [1.0]),
        (Iterable[int], ["1", "2"], [1, 2]),
        (Iterable[int], ["[1, 2]"], [1, 2]),
        (list[Point], ['{"x": 1}', '{"x": 2}'], [Point(1), Point(2)]),
        (str | list[str], ["a"], "a"),
        (str | list[str], ["a", "b"], ["a", "b"]),
        (int | list[int], ["[1, 2]"], [1, 2]),
        (list[int] | None, ["none"], None),
        (dict[str, int], ['{"a": 1}'], {"a": 1}),
        (Point, ['{"x": 3}'], Point(3)),
        (Line, ['{"start": {"x": 1}, "others": [{"x": 2}]}'], Line(Point(1), [Point(2)])),
        (Row, ['{"number": 1}'], {"number": 1}),
        (list[Row], ['{"number": 1}'], [{"number": 1}]),
        (Row | None, ['{"name": "x"}'], {"name": "x"}),
        (Pair, ['{"left": 1}'], Pair(1)),
        (Pair, ['[1, "x"]'], Pair(1, "x")),
        (Model, ['{"depth": 1, "learning_rate": 2}'], Model(depth=1, learning_rate=2)),
        (Any, ["3"], "3"),
        (bool | None, ["none"], None),
    ],
)
def test_text_becomes_a_value_of_its_type(annotation: Any, texts: list[str], value: object) -> None:
    assert same(cast(of(annotation), texts), value)


@pytest.mark.parametrize(
    ("annotation", "texts", "expected"),
    [
        (int, ["3.5"], "cannot be '3.5': expected int"),
        (int, [""], "expected int"),
        (int, ["1", "2"], "it takes one value, not 2"),
        (bool, ["maybe"], "expected bool"),
        (Colour, ["green"], "expected 'red' or 'blue'"),
        (Level, ["3"], "expected LOW or HIGH"),
        (Swapped, ["A"], "it could be Swapped.B or Swapped.A"),
        (Literal[1, "1"], ["1"], "it could be 1 or '1'"),
        (date, ["20260314"], "a number is no date"),
        (datetime, ["1741910400"], "a number is no date"),
        (datetime | None, ["1.5e9"], "a number is no date"),
        (timedelta, ["3600"], "expected timedelta"),
        (Annotated[int, Field(gt=0)], ["-1"], "input should be greater than 0"),
        (Annotated[list[int], Field(min_length=2)], ["1"], "at least 2 items"),
        (tuple[int, str], ["1"], "[1]: field required"),
        (tuple[int, str], ["1", "a", "b"], "at most 2 items"),
        (list[int], ["1", "x"], "cannot be 'x'"),
        (list[int], ["[1, 2.5]"], "cannot be '[1, 2.5]'"),
        (dict[str, int], ["a=1"], "expected dict[str, int]"),
        (Point, ['{"x": 3, "z": 1}'], "it has no z"),
        (Point, ['{"x": "a"}'], "x: input should be a valid integer"),
        (Point, ['{"x": 3'], "expected Point"),
        (Line, ['{"start": {"x": 1, "Y": 2}}'], "it has no start.Y"),
        (Line, ['{"start": {"x": 1}, "others": [{"x": 1}, {"q": 1, "x": 2}]}'], "no others[1].q"),
        (Row, ['{"numbr": 1}'], "it has no numbr (did you mean 'number'?)"),
        (dict[str, Point], ['{"a": {"x": 1, "z": 2}}'], "it has no ['a'].z"),
        (Model, ['{"depth": 1, "rate": 2}'], "it has no rate"),
        (Model | None, ['{"dept": 1}'], "expected Model or none"),
        (np.ndarray, ["x"], "nothing that is written makes such an object"),
        (Callable[[int], int], ["x"], "expected Callable[[int], int]"),
    ],
)  # fmt: skip
def test_text_that_is_no_value_of_the_type_is_refused_with_a_reason(
    annotation: Any, texts: list[str], expected: str
) -> None:
    with pytest.raises(Misfit) as caught:
        cast(of(annotation), texts)
    assert expected in caught.value.message


@pytest.mark.parametrize(
    ("annotation", "data", "value"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (float, "0.5", 0.5),
        (int | None, None, None),
        (list[int], [1, 2], [1, 2]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (set[str], ["a"], {"a"}),
        (Path, "a/b", Path("a/b")),
        (date, "2026-03-14", date(2026, 3, 14)),
        (Colour, "red", Colour.RED),
        (Level, "LOW", Level.LOW),
        (Level, 2, Level.HIGH),
        (Point, {"x": 1}, Point(1)),
        (Open, {"depth": 1, "more": 2}, Open(depth=1, more=2)),  # type: ignore[call-arg]
        (Any, {"a": [1]}, {"a": [1]}),
        (bool, True, True),
        (Union[Point, Row], {"name": "x"}, {"name": "x"}),  # noqa: UP007
    ],
)
def test_plain_data_becomes_a_value_of_its_type(
    annotation: Any, data: object, value: object
) -> None:
    assert same(cast_data(of(annotation), data), value)


@pytest.mark.parametrize(
    ("annotation", "data"),
    [
        (str, 3), (int, 2.5), (int, True), (float, True), (int, None), (date, 20260314),
        (list[int], "1"), (list[int], ["x"]), (Colour, "green"), (Point, {"x": 1, "z": 2}),
        (Point, [1]), (bool, "maybe"),
    ],
)  # fmt: skip
def test_plain_data_of_another_type_is_refused(annotation: Any, data: object) -> None:
    with pytest.raises(Misfit):
        cast_data(of(annotation), data)


@given(
    st.sampled_from([int, float, bool, str, Path]),
    st.one_of(
        st.text(max_size=12),
        st.from_regex(r"[+-]?[0-9]{0,25}\.?[0-9]{0,25}(e[+-]?[0-9]{1,3})?", fullmatch=True),
        st.sampled_from(["true", "TRUE", "False", "yes", "no", "On", "off", "t", "F", "y", "N"]),
        st.integers().map(str),
        st.floats().map(repr),
    ),
)
def test_what_is_decided_without_pydantic_is_as_pydantic_decides(kind: Any, text: str) -> None:
    found = scalar(kind, text)
    if found is UNDECIDED:
        return
    try:
        expected = TypeAdapter(kind).validate_strings(text)
    except ValidationError:
        pytest.fail(f"pydantic refuses {text!r} as {kind.__name__}")
    assert same(found, expected)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(int, "-12"), (int, "007"), (float, "0.3"), (float, "-1e-3"), (float, ".5"), (bool, "no"),
     (str, ""), (Path, "a b")],
)  # fmt: skip
def test_plain_texts_need_no_pydantic(kind: Any, text: str) -> None:
    assert scalar(kind, text) is not UNDECIDED


@pytest.mark.parametrize(
    "annotation",
    [int, float, bool, str, Path, date, datetime, timedelta, Colour, Level, Literal["a", 1],
     list[int], dict[str, float], tuple[int, str], Point, Line, Model, int | None],
)  # fmt: skip
def test_an_example_fits_its_own_type(annotation: Any) -> None:
    assert cast_data(of(annotation), example_of(annotation)) is not None


# --- annotations ------------------------------------------------------------------------------


def annotation_of(function: Callable[..., Any], name: str = "it") -> Any:
    return {parameter.name: parameter for parameter in parameters_of(function)}[name].annotation


def test_an_annotation_written_as_text_is_looked_up_in_the_function_s_module() -> None:
    def function(it: Point | None = None) -> None: ...

    assert annotation_of(function) == Point | None


def test_a_forward_reference_inside_an_annotation_is_looked_up() -> None:
    space: dict[str, Any] = {"Point": Point}
    exec("def function(it: list['Point']): ...", space)
    assert annotation_of(space["function"]) == list[Point]


def test_a_local_class_is_found_where_the_function_sees_it() -> None:
    @dataclass
    class Local:
        x: int

    def function(it: Local) -> Local:
        return Local(1)

    assert annotation_of(function) is Local


def test_an_annotation_that_cannot_be_evaluated_is_refused_where_text_is_given_for_it() -> None:
    def function(it: Nowhere = None, other: int = 1) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    parameters = parameters_of(function)
    assert [parameter.type_text for parameter in parameters] == ["Nowhere", "int"]
    with pytest.raises(Misfit, match="its module does not define that name"):
        cast(parameters[0], ["x"])


def test_a_class_imported_for_type_checkers_alone_is_that_of_the_default() -> None:
    space: dict[str, Any] = {"default": Path("x")}
    exec("def function(it: 'Path' = default): ...", space)
    assert issubclass(annotation_of(space["function"]), Path)


def test_a_default_of_none_admits_none() -> None:
    def function(it: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    assert cast(parameters_of(function)[0], ["none"]) is None


def test_without_an_annotation_the_default_tells_the_type() -> None:
    def function(number=2, sizes=(1, 2), path=Path("x"), free=None, needed=...) -> None: ...  # type: ignore[no-untyped-def]

    found = {parameter.name: parameter.annotation for parameter in parameters_of(function)}
    assert found["number"] is int
    assert found["sizes"] == tuple[int, ...]
    assert found["path"] is Path
    assert found["free"] is Any


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement `type` is new in 3.12")
def test_a_type_alias_is_the_type_that_it_stands_for() -> None:
    space: dict[str, Any] = {}
    exec("type Size = int\ndef function(it: Size): ...", space)
    assert cast(parameters_of(space["function"])[0], ["3"]) == 3


def test_a_name_that_stands_twice_in_typed_json_is_refused() -> None:
    with pytest.raises(Misfit, match="it has 'a' twice"):
        cast(of(dict[str, int]), ['{"a": 1, "a": 2}'])
