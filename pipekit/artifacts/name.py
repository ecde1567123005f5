"""How a pickle names a class or function that every process can import, where pickle's own way
would not lead there. Decides what has such a name; what has none is not taken apart here."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from pipekit.origin import MAIN, find_imported, stable_name, step_into


def reduce_name(obj: Any) -> Any:
    """For a pickler's `reducer_override`: the way to a class or function by its stable name;
    `NotImplemented` where its plain name does, or no name."""
    steps = steps_to(obj)
    if steps is None or (not steps and obj.__module__ != MAIN):
        return NotImplemented
    name = stable_name(obj.__module__)
    return NotImplemented if name == MAIN else (find_named, (name, obj.__qualname__, steps))


def has_name(obj: Any) -> bool:
    """Whether other processes find the class or function by a name."""
    return steps_to(obj) is not None and stable_name(obj.__module__) != MAIN


def steps_to(obj: Any) -> tuple[str, ...] | None:
    """How to get from what bears an object's name to the object: a component's function, what a
    decorator wraps; None where it is not there."""
    module_name = obj.__module__
    found: Any = sys.modules.get(module_name) if isinstance(module_name, str) else None
    if found is None:
        return None
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    steps: list[str] = []
    while found is not obj:
        step = step_into(found)
        found = getattr(found, step, None)
        steps.append(step)
        if found is None or len(steps) > 64:
            return None
    return tuple(steps)


def find_named(module: str, qualname: str, steps: tuple[str, ...]) -> Any:
    """What `reduce_name` named, imported.

    Raises:
        ImportError: the module cannot be imported.
        AttributeError: it has nothing of that name.
    """
    found: Any = find_imported(module, ".".join((qualname, *steps)))
    if found is not None:
        return found
    found = import_module(module)
    try:
        for part in (*qualname.split("."), *steps):
            found = getattr(found, part)
    except AttributeError as error:
        raise AttributeError(
            f"module {module!r} has no {qualname!r} once it is imported; what stands under its "
            "main guard is there only in the script that is run"
        ) from error
    return found
