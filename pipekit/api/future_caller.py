"""What the code that led to a special method is about: owns the reading of frames.

An operand on the right cannot know by itself whether `a + f` or `a += f` was written, nor whether
it is asked for its content or used as an index or label; the results would differ, silently.
"""

from __future__ import annotations

from types import FrameType

_FIRST_INPLACE, _LAST_INPLACE, _SUBSCRIPT = 13, 25, 26
"""Arguments of BINARY_OP: `+=` to `^=`, and (from Python 3.14) `a[b]`."""


def _instruction(frame: FrameType) -> tuple[str, int]:
    import opcode  # asked for only where a mutable value stands on the left

    code = frame.f_code.co_code
    at = frame.f_lasti
    return opcode.opname[code[at]], code[at + 1]


def is_inplace(frame: FrameType) -> bool:
    """Whether the frame stands at an operator with assignment, such as `a += b`."""
    name, argument = _instruction(frame)
    return name == "BINARY_OP" and _FIRST_INPLACE <= argument <= _LAST_INPLACE


def is_subscript(frame: FrameType) -> bool:
    """Whether the frame stands at `a[b]`, `a[b] = c` or `del a[b]`."""
    name, argument = _instruction(frame)
    if name == "BINARY_OP":
        return argument == _SUBSCRIPT
    return name in {"BINARY_SUBSCR", "STORE_SUBSCR", "DELETE_SUBSCR"}


def is_label(frame: FrameType) -> bool:
    """Whether pandas looks a label up: it then goes by exact classes."""
    name: str = frame.f_globals.get("__name__") or ""
    return name.startswith("pandas.core.indexes.")
