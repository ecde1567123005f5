"""Warns, once a pipeline function, where its source asks of a future what no object can fake.

Owns which names hold futures at which line: only where that is certain, so what it does not follow
(elements of lists, names of other functions) it leaves. What is asked of them: `future_rules`.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import warnings
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakSet

from pipekit.api.component import Component
from pipekit.api.future_rules import UNKNOWN, Misuse, misuses
from pipekit.api.signature import outputs_from_annotation
from pipekit.errors import PipelineWarning

Held = dict[str, int]
"""Name -> 0 for a future; n for a tuple of n futures."""

_FUTURE = 0
_checked: WeakSet[CodeType] = WeakSet()
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def warn_of_misuse(function: Callable[..., Any], pipeline_class: type) -> None:
    """Warn of each misuse in the function's source, at its file and line; the first time only.

    Says nothing where there is no source. Components are what the function's globals and closure
    hold now, so call it when the function is about to run.

    Args:
        function: The pipeline function.
        pipeline_class: That of pipelines, whose calls are futures too.
    """
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    if not isinstance(plain, FunctionType) or code in _checked:
        return
    _checked.add(plain.__code__)
    for misuse in find_misuses(plain, pipeline_class):
        warnings.warn_explicit(
            PipelineWarning(misuse.what, hint=misuse.instead),
            category=PipelineWarning,
            filename=plain.__code__.co_filename,
            lineno=misuse.line,
            module=plain.__module__,
        )


def find_misuses(function: FunctionType, pipeline_class: type) -> list[Misuse]:
    """The misuses in a function's source, in the order of its lines."""
    parsed = _parse(function)
    if parsed is None:
        return []
    definition, lines_before = parsed
    flow = _Flow(_Names(function), pipeline_class, _shared_names(definition))
    flow.block(definition.body, {})
    found = {(misuse.line, misuse.what): misuse for misuse in flow.found}  # a loop is read twice
    return [
        Misuse(misuse.line + lines_before, misuse.what, misuse.instead)
        for _, misuse in sorted(found.items())
    ]


