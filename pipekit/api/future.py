"""`Future`, the user's lazy handle on one output of a step, and what reads it.

Owns how a handle behaves as the plain value; not how the value is made or waited for (a `Source`
does that), nor futures inside of other data (`future_nesting`).

Each special method of Python's data model asks the plain value with the plain function or
operator, so that results and errors are those of the value. Operators return plain values.
`repr` never waits; `str` and `format` do.

What no object can fake; write `get(x)` there:

- identity and exact types: `x is None`, `x is True`, `type(x)`; `match` with a sequence or mapping
  pattern (`case [a, b]`, `case {"k": v}`); `except x`, `class C(x)`;
- built-in code that wants its own type: `"".join([x])`, `"text".startswith(x)`, `"a b".split(x)`,
  `x in "text"`, `json.dumps(x)`, `re.match(p, x)`, `file.write(x)`, buffers (`hashlib`,
  `memoryview`), `int(x, 16)`, `getattr(y, x)`, `eval(x)`, `pow(2, x, 5)`, parameters of a database;
- `"%s %s" % x` of a tuple; a slice, tuple or bool `x` as the index of a plain list or array;
- labels and positions in a plain pandas object: `frame[x]`, `frame.groupby(x)`, `frame.iloc[x]`,
  `frame.head(x)`; masks and lists of labels are fine, and so is `f[x]` of a future `f` of a frame;
- other extension modules that check for exact classes: columns of objects or a date in pandas, and
  polars, which takes only whole frames;
- a list of futures, `xs`, of plain values: pandas keeps the futures as objects, numpy does so for
  what is neither number nor array: `pd.Series(get(xs))`; `np.int64(2) * x` of a list;
- `callable(x)` is true until `x` has been touched for the first time;
- `x` in a set or as a key of a dict stays a future (equal to its value, with the same hash);
- weak references: a future takes none;
- the text, not the type, of an error where a plain value stands on the left of a comparison
  (`3 < x`), where `x` is unpacked, called or asked for its `next`; `math.sqrt(x)` of a str reads
  the number.

Special methods of a value that exist on the instance alone, and `sys.getsizeof`, are not asked.
"""

from __future__ import annotations

import copy
import operator
import sys
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from pipekit.api.future_caller import is_label, is_subscript
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
        if name[:1] == "_":
            if name in _OWN:
                return object.__getattribute__(self, name)
            if _is_probe(name) and not _is_ready(self):
                raise AttributeError(f"{self!r} has no {name} yet")
            value = value_of(self)
            if name in _MISLEADING and _misleads(name, value):
                raise AttributeError(f"{self!r} hides {name}: it would be misread")
            return getattr(value, name)
        return getattr(value_of(self), name)

    def __setattr__(self, name: str, item: Any) -> None:
        setattr(value_of(self), name, _plain(item))

    def __delattr__(self, name: str) -> None:
        delattr(value_of(self), name)

    def __dir__(self) -> list[str]:
        return dir(value_of(self)) if _is_ready(self) else dir(_Handle)

    def __getitem__(self, key: Any) -> Any:
        return operator.getitem(value_of(self), _plain_key(key))

    def __setitem__(self, key: Any, item: Any) -> None:
        operator.setitem(value_of(self), _plain_key(key), _plain(item))

    def __delitem__(self, key: Any) -> None:
        operator.delitem(value_of(self), _plain_key(key))

    def __hash__(self) -> int:
        digest = hash(value_of(self))
        if is_label(sys._getframe(1)):
            raise _not_as("label of a plain pandas object", self)  # it would be taken for a new one
        return digest

    def __index__(self) -> int:
        return int(operator.index(value_of(self)))  # exactly an int: a bool is deprecated here

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
        return getattr(ufunc, method)(*map(_plain, inputs), **get(options))

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


def _settled_class(**methods: Any) -> type[Any]:
    return FutureType("Future", (_Handle,), {"__slots__": (), "__module__": __name__, **methods})


# `callable(f)`, and C code that looks for an iterator, ask the class alone and are often a first
# branch (`frame[f]` asks both), so these two methods are there only if the value has them.
_SETTLED = {
    (False, False): _settled_class(),
    (False, True): _settled_class(__next__=Future.__next__),
    (True, False): _settled_class(__call__=Future.__call__),
    (True, True): _settled_class(__call__=Future.__call__, __next__=Future.__next__),
}

_source: Callable[[Any], Source] = _Handle.__dict__["_pipekit_source"].__get__
_output: Callable[[Any], str] = _Handle.__dict__["_pipekit_output"].__get__
_set_source: Callable[[Any, Source], None] = _Handle.__dict__["_pipekit_source"].__set__
_set_output: Callable[[Any, str], None] = _Handle.__dict__["_pipekit_output"].__set__
_set_class: Callable[[Any, type], None] = object.__dict__["__class__"].__set__

_OWN = frozenset({"__array__", "__deepcopy__", "__reduce_ex__"})
"""Asked of the instance by numpy, `copy` and `pickle`, yet not to be the value's."""

_MISLEADING = frozenset({"__array_interface__", "__array_struct__", "__iter__"})
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
    """
    value = _source(future).get_output(_output(future))
    if type(future) is Future:
        _set_class(future, _SETTLED[callable(value), hasattr(type(value), "__next__")])
    return value


def get(value: T) -> T:
    """`value` with every future in it replaced by its plain value, at any depth; waits for all.

    Raises:
        StepFailed, StepSkipped, Stopped: As the first future that has no value does.
        UsageError: A container with a future in it is of a class that cannot be copied.
    """
    plain: T = replace_futures(value, value_of)
    return plain


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


def _is_probe(name: str) -> bool:
    return name.startswith("_ipython_") or (name.startswith("_repr_") and name.endswith("_"))


def _misleads(name: str, value: Any) -> bool:
    if name == "__iter__":
        # pandas knows text by its exact class, and takes what else has this for a list of labels.
        return isinstance(value, (str, bytes))
    # numpy prefers these to `__array__`, and loses a mask or the unit of a time.
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


for _name, _method in special_methods(value_of, _plain).items():
    if _name not in _Handle.__dict__:
        setattr(_Handle, _name, _method)
