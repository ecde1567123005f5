"""User modules taken from their files, for imports that happen inside functions. Imports nothing.

Whether such a module is already imported differs between processes that run the same code, so it
counts by its file in all of them: what its import executes, the functions in it that are used, and
what these import in turn. Where it is imported and its file was changed since, it counts as a
whole, and the digest is one that no file gives.
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from pipekit.capture.bytecode import decode, normalize
from pipekit.capture.outline import Outline, take_apart
from pipekit.capture.ownership import Owner, owner_of_file, owner_of_module
from pipekit.capture.references import References, find_references, imported_names
from pipekit.clock import SystemClock
from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest

_WATCHING_SINCE = SystemClock.now()
"""A file that is older was imported as it is now, or before this process could have changed it."""

Signature = tuple[int, ...]


class Found(NamedTuple):
    """Where a module would be imported from."""

    name: str
    file: str
    """Empty where it has none (built in, or a package without `__init__`)."""
    owner: Owner
    is_package: bool


class SourceModule(NamedTuple):
    """A module's file as code."""

    digest: Digest
    references: References
    outline: Outline | None = None
    """None where the module counts as a whole, whatever is taken from it."""
    unsure: bool = False
    """The file was changed while this process ran, and the module is imported: before or after?"""


_sources: dict[str, tuple[Signature, SourceModule]] = {}


def find_module(name: str) -> Found | None:
    """Where a module is or would be imported from; None where there is no such module."""
    loaded = sys.modules.get(name)
    return _from_loaded(name, loaded) if loaded is not None else _from_finders(name)


def _from_loaded(name: str, module: ModuleType) -> Found:
    file = getattr(module, "__file__", None) or ""
    return Found(name, file, owner_of_module(name), _own_path(module) is not None)


def _own_path(module: ModuleType) -> Any:
    # Not by `getattr`: a module may make up whatever it is asked for.
    return getattr(module, "__dict__", {}).get("__path__")


def _from_finders(name: str) -> Found | None:
    parent, _, _ = name.rpartition(".")
    path: Any = None
    if parent:
        package = sys.modules.get(parent)
        path = _own_path(package) if package else _search_path(parent)
        if path is None:
            return None
    spec = _spec(name, path)
    if spec is None:
        return None
    file = spec.origin if spec.has_location and spec.origin else ""
    folders = list(spec.submodule_search_locations or ())
    if file or folders:
        owner = owner_of_file(file or os.path.join(folders[0], "__init__.py"))
    else:
        owner = owner_of_module(name)
    return Found(name, file, owner, bool(folders))


def _search_path(name: str) -> list[str] | None:
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        package = sys.modules.get(parent)
        path = _own_path(package) if package else _search_path(parent)
        if path is None:
            return None
    spec = _spec(name, path)
    return list(spec.submodule_search_locations or ()) or None if spec else None


def _spec(name: str, path: Any) -> Any:
    # `importlib.util.find_spec` would import the parent packages.
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, path, None) if find else None
        if spec is not None:
            return spec
    return None


def absolute_name(level: int, module: str, space: dict[str, Any]) -> str:
    """The full name of a module that is imported relative to another."""
    if not level:
        return module
    package = space.get("__package__")
    if not isinstance(package, str):
        name = str(space.get("__name__", ""))
        package = name if "__path__" in space else name.rpartition(".")[0]
    for _ in range(level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{module}" if module else package


def read_source(found: Found) -> SourceModule | None:
    """The module as code; None where its file is not Python source that can be read.

    Raises nothing: a file that does not compile counts by its bytes.
    """
    try:
        status = os.stat(found.file)
    except OSError:
        return None
    signature = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    known = _sources.get(found.file)
    loaded = sys.modules.get(found.name)
    if known is not None and known[0] == signature:
        return known[1]
    source, code = _compile(found.file)
    if loaded is None:
        _sources[found.file] = (signature, source)
        return source
    if known is not None:
        mixed = digest_bytes("changed while imported", known[1].digest, source.digest)
        return SourceModule(mixed, source.references)
    if max(status.st_mtime, status.st_ctime) > _WATCHING_SINCE:
        live = _live_definitions(loaded)
        if live <= frozenset(_definitions(code) if code else ()):
            source = source._replace(unsure=True)
        else:
            text = [part for definition in sorted(live) for part in definition]
            mixed = digest_bytes("imported before the change", source.digest, *text)
            source = SourceModule(mixed, source.references)
    _sources[found.file] = (signature, source)
    return source


def find_outline(found: Found) -> Outline | None:
    """The module taken apart; None where it counts as a whole."""
    source = read_source(found) if found.file else None
    return source.outline if source is not None else None


def _compile(file: str) -> tuple[SourceModule, CodeType | None]:
    with open(file, "rb") as stream:
        content = stream.read()
    nothing = References((), ())
    if not file.endswith(".py"):
        return SourceModule(digest_bytes("binary module", content), nothing), None
    try:
        code = compile(content, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return SourceModule(digest_bytes("broken module", content), nothing), None
    decoded = decode(code)
    digest, _ = normalize(code, decoded)
    references = find_references(code, decoded)
    # As a whole it has all that its imports bind, too.
    bound = [dotted for what in imported_names(code, decoded).values() for dotted in what]
    references = references._replace(loose=(*references.loose, *bound))
    return SourceModule(digest, references, take_apart(code)), code


def _definitions(code: CodeType) -> list[tuple[str, Digest]]:
    found = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.append((constant.co_qualname, normalize(constant, decode(constant))[0]))
            found += _definitions(constant)
    return found


def _live_definitions(module: ModuleType) -> frozenset[tuple[str, Digest]]:
    """The functions that an imported module has, those of its classes among them."""
    space = vars(module)
    found = set()
    members = list(space.values())
    for value in space.values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            members += vars(value).values()
    for member in members:
        function = getattr(member, "__func__", member)
        if isinstance(function, FunctionType) and function.__globals__ is space:
            code = function.__code__
            if code.co_filename == module.__file__:
                found.add((code.co_qualname, normalize(code, decode(code))[0]))
    return frozenset(found)
