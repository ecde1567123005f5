"""Where two values differ, by path inside them: `params['depth']: 3 -> 4`, `frame: 150 rows -> 9`.
Looks into plain containers, arrays and frames; imports none of their libraries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from pipekit.model.excerpt import excerpt

_MOST = 8
_SHOWN_CHARACTERS = 60
_DEEPEST = 20


class ValueDifference(NamedTuple):
    """One place where two values differ."""

    path: str
    """`params['depth']`, `frame['age']`."""
    before: str
    """Text; empty where there was nothing."""
    after: str

    def __str__(self) -> str:
        if not self.before:
            return f"{self.path}: {self.after} is new"
        if not self.after:
            return f"{self.path}: {self.before} is gone"
        return f"{self.path}: {self.before} -> {self.after}"


def value_differences(name: str, before: Any, after: Any) -> list[ValueDifference]:
    """The first few places where two values differ; none where nothing of the kind can be said.

    Args:
        name: Of the value: the paths begin with it.
        before: Plain data, an array or a frame.
        after: The same later.
    """
    return list(islice(_differences(name, before, after, 0), _MOST))


def _differences(path: str, before: Any, after: Any, depth: int) -> Iterator[ValueDifference]:
    if type(before) is not type(after) or depth > _DEEPEST:
        yield ValueDifference(path, _text(before), _text(after))
    elif isinstance(before, dict):
        yield from _in_dicts(path, before, after, depth)
    elif isinstance(before, list | tuple):
        yield from _in_lists(path, before, after, depth)
    elif hasattr(before, "columns") and hasattr(before, "shape"):
        yield from _in_frames(path, before, after)
    elif hasattr(before, "dtype") and hasattr(before, "shape"):
        yield from _in_arrays(path, before, after)
    elif not _is_same(before, after):
        yield ValueDifference(path, _text(before), _text(after))


def _in_dicts(
    path: str, before: dict[Any, Any], after: dict[Any, Any], depth: int
) -> Iterator[ValueDifference]:
    for key in dict.fromkeys((*before, *after)):
        inner = f"{path}[{key!r}]"
        if key not in after:
            yield ValueDifference(inner, _text(before[key]), "")
        elif key not in before:
            yield ValueDifference(inner, "", _text(after[key]))
        else:
            yield from _differences(inner, before[key], after[key], depth + 1)
    if before == after and list(before) != list(after):
        yield ValueDifference(f"{path}, order of keys", _text(list(before)), _text(list(after)))


def _in_lists(path: str, before: Any, after: Any, depth: int) -> Iterator[ValueDifference]:
    if len(before) != len(after):
        yield ValueDifference(path, f"{len(before)} items", f"{len(after)}")
    for index, (one, other) in enumerate(zip(before, after, strict=False)):
        yield from _differences(f"{path}[{index}]", one, other, depth + 1)


def _in_arrays(path: str, before: Any, after: Any) -> Iterator[ValueDifference]:
    if str(before.dtype) != str(after.dtype):
        yield ValueDifference(f"{path}, dtype", str(before.dtype), str(after.dtype))
    if before.shape != after.shape:
        yield ValueDifference(f"{path}, shape", str(before.shape), str(after.shape))
        return
    differ = (before != after) & ((before == before) | (after == after))
    count = int(differ.sum())
    if count and before.shape:
        first = tuple(int(found[0]) for found in differ.nonzero())
        where = f"{path}[{', '.join(map(str, first))}]"
        also = f" ({count} of {differ.size} items differ)" if count > 1 else ""
        yield ValueDifference(where, str(before[first]), f"{after[first]}{also}")
    elif count:
        yield ValueDifference(path, str(before), str(after))


def _in_frames(path: str, before: Any, after: Any) -> Iterator[ValueDifference]:
    if before.shape[0] != after.shape[0]:
        yield ValueDifference(path, f"{before.shape[0]} rows", f"{after.shape[0]}")
    was, now = [list(map(str, frame.columns)) for frame in (before, after)]
    for name in dict.fromkeys((*was, *now)):
        inner = f"{path}[{name!r}]"
        if name not in now:
            yield ValueDifference(inner, "a column", "")
        elif name not in was:
            yield ValueDifference(inner, "", "a column")
        elif before.shape[0] == after.shape[0] and len(set(was)) == len(was):
            yield from _in_columns(inner, _column(before, name), _column(after, name))


def _column(frame: Any, name: str) -> Any:
    found = next(column for column in frame.columns if str(column) == name)
    return frame[found]


def _in_columns(path: str, before: Any, after: Any) -> Iterator[ValueDifference]:
    if str(before.dtype) != str(after.dtype):
        yield ValueDifference(f"{path}, dtype", str(before.dtype), str(after.dtype))
        return
    left, right = before.to_list(), after.to_list()
    places = [i for i, (a, b) in enumerate(zip(left, right, strict=True)) if not _is_same(a, b)]
    if places:
        first = places[0]
        also = f" ({len(places)} of {len(left)} rows differ)" if len(places) > 1 else ""
        yield ValueDifference(
            f"{path}, row {first}", _text(left[first]), f"{_text(right[first])}{also}"
        )


def _is_same(before: Any, after: Any) -> bool:
    if type(before) is not type(after):
        return False
    try:
        same = bool(before == after)
        return same or bool(before != before and after != after)
    except (TypeError, ValueError):
        return repr(before) == repr(after)


def _text(value: Any) -> str:
    return excerpt(repr(value), _SHOWN_CHARACTERS)
