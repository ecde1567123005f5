"""The parameters of a controller's pipeline: what they may be called, and which types they have."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipekit.errors import UsageError

_NAMED: dict[str, type] = {
    "int": int, "integer": int, "float": float, "str": str, "string": str, "bool": bool,
    "boolean": bool, "list": list, "dict": dict,
}  # fmt: skip
TYPES = frozenset(_NAMED.values())
"""Those that are recorded, so that a clone of a run is given values of them."""


class Parameter(NamedTuple):
    """A parameter of the pipeline."""

    name: str
    default: Any
    description: str
    type: type | None
    """None: whatever is given."""


def make_parameter(
    name: Any, default: Any, description: str, param_type: type | str | None
) -> Parameter:
    """
    Raises:
        UsageError: it cannot be called so, or the default is of another type.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise UsageError(
            f"A parameter cannot be named {name!r}.", hint="a name is letters, digits and '_'."
        )
    kind = _type_of(param_type, default)
    fits = kind is None or default is None or isinstance(default, kind)
    if kind is not None and not fits and not (kind is float and type(default) is int):
        raise UsageError(
            f"Parameter {name!r} is to be {kind.__name__}, but its default is {default!r}."
        )
    return Parameter(name, default, description, kind)


def _type_of(given: type | str | None, default: Any) -> type | None:
    if isinstance(given, type):
        return given
    if isinstance(given, str):
        if given.lower() not in _NAMED:
            raise UsageError(
                f"param_type={given!r} is none of: {', '.join(_NAMED)}.",
                hint="pass the type itself: param_type=int",
            )
        return _NAMED[given.lower()]
    if given is not None:
        raise UsageError(f"param_type={given!r} is to be a type.")
    return type(default) if type(default) in TYPES else None
