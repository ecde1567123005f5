"""Facts of code objects on disk, so that the next process need not analyse the same code again.
Owns the file and who may have written it; what facts are is `code_facts`' matter.

Theory of operation. One file, read at once: a signature, and a table from the digest of a code
object, as marshalled, to its facts. The signature is BLAKE3 under the home's key, over the table
and over what made it: the interpreter, and the sources of the analysis itself. So whatever is torn,
foreign, forged or made by another pipekit is no memo, and nothing of it is looked at. A process
that has found something new writes the whole file anew and renames it into its place; of two that
do so at once one may lose what it has found, which costs time and nothing else.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
import threading
from contextlib import suppress
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType, EllipsisType, NoneType
from typing import Any

from blake3 import blake3

from pipekit.capture import bytecode, code_facts, layout, node, references
from pipekit.capture.code_facts import CodeFacts, analyse
from pipekit.capture.references import Import, References
from pipekit.clock import SystemClock

MOST_BYTES = 512 << 10
"""Of the table. What was used least lately is left out of it."""

_SIGNATURE_BYTES = 32
_ANALYSIS = (bytecode, code_facts, layout, node, references)
"""The modules that make facts; this one writes them down."""
_SETTLED_SECONDS = 1.0
"""A source that was changed this short a time before it was imported may be another one."""
_LEFT_BEHIND_SECONDS = 60.0
_WITHOUT_SHARING = 2
"""The version of marshal's format in which equal code has equal bytes."""
_SCALARS = frozenset({int, str, bytes, bool, NoneType, EllipsisType})
_NUMBERS = frozenset({float, complex})


class CodeMemo:
    """The memo of one home. Thread-safe.

    Args:
        file: Where it is, or will be.
        key: What the file is signed with.
    """

    def __init__(self, file: Path, key: bytes) -> None:
        self._file = file
        self._lock = threading.Lock()
        maker = _maker()
        self._secret = blake3(b"code facts" + key + maker).digest() if maker else b""
        self._known: dict[bytes, bytes] = self._read() if maker else {}
        self._used: set[bytes] = set()
        self._new: dict[bytes, bytes] = {}

    def facts(self, code: CodeType) -> CodeFacts:
        """The facts of a code object, remembered or found anew."""
        name = name_of(code) if self._secret else None
        if name is None:
            return analyse(code)
        record = self._known.get(name)
        if record is not None:
            self._used.add(name)
            return _unpack(record)
        facts = analyse(code)
        self._add(name, facts)
        return facts

    def add(self, code: CodeType, facts: CodeFacts) -> None:
        """Remember facts that were found."""
        name = name_of(code) if self._secret else None
        if name in self._known:
            self._used.add(name)
        elif name is not None:
            self._add(name, facts)

    def _add(self, name: bytes, facts: CodeFacts) -> None:
        with suppress(ValueError):  # something that marshal does not know: it is found anew
            self._new[name] = self._known[name] = _pack(facts)

    def count_new(self) -> int:
        """How much there is that was not read or written yet."""
        return len(self._new)

    def save(self) -> None:
        """Write down what is new. Raises nothing: where that cannot be done, it is found anew."""
        with self._lock:
            if not self._new:
                return
            new, self._new = self._new, {}
            used = self._used.copy()
            table = self._read()  # another process may have written meanwhile
            lately = {name: table.pop(name) for name in used if name in table}
            body = _body({**table, **lately, **new})
            with suppress(OSError):
                self._write(self._sign(body) + body)

    def _sign(self, body: bytes) -> bytes:
        return blake3(body, key=self._secret).digest()

    def _read(self) -> dict[bytes, bytes]:
        """The table; an empty one where there is none that this process would have written."""
        try:
            content = _content(self._file)
        except OSError:
            return {}
        body = content[_SIGNATURE_BYTES:]
        if content[:_SIGNATURE_BYTES] != self._sign(body):
            return {}
        table: dict[bytes, bytes] = marshal.loads(body)
        return table

    def _write(self, content: bytes) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = f"{self._file}.new"
        try:
            number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process is about to write, or was killed when it did
            if os.lstat(fresh).st_mtime < SystemClock.now() - _LEFT_BEHIND_SECONDS:
                os.unlink(fresh)
            return
        try:
            with open(number, "wb") as file:
                file.write(content)
            os.replace(fresh, self._file)
        except OSError:
            with suppress(OSError):
                os.unlink(fresh)
            raise


