"""How a step's exception travels: the name of its class, and itself, pickled. Does not decide what
a failure is."""

from __future__ import annotations

import pickle
from io import BytesIO
from types import FunctionType
from typing import Any

from pipekit.origin import stable_name

_MOST_BYTES = 1 << 20


def class_name(cls: type) -> str:
    """Its qualified name, the same in every process; of a builtin one the plain name."""
    name = cls.__qualname__
    return name if cls.__module__ == "builtins" else f"{stable_name(cls.__module__)}.{name}"


def pickled(error: BaseException) -> bytes:
    """The exception; empty where it cannot travel. Its text does so in any case."""
    for pickler in (_Pickler, _Remaker):
        try:
            buffer = BytesIO()
            pickler(buffer, 5).dump(error)
            data = buffer.getvalue()
            pickle.loads(data)  # many a class takes other arguments than it hands on
        except Exception:  # noqa: BLE001 - user code: a class of theirs
            continue
        return data if len(data) <= _MOST_BYTES else b""
    return b""


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | FunctionType):
            from pipekit.artifacts.pickling import reduce_named

            return reduce_named(obj)
        return NotImplemented


class _Remaker(_Pickler):
    """Writes exceptions so that their class is not called to make them anew."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, BaseException):
            return _remake, (type(obj), obj.args), vars(obj)
        return super().reducer_override(obj)


def _remake(cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    error = cls.__new__(cls)
    error.args = args
    return error
