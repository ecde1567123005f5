"""What a step is given: the stored values behind its arguments, and the memo key made of them."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

from pipekit.control.archive import Archive
from pipekit.control.output import Output
from pipekit.control.step import Argument, Produced, Step
from pipekit.errors import PipekitError
from pipekit.model.hashing import Hasher, digest_bytes
from pipekit.model.value import Digest, StoredValue, read_codes, write_codes
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
    if step.sources:
        parts += expect_codes(step)
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


def expect_codes(step: Step) -> list[str]:
    """Note for a step which code its inputs are made of, as it is to be where it runs; what its key
    is to say of that besides their digests, which is nothing unless something has changed.

    An argument counts with the code that it had at the call. What another step gave may come from
    other code than is loaded here: from the store, or from before a change. Then the step is to run
    with that of here, and its key says so. What the pipeline function has set since is seen by
    steps in this process, not by workers.
    """
    ignored = step.use.ignored
    texts = [one.codes for one in step.arguments if one.codes and one.name not in ignored]
    left_out = {one.source for one in step.arguments if one.name in ignored} if ignored else ()
    said: list[str] = []
    for index, source in enumerate(step.sources):
        output = stored_of(step, index)
        if output is None or not output.value.codes or index in left_out:
            continue
        if type(source) is Produced:
            texts.append(_as_here(step, output.value.codes, said))
        else:
            texts.append(output.value.codes)
    if texts:
        step.codes = "\n".join(texts)
    return said


def _as_here(step: Step, text: str, said: list[str]) -> str:
    codes = step.run.session.fingerprinter.codes
    found: dict[str, Digest] = {}
    for name, digest in read_codes(text):
        code = codes.find(name)
        here = digest
        if code is not None:
            follows = step.use.executor == "inline"
            here = (codes.look_again(code) if follows else code.first).digest
        if here != digest:
            said += ("code", name, here)
        found[name] = here
    return write_codes(found)


def path_digests(step: Step, hasher: Hasher) -> tuple[Digest, ...]:
    """What lies now at each path among the arguments; of a path to nothing (where the step is to
    write, say) its text."""
    digests = []
    for argument in step.arguments:
        if argument.path is not None and argument.name not in step.use.ignored:
            digests.append(path_digest(argument.path, hasher))
    return tuple(digests)


def path_digest(path: Path, hasher: Hasher) -> Digest:
    """What lies there now; of nothing, the path's text."""
    try:
        return hasher.digest(path)
    except (FileNotFoundError, NotADirectoryError):
        return digest_bytes("nothing at", str(path))


def note_nested(step: Step, hasher: Hasher) -> None:
    """Note the digests of the arguments that have sources inside them, where no key was made.

    Raises:
        Exception: what hashing a value of the user's raises.
    """
    for argument in step.arguments:
        if argument.nested and argument.name not in step.nested_digests:
            digest = _digest_nested(step, argument, hasher)
            step.nested_digests = {**step.nested_digests, argument.name: digest}


def note_for_record(step: Step, hasher: Hasher) -> None:
    """The same for the record of a completed step: what cannot be told is left out."""
    try:
        note_nested(step, hasher)
    except Exception:  # noqa: BLE001 - user code: what hashing a value calls
        pass


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
    met = {id(obj): digest for obj, digest in argument.met}
    return Hasher(
        code_of=lambda obj: met.get(id(obj)) or hasher.code_of(obj),
        digest_path=hasher.digest_path,
        known={_Source: lambda source: _source_digest(step, source.index)},
    ).digest(value)
