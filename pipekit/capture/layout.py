"""Jumps as the program means them. The compiler joins a jump with the jump that it leads to, and
turns conditions around, only where both stand on one line; undone here, so that the layout of the
text does not count. Each step gives code that does the same.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

Step = tuple[str, Any]
"""An operation and its argument; that of a jump is the place of the step that it leads to."""

_PLAIN = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD"})
_OPPOSITE = {
    "POP_JUMP_IF_TRUE": "POP_JUMP_IF_FALSE",
    "POP_JUMP_IF_FALSE": "POP_JUMP_IF_TRUE",
    "POP_JUMP_IF_NONE": "POP_JUMP_IF_NOT_NONE",
    "POP_JUMP_IF_NOT_NONE": "POP_JUMP_IF_NONE",
}


def straighten(steps: list[Step], jumps: Collection[str]) -> tuple[list[Step], list[int]]:
    """The steps with direct jumps, and for each old place (and the end) the new one.

    Args:
        steps: In order.
        jumps: Names of the operations whose argument is a place.
    """
    out = list(steps)
    wanted: set[int] = set()
    jumping = [place for place, (name, _) in enumerate(steps) if name in jumps]
    for place in jumping:
        name, argument = steps[place]
        target = _follow(steps, argument)
        out[place] = (_without_direction(name), target)
        wanted.add(target)
    removed: set[int] = set()
    for place in jumping:
        name, target = out[place]
        over = place + 1
        # Over a jump that nothing else leads to: the opposite condition jumps itself.
        over_jump = target == place + 2 and steps[over][0] in _PLAIN and over not in wanted
        if name in _OPPOSITE and over_jump:
            out[place] = (_OPPOSITE[name], out[over][1])
            removed.add(over)
    if not removed:
        return out, list(range(len(out) + 1))
    places: list[int] = []
    kept = 0
    for place in range(len(out) + 1):
        places.append(kept)
        kept += place not in removed
    return [
        (name, places[argument]) if steps[place][0] in jumps else (name, argument)
        for place, (name, argument) in enumerate(out)
        if place not in removed
    ], places


def _follow(steps: list[Step], place: int) -> int:
    seen = 0
    while place < len(steps) and steps[place][0] in _PLAIN and seen < len(steps):
        place = steps[place][1]
        seen += 1  # an empty endless loop leads nowhere
    return place


def _without_direction(name: str) -> str:
    if name in _PLAIN:
        return "JUMP"
    return name.replace("_FORWARD_", "_").replace("_BACKWARD_", "_")
