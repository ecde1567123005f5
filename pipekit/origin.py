"""Where a function or class comes from: the module name and file by which any process finds it.

A script that Python runs is called `__main__` in that process alone. Its *stable* name is the one
under which every other process imports the same file; records, keys and pickles use no other.
Does not import user modules; a worker does, with what stands in an `Origin`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

MAIN = "__main__"

_main_names: dict[int, str] = {}


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
    main = sys.modules.get(MAIN)
    if main is None:
        return MAIN
    name = _main_names.get(id(main))
    if name is None:
        name = _name_main(main)
        _main_names[id(main)] = name
        if name != MAIN:
            # What was pickled by the stable name must come back as this very module's class.
            sys.modules.setdefault(name, main)
    return name


def _name_main(main: ModuleType) -> str:
    if main.__name__ != MAIN:
        return main.__name__  # a worker, whose main module is the imported script
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return module_name_of(Path(file)) if file and file.endswith(".py") else MAIN


def module_name_of(path: Path) -> str:
    """The stable name of the module in a file: its stem where that resolves to this very file,
    else a name made from stem and path."""
    from importlib.util import find_spec  # bare `import pipekit` does not need it

    path = path.resolve()
    stem = path.stem
    if stem.isidentifier():
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


def _same_file(candidate: str | None, path: Path) -> bool:
    return candidate is not None and Path(candidate).resolve() == path


def _relative(path: Path) -> str:
    root = project_root(path.parent)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def project_root(folder: Path) -> Path:
    """The nearest folder at or above `folder` with a `pyproject.toml` or `.git`, else the working
    folder."""
    folder = folder.resolve()
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


def walk(module: ModuleType, qualname: str) -> Any:
    """The object at a dotted path inside a module, or None."""
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def unwrap_to(found: Any, wanted: Any) -> Any:
    """`wanted`, where it is `found` itself or what `found` wraps (a component's `function`, a
    decorator's `__wrapped__`); else None."""
    for _ in range(64):
        if found is wanted or found is None:
            return found
        inner = getattr(found, "function", None)
        found = inner if callable(inner) else getattr(found, "__wrapped__", None)
    return None
