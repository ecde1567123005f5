"""A pipeline is warned of what no future can fake, where that is certain, and of nothing else."""

from __future__ import annotations

import json
import linecache
import os
import re
import textwrap
import warnings
from contextlib import suppress
from types import FunctionType
from typing import Any

import pytest

from pipekit import component, get, pipeline
from pipekit.api.future_misuse import find_misuses, warn_of_misuse
from pipekit.api.pipeline import Pipeline
from pipekit.errors import PipelineWarning

MISSING = object()


@component
def fit(x: Any = 0) -> Any:
    return x


@component(outputs=["low", "high"])
def split(x: Any = 0) -> Any:
    return x, x


@component
def annotated(x: Any = 0) -> tuple[int, int]:
    return x, x


@pipeline
def child(x: Any = 0) -> Any:
    return fit(x)


def plain(x: Any = 0) -> Any:
    return x


NAMES = {
    "MISSING": MISSING, "annotated": annotated, "child": child, "fit": fit, "get": get,
    "json": json, "os": os, "plain": plain, "re": re, "split": split, "suppress": suppress,
}  # fmt: skip
_count = 0


def define(body: str, parameters: str = "other=None") -> FunctionType:
    """A function with source, as from a file of its own."""
    global _count
    _count += 1
    file = f"<flow {_count}>"
    text = f"def flow({parameters}):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {**NAMES, "__name__": "flow"}
    exec(compile(text, file, "exec"), names)
    return names["flow"]  # type: ignore[no-any-return]


def found_in(body: str, parameters: str = "other=None") -> list[tuple[int, str, str]]:
    """Lines count from the function's first statement."""
    function = define(body, parameters)
    return [(m.line - 1, m.what, m.instead) for m in find_misuses(function, Pipeline)]


@pytest.mark.parametrize(
    ("code", "fixed"),
    [
        ("x is None", "get(x) is None"),
        ("x is not True", "get(x) is not True"),
        ("None is x", "None is get(x)"),
        ("x is MISSING", "get(x) is MISSING"),
        ("fit(1) is None", "get(fit(1)) is None"),
        ("fit.options(retries=2)(1) is None", "get(fit.options(retries=2)(1)) is None"),
        ("child() is None", "get(child()) is None"),
        ("split()[0] is None", "get(split()[0]) is None"),
        ("type(x)", "type(get(x))"),
        ("callable(x)", "callable(get(x))"),
        ("json.dumps(x)", "json.dumps(get(x))"),
        ("json.dumps({'k': [x, 1]}, indent=2)", "json.dumps({'k': [get(x), 1]}, indent=2)"),
        ("', '.join([x, 'a'])", "', '.join([get(x), 'a'])"),
        ("'abc'.startswith(x)", "'abc'.startswith(get(x))"),
        ("x in 'abc'", "get(x) in 'abc'"),
        ("int(x, 16)", "int(get(x), 16)"),
        ("pow(2, x, 5)", "pow(2, get(x), 5)"),
        ("getattr(other, x)", "getattr(other, get(x))"),
        ("re.match(x, 'a')", "re.match(get(x), 'a')"),
        ("os.path.exists(x)", "os.path.exists(get(x))"),
        ("[1 for _ in other if x is None]", "get(x) is None"),
        ("0 if x is None else 1", "get(x) is None"),
    ],
)
def test_a_use_of_a_future_by_its_type_or_identity_is_found(code: str, fixed: str) -> None:
    (misuse,) = found_in(f"x = fit(1)\ny = {code}\n")
    assert misuse[0] == 2
    assert misuse[2] == f"write `{fixed}`."


@pytest.mark.parametrize("pattern", ["None", "[a, b]", '{"k": v}', "True | 5", "[a] as b"])
def test_a_pattern_that_asks_for_the_class_is_found(pattern: str) -> None:
    body = f"x = fit(1)\nmatch x:\n    case {pattern}:\n        pass\n    case int():\n        pass"
    assert [(line, hint) for line, _, hint in found_in(body)] == [(3, "write `match get(x):`.")]


@pytest.mark.parametrize(
    "body",
    [
        "try:\n    pass\nexcept x:\n    pass",
        "raise x",
    ],
)
def test_a_future_of_an_exception_in_its_statement_is_found(body: str) -> None:
    (misuse,) = found_in("x = fit(1)\n" + body)
    assert "get(x)" in misuse[2]


@pytest.mark.parametrize(
    "assignment",
    [
        "x: object = fit()",
        "y = x = fit()",
        "y = fit()\nx = y",
        "x, y = split()",
        "x, y = annotated()",
        "[y, x] = split()",
        "x, y = fit(1), 2",
        "t = split()\nx = t[-1]",
        "if other:\n    x = fit(1)\nelse:\n    x = fit(2)",
        "x = fit()\nfor other in [1]:\n    pass",
        "x = fit()\nwith suppress(ValueError):\n    y = 1",
    ],
)
def test_a_name_is_followed(assignment: str) -> None:
    assert len(found_in(f"{assignment}\nx is None")) == 1


