"""Classes and functions that no import finds: of a notebook, a prompt, `python -c`, a function's
body. Owns how they travel; what has a name travels by that, which `pickling` decides.

A class is *tagged* with the digest of its code. Where one arrives, the class that is there under
its name with the same code is taken, else the one that came before under that tag, else it is made
from what travelled. So an instance comes back as that very class, also from the cache and after
its cell has run again unchanged; an instance of a class that was edited since keeps the old one.
"""

from __future__ import annotations

import io
import pickle
import sys
import threading
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from pipekit.errors import ArtifactError
from pipekit.model.hashing import name_digest
from pipekit.model.value import Digest
from pipekit.origin import MAIN, stable_name, walk

_HEAP_TYPE = 1 << 9
"""In `__flags__`: made by a class statement, or by code that does as much."""

_code_of: Callable[[Any], Digest] | None = None
_lock = threading.RLock()
_by_tag: WeakValueDictionary[Digest, type] = WeakValueDictionary()
_tags: WeakKeyDictionary[type, Digest] = WeakKeyDictionary()
"""Of the classes that have arrived here; others have that of their code."""
_packed: WeakKeyDictionary[Any, tuple[Digest, bytes, str]] = WeakKeyDictionary()
_unfinished: dict[int, type] = {}
"""Classes of the stream that is being read, without their members yet."""
_shown_in: list[ModuleType] = []


def learn(code_of: Callable[[Any], Digest]) -> None:
    """Tag with the digests of `code_of` from now on. One that knows names alone teaches nothing."""
    global _code_of
    if code_of is not name_digest:
        _code_of = code_of


def find_tag(obj: Any) -> Digest | None:
    """The tag of a class that has arrived here; None for everything else."""
    return _tags.get(obj) if isinstance(obj, type) and _is_hashable(obj) else None


def _is_hashable(cls: Any) -> bool:
    """Not where a metaclass says when its classes are equal, and no more."""
    hash_of: Any = type(cls).__hash__
    return hash_of is not None


def show_in(main: ModuleType) -> None:
    """Have what arrives found under its name in a main module that is empty, as in the process that
    it comes from: `pickle` and what uses it look there."""
    _shown_in[:] = [main]


def _show(name: str, obj: Any) -> None:
    for main in _shown_in:
        setattr(main, name, obj)


# --- out --------------------------------------------------------------------------------------


def reduce(obj: Any) -> Any:
    """For a pickler's `reducer_override`: a class or function by value; `NotImplemented` for what
    is not to be made from its parts (classes of C)."""
    if isinstance(obj, type) and (not obj.__flags__ & _HEAP_TYPE or obj.__module__ == "builtins"):
        return NotImplemented
    if not _is_hashable(obj):
        return NotImplemented
    tag, packed, problem = _pack_once(obj)
    if problem and not _is_live(obj):
        return NotImplemented  # the caller's own way will say what is wrong
    if isinstance(obj, type):
        _register(obj)
    return _arrive, (obj.__qualname__, tag, packed, problem)


def _pack_once(obj: Any) -> tuple[Digest, bytes, str]:
    tag = _tag_of(obj)
    known = _packed.get(obj)
    if known is not None and known[0] == tag:
        return known
    try:
        made = (tag, pack(obj), "")
    except Exception as error:  # noqa: BLE001 - user code: what a class or its globals hold on to
        made = (tag, b"", f"{type(error).__name__}: {error}")
    _packed[obj] = made
    return made


def _tag_of(obj: Any) -> Digest:
    return find_tag(obj) or (_code_of or name_digest)(obj)


def _register(cls: type) -> Digest:
    """Have the class taken where one of its code comes back; its tag."""
    tag = _tag_of(cls)
    _by_tag[tag] = cls
    return tag


def pack(obj: Any) -> bytes:
    """A class or function, with all that it refers to and no import finds.

    Raises:
        Exception: something that it holds on to cannot be pickled.
    """
    from pipekit.artifacts.packing import Packer  # imports cloudpickle, 22 ms

    out = io.BytesIO()
    packer = Packer(out, _register, (_begin, _finish))
    packer.dump(obj)
    return pickle.dumps((packer.sources(), out.getvalue()), 5)


# --- in ---------------------------------------------------------------------------------------


def unpack(packed: bytes) -> Any:
    """What `pack` was given, anew; the classes in it that are here already are those."""
    sources, stream = pickle.loads(packed)
    with _lock:
        before = set(_unfinished)
        try:
            made = pickle.loads(stream)
        except BaseException:
            for number in _unfinished.keys() - before:
                _by_tag.pop(_tags.pop(_unfinished.pop(number)), None)
            raise
    if isinstance(made, FunctionType):
        for name, held in list(made.__globals__.items()):
            if isinstance(held, type | FunctionType) and held.__module__ == MAIN:
                _show(name, held)
    if sources:
        import linecache

        # For tracebacks: the text of a cell is in no file that this process could read.
        for file, lines in sources.items():
            linecache.cache.setdefault(file, (sum(map(len, lines)), None, lines, file))
    return made


def _arrive(qualname: str, tag: Digest, packed: bytes, problem: str) -> Any:
    found = _find(qualname, tag)
    if found is not None:
        return found
    if not packed:
        raise ArtifactError(
            f"{qualname!r} was defined where no import finds it, and is not here; it could not "
            f"travel because of what it holds on to ({problem}).",
            hint="define it in a module of its own, and import it from there.",
        )
    made = unpack(packed)
    if isinstance(made, type):
        _packed.setdefault(made, (tag, packed, ""))
    return made


def _find(qualname: str, tag: Digest) -> Any:
    """What is here already: under its name, else under its tag."""
    live = _live(qualname)
    if live is not None and (_code_of is None or _tag_of(live) == tag):
        return live
    return _by_tag.get(tag)


def _live(qualname: str) -> Any:
    """The class or function of that name in a main module that others cannot import."""
    main = sys.modules.get(MAIN)
    if main is None or main in _shown_in or stable_name(MAIN) != MAIN or "<" in qualname:
        return None
    found = walk(main, qualname)
    for _ in range(64):
        if isinstance(found, type | FunctionType):
            return found
        found = getattr(found, "function", None)
    return None


def _is_live(obj: Any) -> bool:
    return _live(obj.__qualname__) is obj


def _begin(tag: Digest, qualname: str, make: Callable[..., type], args: tuple[Any, ...]) -> type:
    """A class in a stream: the one that is here, else a new one without its members."""
    found = _find(qualname, tag)
    if isinstance(found, type):
        return found
    cls = make(*args)
    _by_tag[tag] = cls
    _tags[cls] = tag
    _unfinished[id(cls)] = cls
    return cls


def _finish(cls: type, state: tuple[str, Callable[..., Any], Any]) -> None:
    """Give a new class its members; one that was here has them."""
    if _unfinished.pop(id(cls), None) is None:
        return
    qualname, set_state, members = state
    set_state(cls, members)
    cls.__qualname__ = qualname
    if cls.__module__ == MAIN and "." not in qualname:
        _show(qualname, cls)
