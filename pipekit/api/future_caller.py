"""What the code that led to a special method is about: owns the reading of frames.

A future cannot know by itself whether `a + f` or `a += f` was written, whether it is asked for its
content or used as an index or label, nor whether someone computes or only looks. The results would
differ, silently.
"""

from __future__ import annotations

from types import FrameType

_MULTIPLY, _FIRST_INPLACE, _LAST_INPLACE, _SUBSCRIPT = 5, 13, 25, 26
"""Arguments of BINARY_OP: `*`, `+=` to `^=`, and (from Python 3.14) `a[b]`."""

_LOOKERS = frozenset({
    "IPython", "_pydev_bundle", "_pydevd_bundle", "_pydevd_frame_eval", "_pydevd_sys_monitoring",
    "debugpy", "jedi", "pdb", "pprint", "pudb", "pydevd", "pydevd_plugins", "reprlib",
    "rich._inspect", "rich.pretty", "rich.repr", "rich.scope", "rich.traceback", "rlcompleter",
})  # fmt: skip
"""Debuggers, and what draws or completes for people. A debugger holds all threads while it looks,
so a value that it waited for would never come."""

_BETWEEN = frozenset({
    "_collections_abc", "abc", "dataclasses", "functools", "inspect", "pipekit", "typing",
})  # fmt: skip
"""They ask for others."""

_EXACT = {
    "infer_dtype_from_scalar": "cell or column of a plain pandas object",
    "convert_missing_indexer": "label of a plain pandas object",
}
"""Functions of pandas that go on by exact class: the future itself would be stored."""


def _instruction(frame: FrameType) -> tuple[str, int]:
    import opcode  # asked for only where a mutable value stands on the left

    code = frame.f_code.co_code
    at = frame.f_lasti
    return opcode.opname[code[at]], code[at + 1]


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__") or ""


def is_inplace(frame: FrameType) -> bool:
    """Whether the frame stands at an operator with assignment, such as `a += b`."""
    name, argument = _instruction(frame)
    return name == "BINARY_OP" and _FIRST_INPLACE <= argument <= _LAST_INPLACE


def is_product(frame: FrameType) -> bool:
    """Whether the frame stands at `a * b` (and not at a call that multiplies)."""
    return _instruction(frame) == ("BINARY_OP", _MULTIPLY)


def is_subscript(frame: FrameType) -> bool:
    """Whether the frame stands at `a[b]`, `a[b] = c` or `del a[b]`."""
    name, argument = _instruction(frame)
    if name == "BINARY_OP":
        return argument == _SUBSCRIPT
    return name in {"BINARY_SUBSCR", "STORE_SUBSCR", "DELETE_SUBSCR"}


def is_assignment(frame: FrameType) -> bool:
    """Whether the frame stands at `a[b] = c`, and not at a call that assigns items."""
    return _instruction(frame)[0] in {"STORE_SUBSCR", "STORE_SLICE"}


def is_attribute(frame: FrameType) -> bool:
    """Whether the frame stands at `a.b`, and not at a call that asks for an attribute."""
    return _instruction(frame)[0] in {"LOAD_ATTR", "LOAD_METHOD"}


def is_pandas(frame: FrameType) -> bool:
    """Whether pandas asks, in Python or in what it calls."""
    return _module(frame).startswith("pandas.")


def is_label(frame: FrameType) -> bool:
    """Whether pandas looks a label up: it then goes by exact classes."""
    return _module(frame).startswith("pandas.core.indexes.")


def is_seed(frame: FrameType) -> bool:
    """Whether a random generator is seeded: with the hash of what is not exactly a number."""
    return _module(frame) == "random"


def exact_use(frame: FrameType) -> str:
    """What pandas is about to use the class of a value for, where it would take a future for an
    object of its own; else nothing."""
    use = _EXACT.get(frame.f_code.co_name, "")
    return use if use and _module(frame).startswith("pandas.core.") else ""


def is_looker(frame: FrameType | None) -> bool:
    """Whether the frame belongs to a debugger, a completer or a printer, which only look."""
    while frame is not None:
        module = _module(frame)
        root = module.partition(".")[0]
        if root in _LOOKERS or module in _LOOKERS:
            return True
        if root not in _BETWEEN:
            return False
        frame = frame.f_back
    return False
