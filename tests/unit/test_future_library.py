"""The standard library and the language's statements do with a future what they do with its value.

What refuses a future, and the little that takes it wrongly: `test_future_limits.py`.
"""

from __future__ import annotations

import argparse
import array
import asyncio
import bisect
import cmath
import collections
import collections.abc
import concurrent.futures
import contextlib
import copy
import csv
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import heapq
import inspect
import io
import itertools
import json
import logging
import math
import numbers
import operator
import os
import pathlib
import pickle
import random
import shutil
import sqlite3
import statistics
import string
import struct
import subprocess
import sys
import tempfile
import types
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import pytest
from future_likeness import Outcome, future, outcome, touched

from pipekit.api.future import get

HERE = str(pathlib.Path(__file__).parent)


class Colour(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Point:
    x: Any
    y: int = 0

    __hash__ = None  # type: ignore[assignment]


@typing.runtime_checkable
class HasReal(typing.Protocol):
    real: float


@contextlib.contextmanager
def manager() -> Iterator[str]:
    yield "entered"


def numbers_of(count: int) -> Iterator[int]:
    got = 0
    while got < count:
        got += (yield got) or 1


async def four() -> int:
    return 4


async def twice() -> AsyncIterator[int]:
    yield 1
    yield 2


def entered(x: Any) -> Any:
    with x as inside:
        return inside


def matched(x: Any) -> str:
    match x:
        case 5 | "abc":
            return "literal"
        case Point(x=1, y=y):
            return f"point {y}"
        case Pair():
            return "pair"
        case str(text):
            return f"text {text}"
        case int() | float():
            return "number"
        case list() | dict():
            return "container"
    return "other"


def unpacked(x: Any) -> Any:
    first, *rest = x
    return first, rest


def logged(*arguments: Any) -> str:
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(stream))
    logger.info(*arguments)
    return stream.getvalue()


async def all_of(x: Any) -> list[Any]:
    return [item async for item in x]


async def awaited(x: Any) -> Any:
    return await x


def from_generator(x: Any) -> list[Any]:
    def outer() -> Iterator[Any]:
        yield from x

    return list(outer())


def driven(x: Any) -> list[Any]:
    return [next(x), x.send(2), *x]


def doubled(x: Any) -> Any:
    x *= 2
    return x


@functools.singledispatch
def kind_of(value: Any) -> str:
    return "other"


@kind_of.register
def _(value: dict) -> str:  # type: ignore[type-arg]
    return "dict"


def decorated(x: Any) -> Any:
    @x
    def function() -> int:
        return 1

    return function()


def shuffled(x: Any) -> Any:
    random.Random(3).shuffle(x)
    return x


def called_back(x: Any) -> Any:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(x, "abc").result()


def echoed(x: Any) -> bytes:
    return subprocess.run(x, capture_output=True, check=True).stdout


def _first_line(x: Any) -> str:
    with open(x) as file:
        return file.readline()


INT, FLOAT, TEXT, BYTES = [5, 0, -7, True], [2.5, -0.5], ["abc", "12", ""], [b"abc"]
LISTS = [[3, 1, 2], [], (1, 2), range(3), collections.deque([1, 2])]
DICTS = [{"a": 1, "b": 2}, collections.Counter("aab"), types.MappingProxyType({"a": 1})]
SETS = [{1, 2}, frozenset({1})]
TIMES = [datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 3), datetime.timedelta(1)]
ODD = [None, Colour.RED, Point(1), Pair(1, 2), pathlib.Path("a/b.c"), 1 + 2j, len, int]
EXACT = [decimal.Decimal("1.5"), fractions.Fraction(7, 2)]
ALL = [*INT, *FLOAT, *TEXT, *BYTES, *LISTS, *DICTS, *SETS, *TIMES, *ODD, *EXACT]

Use = Callable[[Any], Any]

