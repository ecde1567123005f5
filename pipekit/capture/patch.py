"""What the user has put onto classes of libraries: methods set on them, and accessors registered
with pandas and polars, which code takes from a value whose class it does not name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from pipekit.capture.description import Description
from pipekit.capture.ownership import USER, owner_of_file, owner_of_module

_CARRIERS = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
}
"""Classes that libraries invite their users to extend."""
_HOLDERS = ("_accessor", "_ns")
"""Where the descriptors that they make for it keep the class of the user's."""


def describe_patches(to: Description, cls: object) -> None:
    """Say what the user has put onto a library's class; nothing for anything else."""
    if not isinstance(cls, type) or cls.__module__ == "builtins":
        return
    for name, member in sorted(_patches(cls)):
        to.say("put onto a library's class", cls.__qualname__, name)
        to.value(member, f"attribute {name!r} of {cls.__qualname__!r}")


def describe_accessors(to: Description, code: CodeType) -> None:
    """Say the accessors of the user's whose names are taken as attributes in the code."""
    names: frozenset[str] | None = None
    for module, classes in _CARRIERS.items():
        loaded = sys.modules.get(module)
        if loaded is None:
            continue
        names = names or frozenset(_names(code))
        for cls in classes:
            found: Any = getattr(loaded, cls, None)
            for name in sorted(vars(found).keys() & names if found else ()):
                member = _users(vars(found)[name])
                if member is not None:
                    to.look_up(vars(found), name)
                    to.say("accessor", cls, name)
                    to.value(member, f"accessor {name!r} of {cls!r}")


def _patches(cls: type) -> Iterator[tuple[str, Any]]:
    for name, member in list(vars(cls).items()):
        found = _users(member)
        if found is not None:
            yield name, found


def _users(member: Any) -> Any:
    """The function or class of the user's that a member of a library's class is or holds."""
    for holder in _HOLDERS:
        member = getattr(member, "__dict__", {}).get(holder, member)
    if isinstance(member, staticmethod | classmethod):
        member = member.__func__
    if isinstance(member, property):
        member = member.fget
    if isinstance(member, FunctionType):
        file = member.__code__.co_filename
        mine = not file.startswith("<") and owner_of_file(file).kind == USER
        return member if mine else None
    if isinstance(member, type) and owner_of_module(member.__module__).kind == USER:
        return member
    return None


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
