"""How a function's parameters are bound to a call's arguments, quickly."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pipekit.errors import nearest

_VALUES = frozenset({int, float, str, bool, type(None), bytes, tuple, list, dict, set})
"""Types of defaults that code compares by value."""
_MUTABLE = frozenset({list, dict, set})
_PLAIN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Binder:
    """Binds calls of one function."""

    __slots__ = (
        "_keyword_only",
        "_mutable",
        "_name",
        "_names",
        "_sentinels",
        "_signature",
        "defaults",
    )

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._name = name
        self._signature = _signature(function)
        parameters = self._signature.parameters.values()
        self._names: tuple[str, ...] | None = None
        if all(parameter.kind in _PLAIN for parameter in parameters):
            self._names = tuple(parameter.name for parameter in parameters)
        self._keyword_only = sum(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters)
        self.defaults: dict[str, Any] = {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.default is not inspect.Parameter.empty
        }
        self._sentinels = frozenset(
            name for name, value in self.defaults.items() if type(value) not in _VALUES
        )
        self._mutable = tuple(
            (place, parameter.name, parameter.kind)
            for place, parameter in enumerate(parameters)
            if type(parameter.default) in _MUTABLE
        )

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self._signature.parameters)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Parameter name -> value, defaults filled in, in the order of the signature.

        Raises:
            TypeError: as the call itself would.
        """
        names = self._names
        if names is not None and len(args) <= len(names) - self._keyword_only:
            bound = dict(zip(names, args, strict=False))
            if not kwargs and len(args) == len(names):
                return bound
            for name in names[len(args) :]:
                if name in kwargs:
                    bound[name] = kwargs[name]
                elif name in self.defaults:
                    bound[name] = self.defaults[name]
                else:
                    break
            else:
                if all(name in bound for name in kwargs) and not any(
                    name in kwargs for name in names[: len(args)]
                ):
                    return bound
        return self._bind_slowly(args, kwargs)

    def without_defaults(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as they are sent: without those that are the very default, for a sentinel
        that code compares by `is` would not be itself after its travel; with a default list, dict
        or set, of which each step is to have one of its own, whatever another did to it."""
        names = self._names
        for place, name, kind in self._mutable:
            default = self.defaults[name]
            if kind is inspect.Parameter.POSITIONAL_ONLY:
                if len(args) == place and is_plain(default):
                    args = (*args, default)
                continue
            by_name = kind is inspect.Parameter.KEYWORD_ONLY or len(args) <= place
            if by_name and name not in kwargs and is_plain(default):
                kwargs = {**kwargs, name: default}
        if not self._sentinels:
            return args, kwargs
        while names is not None and args and self._is_sentinel(names[len(args) - 1], args[-1]):
            args = args[:-1]
        return args, {k: v for k, v in kwargs.items() if not self._is_sentinel(k, v)}

    def _is_sentinel(self, name: str, value: Any) -> bool:
        return name in self._sentinels and self.defaults[name] is value

    def _bind_slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        parameters = self._signature.parameters
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            for name in kwargs:
                if name not in parameters:
                    near = nearest(name, list(parameters))
                    raise TypeError(
                        f"{self._name}() got an unexpected keyword argument {name!r}"
                        f"{'; ' + near if near else ''}"
                    )
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._name}() {error}") from None
        bound.apply_defaults()
        return dict(bound.arguments)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Some functions of C have none that can be read: they take what they are given."""
    try:
        return inspect.signature(function)
    except ValueError:
        return inspect.signature(lambda *args, **kwargs: None)


def is_plain(value: Any) -> bool:
    """Whether a default is a number, a text or the like, or holds only such."""
    kind = type(value)
    if kind is dict:
        return all(is_plain(key) and is_plain(held) for key, held in value.items())
    if kind in (list, tuple, set):
        return all(map(is_plain, value))
    return kind in _VALUES


def outputs_from_annotation(function: Callable[..., Any]) -> tuple[str, ...]:
    """`value_0, value_1 …` for a function annotated `-> tuple[A, B]`, else nothing."""
    from typing import get_args, get_origin, get_type_hints

    annotation = getattr(function, "__annotations__", {}).get("return")
    if annotation is None or "uple" not in str(annotation):
        return ()
    try:
        annotation = get_type_hints(function)["return"]
    except Exception:  # noqa: BLE001 - user code: a name in an annotation that is not defined
        return ()
    arguments = get_args(annotation)
    if get_origin(annotation) is not tuple or len(arguments) < 2 or ... in arguments:
        return ()
    return tuple(f"value_{index}" for index in range(len(arguments)))
