"""What no future can fake: it refuses, or the little that is wrong in silence. Nothing else is."""

from __future__ import annotations

import copy
import csv
import dataclasses
import datetime
import decimal
import enum
import fractions
import glob
import hashlib
import heapq
import inspect
import io
import json
import os
import pathlib
import random
import re
import sqlite3
import statistics
import sys
import typing
from collections.abc import Callable
from typing import Any

import pytest
from future_likeness import future, outcome

from pipekit.api.future import is_future
from pipekit.errors import UsageError

HERE = str(pathlib.Path(__file__).parent)
Use = Callable[[Any], Any]


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: Any
    y: int = 0


def raised_from(x: Any) -> str:
    try:
        raise ValueError("a") from x
    except ValueError as error:
        return repr(error.__cause__)


# What refuses a future. Each is in the README's list; where one no longer raises, the list is to
# change.

REFUSED: dict[str, tuple[Any, Use]] = {
    "json.dumps": (5, json.dumps),
    "json.dumps of a list": ([1], lambda x: json.dumps({"k": x})),
    "json.loads": ("[1]", json.loads),
    "element of a join": ("a", lambda x: "".join([x])),
    "startswith": ("a", lambda x: "abc".startswith(x)),
    "replace": ("a", lambda x: "abc".replace("a", x)),
    "in text": ("a", lambda x: x in "abc"),
    "str of bytes": (b"a", lambda x: str(x, "utf8")),
    "int of a base": ("11", lambda x: int(x, 2)),
    "exponent of a modulo": (3, lambda x: pow(2, x, 5)),
    "name of an attribute": ("real", lambda x: getattr(5, x)),
    "hasattr": ("real", lambda x: hasattr(5, x)),
    "eval": ("1", eval),
    "pattern": ("a", lambda x: re.match(x, "a")),
    "text of a pattern": ("a", lambda x: re.match("a", x)),
    "write": ("a", lambda x: io.StringIO().write(x)),
    "bytes read": (b"a", io.BytesIO),
    "hashlib": (b"a", hashlib.sha256),
    "memoryview": (b"a", memoryview),
    "sqlite parameter": (
        5,
        lambda x: sqlite3.connect(":memory:").execute("select ?", (x,)),
    ),
    "timedelta": (5, lambda x: datetime.timedelta(days=x)),
    "timestamp": (2.5, datetime.datetime.fromtimestamp),
    "strptime": ("5", lambda x: datetime.datetime.strptime(x, "%d")),
    "Decimal": (5, decimal.Decimal),
    "Fraction of a text": ("1/2", fractions.Fraction),
    "mean": (5, lambda x: statistics.mean([x, x])),
    "heapify": ([1], heapq.heapify),
    "enum of a member": (Colour.RED, Colour),
    "exception class": (ValueError, lambda x: _caught(x)),
    "raise": (ValueError("a"), lambda x: _raised(x)),
    "issubclass": (int, lambda x: issubclass(x, int)),
    "slice as an index": (slice(0, 2), lambda x: [1, 2, 3][x]),
    "None as a bound": (None, lambda x: [1, 2, 3][x:]),
    "bool as an index": (True, lambda x: [1, 2, 3][x]),
    "set in a set": ({1}, lambda x: x in {frozenset({1})}),
    "os.stat": (HERE, lambda x: os.stat(x).st_mode),
    "os.path.exists": (HERE, os.path.exists),
    "os.listdir": (HERE, lambda x: len(os.listdir(x)) > 1),
    "text of glob": (HERE, glob.glob),
    "two of a tuple": ((1, 2), lambda x: "%s %s" % x),  # noqa: UP031
    "seed below zero": (-7, random.Random),
    "seed None": (None, random.Random),
    "note": ("a", lambda x: ValueError().add_note(x)),
    "cause": (ValueError("a"), raised_from),
}
REFUSED_BEFORE_313: dict[str, tuple[Any, Use]] = {
    "pattern of a glob": ("*.py", lambda x: len(list(pathlib.Path(HERE).glob(x))) > 1),
    "asdict of a container": ({"a": 1}, lambda x: dataclasses.asdict(Point(x))),
}
if sys.version_info < (3, 13):
    REFUSED |= REFUSED_BEFORE_313


def _caught(x: Any) -> str:
    try:
        raise ValueError("a")
    except x:
        return "caught"


def _raised(x: Any) -> str:
    try:
        raise x
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_the_plain_value_raises_and_says_so(name: str) -> None:
    value, use = REFUSED[name]
    assert outcome(use, copy.copy(value))[0] == "returned"
    with pytest.raises((TypeError, ValueError, UsageError, sqlite3.Error)):
        use(future(value))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="these are refused there")
@pytest.mark.parametrize("name", REFUSED_BEFORE_313)
def test_what_later_pythons_do_not_refuse_comes_out_right(name: str) -> None:
    value, use = REFUSED_BEFORE_313[name]
    assert use(future(value)) == use(value)


@pytest.mark.parametrize("name", ["os.stat", "os.path.exists", "os.listdir"])
@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_a_name_of_a_file_is_taken_for_one_once_the_future_was_used(name: str, kind: Any) -> None:
    _, use = REFUSED[name]
    x = future(kind(HERE))
    assert str(x) == HERE
    assert use(x) == use(HERE)


def test_the_error_of_a_file_name_says_what_to_write() -> None:
    with pytest.raises(TypeError) as caught:
        os.stat(future(HERE))
    assert any("write get(x)" in note for note in caught.value.__notes__)


# What takes a future wrongly, and is silent: nothing asks the future.

WRONG: dict[str, tuple[Any, Use]] = {
    "signature of a class": (Point, lambda x: str(inspect.signature(x))),
    "is": (None, lambda x: x is None),
    "type": (5, lambda x: type(x) is int),
    "callable": (5, callable),
    "match of a sequence": ([1], lambda x: _structure(x)),
    "match of a mapping": ({"k": 1}, lambda x: _structure(x)),
    "match of None": (None, lambda x: _structure(x)),
    "isinstance of typing.Mapping": ({"k": 1}, lambda x: isinstance(x, typing.Mapping)),
    "percent of a tuple of one": ((1,), lambda x: "%s" % x),  # noqa: UP031
    "csv of None": (None, lambda x: _written(x)),
    "deviation of decimals": (decimal.Decimal(1), lambda x: statistics.pstdev([x, x])),
}


def _structure(x: Any) -> str:
    match x:
        case [_, *_]:
            return "sequence"
        case {"k": _}:
            return "mapping"
        case None:
            return "none"
    return "nothing"


def _written(x: Any) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerow([x, 1])
    return stream.getvalue()


@pytest.mark.parametrize("name", WRONG)
def test_the_list_of_what_is_wrong_in_silence_is_true(name: str) -> None:
    """Each would be better otherwise: where one changes, so does the README."""
    value, use = WRONG[name]
    assert outcome(use, future(value)) != outcome(use, value)


def test_of_several_futures_max_gives_one() -> None:
    assert is_future(max(future(1), future(2)))
    assert max(future(1), future(2)) == 2
