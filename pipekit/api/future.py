"""`Future`, the user's lazy handle on one output of a step, and what reads it.

Owns how a handle behaves as the plain value; not how the value is made or waited for (a `Source`
does that), nor futures inside of other data (`future_nesting`).

Each special method of Python's data model asks the plain value with the plain function or
operator, so that results and errors are those of the value. Operators return plain values.
`repr` never waits; `str` and `format` do.

What no object can fake stands in the README; `tests/unit/test_future_limits.py` shows each. Special
methods of a value that exist on the instance alone, and `sys.getsizeof`, are not asked. Where a
plain value stands on the left of a comparison (`3 < x`), or `x` is unpacked, called or asked for
its `next`, the text of an error, not its type, may speak of a future.
"""

from __future__ import annotations

import copy
import operator
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar, overload

from pipekit.api.future_caller import (
    exact_use,
    is_assignment,
    is_attribute,
    is_label,
    is_looker,
    is_pandas,
    is_product,
    is_seed,
    is_subscript,
)
from pipekit.api.future_kind import FutureType, is_future
from pipekit.api.future_methods import special_methods
from pipekit.api.future_nesting import find_futures, replace_futures
from pipekit.errors import UsageError

__all__ = [
    "Future",
    "Source",
    "find_futures",
    "get",
    "is_future",
    "output_of",
    "replace_futures",
    "source_of",
    "times_pickled",
    "value_of",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol):
    """A step, from the side of its futures. Thread-safe."""

    def get_output(self, output: str) -> Any:
        """Waits, then gives *the* value for the controller: the same object each time.

        Raises:
            StepFailed: The step used up its attempts.
            StepSkipped: Something that it depends on failed.
            Stopped: The run was stopped.
        """

    def has_output(self, output: str) -> bool:
        """Whether `get_output` would return, or raise, at once. Never waits, never raises."""

    def describe_output(self, output: str) -> str:
        """For people, such as `fit.value, running`. Never waits, never raises."""


class NotYet(AttributeError, TypeError):
    """For those who only look: what they ask for is not there before the step has ended."""