SAME: dict[str, tuple[list[Any], Use]] = {
    # the language
    "if": (ALL, lambda x: "yes" if x else "no"),
    "not": (ALL, operator.not_),
    "and, or": (ALL, lambda x: [get(x and 1), get(x or 1)]),
    "chained comparison": (ALL, lambda x: 0 <= x < 10),
    "match": (ALL, matched),
    "unpacking": (ALL, unpacked),
    "star": (ALL, lambda x: [*x]),
    "starred call": (ALL, lambda x: (lambda *a: a)(*x)),
    "double starred call": (ALL, lambda x: (lambda **k: k)(**x)),
    "dict display": (DICTS, lambda x: {**x, "z": 1}),
    "for": (ALL, lambda x: [item for item in x]),  # noqa: C416
    "yield from": (LISTS, from_generator),
    "with": ([manager], lambda x: entered(x())),
    "in": (ALL, lambda x: 1 in x),
    "in a list": (ALL, lambda x: x in [5, None, "abc", [3, 1, 2]]),
    "decorator": ([staticmethod, functools.cache, lambda f: f], decorated),
    "del of an item": ([[1, 2], {0: 1}], lambda x: operator.delitem(x, 0)),
    "print": (ALL, lambda x: print(x, file=io.StringIO())),
    # text
    "f-string": (ALL, lambda x: f"{x} {x!s} {x:>12}"),
    "f-string of a number": ([*INT, *FLOAT], lambda x: f"{x:+.3f} {x:,} {x:e}"),
    "f-string of a date": (TIMES[:2], lambda x: f"{x:%Y-%m}"),
    "nested width": ([8], lambda x: f"{3:{x}}"),
    "format": (ALL, lambda x: "{}".format(x)),  # noqa: UP032
    "format of parts": (DICTS[:1], lambda x: "{0[a]} {b}".format(x, **x)),
    "format_map": (DICTS, lambda x: "{a}".format_map(x)),
    "percent s": (ALL, lambda x: "%s" % (x,)),  # noqa: UP031
    "percent number": ([*INT, *FLOAT], lambda x: "%d %5.1f" % (x, x)),  # noqa: UP031
    "percent mapping": (DICTS[:1], lambda x: "%(a)s" % x),  # noqa: UP031
    "template": (DICTS, lambda x: string.Template("$a").substitute(x)),
    "log": (ALL, lambda x: logged(x) + logged("%s", x) + logged("%s %s", x, 1)),
    "log a mapping": (DICTS[:1], lambda x: logged("%(a)s", x)),
    "join": ([["a", "b"], ("a",), "ab"], "-".join),
    "text times": (INT, lambda x: "ab" * x),
    "str methods": (TEXT, lambda x: [x.upper(), x.split("b"), x.encode(), len(x), x[:1]]),
    # built-in functions
    **{
        function.__name__: (ALL, function)
        for function in (
            abs, all, any, ascii, bin, bool, bytes, chr, complex, dict, dir, enumerate, float,
            frozenset, hash, hex, int, iter, len, list, max, min, oct, operator.index,
            operator.length_hint, reversed, round, set, sorted, str, sum, tuple,
        )
        if function is not ascii
    },
    "divmod": (ALL, lambda x: [divmod(x, 2), divmod(20, x)]),
    "pow": (ALL, lambda x: [pow(x, 2), pow(2, x)]),
    "pow modulo": (INT, lambda x: pow(x, 2, 7)),
    "round to": ([2, 0, -1], lambda x: round(1234.567, x)),
    "range": (INT, lambda x: list(range(x))),
    "slice": (INT[:3], lambda x: [1, 2, 3, 4][x:]),
    "slice object": ([slice(0, 2)], lambda x: [x.start, x.indices(5)]),
    "zip, map, filter": (
        LISTS,
        lambda x: [*zip(x, x, strict=True), *map(str, x), *filter(None, x)],
    ),
    "min of": (INT, lambda x: get(min(x, 3))),
    "isinstance": (ALL, lambda x: [isinstance(x, t) for t in (int, str, list, type, type(None))]),
    "isinstance of a union": (ALL, lambda x: isinstance(x, int | str)),
    "isinstance of an abstract class": (
        ALL,
        lambda x: [
            isinstance(x, t)
            for t in (numbers.Number, collections.abc.Mapping, collections.abc.Sequence)
        ],
    ),
    # From Python 3.12 on the attributes of a class are looked up past everything it could say.
    "isinstance of a protocol": (
        [value for value in ALL if value is not int or sys.version_info < (3, 12)],
        lambda x: isinstance(x, HasReal),
    ),
    "isinstance of it": ([int, (int, str), int | str], lambda x: isinstance(3, x)),
    "issubclass of it": ([int, (int, str)], lambda x: issubclass(bool, x)),
    "getattr": (ALL, lambda x: getattr(x, "real", "none")),
    "hasattr": (ALL, lambda x: [hasattr(x, name) for name in ("real", "upper", "items")]),
    "vars": ([Point(1)], vars),
    "type's parts": (ODD, lambda x: [x.__class__, x.__doc__]),
    "bases": ([int, bool], lambda x: x.__bases__),
    # numbers
    "math": (
        [*INT, *FLOAT, *EXACT],
        lambda x: [math.floor(x), math.ceil(x), math.trunc(x), math.isclose(x, 2), math.hypot(x)],
    ),
    "math of a float": ([*FLOAT, 5], lambda x: [math.exp(x), math.copysign(1, x), cmath.sqrt(x)]),
    "math of an int": ([5, 0, True], lambda x: [math.gcd(x, 4), math.factorial(x), math.isqrt(x)]),
    "math of a list": ([[3, 1, 2]], lambda x: [math.prod(x), math.fsum(x), math.dist(x, x)]),
    "statistics of a list": ([[3, 1, 2]], lambda x: [statistics.mean(x), statistics.stdev(x)]),
    "fractions": (
        [*INT, *EXACT[1:]],
        lambda x: [fractions.Fraction(1, 3) + x, x - fractions.Fraction(1, 3)],
    ),
    "decimals": ([5, EXACT[0]], lambda x: [decimal.Decimal(2) * x, decimal.Decimal(2) > x]),
    "random": ([5], lambda x: [random.Random(x).random(), random.Random(1).randint(0, x)]),
    "random of a list": ([[3, 1, 2]], lambda x: random.Random(1).choice(x)),
    "shuffle": ([[3, 1, 2]], shuffled),
    # containers
    "key of a dict": ([5, "abc", (1, 2), None, 2.5], lambda x: {x: 1}[get(x)]),
    "found in a dict": ([5, "abc", (1, 2)], lambda x: {5: 1, "abc": 2, (1, 2): 3}[x]),
    "set operations": (SETS, lambda x: [{1, 5} & x, {1, 5} - x, {1, 5}.union(x), {1} <= x]),
    "dict operations": (DICTS[:1], lambda x: [{9: 9} | x, x | {9: 9}, {**x} == x]),
    "list of": (LISTS, lambda x: [[1, *x], collections.deque(x), collections.Counter(x)]),
    "item of a list": ([2, 0, -1], lambda x: [10, 20, 30][x]),
    "changed list": ([[3, 1, 2]], lambda x: [x.append(9), x.sort(), x.__setitem__(0, 8)]),
    "changed dict": ([{"a": 1}], lambda x: [x.update(b=2), x.pop("a")]),
    "doubled": ([[1], 2, "a"], doubled),
    "heap and bisect": (
        [[3, 1, 2]],
        lambda x: [heapq.nlargest(2, x), bisect.bisect(x, 1), sorted(x, reverse=True)],
    ),
    "array": (INT, lambda x: array.array("q", [x]).tolist()),
    "struct": (INT, lambda x: struct.pack("q", x)),
    "itertools": (
        [[3, 1, 2]],
        lambda x: [
            *itertools.chain(x, x), *itertools.accumulate(x), *itertools.product(x, x),
            *itertools.combinations(x, 2), *itertools.compress("abc", x), *itertools.pairwise(x),
            *itertools.islice(itertools.cycle(x), 5), *itertools.zip_longest(x, [1]),
        ],
    ),
    "islice": ([2, 0], lambda x: list(itertools.islice("abc", x))),
    "groupby": ([5, "a"], lambda x: [len([*group]) for _, group in itertools.groupby([x, x])]),
    "functools": ([[3, 1, 2]], lambda x: functools.reduce(operator.add, x)),
    "partial": ([len], lambda x: [functools.partial(x, "ab")(), *map(x, ["ab"])]),
    "lru_cache": ([5, "a"], lambda x: [get(functools.lru_cache(lambda y: y)(x))]),
    "singledispatch": (ALL, kind_of),
    "operator": (
        [[3, 1, 2]],
        lambda x: [operator.itemgetter(0)(x), operator.countOf(x, 1), operator.indexOf(x, 1)],
    ),
    "key function": ([len], lambda x: sorted(["ab", "a"], key=x)),
    # classes
    "dataclass": (
        [Point(1)],
        lambda x: [
            dataclasses.asdict(x), dataclasses.astuple(x), dataclasses.replace(x, y=2),
            dataclasses.is_dataclass(x), [f.name for f in dataclasses.fields(x)], x == Point(1),
        ],
    ),
    "in a dataclass": (
        [Point(1), 5, None],
        lambda x: [dataclasses.asdict(Point(x)), dataclasses.replace(Point(1), x=x) == Point(x)],
    ),
    "no dataclass": ([5, None, [1]], dataclasses.is_dataclass),
    "named tuple": ([Pair(1, 2)], lambda x: [x.x, x._asdict(), x._replace(y=3), x == (1, 2)]),
    "enum": ([Colour.RED], lambda x: [x.name, x.value, x == Colour.RED, x in Colour]),
    "enum of a value": (["red"], Colour),
    "dates": (
        TIMES[:2],
        lambda x: [x.replace(day=3), x.isoformat(), x + datetime.timedelta(1), x == TIMES[0]],
    ),
    "time span": (TIMES[2:], lambda x: [datetime.date(2024, 1, 1) + x, x / 2, x.days]),
    "date of an int": ([5], lambda x: datetime.date(2000, x, x)),
    # copies and text forms
    "copy": (ALL, copy.copy),
    "deep copy": (ALL, lambda x: copy.deepcopy({"k": [x]})),
    "pickle": ([v for v in ALL if not isinstance(v, types.MappingProxyType)],
               lambda x: pickle.loads(pickle.dumps({"k": [x]}))),
    "JSON by default=get": ([*INT, *FLOAT, *LISTS[:3], {"a": 1}, None],
                            lambda x: json.dumps({"k": [x]}, default=get)),
    "csv of a row": ([[1, "a"], (2.5, "b")], lambda x: csv.writer(io.StringIO()).writerow(x)),
    "sqlite row of parameters": (
        [[5], (5,)],
        lambda x: sqlite3.connect(":memory:").execute("select ?", x).fetchall(),
    ),
    "argparse default": ([5], lambda x: argparse.Namespace(a=x).a == 5),
    # files
    "fspath": (ALL, os.fspath),
    "path": ([*TEXT[:2], pathlib.Path("a")], lambda x: [pathlib.Path(x), pathlib.Path("r") / x]),
    "path on the left": ([pathlib.Path("a")], lambda x: [x / "b", x.name, x.with_suffix(".c")]),
    "os.path": ([*TEXT, pathlib.Path("a/b.c")],
                lambda x: [os.path.join("r", x), os.path.basename(x), os.path.splitext(x)]),
    "open": ([__file__, pathlib.Path(__file__)], _first_line),
    "glob": ([pathlib.Path(HERE)], lambda x: len(list(x.glob("test_future*.py"))) > 3),
    "shutil": ([__file__, pathlib.Path(__file__)],
               lambda x: shutil.copyfile(x, os.path.join(tempfile.gettempdir(), os.devnull))),
    "subprocess": ([["echo", "a"]], echoed),
    "subprocess of a part": (["abc", pathlib.Path("a")], lambda x: echoed(["echo", x])),
    # what looks at objects
    "inspect": (
        [5, "a", Point(1), len, int, manager],
        lambda x: [inspect.isclass(x), inspect.isfunction(x), inspect.isroutine(x),
                   [name for name, _ in inspect.getmembers(x)]],
    ),
    "signature": ([manager, kind_of], lambda x: str(inspect.signature(x))),
    "thread": ([len], called_back),
}  # fmt: skip


