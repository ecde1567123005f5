"""Text and plain data become typed values by pydantic's rules, or one clear line says why not.

Pydantic's rules with four differences, each towards an error: of an enum a member's name is taken
as well as its value; a number is no date; `true` is no number; names that a type with fields does
not have are refused. Of a union the first type that fits is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pipekit.api.annotation import (
    Unresolved,
    admits_none,
    members,
    type_text,
    union_of,
    without_none,
)
from pipekit.cli.parameter import Parameter, is_collection
from pipekit.cli.scalar import UNDECIDED, scalar
from pipekit.errors import UsageError
from pipekit.model.excerpt import excerpt

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

_NONE = ("none", "null")
_NUMBER = re.compile(r"\s*[+-]?[0-9_.]+(?:[eE][+-]?[0-9]+)?\s*")
MOMENTS = (date, datetime, time, timedelta)
_DATES = (date, datetime, time)
_MOST_CHARACTERS = 60
_MOST_DETAILS = 3


class Misfit(UsageError):
    """What was given for a parameter is no value of its type.

    Attributes:
        given: What was given, as it is shown.
        detail: What is wrong, where the type does not say it all.
    """

    def __init__(self, parameter: Parameter, given: str, detail: str = "") -> None:
        self.given = given
        self.detail = detail
        because = f": {detail}" if detail else ""
        super().__init__(
            f"Parameter {parameter.name!r} cannot be {given}: expected "
            f"{type_text(parameter.annotation)}{because}."
        )


def cast(parameter: Parameter, texts: list[str]) -> Any:
    """The value of a parameter from what was typed for it, one text for each time.

    Raises:
        Misfit: a text does not fit, or no text can stand for a value of this type.
    """
    _check_known(parameter, " ".join(texts))
    if parameter.is_many:
        return _cast_many(parameter, texts)
    if len(texts) > 1:
        raise Misfit(parameter, _listed(texts), f"it takes one value, not {len(texts)}")
    return _cast_one(parameter, parameter.annotation, texts[0])


def cast_data(parameter: Parameter, value: Any) -> Any:
    """The value of a parameter from plain data, as JSON has it.

    Raises:
        Misfit: it does not fit.
    """
    _check_known(parameter, value)
    annotation = parameter.annotation
    if annotation is Any:
        return value
    kinds = without_none(annotation)
    is_number = isinstance(value, int | float)
    if isinstance(value, bool) and kinds and all(kind in (int, float) for kind in kinds):
        raise Misfit(parameter, shown(value))
    if is_number and kinds and all(kind in _DATES for kind in kinds):
        raise Misfit(parameter, shown(value), "a number is no date")
    try:
        return _from_json(parameter, _solid(annotation), json.dumps(value), shown(value))
    except ValueError as error:
        if isinstance(value, str):
            for kind in kinds:
                found = _choose(parameter, kind, value)
                if found is not UNDECIDED:
                    return found
        raise Misfit(parameter, shown(value), _details(error, annotation)) from error


def shown(value: Any) -> str:
    """What was given, cut: text as it is written in Python, data as in JSON."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return excerpt(text, _MOST_CHARACTERS)


def _check_known(parameter: Parameter, given: Any) -> None:
    annotation = parameter.annotation
    if isinstance(annotation, Unresolved):
        raise Misfit(
            parameter,
            shown(given),
            "its module does not define that name; import it at the top of the module, not for "
            "type checkers alone",
        )


def _listed(texts: list[str]) -> str:
    return ", ".join(map(shown, texts))


# --- several texts ----------------------------------------------------------------------------


def _cast_many(parameter: Parameter, texts: list[str]) -> Any:
    annotation = parameter.annotation
    kinds = without_none(annotation)
    kind = next(kind for kind in kinds if is_collection(kind))
    if len(texts) == 1:
        if texts[0].lower() in _NONE and admits_none(annotation):
            return None
        if texts[0].lstrip().startswith("["):
            try:
                return _from_json(parameter, _solid(annotation), texts[0], shown(texts[0]))
            except ValueError:
                pass  # a text that only looks like JSON is one item
        others = tuple(other for other in kinds if not is_collection(other))
        if others:
            try:
                return _cast_one(parameter, union_of(others), texts[0])
            except Misfit:
                pass  # then it is a collection of one
    items = []
    for item, text in zip(_item_types(kind, len(texts)), texts, strict=True):
        items.append(_cast_one(parameter, item, text))
    plain = _plain_collection(annotation, kind)
    if plain is not None:
        return plain(items)
    try:
        return _adapter(parameter, _solid(annotation)).validate_python(items)
    except ValueError as error:
        raise Misfit(parameter, _listed(texts), _details(error, annotation)) from error


def _item_types(kind: Any, count: int) -> list[Any]:
    arguments = get_args(kind)
    if get_origin(kind) is tuple and (len(arguments) != 2 or arguments[1] is not ...):
        # Too many texts: the last type stands for the rest, and the count is then found wrong.
        return [arguments[min(i, len(arguments) - 1)] if arguments else Any for i in range(count)]
    return [arguments[0] if arguments else Any] * count


