"""One change at a time to the text of a module: those that may change what it does, and those that
cannot. Knows nothing of fingerprints; each edit replaces a piece of the text and leaves the rest,
its layout among it, as it is.
"""

from __future__ import annotations

import ast
import io
import keyword
import tokenize
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Edit(NamedTuple):
    """A replacement in a file's text."""

    kind: str
    start: int
    end: int
    text: str
    scopes: tuple[str, ...]
    """Names of the classes and functions that the place lies in, outermost first."""
    function_line: int
    """Line on which the innermost function around the place begins, its decorators included; 0
    where there is none."""
    where: str
    """`function`, `class` or `module`."""

    def apply(self, source: str) -> str:
        return source[: self.start] + self.text + source[self.end :]


class Place(NamedTuple):
    """What lies around a node."""

    scopes: tuple[str, ...] = ()
    function_line: int = 0
    where: str = "module"


class Text:
    """A module's text with its syntax tree."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tree = ast.parse(source)
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._lines = source.splitlines(keepends=True)

    def at(self, line: int, column: int) -> int:
        """The place in the text of a line and a column, which the tree counts in UTF-8 bytes."""
        text = self._lines[line - 1]
        return self._starts[line - 1] + len(text.encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self.at(node.lineno, node.col_offset)
        return start, self.at(node.end_lineno, node.end_col_offset)

    def nodes(self) -> Iterator[tuple[ast.AST, ast.AST, Place]]:
        """Every node that is compiled to more than text about the text, with its parent."""
        yield from self._inside(self.tree, Place())

    def _inside(self, parent: ast.AST, place: Place) -> Iterator[tuple[ast.AST, ast.AST, Place]]:
        for field, child in _children(parent):
            if field in ("annotation", "returns") or _is_docstring(parent, child):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.JoinedStr):
                continue  # its parts have no place of their own before Python 3.12
            yield child, parent, place
            yield from self._inside(child, _entered(parent, field, child, place))


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                yield field, item


def _entered(parent: ast.AST, field: str, node: ast.AST, place: Place) -> Place:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        # Decorators and defaults run outside of the function, but they are part of what it is.
        line = min([node.lineno, *(item.lineno for item in node.decorator_list)])
        return Place((*place.scopes, node.name), line, "function")
    if isinstance(node, ast.ClassDef):
        return Place((*place.scopes, node.name), place.function_line, "class")
    return place


def _is_docstring(parent: ast.AST, child: ast.AST) -> bool:
    return (
        isinstance(parent, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and isinstance(child, ast.Expr)
        and isinstance(child.value, ast.Constant)
    )


# --- changes that may change the outcome --------------------------------------------------------

_COMPARISONS = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Add(), ast.Div: ast.Mult(),
    ast.FloorDiv: ast.Mult(), ast.Mod: ast.Mult(), ast.BitOr: ast.BitAnd(),
    ast.BitAnd: ast.BitOr(), ast.LShift: ast.RShift(), ast.RShift: ast.LShift(),
}  # fmt: skip


def _constant(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, str]]:
    if not isinstance(node, ast.Constant) or isinstance(parent, ast.Expr):
        return
    value = node.value
    if isinstance(value, bool):
        yield "constant", repr(not value)
    elif isinstance(value, int | float):
        yield (
            "constant",
            f"({value!r} + 1)" if isinstance(parent, ast.Attribute) else repr(value + 1),
        )
        yield "type of a constant", repr(float(value) if isinstance(value, int) else f"{value}")
    elif isinstance(value, str | bytes):
        yield "text", repr(value + ("x" if isinstance(value, str) else b"x"))
    elif value is None:
        yield "constant", " 0"


def _operator(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Compare):
        swapped = _COMPARISONS[type(node.ops[0])]
        rest = "".join(
            f" {ast.unparse(ast.Compare(ast.Constant(0), [op], [right]))[2:]}"
            for op, right in zip(node.ops[1:], node.comparators[1:], strict=True)
        )
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        yield "comparison", f"(({left}) {swapped} ({right}){rest})"
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        other = ast.BinOp(node.left, _OPERATORS[type(node.op)], node.right)
        yield "operator", f"({ast.unparse(other)})"
    elif isinstance(node, ast.BoolOp):
        swapped_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and for or", f"({ast.unparse(ast.BoolOp(swapped_op, node.values))})"
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield "operator", f"({ast.unparse(node.operand)})"


def _condition(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, str]]:
    is_test = isinstance(parent, ast.If | ast.IfExp) and node is parent.test
    if is_test or (isinstance(parent, ast.comprehension) and node in parent.ifs):
        yield "condition negated", f"(not ({ast.unparse(node)}))"


def _statement(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, str]]:
    kinds = ast.Expr | ast.Assign | ast.AugAssign | ast.Raise | ast.Return | ast.Delete
    if isinstance(node, kinds):
        yield "statement deleted", "pass"
    if isinstance(node, ast.Return) and node.value is not None:
        yield "nothing returned", "return None"
    if isinstance(node, ast.Break | ast.Continue):
        yield "break for continue", "continue" if isinstance(node, ast.Break) else "break"


def _call(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call) and len(node.args) == 2 and not node.keywords:
        swapped = ast.Call(node.func, node.args[::-1], [])
        yield "arguments swapped", ast.unparse(swapped)
    if isinstance(node, ast.Call) and node.keywords and node.keywords[-1].arg:
        yield "argument left out", ast.unparse(ast.Call(node.func, node.args, node.keywords[:-1]))
    if isinstance(node, ast.Dict) and len(node.keys) > 1 and None not in node.keys:
        yield "order of a dict", ast.unparse(ast.Dict(node.keys[::-1], node.values[::-1]))


def _definition(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(parent, ast.ClassDef) and node in parent.bases:
        yield "base class", "object"
    if isinstance(parent, ast.arguments) and isinstance(node, ast.expr):
        yield "default", "None" if not _is_none(node) else "()"


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


_MEANINGFUL = (_constant, _operator, _condition, _statement, _call, _definition)


def meaningful_edits(text: Text) -> Iterator[Edit]:
    """Edits that may change what the module does."""
    for node, parent, place in text.nodes():
        if isinstance(node, ast.expr | ast.stmt):
            for operator in _MEANINGFUL:
                for kind, new in operator(node, parent):
                    start, end = text.span(node)
                    new = _padded(new, text.source[start:end])
                    yield Edit(kind, start, end, new, *place)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _decorators(text, node, place)


def _decorators(text: Text, node: ast.stmt, place: Place) -> Iterator[Edit]:
    for decorator in getattr(node, "decorator_list", ()):
        start, end = text.span(decorator)
        if text.source[start - 1] == "@" and not _is_setter(decorator):
            gone = _padded("", text.source[start:end])
            yield Edit("decorator", start - 1, end, gone, *place)


def _is_setter(decorator: ast.expr) -> bool:
    return ast.unparse(decorator).endswith((".setter", ".deleter", "overload"))


def _padded(new: str, old: str) -> str:
    """With as many lines as before, so that nothing below moves."""
    missing = old.count("\n") - new.count("\n")
    if missing <= 0 or not new:
        return new + "\n" * missing
    # A statement may be followed by blank lines; an expression needs brackets for them.
    if keyword.iskeyword(new.split(" ")[0].split("\n")[0]) and not new.startswith(("not", "None")):
        return new + "\n" * missing
    return f"({new}" + "\n" * missing + ")"


# --- changes that cannot ------------------------------------------------------------------------


def neutral_edits(text: Text, is_unreached: Callable[[str], bool]) -> Iterator[Edit]:
    """Edits that cannot change the outcome.

    Args:
        is_unreached: Whether nothing that is reached has a definition's name in it.
    """
    yield from _layout(text)
    yield from _about_text(text)
    yield from _unreached(text, is_unreached)


def _layout(text: Text) -> Iterator[Edit]:
    source = text.source
    everything = (0, len(source))
    yield Edit("formatted anew", *everything, ast.unparse(text.tree) + "\n", *Place())
    spread = source.replace("\n\n", "\n\n\n# a comment\n\n")
    if _same(spread, text.tree):
        yield Edit("blank lines and comments", *everything, spread, *Place())
    kinds = {tokenize.NEWLINE, tokenize.NL}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds and token.start[1] and token.line.strip()[:1] != "#":
            at = text.at(token.start[0], len(token.line[: token.start[1]].encode()))
            yield Edit("comment", at, at, "  # a comment", *Place())


def _same(source: str, tree: ast.AST) -> bool:
    try:
        return ast.dump(ast.parse(source)) == ast.dump(tree)
    except SyntaxError:
        return False


def _about_text(text: Text) -> Iterator[Edit]:
    for node, _, place in [(text.tree, text.tree, Place()), *text.nodes()]:
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if len(node.body) > 1 else node
            if _is_docstring(node, first):
                yield Edit("docstring changed", *text.span(first), '"Another."', *place)  # type: ignore[arg-type]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            for item in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
                if item.annotation is not None:
                    yield Edit("annotation", *text.span(item.annotation), "object", *place)
            if node.returns is not None:
                yield Edit("annotation", *text.span(node.returns), "object", *place)
            yield from _renamed_locals(text, node, place)


_ASKS_FOR_LOCALS = frozenset({"locals", "vars", "eval", "exec", "dir"})


def _renamed_locals(
    text: Text, function: ast.FunctionDef | ast.AsyncFunctionDef, place: Place
) -> Iterator[Edit]:
    """One edit that gives every local of a function that is no parameter another name."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    nested = (
        ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Global, ast.Nonlocal,
        ast.JoinedStr, ast.Import, ast.ImportFrom, ast.ExceptHandler, ast.Match,
    )  # fmt: skip
    inner = [node for node in ast.walk(function) if isinstance(node, nested)]
    if inner != [function] or any(node.id in _ASKS_FOR_LOCALS for node in names):
        return
    arguments = function.args
    taken = {item.arg for item in ast.walk(arguments) if isinstance(item, ast.arg)}
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)} - taken
    if not stored:
        return
    places = sorted(text.span(node)[0] for node in names if node.id in stored)
    start, end = text.span(function)
    out, at = [], start
    for place_of_name in places:
        out += [text.source[at:place_of_name], "renamed_"]
        at = place_of_name
    out.append(text.source[at:end])
    yield Edit("locals renamed", start, end, "".join(out), *place)


