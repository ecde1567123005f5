"""What a pipeline is called with from Python is compared with its annotations, never changed."""
# ruff: noqa: UP007, UP045 - the older ways to write a type are to be understood too

from __future__ import annotations

import enum
import io
import subprocess
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
    runtime_checkable,
)

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pydantic import BaseModel, EmailStr, Field

from pipekit.api.check import Checker, find_misfits, fits
from pipekit.api.future import Future
from pipekit.errors import UsageError


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int


class Model(BaseModel):
    depth: int


class Row(TypedDict):
    a: int


class Sized(Protocol):
    size: int


@runtime_checkable
class Closable(Protocol):
    def close(self) -> None: ...


class Schema: ...


T = TypeVar("T")
UserId = NewType("UserId", int)


class Generic(list[T]): ...


class Framed(pd.DataFrame):
    """As data frames with a schema are: a class that its values are not of."""

    def __class_getitem__(cls, item: Any) -> Any:
        import types

        return types.GenericAlias(cls, item)


RIGHT: list[tuple[Any, Any]] = [
    (int, 3), (int, True), (int, np.int64(3)), (float, 3), (float, np.float32(0.5)),
    (float, np.int8(1)), (float, True), (complex, 0.5), (bool, np.bool_(True)), (str, np.str_("x")),
    (bytes, bytearray(b"x")), (None, None), (type(None), None), (object, 3), (Any, object()),
    (int | None, None), (Optional[int], 3), (Union[int, str], "x"), (list, [1]),
    (list[int], [1, 2]), (list[float], [1, 2.5]), (list[int], []), (getattr(typing, "Tuple"), ()),
    (getattr(typing, "Tuple"), (1, "a")), (tuple[int, str], (1, "a")), (tuple[int, ...], (1, 2)),
    (tuple[()], ()), (set[int], {1}), (frozenset[str], frozenset("a")), (dict[str, int], {"a": 1}),
    (Mapping[str, int], {"a": 1}), (Sequence[int], (1, 2)), (Sequence[float], np.zeros(3)),
    (Sequence[float], pd.Series([1.0])), (Iterable[int], range(3)),
    (Iterable[int], (n for n in "ab")), (Literal["a", 1], 1), (Literal[1], np.int64(1)),
    (Colour, Colour.RED), (int, Level.LOW), (date, datetime(2026, 3, 14)), (Path, Path("x")),
    (Point, Point(1)), (Model, Model(depth=1)), (Row, {"a": 1}), (Callable[[int], int], abs),
    (type[int], int), (UserId, 3), (T, object()), (Sized, object()), (Closable, io.StringIO()),
    (np.ndarray, np.zeros(2)), (npt.NDArray[np.float64], np.zeros(2)),
    (pd.DataFrame, pd.DataFrame()), (Framed[Schema], pd.DataFrame()), (Generic[int], Generic([1])),
    (EmailStr, "a@b.c"), (Annotated[int, "words"], 3), (Annotated[int, Field(gt=0)], 3),
    (list[list[int]], [[1], [2]]), (Annotated[str, Field(max_length=2)] | None, None),
]  # fmt: skip

WRONG: list[tuple[Any, Any]] = [
    (int, "3"), (int, 3.0), (int, None), (int, np.float64(3)), (float, "0.3"), (bool, 1), (str, 3),
    (str, Path("x")), (str, b"x"), (bytes, "x"), (Path, "x"), (None, 0), (int | None, "none"),
    (Union[int, str], 0.5), (list[int], (1, 2)), (list[int], ["x"]), (list[int], "12"),
    (tuple[int, str], (1,)), (tuple[int, str], (1, 2)), (tuple[int, ...], (1, "x")),
    (set[int], [1]), (dict[str, int], {"a": "x"}), (dict[str, int], {1: 1}), (dict[str, int], []),
    (Sequence[int], {1, 2}), (Iterable[int], 3), (Literal["a", 1], True), (Literal["a"], "b"),
    (Colour, "red"), (date, "2026-03-14"), (datetime, date(2026, 3, 14)), (Point, {"x": 1}),
    (Model, {"depth": 1}), (Row, [1]), (Callable[[int], int], 3), (type[int], 3), (UserId, "x"),
    (Closable, 3), (np.ndarray, [1]), (pd.DataFrame, {}), (Annotated[int, Field(gt=0)], "3"),
    (list[list[int]], [[1], ["x"]]), (type(None), 0),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), RIGHT)
def test_a_value_of_its_type_fits(annotation: Any, value: Any) -> None:
    assert fits(value, annotation)
    assert not find_misfits("it", value, annotation)


