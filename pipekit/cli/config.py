"""`pipekit config`: each setting, its value, and where that came from. Prints no secret."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pipekit.artifacts.key import VARIABLE as KEY_VARIABLE
from pipekit.cli.outcome import DONE, tell
from pipekit.console.table import draw_table
from pipekit.diagnostics import VARIABLE as LOG_VARIABLE
from pipekit.errors import nearest
from pipekit.settings import Settings, read_settings, without_password

_PREFIX = "PIPEKIT_"
_NOT_SET_BY_USERS = ("project_root", "sources")
_DEFAULT = "default"
_SECRET = "(secret)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as it holds now."""

    name: str
    value: Any
    source: str
    """`default`, a variable's name, or the path of a `pyproject.toml`."""


def config(*, as_json: bool) -> int:
    """Print the settings; the exit code.

    Raises:
        SettingsError: a setting does not fit, or pyproject.toml has an unknown one.
    """
    settings = read_settings()
    entries = list_entries(settings)
    unknown = unknown_variables(os.environ)
    if as_json:
        shown = {
            "settings": [
                {"name": entry.name, "value": entry.value, "source": entry.source}
                for entry in entries
            ],
            "unknown": unknown,
        }
        print(json.dumps(shown))
        return DONE
    rows = [[entry.name, str(entry.value), entry.source] for entry in entries]
    draw_table(("setting", "value", "from"), rows)
    for name, hint in unknown.items():
        tell(f"The variable {name} means nothing to pipekit.{f' Hint: {hint}' if hint else ''}")
    return DONE


def list_entries(settings: Settings) -> list[Entry]:
    """Every setting, in the order of their definition, and what stands in the environment alone."""
    entries = [
        Entry(field.name, _value(settings, field.name), _source(settings, field.name))
        for field in fields(Settings)
        if field.name not in _NOT_SET_BY_USERS
    ]
    key_is_given = bool(os.environ.get(KEY_VARIABLE))
    entries.append(
        Entry(
            "key",
            _SECRET if key_is_given else str(settings.home / "key"),
            KEY_VARIABLE if key_is_given else _DEFAULT,
        )
    )
    level = os.environ.get(LOG_VARIABLE, "")
    entries.append(Entry("log", level or "off", LOG_VARIABLE if level else _DEFAULT))
    return entries


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none -> what may have been meant, else empty."""
    known = [_PREFIX + field.name.upper() for field in fields(Settings)]
    known = [name for name in known if name[len(_PREFIX) :].lower() not in _NOT_SET_BY_USERS]
    known += [KEY_VARIABLE, LOG_VARIABLE]
    return {
        name: nearest(name, known)
        for name in sorted(environment)
        if name.startswith(_PREFIX) and name not in known
    }


def _value(settings: Settings, name: str) -> Any:
    if name == "store":
        return without_password(settings.store_url)
    if name == "artifacts":
        return without_password(settings.artifacts) or str(settings.blob_folder)
    value = getattr(settings, name)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _source(settings: Settings, name: str) -> str:
    source = settings.sources.get(name, _DEFAULT)
    return str(settings.project_root / source) if source == "pyproject.toml" else source