@pytest.mark.parametrize(
    "body",
    [
        "if other is None:\n    other = fit()\nif other is None:\n    pass",
        "x = plain()\nx is None",
        "x = fit()\nx = get(x)\nx is None",
        "x = get(fit())\nx is None",
        "x = fit()\nx += 1\nx is None",
        "x = fit()\nx == None",
        "x = split()\nx is None",
        "x = fit.map([1])\nx is None",
        "x = fit.options(outputs=['a', 'b'])(1)\nx is None",
        "x = fit().attribute\nx is None",
        "x = fit()\nfor i in range(2):\n    x is None\n    x = i",
        "x = fit()\nfor x in [1]:\n    pass\nx is None",
        "x = None\nfor i in range(2):\n    x = fit()\nx is None",
        "x = None\nwhile other:\n    x is None\n    x = fit()",
        "x = None\nwith suppress(ValueError):\n    x = fit()\nx is None",
        "try:\n    x = fit()\nexcept ValueError:\n    x = None\nx is None",
        "try:\n    x = fit()\n    y = 1\nfinally:\n    pass\nx = None\nx is None",
        "x = None\ntry:\n    x = fit()\nexcept ValueError:\n    x is None",
        "x = fit()\nwith open('f') as x:\n    pass\nx is None",
        "x = fit()\nimport json as x\nx is None",
        "x = fit()\ndel x\nx is None",
        "x = fit()\nif other:\n    x = None\nx is None",
        "if other:\n    x = fit()\n    raise ValueError\nelse:\n    x = 1\nx is None",
        "x = fit()\nmatch other:\n    case [x]:\n        x is None\nx is None",
        "x = fit()\n[x is None for x in [1]]",
        "x = fit()\nf = lambda x: x is None",
        "x = fit()\ndef f():\n    nonlocal x\n    x = None\nf()\nx is None",
        "x = fit()\ndef f(x):\n    return x is None",
        "x = fit()\n[(x := i) for i in [1]]\nx is None",
        "best = fit()\nfor one in [fit(1)]:\n    if one is best:\n        pass",
        "x, y = fit(), fit()\nx is y",
        "fit = plain\nx = fit()\nx is None",
        "x = fit()\nmatch x:\n    case int() | 5:\n        pass\n    case other:\n        pass",
        "x = fit()\njson.dumps(x, default=get)\njson.dumps(get(x))\njson.dumps([plain(x)])",
        "x = fit()\nisinstance(x, int), str(x), int(x), f'{x}', x in ['a'], pow(x, 2, 5)",
        "x = fit()\ntype('T', (), {}), [type(get(x))]",
        "global x\nx = fit()\nx is None",
        "x = fit()\nexec('x = None')\nother is None",
    ],
)
def test_what_is_not_certain_is_not_warned_of(body: str) -> None:
    assert found_in(body) == []


def test_a_parameter_is_never_a_future_for_certain() -> None:
    assert found_in("x is None\ntype(x)\nmatch x:\n    case None:\n        pass", "x=None") == []


def test_a_method_and_a_closure_are_read() -> None:
    inner = component(lambda x: x)

    def flow() -> bool:
        x = inner(1)
        return x is None

    (misuse,) = find_misuses(flow, Pipeline)
    assert misuse.line == flow.__code__.co_firstlineno + 2


def test_a_component_that_is_defined_later_is_known_when_the_pipeline_runs() -> None:
    function = define("x = later()\nreturn x is None")
    assert find_misuses(function, Pipeline) == []
    function.__globals__["later"] = fit
    assert len(find_misuses(function, Pipeline)) == 1


def test_without_source_nothing_is_said() -> None:
    names: dict[str, Any] = dict(NAMES)
    exec("def flow():\n    return fit() is None", names)
    assert find_misuses(names["flow"], Pipeline) == []


def test_where_the_source_is_another_functions_nothing_is_said() -> None:
    function = define("x = fit()\nreturn x is None")
    file = function.__code__.co_filename
    linecache.cache[file] = (1, None, ["def other(a):\n", "    return fit() is None\n"], file)
    assert find_misuses(function, Pipeline) == []


def test_a_warning_has_file_line_and_hint_and_is_given_once() -> None:
    function = define("x = fit()\nreturn x is None")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            warn_of_misuse(function, Pipeline)
    (warning,) = caught
    assert (warning.filename, warning.lineno) == (function.__code__.co_filename, 3)
    assert warning.category is PipelineWarning
    assert str(warning.message) == (
        "`x is None` asks for the future itself, not for its value. Hint: write `get(x) is None`."
    )