@pytest.mark.parametrize("make", [future, touched])
@pytest.mark.parametrize("name", SAME)
def test_it_does_with_a_future_what_it_does_with_the_value(
    name: str, make: Callable[[Any], Any]
) -> None:
    examples, use = SAME[name]
    wrong = []
    for value in examples:
        plain, other = _own(value), _own(value)
        expected = outcome(use, plain, watched=plain)
        if (found := outcome(use, make(other), watched=other)) != expected:
            wrong.append((value, found, expected))
    assert wrong == []


def _own(value: Any) -> Any:
    return copy.copy(value) if isinstance(value, (list, dict, collections.deque)) else value


def both(use: Use, make_value: Callable[[], Any]) -> tuple[Outcome, Outcome]:
    return outcome(use, make_value()), outcome(use, future(make_value()))


@pytest.mark.parametrize("use", [list, next, from_generator, driven, sum])
def test_a_generator_is_one(use: Use) -> None:
    plain, lazy = both(use, lambda: numbers_of(4))
    assert plain == lazy
    assert plain[0] == "returned"


def test_what_is_awaited_is_awaited() -> None:
    assert asyncio.run(awaited(future(four()))) == 4
    assert asyncio.run(all_of(future(twice()))) == [1, 2]
    assert asyncio.run(future(four())) == 4


def test_a_dict_is_gone_through_while_its_future_is() -> None:
    x = future({"a": 1, "b": 2})
    assert [*x.items()] == [("a", 1), ("b", 2)]
    assert {key: x[key] for key in x} == {"a": 1, "b": 2}


def test_a_pickle_of_a_future_is_the_plain_value_in_another_process() -> None:
    data = pickle.dumps({"model": [future({"a": Pair(1, 2)._asdict()})]})
    code = f"import pickle; v = pickle.loads({data!r}); print(v, type(v['model'][0]))"
    shown = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert shown.stdout == "{'model': [{'a': {'x': 1, 'y': 2}}]} <class 'dict'>\n"
