"""Which name of a library leads to an object: such objects count by name and version alone."""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from pipekit.capture.ownership import STANDARD, USER, Owner, owner_of_file, owner_of_module

_HIDDEN_GENERATORS = {
    ("random", "Random"): "random",
    ("numpy.random.mtrand", "RandomState"): "numpy.random",
}
"""Classes whose bound methods stand in their modules as functions, and in which."""

_MADE_AT_RUN_TIME = 1 << 9
"""The flag of classes that are no part of a C program (`Py_TPFLAGS_HEAPTYPE`)."""


def find_library_name(obj: Any) -> tuple[str, Owner] | None:
    """(dotted name, owner) of what a library defines under a name; None for everything else."""
    if isinstance(obj, BuiltinFunctionType):
        return _name_builtin(obj)
    if isinstance(obj, type):
        return _name_class(obj)
    if isinstance(obj, MethodType):
        return _name_hidden(obj)
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        return _resolve(module, name, obj)
    return _name_instance(obj)


def _resolve(module: str, name: str, obj: object) -> tuple[str, Owner] | None:
    found: Any = sys.modules.get(module)
    if found is None:
        return None
    owner = owner_of_module(module)
    if owner.kind == USER:
        return None
    for part in name.split("."):
        found = getattr(found, part, None)
    return (f"{module}.{name}", owner) if found is obj else None


def _name_builtin(obj: BuiltinFunctionType) -> tuple[str, Owner] | None:
    bound = obj.__self__
    if bound is None or isinstance(bound, ModuleType):
        module = obj.__module__ or getattr(bound, "__name__", "builtins")
        owner = owner_of_module(module)
        return (f"{module}.{obj.__qualname__}", owner) if owner.kind != USER else None
    if isinstance(bound, type):  # a class method in C, like `datetime.now`
        named = _name_class(bound)
        return (f"{named[0]}.{obj.__name__}", named[1]) if named else None
    return _name_hidden(obj)


def _name_hidden(obj: BuiltinFunctionType | MethodType) -> tuple[str, Owner] | None:
    cls = type(obj.__self__)
    hidden = _HIDDEN_GENERATORS.get((cls.__module__, cls.__name__))
    if hidden is not None and getattr(sys.modules.get(hidden), obj.__name__, None) == obj:
        return f"{hidden}.{obj.__name__}", owner_of_module(hidden)
    return None


def _name_class(cls: type) -> tuple[str, Owner] | None:
    module = cls.__module__
    if not isinstance(module, str) or module not in sys.modules:
        return None
    named = _resolve(module, cls.__qualname__, cls)
    if named is not None:
        return named
    owner = owner_of_module(module)
    if owner.kind == STANDARD and not cls.__flags__ & _MADE_AT_RUN_TIME:
        return f"{module}.{cls.__qualname__}", owner  # built in, and in no module: a generator's
    if owner.kind == USER or "<locals>" not in cls.__qualname__ or _has_user_code(cls):
        return None
    return f"{module}.{cls.__qualname__}", owner


def _has_user_code(cls: type) -> bool:
    for base in cls.__bases__:
        if base is not object and find_library_name(base) is None:
            return True
    functions = (getattr(member, "__func__", member) for member in vars(cls).values())
    return any(
        isinstance(function, FunctionType)
        and owner_of_file(function.__code__.co_filename).kind == USER
        and not function.__code__.co_filename.startswith("<")
        for function in functions
    )


def _name_instance(obj: object) -> tuple[str, Owner] | None:
    """A library's object without a name of its own, like a distribution of `scipy.stats`: by the
    name under which the module of its class, or a package above that, has it."""
    cls = type(obj)
    module = cls.__module__ if isinstance(cls.__module__, str) else ""
    if module == "builtins" or not module or owner_of_module(module).kind == USER:
        return None
    while module:
        loaded = sys.modules.get(module)
        if loaded is not None:
            for name, value in list(vars(loaded).items()):
                if value is obj:
                    return f"{module}.{name}", owner_of_module(module)
        module = module.rpartition(".")[0]
    return None
