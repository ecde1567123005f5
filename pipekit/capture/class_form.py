"""What a class is made of: its bases, metaclass and members, and, where the class is made from
them, its fields.
"""

from __future__ import annotations

import collections
import sys
from types import FunctionType
from typing import Any

from pipekit.capture.description import Description
from pipekit.capture.function_form import text_about
from pipekit.capture.ownership import USER, owner_of_file
from pipekit.origin import stable_name

_ABOUT = frozenset(
    [
        "__module__",
        "__qualname__",
        "__doc__",
        "__dict__",
        "__weakref__",
        "__firstlineno__",
        "__static_attributes__",
        "__abstractmethods__",
        "_abc_impl",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__parameters__",
        "__orig_bases__",
        "__type_params__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__attrs_attrs__",
        "__attrs_own_setattr__",
        "__signature__",
        "__class_vars__",
        "__private_attributes__",
        "__conditional_annotations__",
        "model_fields",
        "model_computed_fields",
        "__attrs_props__",
        "__slotnames__",
    ]
)
"""Members that say something about the class's text, or that follow from what is said below."""


def name_of(cls: type) -> str:
    """`flow.Config`."""
    return f"{stable_name(str(cls.__module__))}.{cls.__qualname__}"


def describe_class(to: Description, cls: type) -> None:
    """Say all that counts about a class."""
    name = name_of(cls)
    if type(cls) is not type:
        to.say("metaclass")
        to.code(type(cls))
    space = vars(sys.modules.get(cls.__module__, object))
    for base in cls.__bases__:
        to.say("base")
        to.code(base)
    for base in vars(cls).get("__orig_bases__", ()):
        to.say("base as written")
        to.annotation(base, space)
    to.about(lambda kind: text_about(cls, kind))
    fielded = _describe_fields(to, cls, name)
    members = _enum_members(to, cls, name) if _is_enum(cls) else dict(vars(cls))
    for key in sorted(members, key=str):
        if key in _ABOUT or str(key).startswith("__pydantic_"):
            continue
        if fielded and _is_made(members[key]):
            to.say("made", str(key))
            continue
        to.say("member", str(key))
        to.value(members[key], f"attribute {key!r} of class {name!r}")
    # Methods may change places, data may not: what makes something of a class goes by its order.
    names = [key for key in members if not str(key).startswith("_") and _is_data(members[key])]
    to.say("order", *names)


def _is_data(member: object) -> bool:
    return not isinstance(member, _METHODS) and not hasattr(type(member), "__get__")


_METHODS = (FunctionType, staticmethod, classmethod, property, type)


def _describe_fields(to: Description, cls: type, name: str) -> bool:
    """Say the fields of a class that is made from them; whether it is one."""
    space = vars(cls)
    if "__dataclass_fields__" in space:
        to.say("dataclass", repr(space.get("__dataclass_params__")))
        for field in space["__dataclass_fields__"].values():
            _describe_dataclass_field(to, field, name)
    elif "__pydantic_fields__" in space:
        _describe_pydantic(to, cls, name)
    elif "__attrs_attrs__" in space:
        to.say("attrs")
        for attribute in space["__attrs_attrs__"]:
            _describe_attribute(to, attribute, name)
    elif "_fields" in space or "__total__" in space:
        to.say("fields", repr(space.get("_fields")), repr(space.get("__total__")))
    elif space.get("_is_protocol"):
        to.say("protocol")
    else:
        return False
    _describe_annotations(to, cls)
    return True


def _describe_annotations(to: Description, cls: type) -> None:
    annotations: dict[str, Any] = getattr(cls, "__annotations__", None) or {}
    space = vars(sys.modules.get(cls.__module__, object))
    for key, annotation in annotations.items():
        to.say("annotation", key)
        to.annotation(annotation, space)


def _describe_dataclass_field(to: Description, field: Any, name: str) -> None:
    missing = sys.modules["dataclasses"].MISSING
    flags = (field.init, field.repr, field.hash, field.compare, field.kw_only)
    kind = getattr(field._field_type, "name", "")
    to.say("field", field.name, repr(flags), str(kind))
    to.annotation(field.type)
    for what in ("default", "default_factory"):
        value = getattr(field, what)
        if value is not missing:
            to.say(what)
            to.value(value, f"{what} of field {field.name!r} of {name!r}")
    if field.metadata:
        to.value(dict(field.metadata), f"metadata of field {field.name!r} of {name!r}")


