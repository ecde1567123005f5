"""What the callable behind a component holds on to, and the pipeline function may change between
two calls: a closure's variables, objects as defaults, the instance of a method, the arguments of a
partial."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pipekit.api.signature import is_plain

Holding = Callable[[], tuple[Any, ...]]


def holding_of(function: Any) -> Holding | None:
    """What gives the objects that it holds on to now; None where it holds on to nothing.

    The result raises `ValueError` for a variable that has no value yet.
    """
    if isinstance(function, FunctionType):
        cells = function.__closure__ or ()
        defaults = _objects_in((*(function.__defaults__ or ()), *_keyword_defaults(function)))
        if not cells and not defaults:
            return None
        return lambda: (*(cell.cell_contents for cell in cells), *defaults)
    if isinstance(function, type | BuiltinFunctionType):
        return None
    if isinstance(function, MethodType):
        return lambda: (function.__self__, function.__func__)
    if isinstance(function, functools.partial):
        return lambda: (function.func, function.args, function.keywords)
    from pipekit.capture.library import find_library_name  # plain functions need nothing of it

    return None if find_library_name(function) is not None else lambda: (function,)


def _keyword_defaults(function: FunctionType) -> tuple[Any, ...]:
    return tuple((function.__kwdefaults__ or {}).values())


def _objects_in(defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    """The defaults that are not sent by their content with each call, and not fixed either."""
    return tuple(
        value
        for value in defaults
        if not is_plain(value) and not isinstance(value, FunctionType | type | BuiltinFunctionType)
    )
