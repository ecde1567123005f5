"""Value digests: equal values have equal digests in every process. Owns the canonical form of plain
values; objects are taken apart in `object_value`, arrays in `library_value`. Reads no file itself.

Theory of operation. A value is a tree of nodes, and a node's digest is BLAKE3 over a tag and the
digests of its children, so that a placeholder whose digest is known may stand anywhere in the tree.
Every tag differs, and everything of variable length is last or carries its length: two different
values never feed the same bytes. Sharing does not count (`[l, l]` is `[l, copy]`); cycles end in a
back reference, counted from where it stands, after Tarjan's algorithm for connected components:
a component's nodes stay on a stack until its first node closes, and what is on the stack is
referred to by its distance from the top. Inside a component, and only there, sharing counts.
"""

from __future__ import annotations

import math
import struct
import sys
import types
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

from blake3 import blake3

from pipekit.model.value import Digest
from pipekit.origin import stable_name

PACKED_LENGTH = 4096
"""Sequences of this many plain scalars of one type are hashed as one buffer."""

LARGE_BYTES = 1 << 20
"""Buffers from here on are hashed with two threads."""

_MEMO_VISITS = 32
"""A subtree is remembered, for being met again, where it took this many visits: remembering each
pair in a list of a million costs more than it saves."""

Form = Callable[["Walk", Any], bytes]
"""Gives the digest of a value of one class."""


def digest_bytes(*parts: bytes | str) -> Digest:
    """The digest of a sequence of parts. Text differs from bytes, and parts never run together."""
    fed: list[bytes] = []
    for part in parts:
        if isinstance(part, str):
            tag, data = b"s", part.encode("utf-8", "surrogatepass")
        else:
            tag, data = b"b", part
        fed += (tag, len(data).to_bytes(8, "little"), data)
    return blake3(b"".join(fed)).hexdigest()


def name_digest(obj: object) -> Digest:
    """The digest of the stable qualified name of a class or function, whatever its code."""
    module = getattr(obj, "__module__", None) or ""
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", "")
    return digest_bytes("name", stable_name(module), str(name))


def _refuse_path(path: Path) -> Digest:
    raise TypeError(f"the content of {str(path)!r} cannot be read here")


class Hasher:
    """Gives values their digests. Thread-safe where its callables are.

    Args:
        code_of: Digest of a class or function; by default that of its qualified name.
        digest_path: Digest of what lies at a path; by default paths are refused.
        known: Classes whose instances stand for a value, and how to ask one for its digest.
    """

    __slots__ = ("code_of", "digest_path", "known")

    def __init__(
        self,
        *,
        code_of: Callable[[Any], Digest] | None = None,
        digest_path: Callable[[Path], Digest] | None = None,
        known: Mapping[type, Callable[[Any], Digest]] = types.MappingProxyType({}),
    ) -> None:
        self.code_of = code_of or name_digest
        self.digest_path = digest_path or _refuse_path
        self.known = known

    def digest(self, value: object) -> Digest:
        """The digest of a value.

        Raises:
            TypeError: the value, or something in it, cannot be taken apart (a lock, a connection);
                with the reason.
            OSError: from `digest_path`.
        """
        leaf = _LEAVES.get(type(value))
        if leaf is not None:
            return blake3(leaf(value)).hexdigest()
        if type(value) is tuple and len(value) <= 8:
            flat = _flat(b"tuple", value)
            if flat is not None:
                return flat.hex()
        try:
            return Walk(self).node(value).hex()
        except RecursionError:
            depth = sys.getrecursionlimit()
            raise TypeError(f"it is nested too deeply (Python's limit is {depth} calls)") from None

    def open_content(self, value: object) -> Any | None:
        """A `blake3` object that gives `digest(value)` once it has been fed the value's own bytes,
        for `bytes` and arrays that lie in C order; None for every other value."""
        if type(value) is bytes:
            return blake3(b"bytes:")
        if type(value).__module__ == "numpy":
            from pipekit.model.library_value import array_prefix

            prefix = array_prefix(value)
            if prefix is not None:
                return blake3(prefix)
        return None


