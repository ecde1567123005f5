"""Debuggers, completers and printers look at a future whose step goes on without waiting for it."""

from __future__ import annotations

import inspect
import io
import pdb
import pprint
import reprlib
import rlcompleter
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from future_likeness import Running, future

from pipekit.api.future import Future

SHOWN = "<Future fit.value, running>"


@pytest.fixture
def step() -> Running:
    return Running()


@pytest.fixture
def running(step: Running) -> Any:
    return Future(step, "value")


def of_rich(show: Callable[[Any, Any], None]) -> Callable[[Any], str]:
    def shown(x: Any) -> str:
        console = pytest.importorskip("rich.console").Console(file=io.StringIO(), width=200)
        show(console, x)
        return str(console.file.getvalue())

    return shown


def rich_traceback(console: Any, x: Any) -> None:
    from rich.traceback import Traceback

    try:
        raise ValueError(x is None)
    except ValueError:
        console.print(Traceback(show_locals=True))


def rich_inspect(console: Any, x: Any) -> None:
    import rich

    rich.inspect(x, console=console, all=True)


def rich_pretty(x: Any) -> str:
    return str(pytest.importorskip("rich.pretty").pretty_repr({"k": [x]}))


def locals_of_traceback(x: Any) -> str:
    try:
        raise ValueError(x is None)
    except ValueError as error:
        found = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(found.format())


def in_pdb(x: Any) -> str:
    out = io.StringIO()
    commands = "\n".join(["n", "n", "p x", "p [x]", "pp x", "whatis x", "display x", "a", "c", ""])
    debugger = pdb.Pdb(stdin=io.StringIO(commands), stdout=out, nosigint=True, readrc=False)
    debugger.use_rawinput = False

    def function(x: Any) -> list[Any]:
        kept = [x]
        return kept[:]

    debugger.runcall(function, x)
    return out.getvalue()


def in_ipython(x: Any) -> str:
    return str(pytest.importorskip("IPython.lib.pretty").pretty([x]))


SHOWS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "pprint": lambda x: pprint.pformat([x] * 9),
    "reprlib": reprlib.repr,
    "traceback": locals_of_traceback,
    "pdb": in_pdb,
    "IPython": in_ipython,
    "rich pretty": rich_pretty,
    "rich list": of_rich(lambda console, x: console.print([x])),
    "rich traceback": of_rich(rich_traceback),
    "rich inspect": of_rich(rich_inspect),
}


@pytest.mark.parametrize("name", SHOWS)
def test_it_is_shown_without_waiting(name: str, running: Any, step: Running) -> None:
    assert SHOWS[name](running).count(SHOWN) >= 1
    assert step.waited == 0
    assert type(running) is Future


def complete_in_ipython(x: Any) -> Any:
    completer = pytest.importorskip("IPython.core.completer")
    from IPython.core.formatters import DisplayFormatter

    DisplayFormatter().format(x)
    with completer.provisionalcompleter():
        found = completer.IPCompleter(namespace={"x": x}).completions("x.__ad", 6)
        return [f"x.{one.text}" for one in found]


def complete_in_jedi(x: Any) -> Any:
    jedi = pytest.importorskip("jedi")
    return [f"x.{one.name}" for one in jedi.Interpreter("x.__ad", [{"x": x}]).complete()]


COMPLETIONS: dict[str, Callable[[Any], Any]] = {
    "rlcompleter": lambda x: rlcompleter.Completer({"x": x}).attr_matches("x.__ad"),
    "IPython": complete_in_ipython,
    "jedi": complete_in_jedi,
}


@pytest.mark.parametrize("name", COMPLETIONS)
def test_names_are_completed_without_waiting(name: str, running: Any, step: Running) -> None:
    assert [one.rstrip("(") for one in COMPLETIONS[name](running)] == ["x.__add__"]
    assert step.waited == 0


def as_debugger(code: str, x: Any) -> Any:
    """Runs an expression as if it stood in the module of the debugger of VS Code and PyCharm."""
    return eval(code, {"__name__": "_pydevd_bundle.pydevd_resolver", "x": x})


@pytest.mark.parametrize(
    "code",
    [
        "hasattr(x, '__len__')",
        "getattr(x, 'shape', False)",
        "getattr(x, '__dict__', False)",
        "isinstance(x, (list, dict, str))",
        "[name for name in dir(x) if not hasattr(type(x), name)]",
    ],
)
def test_a_debugger_finds_nothing_of_the_value_yet(code: str, running: Any, step: Running) -> None:
    assert not as_debugger(code, running)
    assert step.waited == 0


@pytest.mark.parametrize("code", ["len(x)", "x + 1", "x[0]", "x.shape", "list(x)"])
def test_a_debugger_that_needs_the_value_gets_an_error(
    code: str, running: Any, step: Running
) -> None:
    with pytest.raises((AttributeError, TypeError), match="has no"):
        as_debugger(code, running)
    assert step.waited == 0


def test_what_is_typed_into_a_debugger_waits(running: Any, step: Running) -> None:
    """It runs in the user's module; the future is then what it always is."""
    assert eval("x + 1", {"__name__": "flow", "x": running}) == 6
    assert step.waited == 1


@pytest.mark.parametrize("use", [str, vars, inspect.getmembers, isinstance])
def test_who_asks_outside_of_a_debugger_waits(use: Any, running: Any, step: Running) -> None:
    try:
        use(running, int) if use is isinstance else use(running)
    except TypeError:
        assert use is vars  # of a number
    assert step.waited > 0


def test_a_debugger_sees_the_value_that_is_there() -> None:
    x = future([1, 2])
    assert as_debugger("len(x)", x) == 2
    assert as_debugger("isinstance(x, list)", x)
    assert as_debugger("x.__class__", x) is list
