"""Finds a component's function in this process: by importing its module, or from its pickle."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, MethodType, ModuleType
from typing import Any

from pipekit.artifacts import by_value
from pipekit.origin import MAIN, Origin, walk
from pipekit.worker.message import ComponentSpec


class ImportEnded(BaseException):
    """A pipeline was called at the top level of a module that is being imported for its functions:
    all that stands above the call is defined, and what follows must not run here."""


importing = False
"""True while this process imports a module for its functions: pipeline calls then raise
`ImportEnded`, whichever of the imported modules makes them."""


def load_function(spec: ComponentSpec, main: Origin | None) -> Callable[..., Any]:
    """The plain function of a component. `main` is the way to the controller's script, if it is
    one.

    Raises:
        Exception: whatever importing the user's module raises.
    """
    if main is None:
        by_value.show_in(sys.modules[MAIN])
    if spec.origin is None:
        if main is not None:
            _import_script(main)  # what it refers to there is found by name
        return by_value.unpack(spec.pickled)  # type: ignore[no-any-return]
    if main is not None and spec.origin.module == main.module:
        module = _import_script(spec.origin)
    else:
        module = import_module(spec.origin, is_main=False)
    found = walk(module, spec.origin.qualname)
    function: Callable[..., Any] | None = _plain(found)
    if function is None:
        raise ImportError(
            f"module {spec.origin.module!r} ({spec.origin.path}) has no function "
            f"{spec.origin.qualname!r} once it is imported. Hint: define it at the top level, "
            "above any call of a pipeline; only such calls belong under "
            "'if __name__ == \"__main__\":'."
        )
    return function


def _import_script(origin: Origin) -> ModuleType:
    try:
        return import_module(origin, is_main=True)
    except (Exception, SystemExit) as error:
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise ImportError(
            f"{Path(origin.path).name} raised {text} when a worker imported it for its functions. "
            "Hint: what is to run in the script alone belongs under 'if __name__ == \"__main__\":'."
        ) from error


def _plain(found: Any) -> Any:
    """The function inside a component, below any decorators that keep it in `__wrapped__`."""
    seen = found
    for _ in range(64):
        inner = getattr(seen, "function", None)
        if inner is not None and callable(inner):
            return inner.__func__ if isinstance(inner, MethodType) else inner
        seen = getattr(seen, "__wrapped__", None)
        if seen is None:
            break
    return found if callable(found) else None


def import_module(origin: Origin, *, is_main: bool) -> ModuleType:
    """Import by name where the name leads to the file, else from the file under that name.

    The main module of the controller takes the place of `__main__` here too, so that what was
    defined in a script is found by either name; its `__name__` is the stable one, which makes the
    main guard false.
    """
    module = sys.modules.get(origin.module)
    if module is None:
        module = _import_guarded(origin, is_main=is_main)
    if is_main:
        sys.modules[MAIN] = module
    return module


class _SourceLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _import_guarded(origin: Origin, *, is_main: bool) -> ModuleType:
    global importing
    importing = True
    try:
        return _import_main(origin) if is_main else _import(origin)
    finally:
        importing = False


def _import_main(origin: Origin) -> ModuleType:
    """Import the script from its source, as Python itself runs it: bytecode that an import left
    beside it may be of an older text of the same second and size."""
    if not origin.path.endswith(".py") or not Path(origin.path).exists():
        return _import(origin)
    loader = _SourceLoader(origin.module, origin.path)
    return _execute(origin, spec_from_file_location(origin.module, origin.path, loader=loader))


def _import(origin: Origin) -> ModuleType:
    try:
        spec = find_spec(origin.module)
    except ModuleNotFoundError:
        spec = None
    path = origin.path
    if path and (spec is None or not _leads_to(spec.origin, path)) and Path(path).exists():
        spec = spec_from_file_location(origin.module, path)
    return _execute(origin, spec)


def _execute(origin: Origin, spec: ModuleSpec | None) -> ModuleType:
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(
            f"No module named {origin.module!r} (looked in sys.path and at "
            f"{origin.path or 'no file'})",
            name=origin.module,
        )
    if "." in origin.module:
        __import__(origin.module.rpartition(".")[0])
    module = module_from_spec(spec)
    sys.modules[origin.module] = module
    try:
        spec.loader.exec_module(module)
    except ImportEnded:
        pass
    except BaseException:
        sys.modules.pop(origin.module, None)
        raise
    return module


def _leads_to(candidate: str | None, path: str) -> bool:
    if candidate is None:
        return False
    return Path(candidate).resolve() == Path(path).resolve()