class Recording(Hasher):
    """Another hasher, of which one can ask what classes and functions it has met.

    Args:
        hasher: The other.
        known: In place of those that it knows.
    """

    __slots__ = ("_code_of", "met")

    def __init__(
        self, hasher: Hasher, known: Mapping[type, Callable[[Any], Digest]] | None = None
    ) -> None:
        self._code_of = hasher.code_of
        self.code_of = self._record
        self.digest_path = hasher.digest_path
        self.known = hasher.known if known is None else known
        self.met: dict[int, tuple[object, Digest]] = {}
        """By address."""

    def _record(self, obj: Any) -> Digest:
        digest = self._code_of(obj)
        self.met[id(obj)] = (obj, digest)
        return digest


class Walk:
    """One traversal of one value."""

    __slots__ = ("_codes", "_low", "_memo", "_places", "_stack", "_visits", "hasher")

    def __init__(self, hasher: Hasher) -> None:
        self.hasher = hasher
        self._memo: dict[int, tuple[object, bytes]] = {}
        self._stack: list[object] = []
        self._places: dict[int, int] = {}
        self._codes: dict[type, bytes] = {}
        self._low = 0
        self._visits = 0

    def node(self, value: object) -> bytes:
        """The digest of any value, as 32 bytes."""
        cls = type(value)
        leaf = _LEAVES.get(cls)
        if leaf is not None:
            return blake3(leaf(value)).digest()
        known = self.hasher.known.get(cls)
        if known is not None:
            return bytes.fromhex(known(value))
        self._visits += 1
        key = id(value)
        found = self._memo.get(key)
        if found is not None:
            return found[1]
        if (cls is tuple or cls is list) and len(value) <= 8:  # type: ignore[arg-type]
            flat = _flat(b"tuple" if cls is tuple else b"list", value)  # type: ignore[arg-type]
            if flat is not None:
                return flat
        place = self._places.get(key)
        if place is not None:
            self._low = min(self._low, place)
            return blake3(b"back:%d" % (len(self._stack) - place)).digest()
        return self._enter(value, key, _FORMS.get(cls) or _form_of(cls))

    def _enter(self, value: object, key: int, form: Form) -> bytes:
        stack, places = self._stack, self._places
        index, outer, visits = len(stack), self._low, self._visits
        places[key] = index
        stack.append(value)
        self._low = index
        digest = form(self, value)
        if self._low < index:  # refers to something further out: stays until that closes
            self._low = min(self._low, outer)
            return digest
        for inner in stack[index:]:
            del places[id(inner)]
        del stack[index:]
        self._low = outer
        if self._visits - visits >= _MEMO_VISITS:
            self._memo[key] = (value, digest)
        return digest

    def sequence(self, tag: bytes, items: Sequence[Any]) -> bytes:
        """The digest of items whose order counts."""
        count = len(items)
        self._visits += count
        if count >= PACKED_LENGTH:
            packed = _pack(items)
            if packed is not None:
                return hash_buffer(b"%b packed:" % tag, packed)
        find, node = _LEAVES.get, self.node
        parts = [b"%b:%d:" % (tag, count)]
        for item in items:
            leaf = find(type(item))
            parts.append(node(item) if leaf is None else blake3(leaf(item)).digest())
        return blake3(b"".join(parts)).digest()

    def code(self, obj: type) -> bytes:
        """The digest of a class."""
        found = self._codes.get(obj)
        if found is None:
            found = self._codes[obj] = bytes.fromhex(self.hasher.code_of(obj))
        return found

    def attributes(self, state: Mapping[str, Any]) -> bytes:
        """The digest of what an object's attributes hold, in whatever order they were set."""
        parts: list[bytes] = []
        for name in sorted(state):
            value = state[name]
            if name == "__module__" and type(value) is str:
                value = stable_name(value)  # what `functools.update_wrapper` leaves
            parts += (self.node(name), self.node(value))
        return combine(b"attributes", *parts)


def _flat(tag: bytes, items: Sequence[Any]) -> bytes | None:
    """`Walk.sequence` of a few items that are all plain scalars, else None."""
    find = _LEAVES.get
    parts = [b"%b:%d:" % (tag, len(items))]
    for item in items:
        leaf = find(type(item))
        if leaf is None:
            return None
        parts.append(blake3(leaf(item)).digest())
    return blake3(b"".join(parts)).digest()


