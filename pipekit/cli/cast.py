"""Text from the command line becomes a typed value, or one clear line that says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

from pipekit.cli.parameter import (
    Parameter,
    Unresolved,
    admits_none,
    is_collection,
    type_text,
    without_none,
)
from pipekit.errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_NONE = ("none", "null")


def cast(parameter: Parameter, texts: list[str]) -> Any:
    """The value of a parameter from what was typed for it, one text for each time.

    Raises:
        UsageError: a text does not fit, or no text can stand for a value of this type.
    """
    annotation = parameter.annotation
    if isinstance(annotation, Unresolved):
        raise UsageError(
            f"Parameter {parameter.name!r} is annotated {annotation.text}, a name that its module "
            "does not define, so text cannot be turned into its value.",
            hint="import the name at the top of the module, not for type checkers alone.",
        )
    if parameter.is_many:
        return _cast_many(parameter, texts)
    if len(texts) > 1:
        raise UsageError(
            f"Parameter {parameter.name!r} takes one value, and was given {len(texts)}: "
            f"{', '.join(map(repr, texts))}."
        )
    return _cast_one(parameter, annotation, texts[0])


def _cast_many(parameter: Parameter, texts: list[str]) -> Any:
    if len(texts) == 1 and texts[0].lower() in _NONE and admits_none(parameter.annotation):
        return None
    kind = next(kind for kind in without_none(parameter.annotation) if is_collection(kind))
    if len(texts) == 1 and texts[0].lstrip().startswith("["):
        try:
            return _validated(kind, texts[0], as_json=True)
        except ValueError:
            pass  # a text that only looks like JSON is one item
    items = [
        _cast_one(parameter, item, text)
        for item, text in zip(_item_types(kind, len(texts)), texts, strict=False)
    ]
    try:
        return _adapter(kind).validate_python(items)
    except ValueError as error:
        raise _misfit(parameter, " ".join(texts), kind) from error


def _item_types(kind: Any, count: int) -> list[Any]:
    arguments = get_args(kind)
    if get_origin(kind) is tuple and (len(arguments) != 2 or arguments[1] is not ...):
        # Too many texts: the last type stands for the rest, and the count is then found wrong.
        return [arguments[min(i, len(arguments) - 1)] for i in range(count)]
    return [arguments[0] if arguments else str] * count


def _cast_one(parameter: Parameter, annotation: Any, text: str) -> Any:
    kinds = without_none(annotation)
    if kinds == (str,) or annotation is Any:
        return text
    try:
        return _validated(annotation, text)
    except ValueError as error:
        if admits_none(annotation) and text.lower() in _NONE:
            return None
        try:
            return _validated(annotation, text, as_json=True)
        except ValueError:
            raise _misfit(parameter, text, annotation) from error


def _validated(annotation: Any, text: str, *, as_json: bool = False) -> Any:
    adapter = _adapter(annotation)
    return adapter.validate_json(text) if as_json else adapter.validate_strings(text)


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    # 60 ms, and only where a text has to become something else.
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(annotation)
    except PydanticUserError as error:
        raise UsageError(
            f"A {type_text(annotation)} cannot be written on the command line.",
            hint="give the pipeline a parameter of plain type, such as a path.",
        ) from error


def _misfit(parameter: Parameter, text: str, annotation: Any) -> UsageError:
    return UsageError(
        f"Parameter {parameter.name!r} cannot be {text!r}: expected {type_text(annotation)}."
    )
