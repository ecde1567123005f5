"""Whether the code that a step's inputs are made of is here what it was where they come from. Knows
nothing of the step's own code."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from pipekit.model.value import read_codes

if TYPE_CHECKING:
    from pipekit.capture.code import Code, Codes
    from pipekit.capture.part import Fingerprint


class Compared(NamedTuple):
    """What differs."""

    other: dict[str, Fingerprint | None]
    """By name: what is other code here; None where something else has that name, or a variable is
    not there."""
    changed: str
    """What has changed in this process since it was first looked at, as a phrase."""


def compare_codes(codes: Codes, expected: str, *, first: bool) -> Compared:
    """Compare what is here with what is expected, before a value of it is loaded.

    Args:
        codes: This process's.
        expected: As `write_codes` made it.
        first: What counts is the code as this process found it; what a step has done to it since is
            told apart. Else it is the code as it is now.

    Raises:
        Exception: what importing a module of the user's raises.
    """
    other: dict[str, Fingerprint | None] = {}
    changed: list[str] = []
    for name, digest in read_codes(expected):
        code = _find(codes, name)
        if code is None:
            if not codes.is_missing(name):
                other[name] = None
            continue  # to load what is not there fails, and says why
        now = codes.look_again(code)
        here = code.first if first else now
        if here.digest != digest:
            other[name] = here
            continue
        if now.digest != digest:
            from pipekit.capture.fingerprint import changes  # where a step has changed something

            changed += changes(here, now)
        module = code.find_changed_module()
        if module:
            changed.append(module)
    return Compared(other, ", ".join(dict.fromkeys(changed)))


def _find(codes: Codes, name: str) -> Code | None:
    module = name.partition(":")[0]
    if module not in sys.modules:
        import_module(module)  # as the pickle will that names it
    return codes.find(name)