@pytest.mark.parametrize(("annotation", "value"), WRONG)
def test_a_value_of_another_type_does_not_fit(annotation: Any, value: Any) -> None:
    assert not fits(value, annotation)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (Annotated[int, Field(gt=0)], 0, "it=0 is to be greater than 0"),
        (Annotated[int, Field(ge=1, le=3)], 4, "it=4 is to be at most 3"),
        (Annotated[int, Field(gt=0)] | None, -1, "it=-1 is to be greater than 0"),
        (Annotated[list[int], Field(min_length=2)], [1], "it=[1] is to be of length 2 or more"),
        (list[int], [1, "x"], "it[1]='x' is a str, wanted int"),
        (Sequence[int], (1, None), "it[1]=None is None, wanted int"),
        (tuple[int, str], (1, 2), "it[1]=2 is an int, wanted str"),
        (dict[str, list[int]], {"a": [1, 2.5]}, "it['a'][1]=2.5 is a float, wanted int"),
        (dict[str, int], {1: 1}, "a key of it=1 is an int, wanted str"),
        (list[int] | None, ["x"], "it[0]='x' is a str, wanted int"),
        (int | None, "x", "it='x' is a str, wanted int or none"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(
    annotation: Any, value: Any, expected: str
) -> None:
    assert [str(misfit) for misfit in find_misfits("it", value, annotation)] == [expected]


def test_an_annotation_that_cannot_be_hashed_is_no_obstacle() -> None:
    wanted = Annotated[int, {"not": "hashable"}]
    assert fits([1, 2], list[wanted])  # type: ignore[valid-type]
    assert not fits([1, "x"], list[wanted])  # type: ignore[valid-type]


def test_an_iterator_is_not_used_up() -> None:
    values = iter([1, 2])
    assert fits(values, Iterable[str])
    assert list(values) == [1, 2]


def test_of_a_long_list_the_first_hundred_are_looked_at() -> None:
    assert not fits([*[1] * 99, "x"], list[int])
    assert fits([*[1] * 100, "x"], list[int])


def test_a_future_is_neither_touched_nor_waited_for() -> None:
    class Pending:
        def get_output(self, output: str) -> Any:
            raise AssertionError("the future was waited for")

        has_output = describe_output = get_output

    future: Any = Future(Pending(), "value")  # type: ignore[arg-type]
    assert fits(future, int)
    assert fits([future], list[int])
    assert fits({"a": future}, dict[str, float])
    checker = Checker(take, {})
    checker.check("take", {"test_size": future, "sizes": [future]})


def test_a_class_that_was_defined_again_counts_as_itself() -> None:
    def define() -> type:
        class Local: ...

        return Local

    assert fits(define()(), define())


# --- calls ------------------------------------------------------------------------------------


def take(test_size: float, sizes: list[int] | None = None, *more: int, **rest: str) -> None: ...


def error_of(**bound: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        Checker(take, {"sizes": None}).check("take", bound)
    return caught.value


def test_the_error_names_pipeline_parameter_value_types_and_what_to_write() -> None:
    error = error_of(test_size="0.3")
    assert error.message == ("Pipeline 'take' was not run: test_size='0.3' is a str, wanted float.")
    assert error.hint == "test_size=0.3"


def test_all_that_is_wrong_is_named_at_once() -> None:
    error = error_of(test_size="0.3", sizes=["x"], more=(1, "y"), rest={"name": 3})
    assert error.message == (
        "Pipeline 'take' was not run: test_size='0.3' is a str, wanted float; sizes[0]='x' is a "
        "str, wanted int; more[1]='y' is a str, wanted int; name=3 is an int, wanted str."
    )


@pytest.mark.parametrize(
    ("annotation", "value", "hint"),
    [
        (int, "3", "it=3"), (int, 3.0, "it=3"), (str, 3, "it='3'"), (bool, "false", "it=False"),
        (Path, "a/b", "it=Path('a/b')"), (str, Path("a"), "it=str(Path('a'))"),
        (date, "2026-03-14", "it=date.fromisoformat('2026-03-14')"),
        (Colour, "red", "it=Colour.RED"), (Colour, "RED", "it=Colour.RED"),
        (list[int], (1, 2), "it=[1, 2]"), (tuple[int, ...], [1], "it=(1,)"),
        (list[str], "x", "it=['x']"), (Point, {"x": 1}, "it=Point(**{'x': 1})"),
        (float | None, "0.3", "it=0.3"), (int, "x", "change the value, or the annotation of 'it'."),
        (int, 2.5, "change the value, or the annotation of 'it'."),
    ],
)  # fmt: skip
def test_the_hint_is_what_to_write_where_that_is_sure(
    annotation: Any, value: Any, hint: str
) -> None:
    def function(it: Any) -> None: ...

    function.__annotations__["it"] = annotation
    with pytest.raises(UsageError) as caught:
        Checker(function, {}).check("p", {"it": value})
    assert caught.value.hint == hint


def test_a_default_is_not_checked() -> None:
    default = "none at all"

    def function(it: int = default) -> None: ...  # type: ignore[assignment]

    Checker(function, {"it": default}).check("p", {"it": default})


def test_a_name_that_cannot_be_found_is_not_checked() -> None:
    def function(it: Nowhere, other: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    Checker(function, {}).check("p", {"it": 3, "other": 4})
    with pytest.raises(UsageError, match="other='x'"):
        Checker(function, {}).check("p", {"it": 3, "other": "x"})


def test_checking_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from pipekit.api.check import Checker\n"
        "def f(a: int, b: 'list[float] | None' = None): ...\n"
        "Checker(f, {'b': None}).check('f', {'a': 1, 'b': [0.5]})\n"
        "print(sorted({'pydantic', 'numpy', 'sqlite3', 'rich', 'asyncio'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
