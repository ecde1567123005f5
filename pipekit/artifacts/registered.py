"""The serializers that users have registered in this process. Owns the list; converts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipekit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pipekit.ports import Serializer

    S = TypeVar("S", bound=Serializer | Callable[[], Serializer])

REGISTERED: dict[str, Serializer] = {}
"""By name, the newest first in force: see `list_registered`."""

_METHODS = ("accepts", "dump", "load", "preview")


def register_serializer(serializer: S) -> S:
    """Have values of some types stored and loaded by code of your own.

    Register at the top level of the module that defines the type, so that whoever can import the
    one has the other: worker processes then have it too. Yours are asked before pipekit's own, the
    newest first. Registering one again (a module that is reloaded) replaces it.

    Args:
        serializer: An object, or a class to be made one, with `name`, `accepts(value)`,
            `dump(value, sink)`, `load(source)` and `preview(value)`: see
            `pipekit.ports.Serializer`. `name` is recorded with each value that it stores.

    Returns:
        What was passed, so that it also serves as the decorator of a class.

    Raises:
        UsageError: something is missing, or another serializer has that name.
    """
    made: Serializer = serializer() if isinstance(serializer, type) else serializer  # type: ignore[assignment]
    kind = type(made)
    missing = [name for name in _METHODS if not callable(getattr(made, name, None))]
    if missing:
        raise UsageError(
            f"{kind.__qualname__} is no serializer: it has no {' and no '.join(missing)}.",
            hint="see help(pipekit.ports.Serializer) for what each is to do.",
        )
    name = getattr(made, "name", None)
    if not isinstance(name, str) or not name or "@" in name:
        raise UsageError(
            f"Serializer {kind.__qualname__} has no name, or one with an '@'.",
            hint="give it one: a class attribute, name = '…'.",
        )
    known = REGISTERED.get(name)
    if name in _OWN or (known is not None and _identity(known) != _identity(made)):
        raise UsageError(
            f"A serializer named {name!r} is there already.",
            hint="give yours another name: values that were stored find it by its name.",
        )
    REGISTERED.pop(name, None)
    REGISTERED[name] = made
    return serializer


def list_registered() -> list[Serializer]:
    """The newest first."""
    return list(reversed(REGISTERED.values()))


def _identity(serializer: Serializer) -> tuple[str, str]:
    kind = type(serializer)
    return kind.__module__, kind.__qualname__


_OWN = frozenset(
    {
        "arrow", "bytearray", "bytes", "figure", "json", "npy", "numpy-scalar", "pandas", "path",
        "pickle", "polars", "record", "text", "tree",
    }
)  # fmt: skip
"""The names of pipekit's own; a test holds them against the registry."""
