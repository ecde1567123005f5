"""What values that carry code are made of: bound methods, properties, partials and the like."""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipekit.capture.library import find_library_name

if TYPE_CHECKING:
    from pipekit.capture.description import Description

LRU = type(functools.lru_cache(lambda: None))
"""The class of what `functools.lru_cache` makes."""


def _method(to: Description, value: types.MethodType, where: str) -> None:
    to.say("method")
    to.value(value.__func__, where)
    to.value(value.__self__, where)


def _property(to: Description, value: property, where: str) -> None:
    to.say("property")
    for accessor in (value.fget, value.fset, value.fdel):
        to.value(accessor, where)


def _wrapped(to: Description, value: Any, where: str) -> None:
    to.say(type(value).__name__)
    to.value(value.__func__, where)


def _cached_property(to: Description, value: Any, where: str) -> None:
    to.say("cached property")
    to.value(value.func, where)


def _partial(to: Description, value: Any, where: str) -> None:
    to.say("partial", str(len(value.args)), *sorted(value.keywords))
    to.value(value.func, where)
    for argument in value.args:
        to.value(argument, f"an argument of the partial in {where}")
    for name in sorted(value.keywords):
        to.value(value.keywords[name], f"argument {name!r} of the partial in {where}")


def _lru(to: Description, value: Any, where: str) -> None:
    named = find_library_name(value)
    if named is not None:
        to.name_library(*named)
        return
    to.say("memoised", str(value.cache_parameters()["typed"]))
    to.value(value.__wrapped__, where)


def _dispatch_method(to: Description, value: Any, where: str) -> None:
    to.say("dispatch method")
    to.value(value.dispatcher, where)


def _code(to: Description, value: Any, where: str) -> None:
    to.code(value)


def _module(to: Description, value: types.ModuleType, where: str) -> None:
    to.module(value)


def _mapping_proxy(to: Description, value: types.MappingProxyType[Any, Any], where: str) -> None:
    to.say("mapping proxy")
    to.value(dict(value), where)


def _pattern(to: Description, value: Any, where: str) -> None:
    to.say("pattern", repr(value.pattern), str(value.flags))


FORMS: dict[type, Callable[[Description, Any, str], None]] = {
    types.FunctionType: _code,
    types.BuiltinFunctionType: _code,
    types.MethodType: _method,
    types.ModuleType: _module,
    property: _property,
    staticmethod: _wrapped,
    classmethod: _wrapped,
    functools.partial: _partial,
    functools.partialmethod: _partial,
    functools.cached_property: _cached_property,
    functools.singledispatchmethod: _dispatch_method,
    LRU: _lru,
    types.MappingProxyType: _mapping_proxy,
    type(re.compile("")): _pattern,
}
