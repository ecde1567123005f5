"""What a docstring says of each parameter: Google's, NumPy's and reST's ways of writing it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_GOOGLE = re.compile(
    r"(?:Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters):\s*"
)
_GOOGLE_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^:]*\))?\s*:(?:\s+(.*)|)$")
_NUMPY = re.compile(r"(?:Other )?Parameters\s*")
_NUMPY_ENTRY = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")
_REST_ENTRY = re.compile(
    r":(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*?\s)?\\?\*{0,2}(\w+)\s*:\s*(.*)"
)


def first_line(docstring: str) -> str:
    """The first sentence or two: all of the first paragraph's lines as one."""
    lines = docstring.strip().splitlines()
    end = next((index for index, line in enumerate(lines) if not line.strip()), len(lines))
    return " ".join(line.strip() for line in lines[:end])


def parameter_texts(docstring: str) -> dict[str, str]:
    """Parameter name -> what is said of it, as one line.

    `docstring` is as `inspect.getdoc` gives it. What follows no known way of writing gives nothing.
    """
    lines = docstring.expandtabs().splitlines()
    found: dict[str, str] = {}
    for index, line in enumerate(lines):
        if _NUMPY.fullmatch(line.strip()) and _is_rule(lines, index + 1):
            found.update(_entries(_numpy_body(lines, index + 2, _indent(line)), _NUMPY_ENTRY))
        elif _GOOGLE.fullmatch(line.strip()):
            found.update(_entries(_indented(lines, index + 1, _indent(line)), _GOOGLE_ENTRY))
        elif entry := _REST_ENTRY.fullmatch(line.strip()):
            more = _rest_of(lines, index + 1, _indent(line))
            found[entry[1]] = _joined([entry[2], *more])
    return {name: text for name, text in found.items() if text}


def _entries(body: Sequence[str], pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Names with their texts: an entry begins where the body does, what is deeper belongs to it."""
    names: list[str] = []
    texts: list[str] = []
    depth = min((_indent(line) for line in body if line.strip()), default=0)
    for line in body:
        entry = pattern.fullmatch(line.strip()) if _indent(line) == depth else None
        if entry and line.strip():
            yield from ((name, _joined(texts)) for name in names)
            names = [name.strip().lstrip("*") for name in entry[1].split(",")]
            texts = [entry[2] or ""] if len(entry.groups()) > 1 else []
        else:
            texts.append(line)
    yield from ((name, _joined(texts)) for name in names)


def _indented(lines: Sequence[str], start: int, indent: int) -> list[str]:
    """The lines that are deeper than a heading."""
    body = []
    for line in lines[start:]:
        if line.strip() and _indent(line) <= indent:
            break
        body.append(line)
    return body


def _numpy_body(lines: Sequence[str], start: int, indent: int) -> list[str]:
    """The lines up to the next heading with a rule below it."""
    body = []
    for index in range(start, len(lines)):
        if _is_rule(lines, index + 1) and _indent(lines[index]) == indent:
            break
        body.append(lines[index])
    return body


def _rest_of(lines: Sequence[str], start: int, indent: int) -> list[str]:
    """What goes on below a reST field."""
    more = []
    for line in lines[start:]:
        if not line.strip() or _indent(line) <= indent:
            break
        more.append(line)
    return more


def _is_rule(lines: Sequence[str], index: int) -> bool:
    return index < len(lines) and bool(re.fullmatch(r"\s*-{3,}\s*", lines[index]))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(texts: Sequence[str]) -> str:
    """The first paragraph, as one line."""
    kept: list[str] = []
    for text in texts:
        if text.strip():
            kept.append(text.strip())
        elif kept:
            break
    return " ".join(kept)
