"""`${…}`: what stands in a text for something that another task of the pipeline will give.

    ${pipeline.rate}                  a parameter of the pipeline
    ${split.id}                       the id of a step's task; also .name and .status
    ${split.parameters.General/seed}  a parameter of it
    ${split.artifacts.frame}          an artifact's value; .url, .digest, .size, .type, .preview
    ${split.metrics.loss}             the last value of a metric
    ${split.model}                    a value that a function step returns under that name

A text that is one reference takes the value as it is, with its type; in a longer text the values
stand as texts. `$${` is `${` itself. Pure: reads and writes the texts, resolves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipekit.errors import UsageError, nearest
from pipekit.model.excerpt import excerpt

PIPELINE = "pipeline"
_MARK = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_SHOWN_CHARACTERS = 60
_FACTS = ("id", "name", "status")
_OF_ARTIFACT = ("url", "digest", "size", "type", "preview")


class Part(StrEnum):
    """What of a task is meant."""

    PARAMETER = "parameters"
    ARTIFACT = "artifacts"
    METRIC = "metrics"
    FACT = "fact"
    RETURN = "return"
    """A value that a function step returns: an artifact of that name."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Something of a step of the pipeline, or a parameter of the pipeline itself."""

    step: str
    """Its name; `pipeline` for the pipeline."""
    part: Part
    name: str
    """Of the parameter, the artifact, the metric or the fact."""
    fact: str = ""
    """Of an artifact: `url` and the like; empty for its value."""

    def __str__(self) -> str:
        if self.part in (Part.FACT, Part.RETURN) or self.step == PIPELINE:
            return f"${{{self.step}.{self.name}}}"
        fact = f".{self.fact}" if self.fact else ""
        return f"${{{self.step}.{self.part.value}.{self.name}{fact}}}"


def references_in(value: Any, steps: Collection[str]) -> list[Reference]:
    """All references in a value: a text, or lists, tuples and dicts of such, nested.

    Raises:
        UsageError: one cannot be read, or names a step that is not among `steps`.
    """
    found: dict[Reference, None] = {}
    for text in _texts(value):
        for part in parse(text, steps):
            if isinstance(part, Reference):
                found[part] = None
    return list(found)


def resolved(value: Any, steps: Collection[str], resolve: Callable[[Reference], Any]) -> Any:
    """The value with what `resolve` gives in the place of each reference."""
    if isinstance(value, str):
        parts = parse(value, steps)
        if len(parts) == 1 and isinstance(parts[0], Reference):
            return resolve(parts[0])
        return "".join(str(resolve(p)) if isinstance(p, Reference) else p for p in parts)
    if isinstance(value, Mapping):
        return {key: resolved(item, steps, resolve) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [resolved(item, steps, resolve) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def parse(text: str, steps: Collection[str]) -> list[str | Reference]:
    """The text in pieces: plain ones and references, in order.

    Raises:
        UsageError: a reference cannot be read, or names an unknown step.
    """
    parts: list[str | Reference] = []
    plain, at = "", 0
    for match in _MARK.finditer(text):
        plain += _without_mark(text[at : match.start()])
        at = match.end()
        if match.group(1) is None:
            plain += "${"
            continue
        if plain:
            parts.append(plain)
            plain = ""
        parts.append(_read(match.group(1).strip(), match.group(), steps))
    plain += _without_mark(text[at:])
    if plain or not parts:
        parts.append(plain)
    return parts


def _without_mark(text: str) -> str:
    _, mark, rest = text.partition("${")
    if mark:
        raise UsageError(
            f"{excerpt(mark + rest, _SHOWN_CHARACTERS)!r} does not end where a reference does: it "
            "has no '}' of its own.",
            hint="write ${step.id}, say; $${ where the text itself is meant.",
        )
    return text


def _read(body: str, shown: str, steps: Collection[str]) -> Reference:
    step, rest = _split(body, steps)
    if not step or not rest:
        raise _unreadable(shown, body, steps)
    if step == PIPELINE:
        return Reference(step, Part.PARAMETER, rest.removeprefix("parameters."))
    head, _, tail = rest.partition(".")
    if head == Part.ARTIFACT.value and tail:
        name, _, fact = tail.rpartition(".")
        if name and fact in _OF_ARTIFACT:
            return Reference(step, Part.ARTIFACT, name, fact)
        return Reference(step, Part.ARTIFACT, tail)
    if head in (Part.PARAMETER.value, Part.METRIC.value) and tail:
        return Reference(step, Part(head), tail)
    if rest in _FACTS:
        return Reference(step, Part.FACT, rest)
    return Reference(step, Part.RETURN, rest)


def _split(body: str, steps: Collection[str]) -> tuple[str, str]:
    """The step's name, which may hold dots itself, and the rest."""
    for end in range(len(body) - 1, 0, -1):
        if body[end] == "." and body[:end] in steps:
            return body[:end], body[end + 1 :]
    step, _, rest = body.partition(".")
    return (step, rest) if step == PIPELINE else ("", "")


def _unreadable(shown: str, body: str, steps: Collection[str]) -> UsageError:
    step, _, rest = body.partition(".")
    if not rest:
        return UsageError(
            f"{shown} names no part of a task.",
            hint="write ${step.id}, ${step.parameters.General/x}, ${step.artifacts.name}, "
            "${step.artifacts.name.url} or ${pipeline.x}; $${ where the text itself is meant.",
        )
    known = f"Steps before it: {', '.join(steps)}." if steps else "There is no step before it."
    return UsageError(
        f"{shown} names step {step!r}, which is not there. {known}",
        hint=nearest(step, [*steps, PIPELINE]),
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
