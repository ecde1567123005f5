"""Values in and out: digest, serializer, bytes, signature, and whether they lie beside the records
or in the blob store. Does not record anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from pipekit.artifacts import by_value
from pipekit.artifacts.files import FileDigests
from pipekit.artifacts.plain import JsonSerializer, TextSerializer, encode_json, is_short_int
from pipekit.artifacts.registered import REGISTERED
from pipekit.artifacts.sink import BlobSink
from pipekit.artifacts.unfit import Unfit
from pipekit.clock import SystemClock
from pipekit.errors import (
    ArtifactError,
    BlobCorrupt,
    BlobMissing,
    NotSerializable,
    PipekitError,
    UntrustedPickle,
)
from pipekit.model.hashing import Hasher, Recording, digest_bytes
from pipekit.model.value import Digest, StoredValue, write_codes

if TYPE_CHECKING:
    from pipekit.artifacts.serializer import SerializerRegistry
    from pipekit.ports import BlobStore, Serializer

SIGNATURE_BYTES = 32
_SHORT = 500
"""Texts up to here are their own preview."""
_TAG_LENGTH = 16
"""Digits of a digest behind the name of a user's serializer: `point@0123456789abcdef`."""
_PURPOSE = "pipekit 2026 signature of a stored value"


_PLAIN_SERIALIZERS: dict[str, Serializer] = {"json": JsonSerializer(), "text": TextSerializer()}


