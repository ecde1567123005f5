"""What a step is given: the stored values behind its arguments, and the memo key made of them."""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import Any

from pipekit.control.archive import Archive
from pipekit.control.output import Output
from pipekit.control.step import Argument, Produced, Step
from pipekit.errors import PipekitError
from pipekit.model.hashing import Hasher, digest_bytes
from pipekit.model.value import Digest, StoredValue
from pipekit.origin import find_imported


def stored_of(step: Step, source: int) -> Output | None:
    """The stored value behind one of a step's sources; None where its producer has none."""
    found = step.sources[source]
    if type(found) is Produced:
        return found.step.outputs.get(found.output)
    return found.output  # type: ignore[return-value]


def read_inputs(step: Step, archive: Archive) -> tuple[tuple[StoredValue, bytes | None, str], ...]:
    """The stored values behind a step's sources, ready to be sent: each with its inline bytes and
    how to speak of it.

    Raises:
        PipekitError: one has no value, or its bytes are gone.
    """
    inputs = []
    for index, source in enumerate(step.sources):
        output = stored_of(step, index)
        if output is None:
            raise PipekitError(f"Input {index + 1} of step {step.label} has no value.")
        what = f"input {index + 1} of {step.label}"
        if type(source) is Produced:
            output = source.step.run.fetched(source.step, source.output)
            what = f"output {source.output!r} of {source.step.label}"
        inputs.append((output.value, archive.content(output), what))
    return tuple(inputs)


def memo_key(step: Step, hasher: Hasher) -> Digest:
    """The key of a step whose inputs are known: code, outputs, version, what its `path_digests`
    say, and the value of each other argument by name.

    Raises:
        Exception: what hashing a value of the user's raises.
    """
    parts = [step.use.key_prefix, *step.path_digests]
    for argument in step.arguments:
        if argument.name in step.use.ignored:
            continue
        parts.append(argument.name)
        if argument.digest is not None:
            parts.append(argument.digest)
        elif argument.path is not None:
            parts.append("path")
        elif argument.source >= 0:
            parts.append(_source_digest(step, argument.source))
        else:
            digest = _digest_nested(step, argument, hasher)
            step.nested_digests = {**step.nested_digests, argument.name: digest}
            parts.append(digest)
    return digest_bytes(*parts)


def path_digests(step: Step, hasher: Hasher) -> tuple[Digest, ...]:
    """What lies now at each path among the arguments; of a path to nothing (where the step is to
    write, say) its text."""
    digests = []
    for argument in step.arguments:
        if argument.path is not None and argument.name not in step.use.ignored:
            try:
                digests.append(hasher.digest(argument.path))
            except (FileNotFoundError, NotADirectoryError):
                digests.append(digest_bytes("nothing at", str(argument.path)))
    return tuple(digests)


def _source_digest(step: Step, index: int) -> Digest:
    output = stored_of(step, index)
    if output is None:
        raise LookupError(f"input {index + 1} has no value")
    return output.value.digest


class _Source:
    """Where a source stands in a structure."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class _Nested(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = find_imported(module, name)
        return super().find_class(module, name) if found is None else found

    def persistent_load(self, index: int) -> Any:
        return _Source(index)


def _digest_nested(step: Step, argument: Argument, hasher: Hasher) -> Digest:
    """The digest of an argument that has sources inside it, as if their values stood there."""
    value = _Nested(BytesIO(argument.nested)).load()
    return Hasher(
        code_of=hasher.code_of,
        digest_path=hasher.digest_path,
        known={_Source: lambda source: _source_digest(step, source.index)},
    ).digest(value)
