"""What no future can fake, as it stands in source text: the rules, and what to write instead.

Owns no knowledge of which names hold futures; that is `future_misuse`.
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pipekit.model.excerpt import excerpt

UNKNOWN = object()
"""Stands for what a name cannot be resolved to."""

_MOST_CHARACTERS = 80
_ANY = tuple(range(9))

_EXACT: dict[str, dict[str, tuple[int, ...]]] = {
    "builtins": {
        "callable": (0,), "compile": (0,), "delattr": (1,), "eval": (0,), "exec": (0,),
        "getattr": (1,), "hasattr": (1,), "issubclass": (0,), "memoryview": (0,), "ord": (0,),
        "setattr": (1,),
    },
    "datetime": {"timedelta": _ANY},
    "decimal": {"Decimal": (0,)},
    "hashlib": {"md5": (0,), "sha1": (0,), "sha256": (0,), "sha512": (0,), "blake2b": (0,)},
    "heapq": {"heapify": (0,), "heappush": (0,), "heappop": (0,)},
    "json": {"loads": (0,)},
    "os": {"listdir": (0,), "scandir": (0,), "stat": (0,)},
    "os.path": {
        "exists": (0,), "getmtime": (0,), "getsize": (0,), "isdir": (0,), "isfile": (0,),
        "samefile": (0, 1),
    },
    "re": {
        "compile": (0,), "findall": (0, 1), "finditer": (0, 1), "fullmatch": (0, 1),
        "match": (0, 1), "search": (0, 1), "split": (0, 1), "sub": (0, 1, 2),
    },
}  # fmt: skip
"""Module -> function -> the arguments that it takes by exact type."""

_TEXT_METHODS = frozenset({
    "count", "encode", "endswith", "find", "index", "lstrip", "partition", "removeprefix",
    "removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split",
    "startswith", "strip",
})  # fmt: skip


class Misuse(NamedTuple):
    """One place: its line, what is wrong there, and what to write."""

    line: int
    what: str
    instead: str


def misuses(
    node: ast.AST, is_future: Callable[[ast.AST], bool], resolve: Callable[[ast.AST], Any]
) -> Iterator[Misuse]:
    """The misuses that stand in one node itself, not in its children.

    Args:
        node: A statement, an expression or an exception handler.
        is_future: Whether an expression is a future, for certain.
        resolve: Gives the object that an expression stands for, or `UNKNOWN`.
    """
    if isinstance(node, ast.Compare):
        yield from _comparison(node, is_future, resolve)
    elif isinstance(node, ast.Call):
        wrong, why = _wrong_arguments(node, is_future, resolve)
        if wrong:
            yield _misuse(node, wrong, why)
    elif isinstance(node, ast.Match) and is_future(node.subject):
        for case in node.cases:
            if _is_structure(case.pattern):
                subject, pattern = ast.unparse(node.subject), _short(ast.unparse(case.pattern))
                yield Misuse(
                    case.pattern.lineno,
                    f"`case {pattern}` asks for the class of `{subject}`, which is a future.",
                    f"write `match get({subject}):`.",
                )
    elif isinstance(node, ast.ExceptHandler) and node.type is not None and is_future(node.type):
        yield _of_statement(node, node.type, f"except {ast.unparse(node.type)}")
    elif isinstance(node, ast.Raise) and node.exc is not None and is_future(node.exc):
        yield _of_statement(node, node.exc, f"raise {ast.unparse(node.exc)}")


def _comparison(
    node: ast.Compare, is_future: Callable[[ast.AST], bool], resolve: Callable[[ast.AST], Any]
) -> Iterator[Misuse]:
    left = node.left
    for operator, right in zip(node.ops, node.comparators, strict=True):
        pair = ast.copy_location(ast.Compare(left, [operator], [right]), left)
        if isinstance(operator, ast.Is | ast.IsNot):
            for one, other in ((left, right), (right, left)):
                if is_future(one) and _is_certain(other, is_future, resolve):
                    yield _misuse(pair, [one], "asks for the future itself, not for its value")
        elif isinstance(operator, ast.In | ast.NotIn) and is_future(left) and _is_text(right):
            yield _misuse(pair, [left], "raises a TypeError: only text is looked for in text")
        left = right


def _is_certain(
    node: ast.AST, is_future: Callable[[ast.AST], bool], resolve: Callable[[ast.AST], Any]
) -> bool:
    """Whether it cannot be the future itself under another name."""
    return isinstance(node, ast.Constant) or resolve(node) is not UNKNOWN


def _wrong_arguments(
    node: ast.Call, is_future: Callable[[ast.AST], bool], resolve: Callable[[ast.AST], Any]
) -> tuple[list[ast.expr], str]:
    arguments = node.args
    called = node.func
    if isinstance(called, ast.Attribute) and _is_text(called.value):
        why = "raises a TypeError: text takes only text"
        if called.attr == "join" and len(arguments) == 1:
            return [one for one in _elements(arguments[0]) if is_future(one)], why
        if called.attr in _TEXT_METHODS:
            return [one for one in arguments if is_future(one)], why
    found = resolve(called)
    if found is UNKNOWN or any(isinstance(one, ast.Starred) for one in arguments):
        return [], ""
    if found is type and len(arguments) == 1:
        return [one for one in arguments if is_future(one)], "is the class of futures"
    if found is callable:
        return [one for one in arguments if is_future(one)], "may be True whatever the value is"
    if _is_of(found, "json", "dumps", "dump") and arguments:
        if any(keyword.arg in (None, "cls", "default") for keyword in node.keywords):
            return [], ""
        return [one for one in _nested(arguments[0]) if is_future(one)], "raises a TypeError"
    if found is int and len(arguments) == 2:
        places: tuple[int, ...] = (0,)
    elif found is pow and len(arguments) == 3:
        places = () if is_future(arguments[0]) else (1, 2)
    else:
        places = _places(found)
    wrong = [arguments[at] for at in places if at < len(arguments) and is_future(arguments[at])]
    return wrong, "needs the plain value"


def _places(found: Any) -> tuple[int, ...]:
    for module, functions in _EXACT.items():
        if module in sys.modules:
            for name, places in functions.items():
                if getattr(sys.modules[module], name, UNKNOWN) is found:
                    return places
    return ()


def _is_of(found: Any, module: str, *names: str) -> bool:
    loaded = sys.modules.get(module)
    return any(getattr(loaded, name, UNKNOWN) is found for name in names)


def _is_structure(pattern: ast.pattern) -> bool:
    """Whether it asks for the class itself, or for one of the three that are known by identity."""
    if isinstance(pattern, ast.MatchOr):
        return any(map(_is_structure, pattern.patterns))
    if isinstance(pattern, ast.MatchAs):
        return pattern.pattern is not None and _is_structure(pattern.pattern)
    return isinstance(pattern, ast.MatchSequence | ast.MatchMapping | ast.MatchSingleton)


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return True
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.List | ast.Tuple) else []


def _nested(node: ast.expr) -> Iterator[ast.expr]:
    """The expression, and those in it where it writes a list, tuple or dict."""
    yield node
    inside = node.values if isinstance(node, ast.Dict) else _elements(node)
    for one in inside:
        yield from _nested(one)


def _misuse(node: ast.expr, wrong: list[ast.expr], why: str) -> Misuse:
    got: dict[int, Any] = {
        id(one): ast.Call(ast.Name("get", ast.Load()), [one], []) for one in wrong
    }
    fixed = ast.unparse(copy.deepcopy(node, got))  # what the memo holds is taken as copied
    return Misuse(node.lineno, f"`{_short(ast.unparse(node))}` {why}.", f"write `{_short(fixed)}`.")


def _of_statement(node: Any, wrong: ast.expr, text: str) -> Misuse:
    keyword = text.partition(" ")[0]
    return Misuse(
        node.lineno,
        f"`{_short(text)}` needs the exception itself, not a future of it.",
        f"write `{keyword} get({_short(ast.unparse(wrong))})`.",
    )


def _short(code: str) -> str:
    return excerpt(code, _MOST_CHARACTERS)