class ArtifactStore:
    """Stores values and loads them. Thread-safe.

    Args:
        blobs: Where large values lie.
        hasher: Gives values their digests.
        key: The secret for signatures, asked for when the first is needed.
        registry: Serializers; pipekit's own by default.
        inline_bytes: Values up to this size are given back to be recorded.
        files: Digests of files, for paths.
        copies: Folder for copies of files that are no longer where they were; by default one that
            goes with the process.
        named: Of the classes and functions in a value: the digest of what other processes find on
            their own, by its name; by default of nothing.
    """

    def __init__(
        self,
        blobs: BlobStore,
        *,
        hasher: Hasher,
        key: Callable[[], bytes],
        registry: SerializerRegistry | None = None,
        inline_bytes: int = 65536,
        files: FileDigests | None = None,
        copies: Path | None = None,
        named: Callable[[Iterable[object]], Mapping[str, Digest]] | None = None,
    ) -> None:
        self._registry = registry
        self._began_at = SystemClock.now()
        self._seen: set[Digest] = set()
        """Mapped blobs of earlier processes that were read whole in this one."""
        self._files = files
        self._copies = copies
        self._blobs = blobs
        self._hasher = hasher
        self._named = named
        by_value.learn(hasher.code_of)
        self._key = key
        self._signing_key: bytes | None = None
        self._inline_bytes = inline_bytes

    # --- in -----------------------------------------------------------------------------------

    @property
    def registry(self) -> SerializerRegistry:
        """The serializers, made when a value is met that is more than a scalar or a short text:
        their modules are a third of what a worker imports."""
        if self._registry is None:
            from pipekit.artifacts.serializer import default_registry

            self._registry = default_registry(
                self._files or FileDigests(None), self._copies or _passing_folder()
            )
        return self._registry

    def _serializer(self, name: str) -> Serializer:
        plain = _PLAIN_SERIALIZERS.get(name) if self._registry is None else None
        return plain or self.registry.get(name.rpartition("@")[0] or name)

    def put(self, value: object, *, where: str) -> tuple[StoredValue, bytes | None]:
        """Store a value.

        Args:
            value: Anything that a serializer accepts.
            where: How the value is spoken of: `Output 'model' of component 'fit'`.

        Returns:
            What is known of it, and its bytes where the caller is to record them (`inline`). All
            others are durable in the blob store.

        Raises:
            NotSerializable: no serializer accepts it, or it cannot be written.
            StoreUnavailable: the blob store cannot be written.
        """
        cls = type(value)
        if cls in _PLAIN and not REGISTERED:
            plain = self._put_plain(value, cls)
            if plain is not None:
                return plain
        reason: object = ""
        for serializer in self.registry.list_accepting(value):
            try:
                return self._put_with(serializer, value)
            except Unfit as error:
                reason = error
            except PipekitError:
                raise
            except Exception as error:
                # Serializers run user code. Whatever it raised, the value cannot be stored.
                raise NotSerializable(
                    where=where, type_name=_name_of(cls), reason=_reason(error)
                ) from error
        raise NotSerializable(where=where, type_name=_name_of(cls), reason=str(reason))

    def _put_plain(self, value: Any, cls: type) -> tuple[StoredValue, bytes] | None:
        """The short way for scalars; None where it does not lead there."""
        if cls is str:
            if len(value) > _SHORT:
                return None
            data, preview, serializer = value.encode("utf-8", "surrogatepass"), value, "text"
        else:
            if cls is int and not is_short_int(value):
                return None
            data = encode_json(value)
            preview, serializer = data.decode()[:_SHORT], "json"
        if len(data) > self._inline_bytes:
            return None
        blob = blake3(data).hexdigest()
        digest = self._hasher.digest(value)
        name = _PLAIN[cls]
        return StoredValue(digest, blob, serializer, name, len(data), preview, True), data

    def _put_with(self, serializer: Serializer, value: object) -> tuple[StoredValue, bytes | None]:
        hasher = Recording(self._hasher)
        sink = BlobSink(self._blobs, self._inline_bytes, lambda: self._hasher.open_content(value))
        try:
            try:
                serializer.dump(value, sink)
            except Exception:
                if sink.failure is not None:
                    raise sink.failure from None
                raise
            if getattr(serializer, "signed", False):
                sink.write(self._sign(sink.digest()))
            name, digest = serializer.name, sink.content
            if name in REGISTERED:
                tag = self._tag_of(serializer)
                name, digest = f"{name}@{tag}", self._digest(serializer, tag, value, sink, hasher)
            stored = StoredValue(
                digest=digest or hasher.digest(value),
                blob=sink.adopt(),
                serializer=name,
                type=_name_of(type(value)),
                size_bytes=sink.size,
                preview=_preview(serializer, value),
                inline=sink.inline() is not None,
                codes=self._codes(hasher),
            )
            return stored, sink.inline()
        finally:
            sink.close()

    def _codes(self, hasher: Recording) -> str:
        return self.codes_of(hasher) if hasher.met else ""

    def codes_of(self, hasher: Recording) -> str:
        """What other processes find on their own of the code that a hasher has met, as one text."""
        if self._named is None:
            return ""
        return write_codes(self._named([obj for obj, _ in hasher.met.values()]))

    def _digest(
        self, serializer: Serializer, tag: str, value: object, sink: BlobSink, hasher: Hasher
    ) -> Digest:
        """Of a value as those see it who load it: what was written, and by which code, counts."""
        try:
            content = hasher.digest(value)
        except Exception:  # noqa: BLE001 - user code; what their serializer wrote can stand for it
            content = sink.digest().hex()
        return digest_bytes("stored by", serializer.name, tag, content)

    def _tag_of(self, serializer: Serializer) -> str:
        """Stands for the code of a user's serializer, and for what it holds."""
        try:
            digest = self._hasher.digest(serializer)
        except Exception:  # noqa: BLE001 - user code: what it holds need not be data
            digest = self._hasher.code_of(type(serializer))
        return digest[:_TAG_LENGTH]

    def is_registered(self, stored: StoredValue) -> bool:
        """Whether a serializer of the user's wrote a value."""
        return "@" in stored.serializer

    def is_current(self, stored: StoredValue) -> bool:
        """Whether the code that wrote a value is as it was then, or not here to be compared."""
        name, _, tag = stored.serializer.rpartition("@")
        serializer = REGISTERED.get(name or stored.serializer)
        return serializer is None or self._tag_of(serializer) == tag

    # --- out ----------------------------------------------------------------------------------

    def get(self, stored: StoredValue, content: bytes | None = None, *, what: str = "") -> Any:
        """Load a value: a fresh object each call.

        Args:
            stored: What `put` gave.
            content: The bytes, where they are inline.
            what: How the value is spoken of in errors.

        Raises:
            BlobMissing: the bytes are gone.
            BlobCorrupt: they are not what was stored.
            UntrustedPickle: they are not signed with this store's key.
            ArtifactError: they cannot be loaded: a class is gone, a library is not installed.
        """
        serializer = self._serializer(stored.serializer)
        source: bytes | Path
        if stored.inline:
            source = self._checked_content(stored, content, serializer, what)
        else:
            source = self._checked_path(stored, serializer, what)
        try:
            return serializer.load(source)
        except PipekitError:
            raise
        except Exception as error:  # serializers run user code: `__setstate__`, imports
            self.verify(stored, content, what=what)
            of = f" of {what}" if what else ""
            raise ArtifactError(
                f"The value{of}, a {stored.type}, cannot be loaded: {_reason(error)}.",
                hint="check that the libraries and classes it was made with can be imported here.",
            ) from error

    def get_or_inert(
        self, stored: StoredValue, content: bytes | None = None, *, what: str = ""
    ) -> Any:
        """The same for who only looks: where a class that the value was made with cannot be found,
        what is left of it (`Inert`).

        Raises:
            BlobMissing, BlobCorrupt, UntrustedPickle, ArtifactError: as `get` does.
        """
        from pipekit.artifacts import inert  # where something is wrong, or nearly

        try:
            return self.get(stored, content, what=what)
        except ArtifactError as error:
            is_gone = isinstance(error.__cause__, ImportError | AttributeError)
            if not is_gone or stored.serializer not in inert.SERIALIZERS:
                raise
            serializer = self._serializer(stored.serializer)
            source: bytes | Path
            if stored.inline:
                source = self._checked_content(stored, content, serializer, what)
            else:
                source = self._checked_path(stored, serializer, what)
            try:
                return inert.read_inert(stored.serializer, source, self.registry.get("path"))
            except Exception:  # noqa: BLE001 - user code; the first error says more
                raise error from error.__cause__

    def verify(self, stored: StoredValue, content: bytes | None = None, *, what: str = "") -> None:
        """Read all bytes of a value and compare them with their digest; load nothing.

        Raises:
            BlobMissing: the bytes are gone.
            BlobCorrupt: they are not what was stored.
        """
        if stored.inline:
            self._checked_content(stored, content, None, what)
        else:
            _digest_file(self._sized_path(stored, what), stored, what, tail=0)

    def _checked_content(
        self, stored: StoredValue, content: bytes | None, serializer: Serializer | None, what: str
    ) -> bytes:
        if content is None:
            raise BlobMissing(digest=stored.blob, what=what)
        if blake3(content).hexdigest() != stored.blob:
            raise BlobCorrupt(digest=stored.blob, what=what, reason="their digest differs")
        if getattr(serializer, "signed", False):
            body, signature = content[:-SIGNATURE_BYTES], content[-SIGNATURE_BYTES:]
            self._check_signature(blake3(body).digest(), signature, what)
        return content

    def _checked_path(self, stored: StoredValue, serializer: Serializer, what: str) -> Path:
        path = self._sized_path(stored, what)
        if getattr(serializer, "signed", False):
            # One reading for both: the digest of all, and that of what is signed on the way there.
            body, signature = _digest_file(path, stored, what, tail=SIGNATURE_BYTES)
            self._check_signature(body, signature, what)
        elif not getattr(serializer, "maps", False) or self._is_from_before(path, stored):
            _digest_file(path, stored, what, tail=0)
        return path

    def _is_from_before(self, path: Path, stored: StoredValue) -> bool:
        """Whether a file that would only be mapped is older than this process, and was not read by
        it yet: what lay on a disk meanwhile is read whole once."""
        if stored.blob in self._seen or path.stat().st_mtime >= self._began_at:
            return False
        self._seen.add(stored.blob)
        return True

    def get_path(self, stored: StoredValue, *, what: str) -> Path:
        """Where the bytes of a value that is not inline lie, all of them; they are not read.

        Raises:
            BlobMissing, BlobCorrupt: they are gone, or some are.
        """
        return self._sized_path(stored, what)

    def _sized_path(self, stored: StoredValue, what: str) -> Path:
        path = self._blobs.find(stored.blob)
        if path is None:
            raise BlobMissing(digest=stored.blob, what=what)
        size = path.stat().st_size
        if size != stored.size_bytes:
            reason = f"there are {size} bytes, {stored.size_bytes} were stored"
            raise BlobCorrupt(digest=stored.blob, what=what, reason=reason)
        return path

    # --- signatures ---------------------------------------------------------------------------

    def _sign(self, digest: bytes) -> bytes:
        if self._signing_key is None:
            self._signing_key = blake3(self._key(), derive_key_context=_PURPOSE).digest()
        return blake3(digest, key=self._signing_key).digest()

    def _check_signature(self, digest: bytes, signature: bytes, what: str) -> None:
        import hmac  # 2 ms that only a process which loads pickles needs

        if not hmac.compare_digest(self._sign(digest), signature):
            raise UntrustedPickle(what=what)


_PLAIN: dict[type, str] = {
    int: "int", float: "float", bool: "bool", str: "str", type(None): "NoneType",
}  # fmt: skip


def _digest_file(path: Path, stored: StoredValue, what: str, *, tail: int) -> tuple[bytes, bytes]:
    """Checks a whole blob; gives the digest of all but the last `tail` bytes, and those bytes."""
    from pipekit.artifacts.mapped import writable

    view = writable(path)
    running = blake3(max_threads=2)
    end = len(view) - tail
    running.update(view[:end])
    body, last = running.digest(), bytes(view[end:])
    if running.update(last).hexdigest() != stored.blob:
        raise BlobCorrupt(digest=stored.blob, what=what, reason="their digest differs")
    return body, last


def _passing_folder() -> Path:
    import os

    return Path(os.environ.get("TMPDIR") or "/tmp") / f"pipekit-{os.getuid()}-{os.getpid()}"


def _preview(serializer: Serializer, value: object) -> str:
    try:
        return serializer.preview(value)
    except Exception:  # noqa: BLE001 - user code; a value without a preview is stored all the same
        return ""


def _name_of(cls: type) -> str:
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def _reason(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__
