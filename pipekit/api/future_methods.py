"""The special methods that do to the plain value what was done to the future: tables and makers.

Owns which methods there are and the function or operator of each; knows no class of futures. Those
that are more than that stand in `future.py`.
"""

from __future__ import annotations

import math
import operator
import os
import sys
from collections.abc import Callable
from typing import Any

from pipekit.api.future_caller import is_inplace

# The tables: a special method's name, and the plain function that gives its result.

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "__abs__": operator.abs,
    "__aiter__": aiter,
    "__anext__": anext,
    "__bool__": bool,
    "__bytes__": bytes,
    "__ceil__": math.ceil,
    "__complex__": complex,
    "__float__": float,
    "__floor__": math.floor,
    "__fspath__": os.fspath,
    "__int__": int,
    "__invert__": operator.invert,
    "__iter__": iter,
    "__len__": len,
    "__length_hint__": operator.length_hint,
    "__neg__": operator.neg,
    "__pos__": operator.pos,
    "__reversed__": reversed,
    "__str__": str,
    "__trunc__": math.trunc,
}

_TWO_SIDED: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "add": (operator.add, operator.iadd),
    "and": (operator.and_, operator.iand),
    "divmod": (divmod, divmod),
    "floordiv": (operator.floordiv, operator.ifloordiv),
    "lshift": (operator.lshift, operator.ilshift),
    "matmul": (operator.matmul, operator.imatmul),
    "mod": (operator.mod, operator.imod),
    "mul": (operator.mul, operator.imul),
    "or": (operator.or_, operator.ior),
    "pow": (operator.pow, operator.ipow),
    "rshift": (operator.rshift, operator.irshift),
    "sub": (operator.sub, operator.isub),
    "truediv": (operator.truediv, operator.itruediv),
    "xor": (operator.xor, operator.ixor),
}
"""The operator, and the one with assignment."""

_ONE_SIDED: dict[str, Callable[[Any, Any], Any]] = {
    "__contains__": operator.contains,
    "__eq__": operator.eq,
    "__format__": format,
    "__ge__": operator.ge,
    "__gt__": operator.gt,
    "__instancecheck__": lambda value, other: isinstance(other, value),
    "__le__": operator.le,
    "__lt__": operator.lt,
    "__ne__": operator.ne,
    "__subclasscheck__": lambda value, other: issubclass(other, value),
}


def _with(value: Any) -> None:
    with value:
        pass


async def _async_with(value: Any) -> None:
    async with value:
        pass


async def _await(value: Any) -> None:
    await value


_PROTOCOLS: dict[tuple[str, ...], Callable[[Any], Any]] = {
    ("__enter__", "__exit__"): _with,
    ("__aenter__", "__aexit__"): lambda value: _async_with(value).send(None),
    ("__await__",): lambda value: _await(value).send(None),
}
"""Those that only a statement calls. Done to a value that has not got them, it raises its error."""


def special_methods(
    value_of: Callable[[Any], Any], plain: Callable[[Any], Any]
) -> dict[str, Callable[..., Any]]:
    """The methods by name, for a class of futures.

    Args:
        value_of: Gives the value of a future; waits.
        plain: Gives `value_of` of a future, and anything else itself.
    """
    makers = _Makers(value_of, plain)
    methods: dict[str, Callable[..., Any]] = {}
    for name, function in _FUNCTIONS.items():
        methods[name] = makers.by_function(function)
    for name, operation in _ONE_SIDED.items():
        methods[name] = makers.by_operator(operation)
    for name, (operation, assignment) in _TWO_SIDED.items():
        methods[f"__{name}__"] = makers.by_operator(operation)
        methods[f"__r{name}__"] = makers.by_reflected(name, operation, assignment)
        if assignment is not operation:
            methods[f"__i{name}__"] = makers.by_operator(assignment)
    for names, statement in _PROTOCOLS.items():
        for name in names:
            methods[name] = makers.by_protocol(name, names, statement)
    for name, method in methods.items():
        method.__name__ = method.__qualname__ = name
    return methods


class _Makers:
    """Closures, so that a method looks nothing up."""

    def __init__(self, value_of: Callable[[Any], Any], plain: Callable[[Any], Any]) -> None:
        self.value_of = value_of
        self.plain = plain

    def by_function(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        value_of = self.value_of

        def method(future: Any) -> Any:
            return function(value_of(future))

        return method

    def by_operator(self, operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        value_of = self.value_of
        plain = self.plain

        def method(future: Any, other: Any) -> Any:
            return operation(value_of(future), plain(other))

        return method

    def by_reflected(
        self, name: str, operation: Callable[[Any, Any], Any], assignment: Callable[[Any, Any], Any]
    ) -> Callable[[Any, Any], Any]:
        value_of = self.value_of
        inplace = f"__i{name}__"

        def method(future: Any, other: Any) -> Any:
            # Python asks the right side before `list += …` and its like have had their turn.
            if hasattr(type(other), inplace) and is_inplace(sys._getframe(1)):
                return assignment(other, value_of(future))
            return operation(other, value_of(future))

        return method

    def by_protocol(
        self, name: str, names: tuple[str, ...], statement: Callable[[Any], Any]
    ) -> Callable[..., Any]:
        value_of = self.value_of

        def method(future: Any, *args: Any) -> Any:
            value = value_of(future)
            kind = type(value)
            if not all(hasattr(kind, needed) for needed in names):
                statement(value)
            return getattr(kind, name)(value, *args)

        return method