def _parse(function: FunctionType) -> tuple[ast.FunctionDef, int] | None:
    """The function's definition, and what is to be added to its line numbers."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)[code.co_firstlineno - 1 :]
    if not lines:
        return None
    before = code.co_firstlineno - 1
    nested = lines[0][:1].isspace()
    if nested:
        before -= 1
    # By the code's own lines first: to look for the end of the block is ten times slower.
    for find_end in (_own_lines, _block):
        text = "".join(find_end(code, lines))
        try:
            module = ast.parse(f"if 1:\n{text}" if nested else text)
        except (SyntaxError, ValueError):
            continue
        found: Any = module.body[0]
        if nested:
            found = found.body[0]
        if isinstance(found, ast.FunctionDef) and _is_of(found, code):
            return found, before
    return None


def _own_lines(code: CodeType, lines: list[str]) -> list[str]:
    return lines[: _last_line(code) - code.co_firstlineno + 1]


def _block(code: CodeType, lines: list[str]) -> list[str]:
    return list(inspect.getblock(lines))


def _is_of(definition: ast.FunctionDef, code: CodeType) -> bool:
    """Whether the text is still that of the code: the file may have changed."""
    arguments = definition.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    count = code.co_argcount + code.co_kwonlyargcount
    return definition.name == code.co_name and tuple(names) == code.co_varnames[:count]


def _last_line(code: CodeType) -> int:
    last = max((end or start or 0 for start, end, _, _ in code.co_positions()), default=0)
    inner = [_last_line(one) for one in code.co_consts if isinstance(one, CodeType)]
    return max([last, *inner])


def _shared_names(definition: ast.FunctionDef) -> set[str]:
    """Names that other functions may change at any time."""
    return {
        name
        for node in ast.walk(definition)
        if isinstance(node, ast.Global | ast.Nonlocal)
        for name in node.names
    }


class _Names:
    """What the names of a function that are not its own stand for, now."""

    def __init__(self, function: FunctionType) -> None:
        code = function.__code__
        self._own = {*code.co_varnames, *code.co_cellvars}
        self._globals = function.__globals__
        self._free: dict[str, Any] = {}
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            try:
                self._free[name] = cell.cell_contents
            except ValueError:  # not yet bound
                self._own.add(name)

    def resolve(self, node: ast.AST) -> Any:
        """The object that a name, or an attribute of a module, stands for; else `UNKNOWN`."""
        if isinstance(node, ast.Name):
            if node.id in self._own:
                return UNKNOWN
            for names in (self._free, self._globals, vars(builtins)):
                if node.id in names:
                    return names[node.id]
        elif isinstance(node, ast.Attribute):
            module = self.resolve(node.value)
            if isinstance(module, ModuleType):
                return vars(module).get(node.attr, UNKNOWN)
        return UNKNOWN


class _Flow:
    """Follows the names that hold futures through the statements of one function."""

    def __init__(self, names: _Names, pipeline_class: type, never: set[str]) -> None:
        self.found: list[Misuse] = []
        self._names = names
        self._pipeline_class = pipeline_class
        self._never = never

    # statements

    def block(self, statements: list[ast.stmt], held: Held) -> bool:
        """Read statements in their order, changing `held`; whether what follows is reached."""
        return all(self._statement(statement, held) for statement in statements)

    def _statement(self, node: ast.stmt, held: Held) -> bool:
        if isinstance(node, _SCOPES):
            held.pop(node.name, None)
        elif isinstance(node, ast.If):
            self._read(node.test, held)
            return self._branches([node.body, node.orelse], held)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
            self._loop(node, held)
        elif isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            self._try(node, held)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._read(item.context_expr, held)
                if item.optional_vars is not None:
                    self._forget(item.optional_vars, held)
            self.block(node.body, dict(held))
            self._forget(node, held)  # what it suppresses ends the block anywhere
        elif isinstance(node, ast.Match):
            self._rules(node, held)
            self._read(node.subject, held)
            return self._branches([[], *[self._case(case) for case in node.cases]], held)
        else:
            self._simple(node, held)
            return not isinstance(node, ast.Return | ast.Raise | ast.Break | ast.Continue)
        return True

    def _simple(self, node: ast.stmt, held: Held) -> None:
        self._rules(node, held)
        for child in ast.iter_child_nodes(node):
            self._read(child, held)
        if isinstance(node, ast.Assign):
            kind = self._kind(node.value, held)
            for target in node.targets:
                self._assign(target, node.value, kind, held)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._assign(node.target, node.value, self._kind(node.value, held), held)
        else:
            self._forget(node, held)

    def _case(self, case: ast.match_case) -> list[ast.stmt]:
        bound = ast.Delete(targets=[
            ast.Name(id=name, ctx=ast.Del())
            for pattern in ast.walk(case.pattern)
            for name in (getattr(pattern, "name", None), getattr(pattern, "rest", None))
            if isinstance(name, str)
        ])  # fmt: skip
        guard: list[ast.stmt] = [] if case.guard is None else [ast.Expr(value=case.guard)]
        return [bound, *guard, *case.body]

    def _branches(self, bodies: list[list[ast.stmt]], held: Held) -> bool:
        """What all branches that end agree on stays."""
        ends = []
        for body in bodies:
            own = dict(held)
            if self.block(body, own):
                ends.append(own)
        held.clear()
        if ends:
            held.update(set.intersection(*[set(end.items()) for end in ends]))
        return bool(ends)

    def _loop(self, node: Any, held: Held) -> None:
        if not isinstance(node, ast.While):
            self._read(node.iter, held)
        self._forget(node, held)  # what a turn assigns, the next one finds
        if isinstance(node, ast.While):
            self._read(node.test, held)
        self.block(node.body, dict(held))
        self.block(node.orelse, dict(held))

    def _try(self, node: Any, held: Held) -> None:
        before = dict(held)
        self.block([*node.body, *node.orelse], dict(held))
        for body in (node.body, node.orelse):
            for statement in body:
                self._forget(statement, before)
        for handler in node.handlers:
            own = dict(before)
            self._rules(handler, own)
            own.pop(handler.name or "", None)
            self.block(handler.body, own)
        held.clear()
        held.update(before)
        self.block(node.finalbody, dict(held))
        self._forget(node, held)

    def _assign(self, target: ast.expr, value: ast.expr, kind: int | None, held: Held) -> None:
        if isinstance(target, ast.Name):
            held.pop(target.id, None)
            if kind is not None and target.id not in self._never:
                held[target.id] = kind
        elif isinstance(target, ast.Tuple | ast.List):
            starred = any(isinstance(one, ast.Starred) for one in target.elts)
            self._forget(target, held)
            if kind and kind == len(target.elts) and not starred:
                for one in target.elts:
                    self._assign(one, value, _FUTURE, held)
            elif isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                calls = [isinstance(one, ast.Call) for one in value.elts]
                for one, part, is_call in zip(target.elts, value.elts, calls, strict=True):
                    # Names may trade places here: only calls are certain.
                    self._assign(one, part, self._kind(part, {}) if is_call else None, held)

    def _forget(self, node: ast.AST, held: Held) -> None:
        """All names that are bound anywhere in the node."""
        for one in ast.walk(node):
            if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
                held.pop(one.id, None)
            elif isinstance(one, ast.Import | ast.ImportFrom):
                for alias in one.names:
                    held.pop((alias.asname or alias.name).partition(".")[0], None)
            else:
                for field in ("name", "rest"):  # of patterns, handlers and definitions
                    bound = getattr(one, field, None)
                    if isinstance(bound, str):
                        held.pop(bound, None)

    # expressions

    def _read(self, node: ast.AST, held: Held) -> None:
        """Look at an expression and all in it, in what order it may be computed."""
        if isinstance(node, _SCOPES):
            return  # called at another time
        if isinstance(node, _COMPREHENSIONS):
            for one in ast.walk(node):
                if isinstance(one, ast.NamedExpr):
                    self._forget(one.target, held)
            held = dict(held)
            for generator in node.generators:
                self._forget(generator.target, held)
        self._rules(node, held)
        for child in _children(node):
            self._read(child, held)
        if isinstance(node, ast.NamedExpr):
            self._forget(node.target, held)

    def _rules(self, node: ast.AST, held: Held) -> None:
        def is_future(operand: ast.AST) -> bool:
            return self._kind(operand, held) == _FUTURE

        self.found.extend(misuses(node, is_future, self._names.resolve))

    def _kind(self, node: ast.AST, held: Held) -> int | None:
        """0 for a future, n for a tuple of n futures, None for what is not known."""
        if isinstance(node, ast.Name):
            return held.get(node.id)
        if isinstance(node, ast.NamedExpr):
            return self._kind(node.value, held)
        if isinstance(node, ast.Call):
            return self._kind_of_call(node.func)
        if isinstance(node, ast.Subscript):
            count = self._kind(node.value, held)
            index = _whole_number(node.slice)
            if count and index is not None and -count <= index < count:
                return _FUTURE
        return None

    def _kind_of_call(self, called: ast.expr) -> int | None:
        if isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute):
            if called.func.attr != "options" or any(
                keyword.arg in (None, "outputs") for keyword in called.keywords
            ):
                return None
            called = called.func.value
        found = self._names.resolve(called)
        if isinstance(found, Component):
            outputs = found._options.outputs or outputs_from_annotation(found.function)
            return len(outputs) if len(outputs) > 1 else _FUTURE
        return _FUTURE if isinstance(found, self._pipeline_class) else None


def _whole_number(node: ast.AST) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    return sign * value if type(value) is int else None


def _children(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, _COMPREHENSIONS):
        for generator in node.generators:
            yield from (generator.iter, *generator.ifs)
        yield from ([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
    else:
        yield from ast.iter_child_nodes(node)