def _unreached(text: Text, is_unreached: Callable[[str], bool]) -> Iterator[Edit]:
    for body, place in _bodies(text):
        before: ast.stmt | None = None
        for node in body:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and is_unreached(node.name):  # type: ignore[attr-defined]
                last = node.body[-1]  # type: ignore[attr-defined]
                start, _ = text.span(last)
                kind = "unused method" if place.where == "class" else "unused function"
                line = text.source[:start].rpartition("\n")[2]
                if not line.strip():
                    yield Edit(kind, start, start, f"print('changed')\n{line}", *place)
            both = [one for one in (before, node) if isinstance(one, ast.FunctionDef)]
            if len(both) == 2 and not any(one.decorator_list for one in both):
                yield _swapped(text, both[0], both[1], place)
            before = node


def _bodies(text: Text) -> Iterator[tuple[list[ast.stmt], Place]]:
    yield text.tree.body, Place()
    for node in text.tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.body, Place((node.name,), 0, "class")


def _swapped(text: Text, one: ast.stmt, two: ast.stmt, place: Place) -> Edit:
    (start, middle), (begin, end) = text.span(one), text.span(two)
    source = text.source
    swapped = source[begin:end] + source[middle:begin] + source[start:middle]
    return Edit("functions in another order", start, end, swapped, *place)
