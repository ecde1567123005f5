"""What a function is made of: its code, defaults, closure and attributes, and everything that its
code refers to by name.
"""

from __future__ import annotations

import builtins
import functools
import re
import sys
from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from pipekit.capture.description import Description, counts_as_code
from pipekit.capture.library import find_library_name
from pipekit.capture.node import DOCSTRINGS, LOCALS, OWN_LOCALS
from pipekit.capture.outside import IMPORTERS, find_outside
from pipekit.capture.ownership import (
    PIPEKIT,
    USER,
    owner_of_file,
    owner_of_loaded,
    owner_of_module,
)  # fmt: skip
from pipekit.capture.patch import describe_accessors, describe_patches
from pipekit.capture.references import (
    FREE,
    GLOBAL,
    IMPORTED,
    TEXTS,
    References,
    Use,
)
from pipekit.capture.source_form import (
    FromFile,
    modules_in,
    refer_module,
    refer_taken,
    refer_whole,
)
from pipekit.capture.source_module import absolute_name, find_module
from pipekit.capture.wrapper import unwrap
from pipekit.origin import stable_name

_ABOUT = frozenset({"__doc__", "__name__", "__qualname__", "__signature__", "__text_signature__"})
_DISPATCH_CODE = functools.singledispatch(lambda _: None).__code__  # type: ignore[attr-defined]


def name_of(function: FunctionType) -> str:
    """`flow.helper`, by where the code was written, whatever `functools.wraps` says."""
    module = function.__globals__.get("__name__") or function.__module__ or ""
    return f"{stable_name(str(module))}.{function.__code__.co_qualname}"


def describe_function(to: Description, function: FunctionType) -> None:
    """Say all that counts about a function."""
    code = function.__code__
    if code is _DISPATCH_CODE:
        _describe_dispatch(to, function)
        return
    owner = owner_of_file(code.co_filename)
    digest, free, references = to.nodes.facts.of(code)
    if owner.kind == USER:
        to.say("code", digest)
    else:
        to.name_library(name_of(function), owner)
    _describe_defaults(to, function)
    cells = _cells(function)
    for name in free:
        if name not in cells:
            to.say("empty cell")
        elif isinstance(cells[name], ModuleType):
            to.say("module in cell")  # what is taken from it counts
        else:
            to.value(cells[name], f"variable {name!r} in the closure of {name_of(function)!r}")
    for key in sorted(vars(function)):
        if key not in _ABOUT:
            to.say("attribute", key)
            to.value(vars(function)[key], f"attribute {key!r} of {name_of(function)!r}")
    if owner.kind == USER:
        to.about(lambda kind: _text_about(function, kind))
        describe_references(to, references, function.__globals__, cells)
        describe_accessors(to, code)
        _warn_of_texts(to, references)


def _warn_of_texts(to: Description, references: References) -> None:
    """Name the docstrings and annotations that are taken from what the code does not name: of what
    is passed as an argument, say. They do not count."""
    if not references.texts:
        return
    followed = {path[0] for (_, _, path, _, _), _ in references.uses if path}
    for name in sorted(references.texts - followed):
        to.warn(f"takes {name} from what the code does not name, where it does not count")


def _text_about(function: FunctionType, kind: str) -> str:
    if kind in (LOCALS, OWN_LOCALS):
        return "\n".join(_local_names(function.__code__))
    nested = _nested_docstrings(function.__code__) if kind == DOCSTRINGS else ()
    return "\n".join((text_about(function, kind), *nested))


_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def text_about(definition: Any, kind: str) -> str:
    """The docstring or the annotations of a function or class."""
    if kind == DOCSTRINGS:
        return repr(definition.__doc__)
    said: list[str] = []
    annotations: dict[str, Any] = getattr(definition, "__annotations__", None) or {}
    for name, annotation in annotations.items():
        if isinstance(annotation, type):
            annotation = f"{annotation.__module__}.{annotation.__qualname__}"
        said.append(f"{name}: {annotation!r}")
    return _ADDRESS.sub("", " ".join(said)).replace("__main__", stable_name("__main__"))


def _local_names(code: CodeType) -> Iterator[str]:
    yield " ".join((*code.co_varnames, "", *code.co_cellvars, "", *code.co_freevars))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _local_names(constant)


