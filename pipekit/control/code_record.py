"""The parts of a code fingerprint as they are recorded among the contents, once for each code: what
each was, with the sources of the functions. People read them later; no key is made of them."""

from __future__ import annotations

from pipekit.capture.definition import source_of_part
from pipekit.capture.part import Fingerprint, Part
from pipekit.capture.source_text import parts_of
from pipekit.model.code_parts import address_of, decode_parts, encode_parts
from pipekit.model.reason import Changed
from pipekit.model.value import Digest
from pipekit.ports import Store

_MOST_SOURCES = 300
"""Of functions with their text, for one fingerprint."""
_MOST_NAMED = 3
"""Of the parts that differ, where little room is."""

Recorded = dict[tuple[str, str], list[tuple[Part, Digest]]]
"""By kind and name: the parts (several where a name is not unique), and where their source is."""


def is_recorded(store: Store, code: Digest) -> bool:
    """Whether the parts of a fingerprint are recorded already."""
    address = address_of(code)
    return address in store.read_contents([address])


def contents_of(fingerprint: Fingerprint, root: str) -> tuple[tuple[Digest, bytes], ...]:
    """What is to be recorded of a fingerprint of code that is loaded here."""
    contents: list[tuple[Digest, bytes]] = []
    rows: list[list[str]] = []
    for part in fingerprint.parts:
        address = ""
        if part.kind == "function" and len(contents) < _MOST_SOURCES:
            source = source_of_part(part, root)
            if source.digest:
                address = source.digest
                contents.append((source.digest, source.content))
        rows.append([part.kind, part.name, part.digest, part.text, part.file, address])
    return (*contents, (address_of(fingerprint.digest), encode_parts(rows)))


def read_code(store: Store, code: Digest) -> Recorded | None:
    """What was recorded of a fingerprint; None where that is nothing."""
    address = address_of(code)
    content = store.read_contents([address]).get(address)
    if content is None:
        return None
    found: Recorded = {}
    for kind, name, digest, text, file, source in decode_parts(content):
        found.setdefault((kind, name), []).append((Part(kind, name, digest, text, file), source))
    return found


def code_changes(store: Store, before: Digest, after: Digest) -> list[Changed]:
    """What differs between the code of two steps, functions first; none where the parts of one of
    them are not recorded."""
    was, now = read_code(store, before), read_code(store, after)
    return [] if was is None or now is None else _changes(store, was, now)


def _changes(store: Store, was: Recorded, now: Recorded) -> list[Changed]:
    found = []
    for key in sorted(was.keys() | now.keys(), key=lambda key: (key[0] != "function", key)):
        old, new = was.get(key, []), now.get(key, [])
        if [part.digest for part, _ in old] != [part.digest for part, _ in new]:
            found.append(_change(store, old, new))
    return found


def changed_parts(store: Store, before: Digest, now: Fingerprint) -> str:
    """What of the code that is loaded here is not as it was, in a few words: `function 'flow.fit'
    changed`."""
    was = read_code(store, before) if before else None
    if was is None:
        return "its code changed"
    here: Recorded = {}
    for part in now.parts:
        here.setdefault((part.kind, part.name), []).append((part, ""))
    names = [change.short for change in _changes(store, was, here)]
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return f"{', '.join(names[:_MOST_NAMED] + more) or 'its code'} changed"


def _change(
    store: Store, old: list[tuple[Part, Digest]], new: list[tuple[Part, Digest]]
) -> Changed:
    part = (new or old)[0][0]
    what = "Python" if part.kind == "python" else f"{part.kind} {part.name!r}"
    before, after = (
        rows[0][0].text if rows and part.kind != "class" else "" for rows in (old, new)
    )
    diff = ""
    if not old:
        text = f"{what} is reached now, and was not"
    elif not new:
        text = f"{what} is not reached any more"
    elif before and after and before != after:
        text = f"{what} is {after}, was {before}"
    else:
        text = f"{what} changed" + (f", in {part.file}" if part.file else "")
    if old and new and len(old) == len(new) == 1 and old[0][1] and new[0][1]:
        diff = source_diff(store, old[0][1], new[0][1])
    name = "" if part.kind == "python" else part.name
    return Changed(part.kind, name, before, after, text, diff, what)


def source_diff(store: Store, before: Digest, after: Digest) -> str:
    """A unified diff of two recorded sources; empty where one is gone, or they are equal."""
    import difflib  # 8 ms, where something is to be shown

    contents = store.read_contents({before, after})
    if before == after or len(contents) < 2:
        return ""
    (old_file, old_line, old), (file, line, new) = (
        parts_of(contents[address]) for address in (before, after)
    )
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{old_file}:{old_line}", f"{file}:{line}", lineterm=""
    )
    return "\n".join(lines)
