"""What the text of a file says of the pipelines in it: names, parameters, first line of the
docstring. Imports and runs nothing of the user's."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

_MOST_BYTES = 1 << 20
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class OutlinedParameter(NamedTuple):
    """A parameter as it is written."""

    name: str
    annotation: str
    default: str | None
    """Its text; None where there is none."""
    choices: tuple[str, ...]
    """Of a `Literal` of texts."""

    @property
    def is_flag(self) -> bool:
        return self.annotation == "bool" or (
            not self.annotation and self.default in ("True", "False")
        )


class OutlinedPipeline(NamedTuple):
    """A pipeline as it is written."""

    name: str
    about: str
    parameters: tuple[OutlinedParameter, ...]


def list_pipelines(path: Path) -> list[OutlinedPipeline]:
    """The pipelines that a file makes at its top level, in their order; none where it cannot be
    read as Python."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return []
        text = path.read_bytes()
        if b"pipeline" not in text:
            return []
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    names = _names_of_pipeline(tree)
    functions = {node.name: node for node in tree.body if isinstance(node, _Function)}
    found = []
    for node in tree.body:
        if isinstance(node, _Function) and any(
            _called(decorator) in names for decorator in node.decorator_list
        ):
            found.append(_outlined(node.name, node))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            function = functions.get(_made_of(node.value, names))
            if function is not None:
                found.append(_outlined(node.targets[0].id, function))
    return found


def parameters_of(function: _Function) -> tuple[OutlinedParameter, ...]:
    """The parameters that have a name, in their order."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(positional, defaults, strict=True)]
    pairs += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return tuple(
        OutlinedParameter(
            argument.arg,
            ast.unparse(argument.annotation) if argument.annotation is not None else "",
            ast.unparse(default) if default is not None else None,
            _choices(argument.annotation),
        )
        for argument, default in pairs
    )


def defaults_of(text: str) -> dict[str, str]:
    """Parameter -> the text of its default, of the one function in a piece of code."""
    try:
        body = ast.parse(dedent(text)).body
    except (SyntaxError, ValueError, RecursionError):
        return {}
    if not body or not isinstance(body[0], _Function):
        return {}
    return {p.name: p.default for p in parameters_of(body[0]) if p.default is not None}


def _outlined(name: str, function: _Function) -> OutlinedPipeline:
    about = (ast.get_docstring(function) or "").partition("\n")[0]
    return OutlinedPipeline(name, about, parameters_of(function))


def _names_of_pipeline(tree: ast.Module) -> set[str]:
    """How the file may write `pipeline`, by its imports."""
    names = {"pipeline"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pipekit":
            names.update(n.asname or n.name for n in node.names if n.name == "pipeline")
        elif isinstance(node, ast.Import):
            names.update(f"{n.asname or n.name}.pipeline" for n in node.names)
    return names


def _called(node: ast.expr) -> str:
    """`pk.pipeline` of `@pk.pipeline` and of `@pk.pipeline(name="x")`."""
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _made_of(value: ast.expr, names: set[str]) -> str:
    """The function's name in `pipeline(function)` and `pipeline(name="x")(function)`."""
    if isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Name):
        maker = value.func.func if isinstance(value.func, ast.Call) else value.func
        if ast.unparse(maker) in names:
            return value.args[0].id
    return ""


def _choices(annotation: ast.expr | None) -> tuple[str, ...]:
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        inner = annotation.slice
        items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        return tuple(
            item.value
            for item in items
            if isinstance(item, ast.Constant) and isinstance(item.value, str)
        )
    return ()
