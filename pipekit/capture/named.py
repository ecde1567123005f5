"""What stands behind code by name. Code that other processes import is found there as their modules
hold it; what travels by value takes its own along, and reaches the rest by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from pipekit.capture.node import Node
from pipekit.origin import MAIN, find_imported, stable_name, step_into

VARIABLE = "::"
"""Stands in the name of a module's variable: `settings::RATE`; of others it is a colon."""
_MOST_STEPS = 64


def find_name(obj: Any) -> str:
    """`module:Class.method`, by which other processes find a class or function; empty where there
    is no such name."""
    module = getattr(obj, "__module__", None)
    qualname = getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str) or "<" in qualname:
        return ""
    stable = stable_name(module)
    if stable == MAIN or module not in sys.modules:
        return ""
    found = find_imported(module, qualname)
    steps = [qualname]
    while found is not obj:
        steps.append(step_into(found))
        found = getattr(found, steps[-1], None)
        if found is None or len(steps) > _MOST_STEPS:
            return ""
    return f"{stable}:{'.'.join(steps)}"


def names_behind(root: Node) -> Iterator[tuple[str, Node]]:
    """Each name that leads from what travels by value to what does not: the user's functions and
    classes, and variables of other modules than its own."""
    seen = {id(root)}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        own = node.held.__globals__ if isinstance(node.held, FunctionType) else None
        for ref in node.refs:
            name = _name_of(ref, own)
            if name:
                yield name, ref
            elif id(ref) not in seen and ref.kind not in ("module", "package", "file"):
                seen.add(id(ref))
                waiting.append(ref)


def _name_of(node: Node, own: object) -> str:
    if node.kind == "global" and isinstance(node.held, dict) and node.held is not own:
        module = stable_name(str(node.held.get("__name__", "")))
        variable = node.name.removeprefix(f"{module}.")
        return "" if module == MAIN else f"{module}{VARIABLE}{variable}"
    return find_name(node.held) if node.kind in ("function", "class") else ""
