"""The source of the functions that a fingerprint is made of, for people to read later. Finds them
by name in the modules that are loaded; where one cannot be found for certain, there is none."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import Any

from pipekit.capture.part import Part
from pipekit.capture.source_text import NO_SOURCE, SourceText, source_text_of
from pipekit.capture.wrapper import unwrap
from pipekit.origin import stable_name


def source_of_part(part: Part, root: str) -> SourceText:
    """The source of one part; `NO_SOURCE` of what is no function, and of one that is not what its
    name leads to.

    Args:
        part: Of a fingerprint.
        root: The project's folder: a file in it is named relative to it.
    """
    if part.kind != "function" or "<" in part.name:
        return NO_SOURCE
    function = _find(part.name)
    if not isinstance(function, FunctionType):
        return NO_SOURCE
    module = stable_name(function.__module__)
    if f"{module}.{function.__qualname__}" != part.name:
        return NO_SOURCE
    return source_text_of(function, root)


def _find(name: str) -> Any:
    """What a dotted name leads to, in the longest module that is loaded; None where nothing."""
    words = name.split(".")
    for end in range(len(words) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(words[:end]))
        for word in words[end:] if found is not None else ():
            # By `vars`: neither a module's `__getattr__` nor a descriptor is to run here.
            found = getattr(found, "__dict__", {}).get(word)
            found = unwrap(getattr(found, "__func__", found))
        if found is not None:
            return found
    return None