class _Handle(Generic[T_co], metaclass=FutureType):
    """The slots, and what is not a plain delegation to the value; `future_methods` adds the rest.

    `__getattribute__` leads to the value for every name, also for these slots and methods:
    here they are reached through the class.
    """

    __slots__ = ("_pipekit_output", "_pipekit_source")

    def __init__(self, source: Source, output: str) -> None:
        _set_source(self, source)
        _set_output(self, output)

    def __repr__(self) -> str:
        return f"<Future {_source(self).describe_output(_output(self))}>"

    def __getattribute__(self, name: str) -> Any:
        if name in _OWN:
            return object.__getattribute__(self, name)
        if not _is_ready(self):
            if _is_probe(name):
                raise NotYet(f"{self!r} has no {name} yet")
            if name == "__class__" and is_looker(sys._getframe(1)):
                return type(self)
        value = value_of(self)
        if name in _MISLEADING:
            _check_use(self, name, value, sys._getframe(1))
        return getattr(value, name)

    def __setattr__(self, name: str, item: Any) -> None:
        setattr(value_of(self), name, _plain(item))

    def __delattr__(self, name: str) -> None:
        delattr(value_of(self), name)

    def __dir__(self) -> list[str]:
        return dir(value_of(self)) if _is_ready(self) else dir(_Handle)

    def __str__(self) -> str:
        return repr(self) if _is_looked_at(self, sys._getframe(1)) else str(value_of(self))

    def __getitem__(self, key: Any) -> Any:
        return operator.getitem(value_of(self), _plain_key(key))

    def __setitem__(self, key: Any, item: Any) -> None:
        value = value_of(self)
        if hasattr(value, "__array_interface__") and not is_assignment(sys._getframe(1)):
            # It would be swapped row by row, and the rows are views of one memory.
            raise _not_as("array that a function shuffles or fills", self)
        operator.setitem(value, _plain_key(key), _plain(item))

    def __delitem__(self, key: Any) -> None:
        operator.delitem(value_of(self), _plain_key(key))

    def __hash__(self) -> int:
        value = value_of(self)
        digest = hash(value)
        caller = sys._getframe(1)
        if is_label(caller):
            raise _not_as("label of a plain pandas object", self)  # it would be taken for a new one
        if is_seed(caller) and not _is_seed_of(value, digest):
            raise _not_as("seed of a random generator", self)  # other numbers would come
        return digest

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        value = value_of(self)
        entries = getattr(value, "__mro_entries__", None)
        return (value,) if entries is None or isinstance(value, type) else entries(bases)

    def __pow__(self, exponent: Any, modulus: Any = None) -> Any:
        return pow(value_of(self), _plain(exponent), _plain(modulus))

    def __round__(self, *digits: Any) -> Any:
        return round(value_of(self), *map(_plain, digits))

    def __copy__(self) -> Any:
        return copy.copy(value_of(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(value_of(self), memo)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # A future pickles as its value. Of the standard library alone, so that it loads anywhere.
        global _pickled
        _pickled += 1
        return operator.getitem, ((value_of(self),), 0)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy as np  # who calls this has it

        value = value_of(self)
        if isinstance(value, tuple) and is_subscript(sys._getframe(1)):
            raise _not_as("index of a plain array", self)  # a list of rows, in place of one cell
        if copy is None:
            return np.asanyarray(value, dtype)
        return np.array(value, dtype=dtype, copy=copy, subok=True)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = list(map(_plain, inputs))
        if ufunc.__name__ == "multiply" and not options and is_product(sys._getframe(1)):
            return operator.mul(*plain)  # of a list and a number it is no product
        return getattr(ufunc, method)(*plain, **get(options))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*get(args), **get(kwargs))


class Future(_Handle[T_co]):
    """The value of a step's output, when it is used.

    Made at once by calling a component in a pipeline. Passing it on does not wait; any other use
    waits, and then gives what the plain value gives, or raises what its step raised (`StepFailed`,
    `StepSkipped`). A debugger may look at one that is not ready: `repr`, `type`, `dir` and
    attributes named `_ipython_…` or `_repr_…_` (absent until then) do not wait.

    Immutable itself, safe to use from several threads. Its class changes once, at the first touch,
    to one without the methods below that its value has not got: ask `is_future`.
    """

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        value = value_of(self)
        if callable(value):
            return value(*args, **kwargs)
        try:
            return value(*args, **kwargs)
        except TypeError as error:
            error.add_note(f"callable() said yes of {self!r}, not used until then: pass get(x).")
            raise

    def __next__(self) -> Any:
        return next(value_of(self))

    def __index__(self) -> int:
        value = value_of(self)
        if isinstance(value, bool) and is_subscript(sys._getframe(1)):
            raise _not_as("index of a plain list or array", self)  # to an array it is a mask
        try:
            return int(operator.index(value))  # exactly an int: a bool is deprecated here
        except TypeError as error:
            if _is_path(value):
                error.add_note("What takes a file's name or its number asks for the number first.")
                error.add_note(f"{self!r} has a name: write get(x) in place of x.")
            raise


# `callable(f)`, C code that looks for an iterator, and C code that takes the number or the name of
# a file ask the class alone, and are often a first branch (`frame[f]` asks the first two). So these
# methods are there only if the value has them, as far as that is known: once it was touched.
_settled: dict[tuple[bool, bool, bool], type] = {}
_settled_of: dict[type, type] = {}
"""By type, of those that are most values and cannot change."""
_FIXED = frozenset({int, float, str, bool, type(None), bytes, list, dict, tuple})


def _settled_class(value: Any) -> type:
    kind = _settled_of.get(type(value))
    if kind is None:
        kind = _make_settled_class(value)
        if type(value) in _FIXED:
            _settled_of[type(value)] = kind
    return kind


def _make_settled_class(value: Any) -> type:
    key = (callable(value), hasattr(type(value), "__next__"), _is_path(value))
    kind = _settled.get(key)
    if kind is None:
        body: dict[str, Any] = {"__slots__": (), "__module__": __name__}
        if key[0]:
            body["__call__"] = Future.__call__
        if key[1]:
            body["__next__"] = Future.__next__
        if not key[2]:
            body["__index__"] = Future.__index__
        kind = _settled[key] = FutureType("Future", (_Handle,), body)
    return kind


_source: Callable[[Any], Source] = _Handle.__dict__["_pipekit_source"].__get__
_output: Callable[[Any], str] = _Handle.__dict__["_pipekit_output"].__get__
_set_source: Callable[[Any, Source], None] = _Handle.__dict__["_pipekit_source"].__set__
_set_output: Callable[[Any, str], None] = _Handle.__dict__["_pipekit_output"].__set__
_set_class: Callable[[Any, type], None] = object.__dict__["__class__"].__set__

_OWN = frozenset({"__array__", "__deepcopy__", "__mro_entries__", "__reduce_ex__"})
"""Asked of the instance by numpy, `copy`, `class` and `pickle`, yet not to be the value's."""

_MISLEADING = frozenset({
    "__array_interface__", "__array_struct__", "__bases__", "__class__", "__iter__",
})  # fmt: skip
"""Found by who cannot see what the value is, and then taken for more than it says."""


def source_of(future: Any) -> Source:
    """The step of a future. Never waits."""
    return _source(future)


def output_of(future: Any) -> str:
    """The name of a future's output. Never waits."""
    return _output(future)


_pickled = 0


def times_pickled() -> int:
    """How often a future was pickled in this process: where that grows, one stood in the value."""
    return _pickled


def value_of(future: Any) -> Any:
    """The plain value of a future: waits for it.

    Raises:
        StepFailed, StepSkipped, Stopped: As its source does.
        NotYet: A debugger asks, and would have to wait.
    """
    source, output = _source(future), _output(future)
    if not source.has_output(output) and is_looker(sys._getframe(1)):
        raise NotYet(f"{future!r} has no value yet")
    value = source.get_output(output)
    if type(future) is Future:
        _set_class(future, _settled_class(value))
    return value


@overload
def get(value: Future[T]) -> T: ...
@overload
def get(value: T) -> T: ...


def get(value: Any) -> Any:
    """`value` with every future in it replaced by its plain value, at any depth; waits for all.

    Raises:
        StepFailed, StepSkipped, Stopped: As the first future that has no value does.
        UsageError: A container with a future in it is of a class that cannot be copied.
    """
    return replace_futures(value, value_of)


def _plain(value: Any) -> Any:
    return value_of(value) if is_future(value) else value


def _plain_key(key: Any) -> Any:
    """An index with futures in it: `x[i]`, `x[a:b]`, `x[i, a:b]`, `x[[a, b]]`."""
    if type(key) is slice:
        return slice(_plain(key.start), _plain(key.stop), _plain(key.step))
    if type(key) is tuple:
        return tuple(map(_plain_key, key))
    return get(key)


def _not_as(use: str, future: Any) -> UsageError:
    return UsageError(f"{future!r} cannot be the {use}.", hint="write get(x) in place of x there.")


def _is_ready(future: Any) -> bool:
    return _source(future).has_output(_output(future))


def _is_looked_at(future: Any, caller: FrameType) -> bool:
    return not _is_ready(future) and is_looker(caller)


def _is_probe(name: str) -> bool:
    return name.startswith("_ipython_") or (name.startswith("_repr_") and name.endswith("_"))


def _is_seed_of(value: Any, digest: int) -> bool:
    """Whether `random` does with the hash what it does with the value."""
    if isinstance(value, int):
        return 0 <= value == digest
    return isinstance(value, float) and value == value


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or hasattr(type(value), "__fspath__")


def _check_use(future: Any, name: str, value: Any, caller: FrameType) -> None:
    """Refuse a name of `_MISLEADING` where it would be misread."""
    if name == "__class__":
        use = exact_use(caller)
        if use:
            raise _not_as(use, future)
        return
    if name == "__iter__":
        # pandas knows text by its exact class, and takes what else has this for a list of labels.
        misleads = isinstance(value, (str, bytes)) and is_pandas(caller)
    elif name == "__bases__":
        # `issubclass(f, C)` goes on from here, past the class itself.
        misleads = not is_attribute(caller)
    else:
        # numpy prefers these to `__array__`, and loses a mask or the unit of a time.
        numpy = sys.modules.get("numpy")
        misleads = numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))
    if misleads:
        raise AttributeError(f"{future!r} hides {name}: it would be misread")


for _name, _method in special_methods(value_of, _plain).items():
    if _name not in _Handle.__dict__:
        setattr(_Handle, _name, _method)