def _nested_docstrings(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield repr([text for text in constant.co_consts[:1] if type(text) is str])
            yield from _nested_docstrings(constant)


def _describe_defaults(to: Description, function: FunctionType) -> None:
    where = f"a default of {name_of(function)!r}"
    defaults = function.__defaults__ or ()
    keywords = function.__kwdefaults__ or {}
    to.say("defaults", str(len(defaults)), *sorted(keywords))
    for value in defaults:
        to.value(value, where)
    for name in sorted(keywords):
        to.value(keywords[name], where)


def _cells(function: FunctionType) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return cells


def is_dispatch(function: FunctionType) -> bool:
    """Whether it is a generic function of `functools.singledispatch`."""
    return function.__code__ is _DISPATCH_CODE


def registry_of(function: Any) -> Any:
    """What a generic function has registered."""
    return function.registry


def _describe_dispatch(to: Description, function: Any) -> None:
    """A generic function: what is registered, not the caches of the dispatch."""
    to.say("dispatch")
    registry = function.registry
    for cls in sorted(registry, key=lambda cls: (stable_name(cls.__module__), cls.__qualname__)):
        to.code(cls)
        to.value(registry[cls], f"what {name_of(registry[object])!r} has registered")


def describe_references(
    to: Description,
    references: References,
    space: dict[str, Any],
    cells: dict[str, Any],
    inside: FromFile | None = None,
) -> None:
    """Say what the names in a code object lead to.

    Args:
        space: The globals that the code sees.
        cells: The contents of its closure.
        inside: The file that the code was read from, whose variables are not there to look at.
    """
    to.read_about(references.reads)
    for line in references.finds_subclasses:
        to.warn("finds classes by __subclasses__()", line)
    for wanted in references.imports:
        module = absolute_name(wanted.level, wanted.module, space)
        _describe_import(to, module, wanted.names, space)
    for dotted in references.loose:
        _describe_imported(to, Use(IMPORTED, dotted, (), to.line), space, inside)
    said = to.said_in(space)
    for what, lines in references.uses:
        if what[0] == GLOBAL and not inside and what in said:
            to.repeat(said[what])
            continue
        # What was followed once without a blind spot gives nothing new on another line.
        scope, name, path, called_with, computed = what
        for line in lines:
            use = Use(scope, name, path, line, called_with, computed)
            spots = to.count_blind_spots()
            if use.scope == GLOBAL and not inside:
                to.first(said, what, partial(_describe_global, to, use, space))
            elif use.scope == GLOBAL and inside:
                inside.refer(to, use.name)
                if use.name not in space and hasattr(builtins, use.name):
                    _describe_global(to, use, space)
            elif use.scope == FREE:
                if use.name in cells and isinstance(cells[use.name], ModuleType):
                    _follow(to, cells[use.name], use.path, use)
            else:
                _describe_imported(to, use, space, inside)
            if to.count_blind_spots() == spots:
                break


def _describe_import(
    to: Description, module: str, names: tuple[str, ...], space: dict[str, Any]
) -> None:
    own = str(space.get("__name__", ""))
    found = find_module(module)
    if found is None:
        to.say("absent module", module)
        return
    if found.owner.kind == PIPEKIT:
        return
    if found.owner.kind != USER:
        to.name_library(module, found.owner)
        return
    here = stable_name(own)
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        name = ".".join(parts[:end])
        # The modules that this code lies in are imported wherever it runs: they count by what is
        # taken from them.
        if name != here and not here.startswith(f"{name}."):
            refer_module(to, name)
    if found.is_package:
        for name in names:
            refer_module(to, f"{module}.{name}")


def _describe_imported(
    to: Description, use: Use, space: dict[str, Any], inside: FromFile | None
) -> None:
    """A local that an import bound: what the import executes counts already."""
    level = len(use.name) - len(use.name.lstrip("."))
    dotted = absolute_name(level, use.name[level:], space)
    parts = [*dotted.split("."), *use.path]
    modules = modules_in(parts)
    if not modules or modules[0].owner.kind == PIPEKIT:
        return
    found, name = modules[-1], ".".join(parts)
    if name in IMPORTERS:
        _describe_dynamic_import(to, use, space)
        return
    if found.owner.kind != USER:
        to.name_library(name, found.owner, use.called_with, use.line)
        return
    here = stable_name(str(space.get("__name__", "")))
    taken = tuple(parts[len(modules) :])
    around = sys.modules.get(found.name) if here.startswith(f"{found.name}.") else None
    if use.computed and not taken:
        to.warn(f"getattr on module {found.name!r} with a computed name", use.line)
    if inside is None and found.name == here and taken:
        if taken[0] in space:
            _follow_variable(to, space, taken[0], taken[1:], use)
    elif inside is None and around is not None and taken:
        _follow(to, around, taken, use)  # imported wherever this code runs
    else:
        refer_taken(to, parts, use)


def _describe_global(to: Description, use: Use, space: dict[str, Any]) -> None:
    if use.name in space:
        _follow_variable(to, space, use.name, use.path, use)
        return
    to.look_up(space, use.name)
    to.look_up(vars(builtins), use.name)
    if hasattr(builtins, use.name):
        to.say("builtin", use.name)
        name = f"builtins.{use.name}"
        if name in IMPORTERS:
            _describe_dynamic_import(to, use, space)
        elif name not in _HARMLESS_BUILTINS:
            value = getattr(builtins, use.name)
            if isinstance(value, BuiltinFunctionType | FunctionType):
                named = find_library_name(value)
                to.name_library(name, named[1] if named else _STANDARD, use.called_with, use.line)
    else:
        to.say("unbound", use.name)


_STANDARD = owner_of_loaded(builtins)
_HARMLESS_BUILTINS = frozenset({"builtins.getattr", "builtins.len", "builtins.print"})
_ABOUT_MODULES = frozenset({"__spec__", "__loader__", "__builtins__", "__cached__", "__package__"})


def _follow_variable(
    to: Description, space: dict[str, Any], name: str, path: tuple[str, ...], use: Use
) -> None:
    """A variable of a module, and the attributes that are taken from it."""
    to.look_up(space, name, *path)
    value = space[name]
    if path and path[0] in TEXTS and counts_as_code(value):
        to.say("text", path[0])
        to.value(getattr(unwrap(value), path[0], None), f"{path[0]} of {name!r}")
    if name in _ABOUT_MODULES:
        to.say("about", name)
        if name == "__doc__":
            to.value(value, "the docstring of the module")
    elif name == "__name__":
        to.say("own name", stable_name(str(value)))
    elif isinstance(value, ModuleType):
        _follow(to, value, path, use)
    elif counts_as_code(value):
        named = find_library_name(value)
        if named is None:
            to.value(value, f"global {name!r}")
        elif named[0] in IMPORTERS:
            _describe_dynamic_import(to, use, space)
        else:
            to.name_library(".".join((named[0], *path)), named[1], use.called_with, use.line)
            describe_patches(to, value)
    elif _is_environment(value):
        to.name_library("os.environ", _STANDARD, None, use.line)
    else:
        to.refer(to.nodes.of_global(space, name))


def _is_environment(value: object) -> bool:
    cls = type(value)
    return cls.__module__ == "os" and cls.__name__ == "_Environ"


def _follow(to: Description, module: ModuleType, path: tuple[str, ...], use: Use) -> None:
    """The attributes that are taken from a module."""
    space = vars(module)
    to.look_up(space, *path)
    name = str(space.get("__name__", ""))
    owner = owner_of_loaded(module)
    if owner.kind != USER:
        if path and _is_users(space.get(path[0])):  # the user put it there
            _follow_variable(to, space, path[0], path[1:], use)
            return
        dotted = ".".join((name, *path))
        if dotted in IMPORTERS:
            _describe_dynamic_import(to, use, space)
        elif dotted == "sys.modules" or path or not use.computed:
            to.name_library(dotted, owner, use.called_with, use.line)
            describe_patches(to, space.get(path[0]) if path else None)
        else:
            to.name_library(dotted, owner, None, use.line)
            if find_outside(f"{dotted}.x", None):
                to.warn(f"getattr on module {dotted!r} with a computed name", use.line)
    elif not path or path[0] == "__dict__":
        if use.computed or path:
            shown = stable_name(name)
            to.warn(f"getattr on module {shown!r} with a computed name", use.line)
        to.module(module)
    elif path[0] in space:
        _follow_variable(to, space, path[0], path[1:], use)
    elif find_module(f"{name}.{path[0]}") is not None:
        refer_whole(to, f"{name}.{path[0]}")
    elif "__getattr__" in space:
        to.warn(f"attribute {path[0]!r} of module {name!r} is made when it is asked for", use.line)
        to.value(space["__getattr__"], f"'__getattr__' of module {name!r}")
    else:
        to.say("unbound", name, path[0])


def _is_users(value: object) -> bool:
    if isinstance(value, FunctionType):
        return owner_of_file(value.__code__.co_filename).kind == USER
    return isinstance(value, type) and owner_of_module(value.__module__).kind == USER


def _describe_dynamic_import(to: Description, use: Use, space: dict[str, Any]) -> None:
    wanted = use.called_with[0] if use.called_with else None
    if isinstance(wanted, str):
        level = len(wanted) - len(wanted.lstrip("."))
        module = absolute_name(level, wanted[level:], space)
        _describe_import(to, module, (), space)
        refer_whole(to, module)
    else:
        to.warn("imports a module by a name that is computed", use.line)