def combine(tag: bytes, *digests: bytes) -> bytes:
    """The digest of a node from its children's."""
    return blake3(b"%b:%d:%b" % (tag, len(digests), b"".join(digests))).digest()


def hash_buffer(prefix: bytes, buffer: Any) -> bytes:
    """BLAKE3 of a prefix and a contiguous buffer, which is not copied."""
    view = memoryview(buffer)
    return blake3(prefix, max_threads=_threads_for(view.nbytes)).update(view).digest()


def _threads_for(size: int) -> int:
    # Two threads cost 50 microseconds to start.
    return 2 if size >= LARGE_BYTES else 1


# --- plain scalars ----------------------------------------------------------------------------


_pack_double = struct.Struct("<d").pack
_NAN = b"float:nan"


def _int(value: int) -> bytes:
    return b"int:" + value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)


def _float(value: float) -> bytes:
    return b"float:" + _pack_double(value) if value == value else _NAN


def _str(value: str) -> bytes:
    return b"str:" + value.encode("utf-8", "surrogatepass")


def _complex(value: complex) -> bytes:
    return b"complex:" + b",".join((_float(value.real), _float(value.imag)))


_LEAVES: dict[type, Callable[[Any], bytes]] = {
    int: _int,
    str: _str,
    float: _float,
    bool: lambda value: b"bool:1" if value else b"bool:0",
    type(None): lambda _: b"none:",
    complex: _complex,
    type(...): lambda _: b"ellipsis:",
    type(NotImplemented): lambda _: b"notimplemented:",
}


def _pack(items: Sequence[Any]) -> bytes | None:
    """Scalars of one plain type as one buffer; None where they are anything else."""
    kinds = set(map(type, items))
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    if kind is int:
        try:
            return b"int:" + _little(array("q", items))
        except OverflowError:
            return None
    if kind is float:
        # A sum is NaN where an item is (or where infinities cancel, which costs only time).
        if math.isnan(sum(items)):
            items = [item if item == item else math.nan for item in items]
        return b"float:" + _little(array("d", items))
    if kind is bool:
        return b"bool:" + bytes(items)
    if kind is str:
        lengths = _little(array("q", map(len, items)))
        text = "".join(items).encode("utf-8", "surrogatepass")
        return b"str:%d:%b%b" % (len(items), lengths, text)
    return None


def _little(numbers: array[Any]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


# --- containers -------------------------------------------------------------------------------


def _list(walk: Walk, value: list[Any]) -> bytes:
    return walk.sequence(b"list", value)


def _tuple(walk: Walk, value: tuple[Any, ...]) -> bytes:
    return walk.sequence(b"tuple", value)


def _dict(walk: Walk, value: dict[Any, Any]) -> bytes:
    return combine(
        b"dict",
        walk.sequence(b"keys", list(value)),
        walk.sequence(b"values", list(value.values())),
    )


def unordered(walk: Walk, tag: bytes, items: Iterable[Any]) -> bytes:
    return combine(tag, *sorted(map(walk.node, items)))


def _set(walk: Walk, value: set[Any]) -> bytes:
    return unordered(walk, b"set", value)


def _frozenset(walk: Walk, value: frozenset[Any]) -> bytes:
    return unordered(walk, b"frozenset", value)


def _buffer(walk: Walk, value: bytes | bytearray) -> bytes:
    return hash_buffer(type(value).__name__.encode() + b":", value)


def _memoryview(walk: Walk, value: memoryview) -> bytes:
    about = walk.node((value.format, value.shape))
    return combine(b"memoryview", about, hash_buffer(b"content:", value.tobytes()))


def _slice(walk: Walk, value: slice | range) -> bytes:
    return walk.sequence(type(value).__name__.encode(), (value.start, value.stop, value.step))


_FORMS: WeakKeyDictionary[type, Form] = WeakKeyDictionary(
    cast(
        dict[type, Form],
        {
            list: _list,
            tuple: _tuple,
            dict: _dict,
            set: _set,
            frozenset: _frozenset,
            bytes: _buffer,
            bytearray: _buffer,
            memoryview: _memoryview,
            slice: _slice,
            range: _slice,
        },
    )
)


def _form_of(cls: type) -> Form:
    from pipekit.model.object_value import choose_form  # plain values need nothing of it

    form = _FORMS[cls] = choose_form(cls)
    return form