def name_of(code: CodeType) -> bytes | None:
    """What tells a code object from all that are not equal to it in each detail; None where its
    bytes do not tell all."""
    if not _tells_all(code.co_consts):
        return None
    try:
        return blake3(marshal.dumps(code, _WITHOUT_SHARING)).digest()
    except ValueError:  # a constant that this version of the format does not know
        return None


def _tells_all(constants: tuple[object, ...] | frozenset[object]) -> bool:
    """Whether marshal has a form of its own for each of the constants. It writes whatever has a
    buffer as if that were bytes; the compiler makes no such constant, but a tool may."""
    if _SCALARS.issuperset(map(type, constants)):
        return True
    for constant in constants:
        kind: Any = type(constant)
        if kind is tuple or kind is frozenset:
            if not _tells_all(constant):  # type: ignore[arg-type]
                return False
        elif isinstance(constant, CodeType):
            if not _tells_all(constant.co_consts):
                return False
        elif kind in _NUMBERS:
            if constant != constant:  # whether two of these are one object makes a difference
                return False
        elif kind not in _SCALARS:
            return False
    return True


def _maker() -> bytes:
    """What facts depend on besides the code; empty where that is not known for certain: where the
    analysis has been edited since this process imported it."""
    running = blake3(repr((sys.implementation.name, sys.hexversion, MAGIC_NUMBER)).encode())
    try:
        for module in (*_ANALYSIS, sys.modules[__name__]):
            path = module.__file__ or ""
            content = Path(path).read_bytes()
            status = os.stat(path)
            changed_at = max(status.st_mtime, status.st_ctime)
            if not path.endswith(".py") or changed_at > code_facts.IMPORTED_AT - _SETTLED_SECONDS:
                return b""
            running.update(len(content).to_bytes(8, "little") + content)
    except OSError:
        return b""
    return running.digest()


def _content(path: Path) -> bytes:
    """The bytes of a file that nobody else may write.

    Raises:
        OSError: it is none, or cannot be read.
    """
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb", buffering=0) as file:
        status = os.fstat(number)
        is_private = status.st_uid == os.geteuid() and not status.st_mode & 0o022
        most = MOST_BYTES + _SIGNATURE_BYTES
        if not (stat.S_ISREG(status.st_mode) and is_private and status.st_size <= most):
            raise OSError(f"{str(path)!r} is no memo")
        return file.read(status.st_size)


def _body(table: dict[bytes, bytes]) -> bytes:
    """The table as bytes, without as many of its first entries as it takes to keep it small."""
    whole = marshal.dumps(table)
    names = iter(list(table))
    while len(whole) > MOST_BYTES:
        left_out = 0
        while left_out < len(whole) - MOST_BYTES:
            left_out += len(table.pop(next(names)))
        whole = marshal.dumps(table)
    return whole


def _pack(facts: CodeFacts) -> bytes:
    """Facts as plain data.

    Raises:
        ValueError: there is something else among them.
    """
    digest, free, found = facts
    imports = tuple(tuple(wanted) for wanted in found.imports)
    for what, _ in found.uses:
        constants = what[3] or ()
        if CodeType in map(type, constants) or not _tells_all(constants):
            raise ValueError("there is more than plain data")
    plain: Any = (digest, free, found._replace(imports=())[:], imports)
    return marshal.dumps(plain)


def _unpack(record: bytes) -> CodeFacts:
    digest, free, found, imports = marshal.loads(record)
    references_found = References(*found)
    if imports:
        made = tuple(Import(*wanted) for wanted in imports)
        references_found = references_found._replace(imports=made)
    return digest, free, references_found
