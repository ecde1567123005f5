"""Where a function or class comes from: the module name and file by which any process finds it.

A script that Python runs is called `__main__` in that process alone. Its *stable* name is the one
under which every other process imports the same file; records, keys and pickles use no other.
Does not import user modules; a worker does, with what stands in an `Origin`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

MAIN = "__main__"
COPY_VARIABLE = "_PIPEKIT_COPY"
"""Where the copy of a project lies in which a process was started to run a task. Its files have
left behind what marks a project's root, and it may lie inside of another project."""

_named: tuple[ModuleType, str] | None = None
"""The main module that was named last, and its stable name."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The way to a function or class from any process.

    Attributes:
        module: Stable module name.
        qualname: Dotted path inside the module.
        path: Source file, for a module that its name alone does not lead to; may be empty.
    """

    module: str
    qualname: str
    path: str

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"


def stable_name(module_name: str) -> str:
    """The name by which other processes import the module; `__main__` changes, others stay.

    Where the main module has no file (a notebook, `python -c`), its name stays `__main__`: nothing
    there can be imported, and what it defines travels by value.
    """
    return _main_name() if module_name == MAIN else module_name


def _main_name() -> str:
    global _named
    main = sys.modules.get(MAIN)
    if main is None:
        return MAIN
    if _named is None or _named[0] is not main:
        name = _name_main(main)
        _named = (main, name)
        if name != MAIN:
            # What was pickled by the stable name must come back as this very module's class.
            sys.modules.setdefault(name, main)
    return _named[1]


def _name_main(main: ModuleType) -> str:
    if main.__name__ != MAIN:
        return main.__name__  # a worker, whose main module is the imported script
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    if not file or not file.endswith(".py") or _is_passing(main):
        return MAIN
    return module_name_of(Path(file))


def _is_passing(main: ModuleType) -> bool:
    """Whether it stands there while IPython's `%run` goes on, and is emptied soon after."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if hasattr(ipython, "get_ipython") else None
    return shell is not None and shell.user_module is not main


def module_name_of(path: Path) -> str:
    """The stable name of the module in a file: its stem where that resolves to this very file,
    else a name made from stem and path."""
    from importlib.util import find_spec  # bare `import pipekit` does not need it

    path = path.resolve()
    stem = path.stem
    if stem.isidentifier() and not _shadows(stem, path):
        loaded = sys.modules.get(stem)
        if loaded is not None:
            if _same_file(getattr(loaded, "__file__", None), path):
                return stem
        else:
            try:
                spec = find_spec(stem)
            except (ImportError, ValueError):
                spec = None
            if spec is not None and _same_file(spec.origin, path):
                return stem
    from blake3 import blake3

    word = "".join(c if c.isalnum() else "_" for c in stem)
    return f"script_{word}_{blake3(_relative(path).encode()).hexdigest()[:8]}"


def _shadows(stem: str, path: Path) -> bool:
    """Whether a file hides a module of the library or an installed one, which others may still
    mean by that name."""
    from importlib.machinery import PathFinder

    if stem in sys.stdlib_module_names:
        return True
    elsewhere = [entry for entry in sys.path if Path(entry).resolve() != path.parent]
    spec = PathFinder.find_spec(stem, elsewhere)
    return spec is not None and spec.has_location and not _same_file(spec.origin, path)


def _same_file(candidate: str | None, path: Path) -> bool:
    return candidate is not None and Path(candidate).resolve() == path


def _relative(path: Path) -> str:
    root = project_root(path.parent)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def project_root(folder: Path) -> Path:
    """The nearest folder at or above `folder` with a `pyproject.toml` or `.git`, else the working
    folder; within a copy of a project that was made to run a task, the copy."""
    folder = folder.resolve()
    copy = os.environ.get(COPY_VARIABLE)
    if copy and folder.is_relative_to(copy):
        return Path(copy)
    for candidate in (folder, *folder.parents):
        if (candidate / "pyproject.toml").exists() or (candidate / ".git").exists():
            return candidate
    return Path.cwd()


def origin_of(obj: Any) -> Origin | None:
    """How to find a function or class again, or None where no name leads to it.

    None for lambdas, functions defined inside functions, what is made in a notebook, and a name
    that has been bound to something else since.
    """
    module_name = getattr(obj, "__module__", None)
    qualname = getattr(obj, "__qualname__", None)
    if not isinstance(module_name, str) or not isinstance(qualname, str) or "<" in qualname:
        return None
    name = stable_name(module_name)
    module = sys.modules.get(module_name)
    if name == MAIN or module is None:
        return None
    if unwrap_to(walk(module, qualname), obj) is None:
        return None
    return Origin(name, qualname, getattr(module, "__file__", None) or "")


def find_imported(module: str, qualname: str) -> Any:
    """What stands in a module that this process has; None where either is not there, or not yet.

    An import would wait for the thread that is importing the module, and that one may be waiting,
    in a pipeline that it calls at the module's top level, for what is looked for here.
    """
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def walk(module: ModuleType, qualname: str) -> Any:
    """The object at a dotted path inside a module, or None."""
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def unwrap_to(found: Any, wanted: Any) -> Any:
    """`wanted`, where it is `found` itself or what `found` wraps; else None."""
    for _ in range(64):
        if found is wanted or found is None:
            return found
        found = getattr(found, step_into(found), None)
    return None


def step_into(found: Any) -> str:
    """The attribute that holds what an object wraps: a component's `function`, a bound method's
    `__func__`, a decorator's `__wrapped__`."""
    if callable(getattr(found, "function", None)):
        return "function"
    return "__func__" if isinstance(found, MethodType) else "__wrapped__"
