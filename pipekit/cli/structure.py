"""Types with fields (dataclasses, models, typed dicts) where text becomes their values: names that
they do not have are refused, and what pydantic takes only in part is put into its words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from pipekit.api.annotation import members, union_of
from pipekit.errors import nearest


def unknown_names(annotation: Any, value: Any, path: str = "") -> Iterator[str]:
    """`at.heigth (did you mean 'height'?)` for each name in plain data that a type does not have:
    pydantic passes over them without a word."""
    kinds = members(annotation)
    if len(kinds) > 1:
        fitting = [list(unknown_names(kind, value, path)) for kind in kinds if _may_be(kind, value)]
        yield from min(fitting, key=len, default=[])
        return
    kind = kinds[0]
    arguments = get_args(kind)
    if isinstance(value, Mapping):
        known = _known_names(kind)
        if known is not None:
            for name, one in value.items():
                here = f"{path}.{name}" if path else str(name)
                if name in known:
                    yield from unknown_names(known[name], one, here)
                else:
                    near = nearest(str(name), list(known))
                    yield f"{here} ({near})" if near else here
        elif len(arguments) == 2:
            for name, one in value.items():
                yield from unknown_names(arguments[1], one, f"{path}[{name!r}]")
    elif isinstance(value, list) and arguments:
        is_fixed = get_origin(kind) is tuple and ... not in arguments
        for index, one in enumerate(value):
            inner = arguments[min(index, len(arguments) - 1)] if is_fixed else arguments[0]
            yield from unknown_names(inner, one, f"{path}[{index}]")


def _may_be(kind: Any, value: Any) -> bool:
    return isinstance(value, Mapping) == (_known_names(kind) is not None) or bool(get_args(kind))


def _known_names(kind: Any) -> dict[str, Any] | None:
    """Field -> type of what has fields of its own; None where any name will do."""
    plain = get_origin(kind) or kind
    if not isinstance(plain, type):
        return None
    if hasattr(plain, "model_fields"):
        return _names_of_model(plain)
    if getattr(plain, "__pydantic_config__", None) is not None:
        return None  # it says for itself what becomes of further names
    if is_dataclass(plain):
        names = [field.name for field in fields(plain) if field.init]
    elif is_typeddict(plain) or (issubclass(plain, tuple) and hasattr(plain, "_fields")):
        names = list(plain.__annotations__)
    else:
        return None
    try:
        hints = get_type_hints(plain, include_extras=True)
    except Exception:  # noqa: BLE001 - user code: whatever evaluating the annotations raises
        hints = {}
    return {name: hints.get(name, Any) for name in names}


def _names_of_model(model: Any) -> dict[str, Any] | None:
    decorators = getattr(model, "__pydantic_decorators__", None)
    if model.model_config.get("extra") is not None or getattr(decorators, "model_validators", None):
        return None
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        if alias is not None and not isinstance(alias, str):
            return None
        if alias is None or model.model_config.get("populate_by_name"):
            found[name] = field.annotation
        if alias is not None:
            found[alias] = field.annotation
    return found


def for_pydantic(annotation: Any) -> Any:
    """The same type in terms that pydantic takes: before Python 3.12 it wants the typed dicts of
    `typing_extensions`."""
    if is_typeddict(annotation) and annotation.__class__.__module__ == "typing":
        from typing import NotRequired, Required

        from typing_extensions import TypedDict

        hints = get_type_hints(annotation, include_extras=True)
        return TypedDict(  # type: ignore[operator]
            annotation.__name__,
            {
                name: (Required if name in annotation.__required_keys__ else NotRequired)[
                    for_pydantic(_without_marks(hint))
                ]
                for name, hint in hints.items()
            },
        )
    arguments = get_args(annotation)
    if not arguments or not any(_holds_typed_dict(argument) for argument in arguments):
        return annotation
    changed = tuple(for_pydantic(argument) for argument in arguments)
    origin = get_origin(annotation)
    if hasattr(annotation, "copy_with"):
        return annotation.copy_with(changed)
    if isinstance(origin, type) and hasattr(origin, "__class_getitem__"):
        return origin[changed]  # type: ignore[index]
    return union_of(changed)


def _holds_typed_dict(annotation: Any) -> bool:
    return is_typeddict(annotation) or any(map(_holds_typed_dict, get_args(annotation)))


def _without_marks(hint: Any) -> Any:
    from typing import NotRequired, Required

    return get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint
