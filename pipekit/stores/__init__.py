"""Where records are kept. Owns the choice of a store by its URL; each adapter is its own module.

Adapters are imported when they are asked for: a process that keeps no records pays for none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipekit.errors import SettingsError
from pipekit.settings import without_password

if TYPE_CHECKING:
    from pipekit.ports import Store

_KNOWN = "sqlite:///path/to/pipekit.db, memory://"


def open_store(url: str, **options: Any) -> Store:
    """Open the store that `url` names, making or upgrading it where that is needed.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path`, or `memory://`.
        **options: What the adapter takes, by keyword (SQLite: `durability`, `busy_seconds`).

    Raises:
        SettingsError: The URL is not one of these, or the adapter knows no such option.
        StoreUnavailable: The store cannot be opened.
        StoreVersionMismatch: It was made by a newer pipekit.
    """
    scheme, separator, place = url.partition("://")
    try:
        if separator and scheme == "sqlite":
            return _open_sqlite(url, place, options)
        if separator and scheme == "memory" and not place:
            from pipekit.stores.memory import MemoryStore

            options.pop("durability", None)  # it ends with the process in any case
            return MemoryStore(**options)
    except TypeError as error:
        raise SettingsError(
            f"The store {without_password(url)!r} cannot be opened with these options: {error}.",
            hint="SQLite takes durability= and busy_seconds=, memory durability= alone.",
        ) from error
    raise SettingsError(
        f"{without_password(url)!r} names no store that pipekit knows. Known: {_KNOWN}.",
        hint="set PIPEKIT_STORE to one of these, or unset it to use the home's own store.",
    )


def _open_sqlite(url: str, place: str, options: dict[str, Any]) -> Store:
    if not place.startswith("/") or len(place) < 2:
        raise SettingsError(
            f"{url!r} names no file.",
            hint="write sqlite:///relative/path.db, or sqlite:////absolute/path.db.",
        )
    # The adapter brings sqlite3 (4 ms).
    from pipekit.stores.sqlite import SqliteStore

    return SqliteStore(place[1:], **options)