def _describe_pydantic(to: Description, cls: type, name: str) -> None:
    to.say("pydantic")
    _complete(cls)
    fields: dict[str, Any] = vars(cls)["__pydantic_fields__"]
    for key, field in fields.items():
        to.say("field", key)
        to.annotation(field.annotation)
        given: dict[str, Any] = getattr(field, "_attributes_set", {})
        for attribute in sorted(given):
            if attribute != "annotation":
                to.say(attribute)
                to.value(given[attribute], f"{attribute} of field {key!r} of {name!r}")
        for item in field.metadata:
            to.say("metadata")
            to.value(item, f"metadata of field {key!r} of {name!r}")
    decorators = vars(cls).get("__pydantic_decorators__")
    for group in ("validators", "field_validators", "root_validators", "field_serializers",
                  "model_serializers", "model_validators", "computed_fields"):  # fmt: skip
        for key, decorator in sorted(getattr(decorators, group, {}).items()):
            info = decorator.info
            to.say(group, key, repr(getattr(info, "fields", "")), repr(getattr(info, "mode", "")))
    for key, private in sorted((vars(cls).get("__private_attributes__") or {}).items()):
        to.say("private", key)
        for value in (private.default, private.default_factory):
            to.value(value, f"private attribute {key!r} of {name!r}")


def _complete(cls: Any) -> None:
    """Have the names in its annotations looked up, as its first use does: it is to count the same
    before that and after."""
    if vars(cls).get("__pydantic_complete__", True):
        return
    space = dict(vars(sys.modules.get(cls.__module__, object)))
    try:
        cls.model_rebuild(raise_errors=False, _types_namespace=space)
    except Exception:  # noqa: BLE001 - user code: types that make their own schema
        return


def _describe_attribute(to: Description, attribute: Any, name: str) -> None:
    to.say("field", attribute.name)
    to.annotation(attribute.type)
    for what in ("init", "kw_only", "alias", "repr", "eq", "order", "hash", "default", "validator",
                 "converter", "eq_key", "order_key", "on_setattr", "metadata"):  # fmt: skip
        value = getattr(attribute, what, None)
        factory = getattr(value, "factory", None)
        to.say(what)
        where = f"{what} of field {attribute.name!r} of {name!r}"
        to.value(value if factory is None else factory, where)


def _is_made(member: object) -> bool:
    """Whether a member was generated from the fields."""
    function = getattr(member, "__func__", member)
    function = getattr(function, "__wrapped__", function)
    if not isinstance(function, FunctionType):
        return False
    file = function.__code__.co_filename
    if file == _NAMED_TUPLE_FILE:
        return True
    # `dataclasses` makes methods by `exec` inside a function that it calls `__create_fn__`; attrs
    # names its file. Other code without a file is the user's: `python -c`, a prompt, a notebook.
    return file.startswith("<attrs generated") or (
        file == "<string>" and "__create_fn__" in function.__code__.co_qualname
    )


_NAMED_TUPLE_FILE = collections.namedtuple.__code__.co_filename


def _is_enum(cls: type) -> bool:
    return "_member_map_" in vars(cls)


def _enum_members(to: Description, cls: Any, name: str) -> dict[str, Any]:
    """Say the members of an enumeration in their order; what else its class has."""
    to.say("boundary", str(getattr(cls, "_boundary_", None)))
    for key, member in cls._member_map_.items():
        to.say("member", key)
        to.value(member._value_, f"member {key!r} of {name!r}")
        for attribute in sorted(vars(member).keys() - _OF_MEMBERS):
            to.say("attribute", attribute)
            to.value(vars(member)[attribute], f"{attribute!r} of member {key!r} of {name!r}")
    return {
        key: value
        for key, value in vars(cls).items()
        if key not in cls._member_map_ and (not _is_sunder(key) or _is_users(value))
    }


_OF_MEMBERS = frozenset({"_value_", "_name_", "_sort_order_", "__objclass__", "_inverted_"})


def _is_sunder(key: str) -> bool:
    return key.startswith("_") and key.endswith("_") and key != "__init__"


def _is_users(value: object) -> bool:
    function = getattr(value, "__func__", value)
    if not isinstance(function, FunctionType):
        return False
    return owner_of_file(function.__code__.co_filename).kind == USER