def _plain_collection(annotation: Any, kind: Any) -> Any:
    """The class that collects items whose types are right already, where nothing else is asked."""
    origin = get_origin(kind) or kind
    arguments = get_args(kind)
    if annotation is not kind or origin not in (list, set, frozenset, tuple):
        return None
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is ...):
        return None
    return origin if not arguments or arguments[0] in (int, float, str, bool, Any) else None


def _solid(annotation: Any) -> Any:
    """Of what can only be gone through once pydantic makes what can only be gone through once: a
    list is wanted."""
    kinds = members(annotation)
    if not any((get_origin(kind) or kind) in (Iterable, Collection) for kind in kinds):
        return annotation
    return union_of(
        list[(get_args(kind) or (Any,))[0]]  # type: ignore[misc]
        if (get_origin(kind) or kind) in (Iterable, Collection)
        else kind
        for kind in kinds
    )


# --- one text ---------------------------------------------------------------------------------


def _cast_one(parameter: Parameter, annotation: Any, text: str) -> Any:
    if annotation is Any:
        return text
    kinds = without_none(annotation)
    if len(kinds) == 1 and not _is_annotated(annotation):
        found = scalar(kinds[0], text)
        if found is not UNDECIDED:
            return found
    if admits_none(annotation) and text.lower() in _NONE and str not in kinds:
        return None
    for kind in kinds:
        found = _choose(parameter, kind, text)
        if found is not UNDECIDED:
            return found
    if _NUMBER.fullmatch(text) and any(kind in _DATES for kind in kinds):
        kinds = tuple(kind for kind in kinds if kind not in _DATES)
        if not kinds:
            raise Misfit(parameter, shown(text), "a number is no date")
        annotation = union_of(kinds)
    is_structure = text.lstrip()[:1] in ("{", "[")
    try:
        return _adapter(parameter, annotation).validate_strings(text)
    except ValueError as error:
        wrong = error
    if is_structure:
        try:
            return _from_json(parameter, annotation, text, shown(text))
        except ValueError as error:
            wrong = error
    raise Misfit(parameter, shown(text), _details(wrong, annotation)) from wrong


def _is_annotated(annotation: Any) -> bool:
    """Whether more than the type is asked of a value."""
    return get_origin(annotation) is Annotated or any(
        get_origin(kind) is Annotated for kind in get_args(annotation)
    )


def _choose(parameter: Parameter, kind: Any, text: str) -> Any:
    """The one member or literal that a text stands for, by value or by name."""
    found: list[Any] = []
    if isinstance(kind, type) and issubclass(kind, Enum):
        found = [member for member in kind if _is_written(member.value, text)]
        found += [member for name, member in kind.__members__.items() if name == text]
    elif get_origin(kind) is Literal:
        for value in get_args(kind):
            inner = value.value if isinstance(value, Enum) else value
            named = isinstance(value, Enum) and value.name == text
            if named or _is_written(inner, text):
                found.append(value)
    distinct = [one for index, one in enumerate(found) if not _holds(found[:index], one)]
    if len(distinct) > 1:
        raise Misfit(parameter, shown(text), f"it could be {' or '.join(map(_choice, distinct))}")
    return distinct[0] if distinct else UNDECIDED


def _holds(values: list[Any], wanted: Any) -> bool:
    return any(type(value) is type(wanted) and value == wanted for value in values)


def _choice(value: Any) -> str:
    return str(value) if isinstance(value, Enum) else repr(value)


def _is_written(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == text.lower()
    return isinstance(value, str | int | float) and str(value) == text


# --- pydantic ---------------------------------------------------------------------------------


def _from_json(parameter: Parameter, annotation: Any, text: str, given: str) -> Any:
    from pipekit.cli.structure import unknown_names

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise Misfit(parameter, given, f"it has {name!r} twice")
        return dict(pairs)

    value = _adapter(parameter, annotation).validate_json(text)
    unknown = list(unknown_names(annotation, json.loads(text, object_pairs_hook=once)))
    if unknown:
        raise Misfit(parameter, given, f"it has no {', '.join(unknown)}")
    return value


def _adapter(parameter: Parameter, annotation: Any) -> TypeAdapter[Any]:
    # 60 ms, and only where a text has to become something else.
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    from pipekit.cli.structure import for_pydantic

    try:
        return TypeAdapter(for_pydantic(annotation))
    except (PydanticUserError, TypeError) as error:
        raise Misfit(
            parameter,
            "given as text",
            "nothing that is written makes such an object; give the pipeline a parameter of plain "
            "type, such as a path",
        ) from error


def _details(error: ValueError, annotation: Any) -> str:
    """What pydantic says of it, where the name of the type does not."""
    errors = getattr(error, "errors", None)
    if errors is None or len(without_none(annotation)) > 1:
        return ""
    validation: ValidationError = error  # type: ignore[assignment]
    found = []
    for one in validation.errors(include_url=False, include_context=False, include_input=False):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"])
        if place or not one["type"].endswith(("_parsing", "_type", "enum", "literal_error")):
            message = one["msg"][:1].lower() + one["msg"][1:]
            found.append(f"{place.lstrip('.')}: {message}" if place else message)
    more = f" and {len(found) - _MOST_DETAILS} more" if len(found) > _MOST_DETAILS else ""
    return "; ".join(found[:_MOST_DETAILS]) + more
