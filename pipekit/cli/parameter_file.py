"""Reads the values of parameters from a file: JSON, TOML, lines of `NAME=value`. Casts nothing."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipekit.errors import UsageError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$", "`": "`"}


@dataclass(frozen=True, slots=True)
class ParameterFile:
    """What stands in one file."""

    name: str
    """How it is spoken of."""
    data: dict[str, Any]
    is_text: bool = False
    """Whether the values are texts that are still to be cast, as in lines of `NAME=value`."""


def read_parameter_file(path: str) -> ParameterFile:
    """Read a file of parameters; `-` is JSON from stdin. JSON and TOML are known by their suffix.

    Raises:
        UsageError: it cannot be read, or is not what its name says.
    """
    if path == "-":
        return ParameterFile("stdin", _json("stdin", sys.stdin.read()))
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"The file of parameters {path!r} cannot be read: {reason}.") from error
    suffix = file.suffix.lower()
    if suffix == ".json":
        return ParameterFile(path, _json(path, text))
    if suffix == ".toml":
        return ParameterFile(path, _toml(path, text))
    if suffix in (".yaml", ".yml", ".ini", ".cfg"):
        raise UsageError(
            f"The file of parameters {path!r} is of a kind that is not read.",
            hint="write it as .json, .toml, or lines of NAME=value (.env).",
        )
    return ParameterFile(path, dict(_lines(path, text)), is_text=True)


def _json(name: str, text: str) -> dict[str, Any]:
    try:
        data = json.loads(text, object_pairs_hook=lambda pairs: _object(name, pairs))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise UsageError(
            f"{name} holds a JSON {type(data).__name__}, not an object.",
            hint='write {"name": value}.',
        )
    return data


def _object(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise UsageError(f"{name} gives {twice!r} twice in one object.")
    return found


def _toml(name: str, text: str) -> dict[str, Any]:
    import tomllib

    try:
        data: dict[str, Any] = _plain(tomllib.loads(text))
    except ValueError as error:
        raise UsageError(f"{name} is not TOML: {error}.") from error
    return data


def _plain(value: Any) -> Any:
    """TOML's dates as the texts that JSON has for them."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _lines(name: str, text: str) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UsageError(
                f"Line {number} of {name} is not NAME=value: {line[:60]!r}.",
                hint="a file whose name ends in .json or .toml is read as such.",
            )
        if match[1] in found:
            raise UsageError(f"Line {number} of {name} gives {match[1]!r} a second time.")
        found[match[1]] = _unquoted(name, number, match[2])
    return list(found.items())


def _unquoted(name: str, number: int, text: str) -> str:
    """The value of a line: in quotes as it is, else up to a comment."""
    quote = text[:1]
    if quote not in ("'", '"'):
        return re.split(r"\s#", f" {text}", maxsplit=1)[0].strip()
    pattern = r"'([^']*)'" if quote == "'" else r'"((?:[^"\\]|\\.)*)"'
    match = re.fullmatch(pattern + r"\s*(?:#.*)?", text)
    if match is None:
        raise UsageError(f"Line {number} of {name} has a quote that does not end: {text[:60]!r}.")
    if quote == "'":
        return match[1]
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), match[1])
